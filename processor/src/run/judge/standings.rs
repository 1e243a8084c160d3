//! The ranking of the field, by what is true of each entry.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::batch::EntryKey;
use race::course::Course;
use race::follow::{Follower, Scratch};
use race::judge::{EntryEvaluation, ranking};
use race::record::StageResult;
use uuid::Uuid;

/// See the module.
#[derive(Debug)]
pub(super) struct Standings {
    fields: Vec<Field>,
    changed: BTreeSet<usize>,
    /// The results that were last told, by entry and stage.
    told: BTreeMap<(Uuid, Uuid), StageResult>,
}

/// The entries of one event.
#[derive(Debug)]
struct Field {
    evaluations: Vec<EntryEvaluation>,
    /// Entries that were not judged yet: a place among a part of the field is none.
    unknown: BTreeSet<usize>,
}

impl Standings {
    pub(super) fn new(course: &Course) -> Self {
        let mut scratch = Scratch::default();
        let fields = course.events.iter().map(|event| {
            let empty = Follower::new(event);
            let evaluations = event.entries.iter().map(|entry| empty.evaluation(event, entry, &mut scratch));
            Field { evaluations: evaluations.collect(), unknown: (0..event.entries.len()).collect() }
        });
        Self { fields: fields.collect(), changed: BTreeSet::new(), told: BTreeMap::new() }
    }

    /// What is true of an entry.
    pub(super) fn set(&mut self, (event, entry): EntryKey, evaluation: EntryEvaluation) {
        let field = &mut self.fields[event];
        field.evaluations[entry] = evaluation;
        field.unknown.remove(&entry);
        self.changed.insert(event);
    }

    /// Whether nothing of an event is known that its places do not say yet.
    pub(super) fn is_ranked(&self, event: usize) -> bool {
        !self.changed.contains(&event)
    }

    /// Results that differ from those told last.
    pub(super) fn changed(&mut self, course: &Course) -> Vec<StageResult> {
        let mut changed = Vec::new();
        for event in std::mem::take(&mut self.changed) {
            let field = &self.fields[event];
            if !field.unknown.is_empty() {
                self.changed.insert(event);
                continue;
            }
            let plan = &course.events[event];
            for stage in 0..plan.stages.len() {
                for result in ranking::rank(plan, stage, &field.evaluations) {
                    let key = (result.entry_id, result.stage_id);
                    if self.told.get(&key) != Some(&result) {
                        self.told.insert(key, result.clone());
                        changed.push(result);
                    }
                }
            }
        }
        changed
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]
mod tests {
    use std::sync::Arc;

    use race::course::parse;
    use race::record::StageStatus;
    use serde_json::json;

    use super::*;

    /// Two events, of two entries and of one, with a stage each.
    fn course() -> Course {
        let id = |n: u32| json!(format!("00000000-0000-0000-0000-{n:012}"));
        let entry =
            |n, event, number: u32| json!({"id": id(n), "event_id": id(event), "race_number": number});
        let stage = |n, event| json!({"id": id(n), "event_id": id(event), "name": "stage"});
        let tables = json!({
            "events": [{"id": id(1), "name": "one"}, {"id": id(2), "name": "two"}],
            "entries": [entry(11, 1, 1), entry(12, 1, 2), entry(21, 2, 1)],
            "stages": [stage(31, 1), stage(32, 2)],
            "devices": [], "entry_devices": [], "segments": [], "geofences": [], "waypoints": [],
            "neutralisations": [], "penalty_formulas": [], "entry_segment_starts": []
        });
        Course::new(Arc::new(parse(&tables.to_string()).unwrap_or_else(|errors| panic!("{errors}"))))
    }

    fn empty(course: &Course, (event, entry): EntryKey) -> EntryEvaluation {
        let plan = &course.events[event];
        Follower::new(plan).evaluation(plan, &plan.entries[entry], &mut Scratch::default())
    }

    #[test]
    fn an_event_is_ranked_once_all_of_its_entries_were_judged() {
        let course = course();
        let mut standings = Standings::new(&course);
        let one = course.events.iter().position(|event| event.entries.len() == 2).unwrap();
        standings.set((one, 0), empty(&course, (one, 0)));
        assert!(standings.changed(&course).is_empty(), "the other entry is not judged");
        standings.set((1 - one, 0), empty(&course, (1 - one, 0)));
        assert_eq!(standings.changed(&course).len(), 1, "another event does not wait for it");
        standings.set((one, 1), empty(&course, (one, 1)));
        assert_eq!(standings.changed(&course).len(), 2, "the first is told with the last");
    }

    #[test]
    fn only_what_differs_from_what_was_told_is_told() {
        let course = course();
        let mut standings = Standings::new(&course);
        for (e, event) in course.events.iter().enumerate() {
            for n in 0..event.entries.len() {
                standings.set((e, n), empty(&course, (e, n)));
            }
        }
        assert_eq!(standings.changed(&course).len(), 3);
        assert!(standings.changed(&course).is_empty(), "nothing was judged since");
        standings.set((0, 0), empty(&course, (0, 0)));
        assert!(standings.changed(&course).is_empty(), "it was judged with the same result");
        let mut excluded = empty(&course, (0, 0));
        excluded.stages[0].status = StageStatus::Dsq;
        standings.set((0, 0), excluded);
        let changed = standings.changed(&course);
        let entry_id = course.events[0].entries[0].row.id;
        let told = changed.iter().find(|result| result.entry_id == entry_id);
        assert_eq!(told.map(|result| result.status), Some(StageStatus::Dsq));
    }
}
