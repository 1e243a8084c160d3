//! Entries that nobody can use, and what became of them.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::fleet::Entry;
use crate::platform::{Platform, STREAM};

/// Commands in one round trip.
const PIPELINED: usize = 500;

/// Names and values, byte for byte.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

pub fn fields(pairs: &[(&[u8], &[u8])]) -> Fields {
    pairs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

pub fn fields_of(entry: &Entry) -> Fields {
    entry.fields().iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

/// A letter as it lies in the stream of dead letters.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    pub id: String,
    pub error: String,
    pub attempts: u64,
    /// Of an entry of which only the beginning is kept.
    pub length_bytes: Option<u64>,
    /// All that is not the letter's own.
    pub fields: Fields,
}

/// Adds entries of any fields; their ids.
pub fn add(platform: &Platform, entries: &[Fields]) -> Vec<String> {
    let mut control = platform.control();
    let mut ids = Vec::with_capacity(entries.len());
    for part in entries.chunks(PIPELINED) {
        let mut pipeline = redis::pipe();
        for entry in part {
            let command = pipeline.cmd("XADD").arg(STREAM).arg("*");
            for (name, value) in entry {
                command.arg(&name[..]).arg(&value[..]);
            }
        }
        ids.extend(pipeline.query::<Vec<String>>(&mut control).unwrap());
    }
    ids
}

/// All dead letters by the id of their entry; a second one for an entry is a fault.
pub fn letters(platform: &Platform) -> BTreeMap<String, Letter> {
    let found: Vec<(String, Vec<Vec<u8>>)> = platform.redis(&format!("XRANGE {STREAM}:dlq - +"));
    let mut letters = BTreeMap::new();
    for (id, texts) in found {
        let mut fields: Fields = texts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        let text = |pair: (Vec<u8>, Vec<u8>)| {
            (String::from_utf8(pair.0).unwrap(), String::from_utf8(pair.1).unwrap())
        };
        let own: BTreeMap<String, String> = fields.drain(..3).map(text).collect();
        let is_cut = fields.first().is_some_and(|(name, _)| name == b"length_bytes");
        let length_bytes = is_cut.then(|| {
            let (_, length) = text(fields.remove(0));
            assert_eq!(fields.remove(0), (b"cut".to_vec(), b"1".to_vec()));
            length.parse().unwrap()
        });
        let letter = Letter {
            id,
            error: own["error"].clone(),
            attempts: own["attempts"].parse().unwrap(),
            length_bytes,
            fields,
        };
        let before = letters.insert(own["source_id"].clone(), letter);
        assert_eq!(before, None, "two letters for one entry");
    }
    letters
}

/// `processor dlq …`, which must succeed; what it prints.
pub fn dlq(platform: &Platform, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_processor"))
        .arg("dlq")
        .args(arguments)
        .env("REDIS_URL", platform.redis.url())
        .env_remove("REDIS_TELEMETRY_STREAM")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub fn dlq_json(platform: &Platform, arguments: &[&str]) -> Value {
    serde_json::from_str(&dlq(platform, arguments)).unwrap()
}
