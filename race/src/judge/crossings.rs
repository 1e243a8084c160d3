//! The crossings of one entry: rows with their evidence, and which of them may count.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::course::plan::{EntryPlan, EventPlan};
use crate::course::tables::Geofence;
use crate::earth;
use crate::fence::state::{Evidence, FenceEvent};
use crate::fence::touch::{Touch, Trace};
use crate::ids::{Key, row_id};
use crate::num::degrees_e7;
use crate::record::{Crossing, CrossingStatus, Direction};
use crate::time::Timestamp;

/// The crossings of one entry, by geofence and in order of time.
#[derive(Debug)]
pub struct CrossingBook {
    by_geofence: BTreeMap<Uuid, Vec<Noted>>,
}

#[derive(Debug)]
struct Noted {
    row: Crossing,
    first: Trace,
    last: Touch,
}

/// A crossing as the matching of segments sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The instant that counts, rounded to the millisecond.
    pub at: Timestamp,
    /// The row it rests on; none for a start by the clock.
    pub crossing_id: Option<Uuid>,
    /// A person should look.
    pub needs_review: bool,
    /// Where on the track it is; none for a start by the clock.
    pub trace: Option<Trace>,
}

impl CrossingBook {
    /// Makes a row of every crossing that the track shows.
    pub fn new(event: &EventPlan, entry: &EntryPlan, evidence: &Evidence) -> Self {
        let geofences: BTreeMap<Uuid, &Geofence> = event.geofences.iter().map(|row| (row.id, row)).collect();
        let by_geofence = evidence.crossings.iter().map(|(id, events)| {
            let is_proposed = geofences.get(id).is_some_and(|g| g.manual_verification);
            let status = if is_proposed { CrossingStatus::Proposed } else { CrossingStatus::Computed };
            // Two within one millisecond, at a fence without hysteresis, are one row.
            let mut seen = BTreeSet::new();
            let distinct = events.iter().filter(|event| seen.insert((event.direction, event.first.ts)));
            let noted = distinct.map(|event| Noted {
                row: row(entry.row.id, *id, event, status),
                first: event.first.trace(),
                last: event.last,
            });
            (*id, noted.collect())
        });
        Self { by_geofence: by_geofence.collect() }
    }

    /// When a geofence was crossed, in a direction that may count, by crossings that wait for a person.
    pub fn proposed(&self, geofence: Option<Uuid>) -> impl Iterator<Item = Timestamp> {
        let waits = |noted: &&Noted| {
            noted.row.status == CrossingStatus::Proposed && noted.row.direction != Direction::Reverse
        };
        self.at(geofence).iter().filter(waits).map(|noted| noted.row.ts)
    }

    /// The crossings of a geofence in these directions that count, with the instant of their first touch.
    pub fn firsts(&self, geofence: Option<Uuid>, directions: [Direction; 2]) -> impl Iterator<Item = Mark> {
        self.counting(geofence, directions).map(|noted| noted.mark(noted.row.ts, noted.first))
    }

    /// The crossings of a geofence in these directions that count, with the instant of their last touch: what a
    /// start takes.
    pub fn lasts(&self, geofence: Option<Uuid>, directions: [Direction; 2]) -> impl Iterator<Item = Mark> {
        self.counting(geofence, directions).map(|noted| noted.mark(noted.last.ts, noted.last.trace()))
    }

    /// When a geofence was crossed by anything that counts.
    pub fn counted(&self, geofence: Option<Uuid>) -> impl Iterator<Item = Timestamp> {
        let any = [[Direction::Enter, Direction::Exit], [Direction::Cross; 2]];
        any.into_iter().flat_map(move |directions| self.firsts(geofence, directions)).map(|mark| mark.at)
    }

    fn counting(&self, geofence: Option<Uuid>, directions: [Direction; 2]) -> impl Iterator<Item = &Noted> {
        let counts = |s| matches!(s, CrossingStatus::Computed | CrossingStatus::Confirmed);
        self.at(geofence)
            .iter()
            .filter(move |noted| directions.contains(&noted.row.direction) && counts(noted.row.status))
    }

    fn at(&self, geofence: Option<Uuid>) -> &[Noted] {
        geofence.and_then(|id| self.by_geofence.get(&id)).map_or(&[], Vec::as_slice)
    }

    /// All rows by time, then id.
    pub fn into_rows(self) -> Vec<Crossing> {
        let mut rows: Vec<Crossing> =
            self.by_geofence.into_values().flatten().map(|noted| noted.row).collect();
        rows.sort_by_key(|row| (row.ts, row.id));
        rows
    }
}

impl Noted {
    fn mark(&self, at: Timestamp, trace: Trace) -> Mark {
        Mark { at, crossing_id: Some(self.row.id), needs_review: self.row.needs_review, trace: Some(trace) }
    }
}

fn row(entry_id: Uuid, geofence_id: Uuid, event: &FenceEvent, status: CrossingStatus) -> Crossing {
    let touch = event.first;
    let key = Key {
        entry: entry_id,
        what: "crossing",
        scope: None,
        kind: None,
        place: Some(geofence_id),
        direction: Some(event.direction.as_str()),
        start: Some(touch.ts),
    };
    let (latitude, longitude) = earth::lat_lon(touch.at);
    #[allow(clippy::cast_precision_loss, reason = "a plausible speed is small")]
    let speed = touch.speed_ckmh as f64 / 100.0;
    Crossing {
        id: row_id(&key),
        entry_id,
        geofence_id,
        ts: touch.ts,
        direction: event.direction,
        latitude: degrees_e7(latitude),
        longitude: degrees_e7(longitude),
        speed,
        uncertainty_ms: touch.uncertainty_ms(),
        fixes: touch.fixes,
        last_touch_at: (event.last.ts != touch.ts).then_some(event.last.ts),
        needs_review: touch.weak || event.last.weak || event.undecided,
        status,
    }
}
