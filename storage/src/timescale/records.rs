//! Crossings, penalties and results, and how far entries are judged, on a connection of their own: a batch of
//! positions does not wait for a judge.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use futures_util::future::{join, join3};
use futures_util::stream::FuturesOrdered;
use race::record::{Crossing, StageResult};
use race::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
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
use crate::{Changes, EntryRecords, Fence, Judged, Missing, NewState, SavedState};

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
    recorded: Statement,
    /// Prepared when they are needed first: not every database that takes records has the table of states.
    states: OnceCell<States>,
}

/// What is said of the table of states.
struct States {
    save: Statement,
    clear: Statement,
}

/// Whether anything is recorded of an entry, also what was retracted.
#[derive(Clone, Copy, Default)]
struct IsRecorded {
    crossings: bool,
    penalties: bool,
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
        let recorded = client.prepare(&recorded_sql()).await?;
        Ok(Self { client, absent, crossings, penalties, results, recorded, states: OnceCell::new() })
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

    /// Makes the crossings and penalties of entries equal to what was found of each, what is not in it is retracted `at`,
    /// and saves how far they are evaluated. All of a step is sent before its first answer is waited for: however many
    /// entries there are, a transaction takes four round trips.
    pub(super) async fn save_judged(&self, judged: &[Judged], at: Timestamp) -> Result<Changes, Failure> {
        once("entry", judged.iter().map(|judged| judged.records.entry_id))?;
        judged.iter().try_for_each(|judged| is_of_one_entry(&judged.records))?;
        // In the order of entries, as marks are set: all who lock several do it in one order.
        let by_entry: BTreeMap<Uuid, &Judged> =
            judged.iter().map(|judged| (judged.records.entry_id, judged)).collect();
        let entries: BTreeSet<Uuid> = by_entry.keys().copied().collect();
        let penalties = judged.iter().flat_map(|judged| &judged.records.penalties);
        let stages = penalties.map(|row| row.stage_id).collect();
        if judged.iter().any(|judged| judged.state.is_some() || judged.clears_dirty.is_some()) {
            self.states().await?;
        }
        let (there, recorded) =
            join(self.expect("race records", &entries, &stages), self.recorded(&entries)).await;
        there?;
        let recorded = recorded?;
        let saves = by_entry.into_iter().map(|(entry, judged)| {
            let is_recorded = recorded.get(&entry).copied().unwrap_or_default();
            self.save_entry(judged, is_recorded, at)
        });
        // Polled in their order from the first time on, so that they are sent in it; the first error in that order is
        // the one that the others follow from.
        let saved: Vec<_> = saves.collect::<FuturesOrdered<_>>().collect().await;
        saved.into_iter().try_fold(Changes::default(), |mut changes, saved| {
            changes += saved?;
            Ok(changes)
        })
    }

    async fn save_entry(
        &self,
        judged: &Judged,
        is_recorded: IsRecorded,
        at: Timestamp,
    ) -> Result<Changes, Failure> {
        let Judged { records, cause, state, clears_dirty } = judged;
        let (entry, why) = (Some(&records.entry_id), Why { cause: *cause, at: Bound::of(at) });
        let crossings = records.crossings.iter().map(crossing).collect::<Result<Vec<_>, _>>()?;
        let penalties = records.penalties.iter().map(document).collect::<Result<Vec<_>, _>>()?;
        // Of most entries that are looked at for the first time nothing is to be said and nothing was.
        let crossings = async {
            if crossings.is_empty() && !is_recorded.crossings {
                return Ok(Changes::default());
            }
            ledger::write(&self.client, &self.crossings, crossings, entry, &why).await
        };
        let penalties = async {
            if penalties.is_empty() && !is_recorded.penalties {
                return Ok(Changes::default());
            }
            ledger::write(&self.client, &self.penalties, penalties, entry, &why).await
        };
        let state = self.save_state(records.entry_id, state.as_ref(), *clears_dirty);
        let (crossings, penalties, state) = join3(crossings, penalties, state).await;
        let mut changes = crossings?;
        changes += penalties?;
        state?;
        Ok(changes)
    }

    /// Of which entries anything is recorded.
    async fn recorded(&self, entries: &BTreeSet<Uuid>) -> Result<BTreeMap<Uuid, IsRecorded>, Failure> {
        let entries = Vec::from_iter(entries);
        let mut recorded = BTreeMap::new();
        for row in self.client.query(&self.recorded, &[&entries]).await? {
            let is_recorded = IsRecorded { crossings: row.try_get(1)?, penalties: row.try_get(2)? };
            recorded.insert(row.try_get(0)?, is_recorded);
        }
        Ok(recorded)
    }

    /// Stores results; those that are not offered stay as they are.
    pub(super) async fn save_results(&self, results: &[StageResult], why: &Why) -> Result<Changes, Failure> {
        once(RESULTS.name, results.iter().map(|row| format!("{}/{}", row.entry_id, row.stage_id)))?;
        let entries = results.iter().map(|row| row.entry_id).collect();
        let stages = results.iter().map(|row| row.stage_id).collect();
        self.expect(RESULTS.name, &entries, &stages).await?;
        let rows = results.iter().map(document).collect::<Result<_, _>>()?;
        ledger::write(&self.client, &self.results, rows, None, why).await
    }

    /// Saves how far an entry is evaluated, and that it is clean unless it was marked since.
    async fn save_state(
        &self,
        entry: Uuid,
        state: Option<&NewState>,
        clears_dirty: Option<i64>,
    ) -> Result<(), Failure> {
        if state.is_none() && clears_dirty.is_none() {
            return Ok(());
        }
        let States { save, clear } = self.states().await?;
        let saved = async {
            let Some(NewState { version, evaluated_to, bytes }) = state else { return Ok(0) };
            let evaluated_to = evaluated_to.map(Bound::of);
            self.client.execute(save, &[&entry, version, &evaluated_to, bytes]).await
        };
        let cleared = async {
            let Some(revision) = clears_dirty else { return Ok(0) };
            self.client.execute(clear, &[&entry, &revision]).await
        };
        let (saved, cleared) = join(saved, cleared).await;
        saved?;
        cleared?;
        Ok(())
    }

    async fn states(&self) -> Result<&States, Failure> {
        self.states
            .get_or_try_init(async || {
                let save = self.client.prepare(SAVE_STATE).await?;
                Ok(States { save, clear: self.client.prepare(CLEAR_DIRTY).await? })
            })
            .await
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

/// All records are of the entry that they are offered for, and none comes twice.
fn is_of_one_entry(records: &EntryRecords) -> Result<(), Failure> {
    let entry = records.entry_id;
    let crossings = records.crossings.iter().map(|row| row.entry_id);
    let penalties = records.penalties.iter().map(|row| row.entry_id);
    if let Some(other) = crossings.chain(penalties).find(|&owner| owner != entry) {
        return Err(Failure::refused(format!("among the records of entry {entry} is one of entry {other}")));
    }
    once(CROSSINGS.name, records.crossings.iter().map(|row| row.id))?;
    once(PENALTIES.name, records.penalties.iter().map(|row| row.id))
}

/// Asks by one look into an index for each entry and table.
fn recorded_sql() -> String {
    let any = |ledger: &Ledger| format!("EXISTS (SELECT FROM {} t WHERE t.entry_id = o.id)", ledger.name);
    format!("SELECT o.id, {}, {} FROM unnest($1::uuid[]) AS o (id)", any(&CROSSINGS), any(&PENALTIES))
}

/// No key comes twice.
fn once<K: Ord + std::fmt::Display>(name: &str, keys: impl Iterator<Item = K>) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    for key in keys {
        if seen.contains(&key) {
            return Err(Failure::refused(format!("{name} {key} comes twice")));
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
