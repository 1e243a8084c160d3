//! Order does not matter: rows come late, twice, in batches, flagged and unflagged, with restarts in between, and the
//! document is that of one evaluation over the sorted set.

use std::collections::BTreeMap;

use race::course::Course;
use race::follow::{Follower, Scratch};
use race::judge::EntryEvaluation;

use crate::engine;
use crate::generate::Case;
use crate::line::Row;

/// Choices that need no shrinking.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }
}

type Stored = BTreeMap<(String, i64), Row>;

/// What a judge holds of one entry: its state while its fixes come in order, or that it must begin anew.
struct Judge {
    entry: usize,
    follower: Option<Follower>,
}

impl Judge {
    /// Takes rows that were stored just now.
    fn take(&mut self, course: &Course, stored: &[Row], new: &[Row], dice: &mut Dice) {
        let event = &course.events[0];
        let (positions, _) = engine::evidence(course, self.entry, new);
        let latest = self.follower.as_ref().and_then(|f| f.track.latest());
        let in_order = positions.first().is_none_or(|p| latest.is_none_or(|l| p.ts > l));
        let mut scratch = Scratch::default();
        match &mut self.follower {
            Some(follower) if in_order => {
                for position in &positions {
                    follower.push(event, position, &mut scratch);
                }
            }
            _ => self.follower = Some(self.anew(course, stored)),
        }
        // A restart, a takeover: what was saved goes on.
        if dice.below(3) == 0 {
            let plan = &event.entries[self.entry];
            let saved = self.follower.as_ref().unwrap().save(event, plan).unwrap();
            self.follower = Some(Follower::restore(event, plan, &saved).unwrap());
        }
    }

    /// From the sorted set.
    fn anew(&self, course: &Course, stored: &[Row]) -> Follower {
        let event = &course.events[0];
        let (positions, faulty) = engine::evidence(course, self.entry, stored);
        let (mut follower, mut scratch) = (Follower::new(event), Scratch::default());
        follower.track.note_faulty(faulty);
        for position in &positions {
            follower.push(event, position, &mut scratch);
        }
        follower
    }

    fn evaluation(&self, course: &Course) -> EntryEvaluation {
        let event = &course.events[0];
        let follower = self.follower.as_ref().unwrap();
        follower.evaluation(event, &event.entries[self.entry], &mut Scratch::default())
    }
}

/// Rows in the order in which they come: mostly by time, some stretches late, some rows twice or more.
fn arrivals(rows: &[Row], dice: &mut Dice) -> Vec<Row> {
    let shuffled = dice.below(4) == 0;
    let mut late = (0_i64, 0_usize);
    let mut order: Vec<(i64, usize)> = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        if late.1 == 0 && dice.below(40) == 0 {
            late = (dice.below(900) as i64 * 1_000_000, 1 + dice.below(30));
        }
        late.1 = late.1.saturating_sub(1);
        let delay = if late.1 > 0 { late.0 } else { 0 };
        let key = if shuffled { dice.below(1_000_000) as i64 } else { row.position.ts.micros() + delay };
        order.push((key, n));
        if dice.below(10) == 0 {
            order.push((key + dice.below(60) as i64 * 1_000_000, n));
        }
    }
    order.sort_unstable();
    order.into_iter().map(|(_, n)| rows[n].clone()).collect()
}

/// Plays a case to a judge and compares after each batch; says where it first differs.
pub(crate) fn differs(case: &Case, seed: u64) -> Option<String> {
    let mut dice = Dice::new(seed);
    let course = engine::course(&case.tables);
    let mut judges: Vec<Judge> = (0..course.events[0].entries.len())
        .map(|entry| Judge { entry, follower: Some(Follower::new(&course.events[0])) })
        .collect();
    let mut stored = Stored::new();
    let coming = arrivals(&case.rows, &mut dice);
    let batches = 1 + dice.below(8);
    for batch in coming.chunks(coming.len().div_ceil(batches).max(1)) {
        let mut new = Vec::new();
        let mut changed = false;
        for row in batch {
            let key = (row.position.device_id.to_string(), row.position.ts.micros());
            // The stored row with its flag stays the evidence; a flag is set by a person, after the row came.
            stored.entry(key).or_insert_with(|| {
                let unflagged = Row { faulty: false, ..row.clone() };
                new.push(unflagged.clone());
                changed |= row.faulty;
                unflagged
            });
        }
        for row in batch.iter().filter(|r| r.faulty) {
            let key = (row.position.device_id.to_string(), row.position.ts.micros());
            stored.get_mut(&key).unwrap().faulty = true;
        }
        // Somebody flags a row; the flag is cleared later or stays.
        if dice.below(3) == 0 {
            let n = dice.below(stored.len());
            if let Some(row) = stored.values_mut().nth(n) {
                row.faulty = !row.faulty;
                changed = true;
            }
        }
        let rows: Vec<Row> = stored.values().cloned().collect();
        for judge in &mut judges {
            if changed {
                judge.follower = None;
            }
            judge.take(&course, &rows, &new, &mut dice);
        }
        let live = engine::outcome(&course, judges.iter().map(|j| j.evaluation(&course)).collect());
        let (live, replayed) =
            (engine::document(&course, live), engine::document(&course, engine::whole(&course, &rows)));
        if live != replayed {
            let differing = live.lines().zip(replayed.lines()).find(|(a, b)| a != b);
            return Some(format!("after {} rows of {}: {differing:?}", stored.len(), case.rows.len()));
        }
    }
    None
}
