//! Every bound of the pipeline, with its unit in its name and its reason beside it.

/// Records a source puts into one batch: enough that a hand-off costs nothing per record, few enough that the
/// batches in flight stay in the cache.
pub const BATCH_RECORDS: usize = 4_096;

/// Bytes after which a source closes a batch even with fewer records.
pub const BATCH_BYTES: usize = 1 << 20;

/// The longest line, or XML event, that a source reads; one fix is below 1 KiB, attributes included.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// The longest entry of a stream, as the broker sends it. One fix is below 2 KiB; what is longer is passed over and
/// dead-lettered, so that memory does not depend on what others write.
pub const MAX_ENTRY_BYTES: usize = 1 << 20;

/// Names and values kept of an entry that is passed over: enough to see who sent it and what it was meant to be.
pub const OVERSIZE_HEAD_BYTES: usize = 4_096;

/// What a reply to a read should have at most. The broker holds a whole reply for its reader, and the reader reads
/// no further before it is through, so this is what one read costs both.
pub const READ_REPLY_BYTES: usize = 4 << 20;

/// Entries asked for in one read at most: the cost of a round trip vanishes long before.
pub const READ_COUNT_MAX: usize = 8_192;

/// Entry size assumed before the first read: a short first reply is a small price, a reply of gigabytes is not.
pub const FIRST_ENTRY_BYTES: usize = 16 << 10;

/// Room made for one read of a socket; what the kernel holds for a socket is of this order.
pub const SOCKET_READ_BYTES: usize = 256 << 10;

/// Levels of arrays in a reply: a read has four.
pub const MAX_REPLY_NESTING: usize = 16;

/// The longest line in a reply, and name of a stream: an error of the broker is one line.
pub const MAX_REPLY_LINE_BYTES: usize = 64 << 10;

/// Milliseconds to connect to the broker and log in.
pub const BROKER_CONNECT_MS: u64 = 5_000;

/// Milliseconds for which a broker may be silent, beyond the time it was asked to wait: a dead link looks like an
/// idle one.
pub const BROKER_SILENCE_MS: u64 = 10_000;

/// Milliseconds that a command to the broker may take, connecting included: it is a matter of one, and a broker that
/// writes to a slow disk may stand still for seconds.
pub const BROKER_CALL_MS: u64 = 10_000;

/// Ids in one acknowledgement: the broker serves nobody else while it carries out a command.
pub const ACK_COMMAND_IDS: usize = 1_000;

/// Acknowledgements sent before an answer is awaited: the round trip vanishes, and what is in flight stays small.
pub const ACK_PIPELINE_COMMANDS: usize = 64;

/// Dead letters that a stream of them keeps, the newest: enough to study any fault, few enough for the broker's
/// memory even when each has the length of the longest entry that is read.
pub const DLQ_MAX_ENTRIES: u64 = 10_000;

/// Dead letters written in one transaction at most, and bytes of them after which it is closed.
pub const DLQ_TRANSACTION_LETTERS: usize = 100;
/// See [`DLQ_TRANSACTION_LETTERS`]: the broker holds a transaction in memory until it is carried out.
pub const DLQ_TRANSACTION_BYTES: usize = 1 << 20;

/// Dead letters read at once: each may have the length of the longest entry that is read.
pub const DLQ_READ_LETTERS: usize = 16;

/// Dead letters deleted by one command: the broker serves nobody else while it carries out a command.
pub const DLQ_DELETE_IDS: usize = 1_000;

/// Bytes of the reason given in a dead letter; a reason is a sentence.
pub const DLQ_ERROR_BYTES: usize = 1_000;

/// The longest device id.
pub const MAX_DEVICE_ID_CHARS: usize = 64;

/// Device ids that a decoder keeps to share between positions: far more than a fleet has, so that only a sender
/// that makes them up ever empties the table.
pub const MAX_DEVICES_INTERNED: usize = 65_536;

/// Levels of objects and arrays in attributes, or of elements in XML: a tracker uses three, and a document made
/// of brackets must be a reject and not a deep stack.
pub const MAX_NESTING: usize = 64;

/// The highest device speed in km/h: the largest number that the speed field of a tracker's codec holds. Whether
/// a speed is plausible is for the judge to say, so nothing that can be sent is refused.
pub const MAX_SPEED_KMH: f64 = 65_535.0;

/// The farthest from sea level in metres, up or down: beyond any receiver, and exact to a centimetre as `f32`.
pub const MAX_ALTITUDE_M: f64 = 100_000.0;

/// Milliseconds that a fix may be ahead of the time it was received: one broken clock must not make thousands of
/// chunks in the table.
pub const MAX_FUTURE_MS: i64 = 24 * 3_600_000;

/// The earliest instant a fix may bear, 2000-01-01T00:00:00Z in epoch milliseconds: no GPS receiver of a race is
/// older, and a tracker without a clock says 1970 or 1980.
pub const MIN_TIMESTAMP_MS: i64 = 946_684_800_000;

/// Batches read and not yet decoded: the source stays just ahead.
pub const RAW_BATCHES: usize = 4;

/// Batches decoded and not yet judged, each lane.
pub const ROWS_BATCHES: usize = 4;

/// Batches judged and not yet written: enough that the writer finds a full transaction waiting when it comes back
/// from the last one.
pub const DONE_BATCHES: usize = 16;

/// Fixes of one entry that are kept until they are known to be committed, or until the entry's state comes from
/// storage. More than a tracker sends while a transaction is written; when a backlog brings more, the state is asked
/// for once more instead.
pub const WAITING_FIXES: usize = 1_024;

/// Instants told to a lane with a state, so that it knows a repeat of one: a tracker repeats some dozen.
pub const SEEN_INSTANTS: usize = 256;

/// States on their way from storage to a lane: the judge waits with more.
pub const LANE_NEWS: usize = 1_024;

/// Milliseconds between two evaluations of an entry whose fixes come in order: a person does not see less.
pub const EVALUATE_EVERY_MS: u64 = 200;

/// Fixes after which an entry's state is saved though nothing else happened: what a restart has to read again of each
/// entry, ten minutes at one fix a second.
pub const SAVE_AFTER_FIXES: u32 = 600;

/// Fixes after which a state that is given up is saved: fewer are read again faster than they are saved.
pub const SAVE_EVICTED_AFTER_FIXES: u32 = 60;

/// Devices without an entry that a replay names; the rest is counted.
pub const UNKNOWN_DEVICES_NAMED: usize = 1_024;

/// Days that the positions of one read may be of before some count as strays: a backlog of a long rally is of fewer.
pub const USUAL_DAYS: usize = 8;

/// Entries kept in a stream that is written for live channels: a client that was away for longer asks for everything
/// anew.
pub const PUBLISHED_MAX_ENTRIES: u64 = 100_000;

/// Entries of a stream of requests or of answers, about: whoever asked reads the answer within minutes.
pub const ANSWERS_MAX_ENTRIES: u64 = 10_000;

/// Bytes of rows after which a transaction is written even with few rows: attributes may be large.
pub const WRITE_BYTES: usize = 64 << 20;
