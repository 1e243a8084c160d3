//! Commands for the broker, built before they are due.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use race::time::Timestamp;
use serde::Deserialize;

use crate::folder::{FolderError, SENT_AT_BYTES, TRACKS};

/// Entries in a batch.
const BATCH_PACKETS: usize = 4_096;
/// The field `codec` of every entry: what the platform's trackers mostly speak.
const CODEC: &str = "8E";

/// One entry of the stream, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// When it was sent in the race day, in epoch milliseconds.
    pub sent_ms: i64,
    /// `XADD`, as the broker reads it.
    pub bytes: Vec<u8>,
}

/// The entries of a folder in order, in batches.
#[derive(Debug)]
pub struct Packets {
    path: PathBuf,
    lines: BufReader<File>,
    line: u64,
    stream: String,
    max_len: String,
}

/// What stands at the beginning of a line; the rest is passed on as it is.
#[derive(Deserialize)]
struct Head<'a> {
    sent_at: Timestamp,
    #[serde(borrow)]
    device_id: &'a str,
    #[serde(borrow)]
    timestamp: &'a str,
}

impl Packets {
    /// Opens the tracks of a folder.
    ///
    /// # Errors
    /// They are not there.
    pub fn open(folder: &Path, stream: &str, max_len: u64) -> Result<Self, FolderError> {
        let path = folder.join(TRACKS);
        let file = File::open(&path).map_err(|error| FolderError::io(&path, error))?;
        let lines = BufReader::with_capacity(1 << 20, file);
        Ok(Self { path, lines, line: 0, stream: stream.to_owned(), max_len: max_len.to_string() })
    }

    fn packet(&self, text: &str) -> Result<Packet, FolderError> {
        let wrong =
            |problem: String| FolderError::content(&self.path, &format!("line {}: {problem}", self.line));
        let head: Head<'_> = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let rest = text.get(SENT_AT_BYTES..).filter(|rest| rest.starts_with("\"device_id\""));
        let rest = rest.ok_or_else(|| wrong("does not begin with sent_at and device_id".to_owned()))?;
        let payload = format!("{{{rest}");
        let words = [
            "XADD",
            &self.stream,
            "MAXLEN",
            "~",
            &self.max_len,
            "*",
            "ts",
            head.timestamp,
            "device_id",
            head.device_id,
            "codec",
            CODEC,
            "payload",
            &payload,
        ];
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
        Ok(Packet { sent_ms: head.sent_at.micros() / 1_000, bytes })
    }
}

impl Iterator for Packets {
    type Item = Result<Vec<Packet>, FolderError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Vec::with_capacity(BATCH_PACKETS);
        let mut text = String::new();
        while batch.len() < BATCH_PACKETS {
            text.clear();
            match self.lines.read_line(&mut text) {
                Ok(0) => break,
                Ok(_) => self.line += 1,
                Err(error) => return Some(Err(FolderError::io(&self.path, error))),
            }
            match self.packet(text.trim_end()) {
                Ok(packet) => batch.push(packet),
                Err(error) => return Some(Err(error)),
            }
        }
        (!batch.is_empty()).then_some(Ok(batch))
    }
}
