//! Whom to trust and how to show oneself by TLS.
//!
//! The one place that builds a [`ClientConfig`] or a [`ServerConfig`]: broker, database and schema jobs all connect with what stands here,
//! by rustls with ring, and no OpenSSL. Files are read when a configuration is built, so a renewed certificate
//! counts from the next connection on.

mod explain;
mod roots;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
pub use rustls::{ClientConfig, ServerConfig};

pub use explain::{explain, refusal};

/// How much of the server's certificate is checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verify {
    /// That a trusted root vouches for it and that it is the server's that was asked for.
    #[default]
    Full,
    /// That a trusted root vouches for it, whatever the server's name.
    Chain,
    /// Nothing: what is sent cannot be read on the way, but who reads it at the end is not known.
    None,
}

/// How a connection is made. The default trusts the system's roots, checks everything and shows no certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// How much of the server's certificate is checked.
    pub verify: Verify,
    /// A PEM file of the only roots to trust, in place of the system's.
    pub roots: Option<PathBuf>,
    /// PEM files of roots to trust as well.
    pub extra_roots: Vec<PathBuf>,
    /// The certificate to show.
    pub identity: Option<Identity>,
}

/// A certificate of one's own, with the chain up to its root, and its key: two PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate first, then what vouches for it.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or does not hold what it should.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is the matter with it.
        problem: String,
    },
    /// No certificate could be trusted.
    #[error("the system has no trusted root certificates ({0}): install ca-certificates or set TLS_CA_FILE")]
    NoRoots(String),
    /// The library refused what it was given.
    #[error("TLS: {0}")]
    Refused(#[from] rustls::Error),
}

/// A configuration to connect with.
///
/// # Errors
/// A file that was asked for is missing or malformed, or there is nobody to trust.
pub fn client_config(options: &Options) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    // What is not checked needs nobody who is trusted, so a machine without roots can do that too.
    let builder = match options.verify {
        Verify::Full => builder.with_root_certificates(roots::load(options)?),
        Verify::Chain => {
            let verifier = verify::Chain::new(roots::load(options)?, provider)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
        Verify::None => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verify::Nothing::new(provider)))
        }
    };
    match &options.identity {
        None => Ok(builder.with_no_client_auth()),
        Some(identity) => {
            let (chain, key) = identity.load()?;
            builder.with_client_auth_cert(chain, key).map_err(|error| identity.refused(&error))
        }
    }
}

/// A configuration to serve browsers with, by HTTP/1.1. No client is asked for a certificate.
///
/// # Errors
/// A file is missing or malformed, or the key is another certificate's.
pub fn server_config(identity: &Identity) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
    let (chain, key) = identity.load()?;
    let mut config = builder.with_single_cert(chain, key).map_err(|error| identity.refused(&error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

impl Identity {
    fn load(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
        let chain = roots::certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| Error::File { path: self.key.clone(), problem: roots::problem(&error) })?;
        Ok((chain, key))
    }

    fn refused(&self, error: &rustls::Error) -> Error {
        Error::File { path: self.certificate.clone(), problem: error.to_string() }
    }
}

/// Whether a file of roots can be used, without connecting.
///
/// # Errors
/// As [`client_config`].
pub fn check_roots(path: &Path) -> Result<(), Error> {
    roots::add(&mut RootCertStore::empty(), roots::certificates(path)?, path)
}
