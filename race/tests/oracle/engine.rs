//! The engine under test, driven as its users drive it: positions in order of time, an entry at a time.

use std::sync::Arc;

use race::course::{Course, Tables};
use race::follow::{Follower, Scratch};
use race::judge::document::Document;
use race::judge::ranking::rank;
use race::judge::{EntryEvaluation, EventOutcome};
use race::position::Position;

use crate::line::Row;

pub(crate) fn course(tables: &Tables) -> Course {
    Course::new(Arc::new(tables.clone()))
}

/// Whether a device's row is evidence for an entry, by number, of the first event.
fn concerns(course: &Course, entry: usize, position: &Position) -> bool {
    course
        .roster
        .uses(&position.device_id)
        .is_some_and(|uses| uses.iter().any(|u| u.event == 0 && u.entry == entry && u.covers(position.ts)))
}

/// Rows of an entry in order of time, and how many faulty ones are left out.
pub(crate) fn evidence(course: &Course, entry: usize, rows: &[Row]) -> (Vec<Position>, u64) {
    let (faulty, good): (Vec<&Row>, Vec<&Row>) =
        rows.iter().filter(|r| concerns(course, entry, &r.position)).partition(|r| r.faulty);
    let mut positions: Vec<Position> = good.into_iter().map(|r| r.position.clone()).collect();
    positions.sort_by_key(|p| p.ts);
    (positions, faulty.len() as u64)
}

/// The evaluation of one entry over everything that is stored.
pub(crate) fn evaluate(course: &Course, entry: usize, rows: &[Row]) -> EntryEvaluation {
    let event = &course.events[0];
    let (positions, faulty) = evidence(course, entry, rows);
    let mut scratch = Scratch::default();
    let mut follower = Follower::new(event);
    follower.track.note_faulty(faulty);
    for position in &positions {
        follower.push(event, position, &mut scratch);
    }
    follower.evaluation(event, &event.entries[entry], &mut scratch)
}

pub(crate) fn outcome(course: &Course, evaluations: Vec<EntryEvaluation>) -> EventOutcome {
    let event = &course.events[0];
    let rankings = (0..event.stages.len()).map(|n| rank(event, n, &evaluations)).collect();
    EventOutcome { event: 0, evaluations, rankings }
}

pub(crate) fn whole(course: &Course, rows: &[Row]) -> EventOutcome {
    let evaluations = (0..course.events[0].entries.len()).map(|n| evaluate(course, n, rows)).collect();
    outcome(course, evaluations)
}

pub(crate) fn document(course: &Course, outcome: EventOutcome) -> String {
    Document::new(course, &[outcome]).to_json().unwrap()
}
