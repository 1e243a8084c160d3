//! A telemetry stream in Redis, read through a consumer group.
//!
//! [`StreamReader`] has a connection of its own. Replies are not made into values: [`resp`] reads them in place and
//! [`ReplyWalk`] hands out entries while the rest of the reply is still on its way, each copied once, into the batch.

mod connection;
mod count;
mod endpoint;
mod error;
mod passing;
mod reader;
mod reply;
pub mod resp;
mod socket;

pub use endpoint::{Endpoint, EndpointError};
pub use error::{ReadError, Remedy, ServerError, ServerErrorKind};
pub use reader::{Delivery, ReaderConfig, Start, StreamReader};
pub use reply::{Item, ReplyWalk};
pub use resp::ProtocolError;
pub(crate) use socket::Socket;
