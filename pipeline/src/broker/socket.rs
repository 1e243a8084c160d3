//! A socket to the broker, for the client that the commands go through.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::source::redis::{Endpoint, ReadError, Socket as Opened};

/// Bytes there and back.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// Connects as the reader of the stream does, by TLS where the URL asks for it.
pub(super) async fn open(endpoint: &Endpoint) -> Result<Box<dyn Socket>, ReadError> {
    Ok(match Opened::open(endpoint).await? {
        Opened::Plain(socket) => Box::new(socket),
        Opened::Tls(socket) => socket,
    })
}
