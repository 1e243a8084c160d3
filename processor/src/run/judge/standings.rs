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
