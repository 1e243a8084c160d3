//! What the runs of the durable path ask of the servers.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, ensure};

use super::platform::{Platform, command};
use super::stream::Stream;

pub(crate) const GROUP: &str = "processor";
/// Entries sent before their answers are read.
const PIPELINED: usize = 1_000;
/// What a stopped worker may leave in the database; the course stays.
const EMPTIED: &str = "positions, position_conflicts, entry_crossings, entry_penalties, stage_results, \
                       entry_segment_starts, processor_outbox, processor_entry_states";

/// Which indexes `positions` has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Indexes {
    /// The key alone, as db-init makes a new table.
    Lean,
    /// The three of today's platforms.
    Today,
}

impl Indexes {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lean => "key only",
            Self::Today => "three indexes",
        }
    }
}

impl Platform {
    /// An empty table with these indexes, nothing left to be written by the server.
    pub(crate) fn empty(&self, indexes: Indexes) -> anyhow::Result<()> {
        let indexes = match indexes {
            Indexes::Lean => "DROP INDEX IF EXISTS positions_ts, positions_faulty_idx",
            Indexes::Today => {
                "CREATE INDEX IF NOT EXISTS positions_ts ON positions (ts DESC); \
                 CREATE INDEX IF NOT EXISTS positions_faulty_idx ON positions (device_id, ts DESC) \
                 WHERE faulty = FALSE"
            }
        };
        self.sql(&format!("TRUNCATE {EMPTIED}; {indexes};"))?;
        self.sql("CHECKPOINT").map(drop)
    }

    /// Bytes of `positions` with its indexes, and its rows.
    pub(crate) fn size(&self) -> anyhow::Result<(u64, usize)> {
        let asked =
            self.sql("SELECT pg_total_relation_size('positions'), (SELECT count(*) FROM positions)")?;
        let (bytes, rows) = asked.split_once('|').context("no size")?;
        Ok((bytes.parse()?, rows.parse()?))
    }

    /// Puts a stream into the broker.
    pub(crate) fn fill(&self, stream: &Stream) -> anyhow::Result<()> {
        let mut socket = self.socket()?;
        let mut commands = Vec::new();
        let mut answers = vec![0; 64 * 1024];
        for first in (0..stream.fixes.len()).step_by(PIPELINED) {
            let count = PIPELINED.min(stream.fixes.len() - first);
            commands.clear();
            let mut expected = 0;
            for n in first..first + count {
                let (id, fields) = stream.entry(n);
                let mut words = vec!["XADD", &stream.name, &id];
                words.extend(fields.iter().flat_map(|(name, value)| [name, value.as_str()]));
                command(&mut commands, &words);
                // `$len id`, each with its end of line.
                expected += 1 + id.len().to_string().len() + 2 + id.len() + 2;
            }
            socket.write_all(&commands)?;
            while expected > 0 {
                let read = socket.read(&mut answers)?;
                ensure!(read > 0 && answers[0] != b'-', "{}", String::from_utf8_lossy(&answers[..read]));
                expected = expected.saturating_sub(read);
            }
        }
        Ok(())
    }

    /// Makes the group anew: nothing is read.
    pub(crate) fn rewind(&self, stream: &Stream) -> anyhow::Result<redis::Connection> {
        let mut control = redis::Client::open(self.redis.url())?.get_connection()?;
        let _: i64 = redis::cmd("XGROUP").arg(&["DESTROY", &stream.name, GROUP]).query(&mut control)?;
        let _: String =
            redis::cmd("XGROUP").arg(&["CREATE", &stream.name, GROUP, "0"]).query(&mut control)?;
        Ok(control)
    }
}
