//! Whom to trust: the system's roots and PEM files.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};

use crate::{Error, Options};

/// The roots that `options` ask for.
pub(crate) fn load(options: &Options) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    let mut trouble = String::from("none was found");
    match &options.roots {
        Some(path) => add(&mut roots, certificates(path)?, path)?,
        None => {
            let found = rustls_native_certs::load_native_certs();
            // A system's store may hold certificates that nobody can read; the others serve.
            roots.add_parsable_certificates(found.certs);
            if let Some(error) = found.errors.first() {
                trouble = error.to_string();
            }
        }
    }
    for path in &options.extra_roots {
        add(&mut roots, certificates(path)?, path)?;
    }
    if roots.is_empty() { Err(Error::NoRoots(trouble)) } else { Ok(Arc::new(roots)) }
}

/// Adds the certificates of a file that was named. A bundle may hold one that nobody can read; the others serve.
pub(crate) fn add(
    roots: &mut RootCertStore,
    certificates: Vec<CertificateDer<'static>>,
    path: &Path,
) -> Result<(), Error> {
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        let problem = "no certificate in it that can be trusted".to_owned();
        return Err(Error::File { path: path.to_owned(), problem });
    }
    Ok(())
}

/// The certificates of a PEM file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let failed = |problem| Error::File { path: path.to_owned(), problem };
    let read: Result<Vec<_>, pem::Error> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates = read.map_err(|error| failed(problem(&error)))?;
    if certificates.is_empty() {
        return Err(failed("no certificate in it (-----BEGIN CERTIFICATE----- is expected)".to_owned()));
    }
    Ok(certificates)
}

/// What is the matter with a PEM file, in words.
pub(crate) fn problem(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "nothing of the kind in it (a PEM file is expected)".to_owned(),
        // The library's other words quote bytes of the file, which may be a key.
        _ => "not a well-formed PEM file".to_owned(),
    }
}
