//! Requests to judge entries anew, and their answers, as they stand in the streams: what `processor run` serves and
//! `processor recompute` asks.

mod answer;
mod request;

pub(crate) use self::answer::{Answer, CHANGED_TOLD, Changed, Status};
pub(crate) use self::request::{REASONS, Request, Scope};

/// The stream of requests.
pub(crate) const REQUESTS: &str = "recompute:requests";
/// The group that serves them.
pub(crate) const GROUP: &str = "processor";
/// The stream of answers.
pub(crate) const RESULTS: &str = "recompute:results";
