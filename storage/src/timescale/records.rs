//! Crossings, penalties and results, and how far entries are judged, on a connection of their own: a batch of
//! positions does not wait for a judge.

use std::collections::BTreeSet;

use race::record::{Crossing, StageResult};
use serde::Serialize;
use serde_json::{Value, json};
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use super::columns::Columns;
use super::course;
use super::endpoint::PostgresEndpoint;
use super::failure::Failure;
use super::instant::{Bound, Stored};
use super::lease;
use super::ledger::{self, HISTORY, OUTBOX, REVISIONS, Why};
use super::session;
use crate::tables::{CROSSINGS, Ledger, PENALTIES, RESULTS};
use crate::{Changes, EntryRecords, Fence, Missing, NewState, SavedState};

/// Whatever the server's default: what was committed meanwhile must be seen.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
/// Instants are told in UTC and floats with all their digits. A row that somebody else holds locked, an entry that is
/// being edited, is an error after a while and not a judge that hangs.
const SETTINGS: &str = "SET TimeZone = 'UTC'; SET extra_float_digits = 1; SET lock_timeout = '5s'";
/// Our own table of what entries are judged to.
const STATES: &str = "processor_entry_states";
const LEASES: &str = "processor_leases";

const ABSENT: &str = "SELECT 'entries', o.id FROM unnest($1::uuid[]) AS o (id) \
         WHERE NOT EXISTS (SELECT FROM entries e WHERE e.id = o.id) \
     UNION ALL SELECT 'stages', o.id FROM unnest($2::uuid[]) AS o (id) \
         WHERE NOT EXISTS (SELECT FROM stages s WHERE s.id = o.id)";
/// An equal state is not written.
const SAVE_STATE: &str = "INSERT INTO processor_entry_states (entry_id, version, evaluated_to, state) \
     SELECT $1::uuid, $2::int4, $3::timestamptz, $4::bytea WHERE NOT EXISTS ( \
         SELECT FROM processor_entry_states WHERE entry_id = $1 \
         AND (version, evaluated_to, state) IS NOT DISTINCT FROM ($2, $3, $4)) \
     ON CONFLICT (entry_id) DO UPDATE SET version = excluded.version, evaluated_to = excluded.evaluated_to, \
         state = excluded.state, updated_at = now()";
const CLEAR_DIRTY: &str = "UPDATE processor_entry_states SET dirty_from = NULL, updated_at = now() \
     WHERE entry_id = $1 AND dirty_revision = $2 AND dirty_from IS NOT NULL";
const LOAD_STATES: &str = "SELECT entry_id, version, evaluated_to, state, dirty_from, dirty_revision \
     FROM processor_entry_states WHERE entry_id = ANY ($1) ORDER BY entry_id";

/// The connection that writes records.
pub(super) struct Recorder {
    pub(super) client: Client,
    absent: Statement,
    crossings: Statement,
    penalties: Statement,
    results: Statement,
}

impl Recorder {
    pub(super) async fn open(endpoint: &PostgresEndpoint) -> Result<Self, Failure> {
        let client = session::connect(endpoint).await.map_err(Failure::at_connect)?;
        client.batch_execute(SETTINGS).await?;
        let tables = [CROSSINGS.name, PENALTIES.name, RESULTS.name, OUTBOX, REVISIONS];
        let columns = Columns::of(&client, &tables).await?;
        let absent = client.prepare(ABSENT).await?;
        let crossings = ledger::prepare(&client, &CROSSINGS, &columns, true).await?;
        let penalties = ledger::prepare(&client, &PENALTIES, &columns, true).await?;
        let results = ledger::prepare(&client, &RESULTS, &columns, false).await?;
        Ok(Self { client, absent, crossings, penalties, results })
    }

    /// Runs `work` in a transaction under a fence. After an error it may be open.
    pub(super) async fn transact<T>(
        &self,
        fence: Option<&Fence>,
        work: impl AsyncFnOnce(&Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.client.batch_execute(BEGIN).await?;
        let done = work(self).await?;
        lease::commit(&self.client, fence).await?;
        Ok(done)
    }

    /// Makes the crossings and penalties of one entry equal to `records`; what is not in it is retracted.
    pub(super) async fn save_entry(&self, records: &EntryRecords, why: &Why) -> Result<Changes, Failure> {
        let entry = records.entry_id;
        let crossings = records.crossings.iter().map(|row| row.entry_id);
        let penalties = records.penalties.iter().map(|row| row.entry_id);
        if let Some(other) = crossings.chain(penalties).find(|&owner| owner != entry) {
            return Err(Failure::refused(format!(
                "among the records of entry {entry} is one of entry {other}"
            )));
        }
        once(&CROSSINGS, records.crossings.iter().map(|row| row.id))?;
        once(&PENALTIES, records.penalties.iter().map(|row| row.id))?;
        let stages = records.penalties.iter().map(|row| row.stage_id).collect();
        self.expect("race records", &BTreeSet::from([entry]), &stages).await?;
        let crossings = records.crossings.iter().map(crossing).collect::<Result<_, _>>()?;
        let penalties = records.penalties.iter().map(document).collect::<Result<_, _>>()?;
        let mut changes = ledger::write(&self.client, &self.crossings, crossings, Some(&entry), why).await?;
        changes += ledger::write(&self.client, &self.penalties, penalties, Some(&entry), why).await?;
        Ok(changes)
    }

    /// Stores results; those that are not offered stay as they are.
    pub(super) async fn save_results(&self, results: &[StageResult], why: &Why) -> Result<Changes, Failure> {
        once(&RESULTS, results.iter().map(|row| format!("{}/{}", row.entry_id, row.stage_id)))?;
        let entries = results.iter().map(|row| row.entry_id).collect();
        let stages = results.iter().map(|row| row.stage_id).collect();
        self.expect(RESULTS.name, &entries, &stages).await?;
        let rows = results.iter().map(document).collect::<Result<_, _>>()?;
        ledger::write(&self.client, &self.results, rows, None, why).await
    }

    /// Saves how far an entry is evaluated, and that it is clean unless it was marked since.
    pub(super) async fn save_state(
        &self,
        entry: Uuid,
        state: Option<&NewState>,
        clears_dirty: Option<i64>,
    ) -> Result<(), Failure> {
        if let Some(NewState { version, evaluated_to, bytes }) = state {
            let evaluated_to = evaluated_to.map(Bound::of);
            self.client.execute(SAVE_STATE, &[&entry, version, &evaluated_to, bytes]).await?;
        }
        if let Some(revision) = clears_dirty {
            self.client.execute(CLEAR_DIRTY, &[&entry, &revision]).await?;
        }
        Ok(())
    }

    /// A record is made for rows that are there.
    async fn expect(
        &self,
        records: &str,
        entries: &BTreeSet<Uuid>,
        stages: &BTreeSet<Uuid>,
    ) -> Result<(), Failure> {
        let (entries, stages) = (Vec::from_iter(entries), Vec::from_iter(stages));
        let absent = self.client.query(&self.absent, &[&entries, &stages]).await?;
        let Some(first) = absent.first() else { return Ok(()) };
        let (table, id) = (first.try_get::<_, &str>(0)?, first.try_get::<_, Uuid>(1)?);
        Err(Failure::refused(format!("{records} of {id}, which is not in {table}")))
    }
}

/// What is saved of these entries.
pub(super) async fn load_states(client: &Client, entries: &[Uuid]) -> Result<Vec<SavedState>, Failure> {
    let mut states = Vec::new();
    for row in client.query(LOAD_STATES, &[&entries]).await? {
        states.push(SavedState {
            entry_id: row.try_get(0)?,
            version: row.try_get(1)?,
            evaluated_to: row.try_get::<_, Option<Stored>>(2)?.map(|Stored(ts)| ts),
            state: row.try_get::<_, Option<Vec<u8>>>(3)?.unwrap_or_default(),
            dirty_from: row.try_get::<_, Option<Stored>>(4)?.map(|Stored(ts)| ts),
            dirty_revision: row.try_get(5)?,
        });
    }
    Ok(states)
}

/// Which tables and columns race rules need, or would fill, and are not there.
pub(super) async fn missing(client: &Client) -> Result<Missing, Failure> {
    let ledgers = [&CROSSINGS, &PENALTIES, &RESULTS];
    let tables = course::needed().chain(ledgers.map(|ledger| ledger.name)).chain([LEASES, STATES, OUTBOX]);
    let tables: Vec<&str> = tables.collect();
    let columns = Columns::of(client, &[tables.as_slice(), &[REVISIONS]].concat()).await?;
    let mut missing = Missing::default();
    // Records are as good without their past.
    missing.unwritten.extend((!columns.has_table(REVISIONS)).then(|| REVISIONS.to_owned()));
    missing.needed.extend(tables.into_iter().filter(|table| !columns.has_table(table)).map(str::to_owned));
    for ledger in ledgers.into_iter().filter(|ledger| columns.has_table(ledger.name)) {
        // A result stays as long as its entry, so nothing says that it is retracted.
        let history = if ledger.name == RESULTS.name { &HISTORY[..1] } else { &HISTORY[..] };
        for column in ledger.names().chain(history.iter().copied()) {
            if !columns.has(ledger.name, column) {
                let needed =
                    ledger.key.contains(&column) || column == "entry_id" || HISTORY.contains(&column);
                let list = if needed { &mut missing.needed } else { &mut missing.unwritten };
                list.push(format!("{}.{column}", ledger.name));
            }
        }
    }
    Ok(missing)
}

/// No key comes twice.
fn once<K: Ord + std::fmt::Display>(ledger: &Ledger, keys: impl Iterator<Item = K>) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    for key in keys {
        if seen.contains(&key) {
            return Err(Failure::refused(format!("{} {key} comes twice", ledger.name)));
        }
        seen.insert(key);
    }
    Ok(())
}

fn crossing(row: &Crossing) -> Result<Value, Failure> {
    let mut fields = document(row)?;
    let [before, after] = row.fixes;
    fields["fix_before"] = json!(before);
    fields["fix_after"] = json!(after);
    Ok(fields)
}

/// A row by its columns; what it has beside them is passed over by the server.
fn document(row: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(row).map_err(Failure::broken)
}
