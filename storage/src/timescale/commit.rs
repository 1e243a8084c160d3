//! One batch, committed: all of it or nothing, and what became of each row.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;

use bytes::Bytes;
use foldhash::fast::RandomState;
use futures_util::SinkExt as _;
use race::position::Position;
use race::time::Timestamp;
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use super::compare::{self, Verdict};
use super::dirty;
use super::encode::{self, CopyBuffer};
use super::failure::Failure;
use super::instant::Stored;
use super::lease;
use super::lookup;
use super::offer::{Offer, Repeat, by_key};
use super::path::PathChoice;
use super::session::Session;
use crate::{Committed, PositionWrite, RowOutcome};

/// Whatever the server's default: a row that another writer committed meanwhile must be seen.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
/// Bytes of one protocol message: enough to be few, small enough that the server works while we send.
const MESSAGE_BYTES: usize = 64 * 1024;

/// What a writer keeps from batch to batch and from connection to connection.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) path: PathChoice,
    pub(super) buffer: CopyBuffer,
}

/// Commits a batch, see [`crate::Live::write`]. After an error a transaction may be open.
pub(super) async fn commit(
    session: &mut Session,
    kept: &mut Kept,
    write: &PositionWrite,
) -> Result<Committed, Failure> {
    let rows = &write.rows;
    if let Some(touch) = write.touches.iter().find(|touch| touch.row >= rows.len()) {
        return Err(Failure::refused(format!(
            "row {} of {} touches {}",
            touch.row,
            rows.len(),
            touch.entry_id
        )));
    }
    for row in rows {
        encode::check(row).map_err(|what| {
            Failure::refused(format!("position of {} at {}: {what}", row.device_id, row.ts))
        })?;
    }
    let offer = Offer::new(rows);
    let mut batch = Batch { session, kept, offer: &offer, write, outcomes: vec![None; rows.len()] };
    let mut parts = offer.parts();
    parts.reverse();
    while let Some(part) = parts.pop() {
        match batch.store(&part).await {
            Ok(()) => {}
            Err(failure) if failure.is_out_of_memory() => {
                let Some([early, late]) = offer.halves(&part) else { return Err(failure) };
                batch.session.client.batch_execute("ROLLBACK").await?;
                parts.extend([late, early]);
            }
            Err(failure) => return Err(failure),
        }
    }
    let outcomes: Option<Vec<RowOutcome>> = batch.outcomes.into_iter().collect();
    outcomes
        .map(|rows| Committed { rows })
        .ok_or_else(|| Failure::broken("a row was left without an outcome"))
}

/// Inserts a row and takes it back, see [`crate::Live::rehearse`]. After an error a transaction may be open.
pub(super) async fn rehearse(session: &mut Session, kept: &mut Kept, at: Timestamp) -> Result<(), Failure> {
    let row = Position {
        // No device has it, so that the row is new for sure.
        device_id: "".into(),
        ts: at,
        latitude: 0.0,
        longitude: 0.0,
        altitude: 0.0,
        angle: 0.0,
        speed: 0.0,
        satellites: 0,
        priority: 0,
        codec: "8",
        attributes: None,
    };
    let bytes = kept.buffer.encode([&row].into_iter(), at).map_err(Failure::refused)?;
    session.client.batch_execute(BEGIN).await?;
    copy(&session.client, &session.plain, &bytes, 1).await?;
    session.client.batch_execute("ROLLBACK").await?;
    Ok(())
}

struct Batch<'a> {
    session: &'a mut Session,
    kept: &'a mut Kept,
    offer: &'a Offer<'a>,
    write: &'a PositionWrite,
    outcomes: Vec<Option<RowOutcome>>,
}

impl Batch<'_> {
    /// Stores a part of the firsts with their repeats, in one transaction.
    async fn store(&mut self, part: &[usize]) -> Result<(), Failure> {
        let (known, new) = self.known(part);
        let repeats = self.repeats_of(part);
        let mut compared = self.insert_and_compare(&new, known, &repeats, self.kept.path.is_plain()).await?;
        if compared.iter().any(|(_, verdict)| *verdict == Verdict::Absent) {
            // Rows that were remembered are gone: somebody removed them. Once more, without the memory.
            self.session.client.batch_execute("ROLLBACK").await?;
            self.session.recent.clear();
            compared = self.insert_and_compare(part, Vec::new(), &repeats, false).await?;
            if compared.iter().any(|(_, verdict)| *verdict == Verdict::Absent) {
                return Err(Failure::retry("stored rows are being removed while they come again"));
            }
        }
        let different = compared.iter().filter(|(_, verdict)| *verdict == Verdict::Different);
        let conflicting: Vec<usize> = different.map(|(row, _)| *row).collect();
        if self.session.found.conflicts {
            compare::keep(&self.session.client, self.offer.rows, &conflicting, self.write.ingested_at)
                .await?;
        }
        self.settle(part, &repeats, &compared);
        let touched = self.touched(part);
        if !touched.is_empty() {
            let mark = self.session.mark().await?;
            dirty::mark(&self.session.client, &mark, &touched).await?;
        }
        lease::commit(&self.session.client, self.write.fence.as_ref()).await?;
        self.remember(part);
        Ok(())
    }

    /// The entries whose past changes by the rows of this part that are inserted, each from the first of them on.
    fn touched(&self, part: &[usize]) -> BTreeMap<Uuid, Timestamp> {
        let rows = self.offer.rows;
        let mut touched: HashMap<Uuid, Timestamp, RandomState> = HashMap::default();
        for touch in &self.write.touches {
            // What is inserted is a first, and without a split all firsts are in the one part.
            let in_part = || {
                part.len() == self.offer.firsts.len()
                    || part.binary_search_by(|&row| by_key(&rows[row], &rows[touch.row])).is_ok()
            };
            if self.outcomes[touch.row] == Some(RowOutcome::Inserted) && in_part() {
                let ts = rows[touch.row].ts;
                touched
                    .entry(touch.entry_id)
                    .and_modify(|from: &mut Timestamp| *from = ts.min(*from))
                    .or_insert(ts);
            }
        }
        touched.into_iter().collect()
    }

    /// Those of `part` whose key was stored lately, and the others.
    fn known(&self, part: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let rows = self.offer.rows;
        let of_one_device = part.chunk_by(|&a, &b| rows[a].device_id == rows[b].device_id);
        let (mut known, mut new) = (Vec::new(), Vec::with_capacity(part.len()));
        for rows_of_device in of_one_device {
            let keys = self.session.recent.of(&rows[rows_of_device[0]].device_id);
            for &row in rows_of_device {
                if keys.contain(rows[row].ts) { known.push(row) } else { new.push(row) }
            }
        }
        (known, new)
    }

    fn repeats_of(&self, part: &[usize]) -> Vec<Repeat> {
        if part.len() == self.offer.firsts.len() || self.offer.repeats.is_empty() {
            return self.offer.repeats.clone();
        }
        let mut in_part = vec![false; self.offer.rows.len()];
        part.iter().for_each(|&row| in_part[row] = true);
        self.offer.repeats.iter().filter(|repeat| in_part[repeat.first]).copied().collect()
    }

    /// Begins a transaction, inserts what is new and compares every other row that may differ from what is
    /// stored: a repeat that says the same as its first shares the first's fate.
    async fn insert_and_compare(
        &mut self,
        new: &[usize],
        mut doubtful: Vec<usize>,
        repeats: &[Repeat],
        plain: bool,
    ) -> Result<Vec<(usize, Verdict)>, Failure> {
        let rows = self.offer.rows;
        if new.is_empty() {
            self.session.client.batch_execute(BEGIN).await?;
        } else {
            doubtful.extend(self.insert(new, plain).await?);
        }
        let differing = repeats.iter().filter(|repeat| !rows[repeat.row].same_evidence(&rows[repeat.first]));
        doubtful.extend(differing.map(|repeat| repeat.row));
        let verdicts = compare::compare(&self.session.client, &self.session.compare, rows, &doubtful).await?;
        Ok(doubtful.into_iter().zip(verdicts).collect())
    }

    /// Inserts rows, given by key, in a transaction that it begins; those of them that were stored already.
    async fn insert(&mut self, new: &[usize], plain: bool) -> Result<Vec<usize>, Failure> {
        if plain {
            self.session.client.batch_execute(BEGIN).await?;
            if self.copy_new(new).await? {
                self.kept.path.plain_went_through();
                return Ok(Vec::new());
            }
            self.kept.path.plain_failed();
        }
        let (client, rows) = (&self.session.client, self.offer.rows);
        client.batch_execute(BEGIN).await?;
        let mut stored = lookup::stored(client, &self.session.lookup, rows, new).await?;
        let mut rest = new.to_vec();
        rest.retain(|&row| stored.binary_search_by(|&s| by_key(&rows[s], &rows[row])).is_err());
        if !rest.is_empty() && !self.copy_new(&rest).await? {
            // Another writer stored some of them since.
            stored = self.insert_aside(new).await?;
        }
        self.kept.path.looked_first(stored.len());
        Ok(stored)
    }

    /// Inserts rows by plain COPY. `false` when one was stored already, and then the transaction is undone.
    async fn copy_new(&mut self, new: &[usize]) -> Result<bool, Failure> {
        let bytes = self.encoded(new)?;
        let session = &self.session;
        let copied = copy(&session.client, &session.plain, &bytes, new.len()).await;
        self.kept.buffer.reclaim(bytes);
        match copied {
            Ok(()) => Ok(true),
            Err(failure) if failure.is_unique_violation() => {
                session.client.batch_execute("ROLLBACK").await?;
                Ok(false)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Inserts by COPY into a table of this connection and INSERT of what is new, whatever other writers do.
    async fn insert_aside(&mut self, new: &[usize]) -> Result<Vec<usize>, Failure> {
        let bytes = self.encoded(new)?;
        let aside = self.session.aside().await?;
        let (client, rows) = (&self.session.client, self.offer.rows);
        client.batch_execute(BEGIN).await?;
        copy(client, &aside.copy, &bytes, new.len()).await?;
        self.kept.buffer.reclaim(bytes);
        let mut stored = Vec::new();
        for found in client.query(&aside.insert, &[]).await? {
            let (device, Stored(ts)) = (found.try_get::<_, &str>(0)?, found.try_get(1)?);
            let at = new.binary_search_by(|&row| (&*rows[row].device_id, rows[row].ts).cmp(&(device, ts)));
            let at = at.map_err(|_| Failure::broken(format!("{device} at {ts} was not offered")))?;
            stored.push(new[at]);
        }
        Ok(stored)
    }

    fn encoded(&mut self, new: &[usize]) -> Result<Bytes, Failure> {
        let rows = new.iter().map(|&row| &self.offer.rows[row]);
        self.kept.buffer.encode(rows, self.write.ingested_at).map_err(Failure::refused)
    }

    /// What becomes of the rows of this part when it is committed.
    fn settle(&mut self, part: &[usize], repeats: &[Repeat], compared: &[(usize, Verdict)]) {
        for repeat in repeats {
            self.outcomes[repeat.row] = None;
        }
        for &row in part {
            self.outcomes[row] = Some(RowOutcome::Inserted);
        }
        for &(row, verdict) in compared {
            let same = verdict == Verdict::Same;
            self.outcomes[row] = Some(if same { RowOutcome::Duplicate } else { RowOutcome::Conflict });
        }
        for repeat in repeats {
            if self.outcomes[repeat.row].is_none() {
                let first = self.outcomes[repeat.first];
                let fresh = first == Some(RowOutcome::Inserted);
                self.outcomes[repeat.row] = if fresh { Some(RowOutcome::Duplicate) } else { first };
            }
        }
    }

    /// Remembers the keys of a part that is committed.
    fn remember(&mut self, part: &[usize]) {
        let rows = self.offer.rows;
        for of_device in part.chunk_by(|&a, &b| rows[a].device_id == rows[b].device_id) {
            let stored = of_device.iter().map(|&row| rows[row].ts);
            self.session.recent.remember(&rows[of_device[0]].device_id, stored);
        }
        debug_assert!(part.is_sorted_by(|&a, &b| by_key(&rows[a], &rows[b]).is_lt()), "a part is by key");
    }
}

/// Sends the bytes of a COPY; all rows must have been taken.
async fn copy(client: &Client, statement: &Statement, bytes: &Bytes, rows: usize) -> Result<(), Failure> {
    let mut sink = pin!(client.copy_in(statement).await?);
    let mut rest = bytes.clone();
    while !rest.is_empty() {
        sink.feed(rest.split_to(MESSAGE_BYTES.min(rest.len()))).await?;
    }
    let taken = sink.finish().await?;
    if usize::try_from(taken) == Ok(rows) {
        return Ok(());
    }
    Err(Failure::broken(format!("{rows} rows were sent and {taken} taken: does a trigger drop rows?")))
}
