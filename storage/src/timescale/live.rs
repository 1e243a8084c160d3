//! [`Records`] and [`Live`] in PostgreSQL.

use std::time::Duration;

use race::course::Tables;
use race::course::tables::EntrySegmentStart;
use race::position::Position;
use race::record::StageResult;
use race::time::Timestamp;
use uuid::Uuid;

use super::instant::Bound;
use super::ledger::Why;
use super::read::Reader;
use super::{PostgresStore, commit, course, history, outbox, records, retained, starts};
use crate::{
    Cause, Changes, Claim, Committed, EntryRecords, Fence, Judged, Live, Missing, OutboxRow, PositionWrite,
    Records, Revision, SavedState, Starts, StoreError, StoredRecord, TrackSpan,
};

impl Records for PostgresStore {
    async fn snapshot(&self) -> Result<Self, StoreError> {
        self.frozen().await.map_err(|f| self.error("taking a snapshot", f))
    }

    async fn load_course(&self) -> Result<Tables, StoreError> {
        let read = async |reader: &Reader| {
            let client = reader.client();
            if self.shared.is_snapshot { course::read(client).await } else { course::load(client).await }
        };
        let read = self.read(read).await;
        read.map_err(|f| self.error("reading the course", f))
    }

    async fn save_records(
        &self,
        records: EntryRecords,
        cause: Cause,
        at: Timestamp,
    ) -> Result<Changes, StoreError> {
        self.save_judged(None, &[Judged { records, cause, state: None, clears_dirty: None }], at).await
    }

    async fn save_results(
        &self,
        results: Vec<StageResult>,
        cause: Cause,
        at: Timestamp,
    ) -> Result<Changes, StoreError> {
        self.save_standings(None, &results, cause, at).await
    }

    async fn history(&self, entries: &[Uuid]) -> Result<Vec<Revision>, StoreError> {
        let read = self.read(async |reader| history::read(reader.client(), entries).await).await;
        read.map_err(|f| self.error("reading the history of records", f))
    }

    async fn stored_records(&self, entries: &[Uuid]) -> Result<Vec<StoredRecord>, StoreError> {
        let read = self.read(async |reader| history::stored(reader.client(), entries).await).await;
        read.map_err(|f| self.error("reading race records", f))
    }

    async fn incomplete(&self, entries: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
        let read = self.read(async |reader| retained::incomplete(reader.client(), entries).await).await;
        read.map_err(|f| self.error("looking for what is not kept any more", f))
    }
}

impl Starts for PostgresStore {
    async fn save_starts(&self, slots: Vec<EntrySegmentStart>) -> Result<Changes, StoreError> {
        let saved = self.record(None, async |recorder| starts::save(&recorder.client, &slots).await).await;
        saved.map_err(|f| self.error("handing out slots", f))
    }
}

impl Live for PostgresStore {
    async fn claim_lease(&self, holder: &str, ttl: Duration) -> Result<Claim, StoreError> {
        let claimed = self.control(async |control| control.claim(holder, ttl).await).await;
        claimed.map_err(|f| self.error("claiming the lease", f))
    }

    async fn renew_lease(&self, fence: &Fence, ttl: Duration) -> Result<bool, StoreError> {
        let renewed = self.control(async |control| control.renew(fence, ttl).await).await;
        renewed.map_err(|f| self.error("renewing the lease", f))
    }

    async fn release_lease(&self, fence: &Fence) -> Result<(), StoreError> {
        let released = self.control(async |control| control.release(fence).await).await;
        released.map_err(|f| self.error("giving the lease back", f))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let answered = self.control(async |control| control.ping().await).await;
        answered.map_err(|f| self.error("asking for an answer", f))
    }

    async fn write(&self, write: &PositionWrite) -> Result<Committed, StoreError> {
        self.commit(write).await.map_err(|f| self.error("storing positions", f))
    }

    async fn rehearse(&self, at: Timestamp) -> Result<(), StoreError> {
        let rehearsed =
            self.with_writer(async |session, kept| commit::rehearse(session, kept, at).await).await;
        rehearsed.map_err(|f| self.error("trying to store a position", f))
    }

    async fn missing_for_race(&self) -> Result<Missing, StoreError> {
        let looked = self.read(async |reader| records::missing(reader.client()).await).await;
        looked.map_err(|f| self.error("looking for race tables", f))
    }

    async fn load_states(&self, entries: &[Uuid]) -> Result<Vec<SavedState>, StoreError> {
        let read = self.read(async |reader| records::load_states(reader.client(), entries).await).await;
        read.map_err(|f| self.error("reading saved states", f))
    }

    async fn save_judged(
        &self,
        fence: Option<&Fence>,
        judged: &[Judged],
        at: Timestamp,
    ) -> Result<Changes, StoreError> {
        if judged.is_empty() {
            return Ok(Changes::default());
        }
        let saved = self.record(fence, async |recorder| recorder.save_judged(judged, at).await);
        saved.await.map_err(|f| self.error("storing race records", f))
    }

    async fn save_standings(
        &self,
        fence: Option<&Fence>,
        results: &[StageResult],
        cause: Cause,
        at: Timestamp,
    ) -> Result<Changes, StoreError> {
        let why = Why { cause, at: Bound::of(at) };
        let saved = self.record(fence, async |recorder| recorder.save_results(results, &why).await).await;
        saved.map_err(|f| self.error("storing results", f))
    }

    async fn waiting_changes(&self, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        let read = self.read(async |reader| outbox::waiting(reader.client(), limit).await).await;
        read.map_err(|f| self.error("reading the outbox", f))
    }

    async fn mark_relayed(&self, ids: &[i64]) -> Result<(), StoreError> {
        let marked = self.read(async |reader| outbox::relayed(reader.client(), ids).await).await;
        marked.map_err(|f| self.error("marking the outbox", f))
    }

    async fn read_tracks(
        &self,
        spans: &[TrackSpan],
        limit_each: usize,
    ) -> Result<Vec<Vec<Position>>, StoreError> {
        let read = self.read(async |reader| reader.read_tracks(spans, limit_each).await).await;
        read.map_err(|f| self.error("reading positions", f))
    }

    async fn count_positions(&self, spans: &[TrackSpan]) -> Result<Vec<u64>, StoreError> {
        let counted = self.read(async |reader| reader.count_positions(spans).await).await;
        counted.map_err(|f| self.error("counting positions", f))
    }
}
