//! Bounds that no operator has asked to move, each with its unit in its name and its reason beside it.

use std::time::Duration;

/// Messages of the hub on their way to a shard. Each tick that waits here is one that could have been part of the next: the
/// feeder is to gather what the shards are too busy for.
pub(crate) const SHARD_INBOX_MESSAGES: usize = 1;

/// Sockets on their way from the listener to a shard.
pub(crate) const SHARD_ARRIVALS: usize = 256;

/// Bytes of a request's head. Cookies of a busy domain are the largest honest part of it; a JWT has some hundred bytes.
pub(crate) const REQUEST_HEAD_BYTES: usize = 16 * 1024;

/// Header lines of a request. A browser behind two proxies sends some thirty.
pub(crate) const REQUEST_HEADERS: usize = 64;

/// Slices in one write: what the system takes at once is more, what a tick of one session holds is mostly less.
pub(crate) const WRITE_SLICES: usize = 64;

/// Sessions that are written to before a shard looks whether anything else waits, so that a large field does not keep
/// newcomers waiting.
pub(crate) const SESSIONS_BETWEEN_YIELDS: usize = 512;

/// Frames of a client in one read, of some kilobytes, after which others have a turn. Honest ones are larger and fewer.
pub(crate) const FRAMES_BETWEEN_YIELDS: u64 = 32;

/// Fragments of one message: so many, and one more for each of these bytes that a message may have. Whoever sends a message
/// in parts sends parts that are larger.
pub(crate) const FRAGMENTS: u64 = 64;
pub(crate) const BYTES_OF_A_FRAGMENT: u64 = 16;

/// Fixes that a feed remembers for clients that come back: half a minute of 20 000 devices at 1 Hz.
pub(crate) const HISTORY_FIXES: usize = 600_000;

/// Ticks that a feed remembers; a tick that brought nothing counts as well.
pub(crate) const HISTORY_TICKS: usize = 60_000;

/// Changes of race records that a feed remembers for clients that come back: a busy hour of a large event.
pub(crate) const HISTORY_RACE_CHANGES: usize = 20_000;

/// How often a shard looks at the clock for its sessions: tokens that expire, pings, rights to be asked for again.
pub(crate) const SWEEP_EVERY: Duration = Duration::from_millis(250);

/// For how long the first message with a token is waited for, of a client that could send none with its request.
pub(crate) const FIRST_AUTH_WITHIN: Duration = Duration::from_secs(10);

/// How long before its token expires a client that knows ours is told.
pub(crate) const WARN_OF_EXPIRY: Duration = Duration::from_secs(60);

/// How long a closing handshake may take: what is queued is still written, then the connection is dropped.
pub(crate) const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Characters of a client's own id for a message.
pub(crate) const CLIENT_ID_CHARS: usize = 128;

/// Bytes of a topic that are repeated to whoever sent it.
pub(crate) const TOPIC_CHARS: usize = 128;

/// The fastest pace that a client may ask for, and the slowest.
pub(crate) const MAX_HZ: std::ops::RangeInclusive<f64> = 0.01..=50.0;

/// Pings without any sign of life before a connection is given up.
pub(crate) const UNANSWERED_PINGS: u32 = 2;
