//! Locate: whose track a position belongs to, what movement it makes, and which features lie on its way.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use race::course::Course;
use race::fence::touch::Movement;
use race::position::Position;
use race::time::Timestamp;
use race::track::Track;

use super::LaneReport;
use crate::batch::{EntryKey, Located, LocatedBatch, Rows};

/// The tracks of the lane's entries.
#[derive(Debug)]
pub struct Locate {
    course: Arc<Course>,
    tracks: HashMap<EntryKey, Followed>,
    report: LaneReport,
    /// Kept between calls to spare an allocation a position.
    moved: Vec<Movement>,
}

#[derive(Debug)]
enum Followed {
    /// In order so far.
    Live(Box<Track>),
    /// Evaluated from storage; the latest position seen here, if any.
    Dirty(Option<Timestamp>),
}

impl Followed {
    fn latest(&self) -> Option<Timestamp> {
        match self {
            Self::Live(track) => track.latest(),
            Self::Dirty(latest) => *latest,
        }
    }
}

impl Locate {
    /// A stage that follows every entry but the dirty ones.
    pub fn new(course: Arc<Course>, dirty: &[EntryKey]) -> Self {
        let tracks = dirty.iter().map(|&key| (key, Followed::Dirty(None))).collect();
        Self { course, tracks, report: LaneReport::default(), moved: Vec::new() }
    }

    /// Takes the next rows of the lane's devices.
    pub fn run(&mut self, rows: Rows) -> LocatedBatch {
        let mut batch = LocatedBatch::default();
        for position in &rows.positions {
            self.position(position, &mut batch);
        }
        batch.rows = rows;
        batch
    }

    /// The end of every track.
    pub fn finish(mut self) -> (LocatedBatch, LaneReport) {
        let mut batch = LocatedBatch::default();
        // In order of their numbers, so that the same input gives the same batch.
        let tracks: BTreeMap<EntryKey, Followed> = std::mem::take(&mut self.tracks).into_iter().collect();
        for (entry, followed) in tracks {
            if followed.latest().is_some() {
                self.report.touched.insert(entry);
            }
            let Followed::Live(track) = followed else { continue };
            let counts = track.finish(&mut self.moved);
            self.locate(entry, &mut batch);
            batch.ended.push((entry, counts));
        }
        (batch, self.report)
    }

    fn position(&mut self, position: &Position, batch: &mut LocatedBatch) {
        let course = Arc::clone(&self.course);
        let Some(uses) = course.roster.uses(&position.device_id) else {
            *self.report.unknown_devices.entry(position.device_id.clone()).or_default() += 1;
            return;
        };
        let mut times_somebody = false;
        for place in uses.iter().filter(|place| place.covers(position.ts)) {
            times_somebody = true;
            let entry = (place.event, place.entry);
            let rules = course.events[place.event].track_rules;
            let followed =
                self.tracks.entry(entry).or_insert_with(|| Followed::Live(Box::new(Track::new(rules))));
            match (followed.latest(), followed) {
                // The first row offered is the one that is stored, so what repeats its instant is no evidence.
                (Some(latest), _) if latest == position.ts => self.report.repeated += 1,
                (Some(latest), followed) if latest > position.ts => {
                    self.report.late += 1;
                    if let Followed::Live(_) = followed {
                        *followed = Followed::Dirty(Some(latest));
                        batch.dirty.push(entry);
                    }
                }
                (_, Followed::Dirty(latest)) => *latest = Some(position.ts),
                (_, Followed::Live(track)) => {
                    track.push(position, &mut self.moved);
                    self.locate(entry, batch);
                }
            }
        }
        self.report.not_timing += u64::from(!times_somebody);
    }

    fn locate(&mut self, entry: EntryKey, batch: &mut LocatedBatch) {
        let features = &self.course.events[entry.0].features;
        for movement in self.moved.drain(..) {
            let start = batch.near.len();
            features.near(&movement, &mut batch.near);
            batch.movements.push(Located { entry, movement, near: start..batch.near.len() });
        }
    }
}
