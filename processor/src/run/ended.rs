//! How a connection to the stream came to its end, of whoever reads it.

use pipeline::broker::BrokerError;
use pipeline::source::redis::ReadError;

/// Why a session ended.
pub(crate) enum End {
    /// It was told to stop, or nobody takes what is read.
    Stopped,
    /// The reading connection failed.
    Read(ReadError),
    /// The other one did.
    Broker(BrokerError),
}

impl From<ReadError> for End {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<BrokerError> for End {
    fn from(error: BrokerError) -> Self {
        Self::Broker(error)
    }
}
