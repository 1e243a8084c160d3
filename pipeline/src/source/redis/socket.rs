//! Bytes to and from the broker, in the clear or by TLS. Every method may be dropped half-way and called again.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::Error;
use tokio_rustls::rustls::pki_types::ServerName;

use super::endpoint::Endpoint;
use super::error::ReadError;

pub(crate) enum Socket {
    Plain(TcpStream),
    /// Boxed: the state of TLS is a kilobyte.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    /// Connects and, where the endpoint asks for it, agrees on TLS.
    pub(crate) async fn open(endpoint: &Endpoint) -> Result<Self, ReadError> {
        let failed = |error| ReadError::Io { doing: "cannot connect to", address: endpoint.address(), error };
        let refused = |message: String| ReadError::Tls { address: endpoint.address(), message };
        // Before there is a connection: the files may be wrong.
        let tls = match endpoint.tls_options() {
            None => None,
            Some(options) => {
                let config = tls::client_config(options).map_err(|error| refused(error.to_string()))?;
                let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| {
                    refused("TLS: the host is no name that a certificate could be for".into())
                })?;
                Some((TlsConnector::from(Arc::new(config)), name))
            }
        };
        let socket = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await.map_err(failed)?;
        socket.set_nodelay(true).map_err(failed)?;
        let Some((connector, name)) = tls else { return Ok(Self::Plain(socket)) };
        match connector.connect(name, socket).await {
            Ok(stream) => Ok(Self::Tls(Box::new(stream))),
            Err(error) => Err(refusal(&error).map_or_else(|| failed(error), refused)),
        }
    }

    /// Takes bytes to send, how many is the result. By TLS they may stay here until [`Socket::flush`].
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes).await,
            Self::Tls(socket) => socket.write(bytes).await,
        }
    }

    /// Sends what was taken and has not left.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush().await,
            Self::Tls(socket) => socket.flush().await,
        }
    }

    /// Appends what comes next to `buffer`; 0 is the end.
    pub(super) async fn read_into(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read_buf(buffer).await,
            Self::Tls(socket) => match socket.read_buf(buffer).await {
                // A broker that was killed took no leave. Replies say where they end, so a cut one is noticed.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                read => read,
            },
        }
    }
}

/// Why the two sides will not come together, in words; `None` for what may be otherwise next time.
fn refusal(error: &io::Error) -> Option<String> {
    tls::refusal(error).map(tls::explain)
}

/// The same once the connection is in use: with TLS 1.3 a server says only then, by an alert, that it wants another
/// certificate. What else goes wrong by then happened on the way.
pub(super) fn late_refusal(error: &io::Error) -> Option<String> {
    tls::refusal(error).filter(|error| matches!(error, Error::AlertReceived(_))).map(tls::explain)
}
