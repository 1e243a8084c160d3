//! A certificate authority for the length of a test.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use tempfile::TempDir;

use crate::{Error, Result};

/// An authority that nobody trusts who was not told to, and the certificates that it signs, as PEM files that anybody
/// may read. They go with it.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate and its key: two PEM files.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The certificate of the authority that signed it.
    pub authority: PathBuf,
}

impl Authority {
    /// A new authority with a key of its own.
    pub fn new() -> Result<Authority> {
        let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let folder = tempfile::Builder::new().prefix("test-authority-").tempdir()?;
        // A name of its own: two of one name are taken for one with a wrong signature.
        params.distinguished_name.push(DnType::CommonName, folder.path().display().to_string());
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().map_err(failed)?);
        let authority = Authority { issuer: issuer.map_err(failed)?, folder };
        fs::write(authority.certificate_file(), authority.issuer.pem())?;
        Ok(authority)
    }

    /// The authority's own certificate, for those who are to trust it.
    pub fn certificate_file(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// A certificate for a server of these names; addresses are names too.
    pub fn server(&self, names: &[&str]) -> Result<Certificate> {
        self.sign(names, names.first().copied().unwrap_or("server"), ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for a client of this name.
    pub fn client(&self, name: &str) -> Result<Certificate> {
        self.sign(&[], name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, names: &[&str], name: &str, usage: ExtendedKeyUsagePurpose) -> Result<Certificate> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().map_err(failed)?;
        let signed = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let file = |end: &str| self.folder.path().join(format!("{name}.{end}"));
        let certificate =
            Certificate { certificate: file("pem"), key: file("key"), authority: self.certificate_file() };
        fs::write(&certificate.certificate, signed.pem())?;
        fs::write(&certificate.key, key.serialize_pem())?;
        Ok(certificate)
    }
}

impl Certificate {
    /// Copies both files into a server's folder, as `server.crt` and `server.key`.
    pub(crate) fn copy_to(&self, folder: &Path) -> Result<[PathBuf; 2]> {
        let [certificate, key] = ["server.crt", "server.key"].map(|name| folder.join(name));
        fs::copy(&self.certificate, &certificate)?;
        fs::copy(&self.key, &key)?;
        Ok([certificate, key])
    }
}

fn failed(error: rcgen::Error) -> Error {
    Error::Io(std::io::Error::other(error))
}
