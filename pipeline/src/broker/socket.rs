//! A socket to the broker, with TLS where the URL asks for it.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::source::redis::Endpoint;

/// Bytes there and back.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// Connects, and shakes hands where TLS is asked for.
pub(super) async fn open(endpoint: &Endpoint) -> io::Result<Box<dyn Socket>> {
    let socket = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
    socket.set_nodelay(true)?;
    if !endpoint.tls {
        return Ok(Box::new(socket));
    }
    let name = ServerName::try_from(endpoint.host.clone()).map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::new(tls_config()?));
    Ok(Box::new(connector.connect(name, socket).await?))
}

/// Whether the handshake failed because the broker's certificate is not one to trust: it will not be the next time.
pub(super) fn is_distrust(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

/// Trusts whom the system trusts; `SSL_CERT_FILE` names others.
fn tls_config() -> io::Result<ClientConfig> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A store with one odd certificate in it is still a store.
    let (trusted, _) = roots.add_parsable_certificates(found.certs);
    if trusted == 0 {
        let reason = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
        return Err(io::Error::other(format!("the system trusts no certificate authority{reason}")));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
