//! The ranking of the field, by what is saved of each entry.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::batch::EntryKey;
use race::course::Course;
use race::judge::{EntryEvaluation, ranking};
use race::record::StageResult;
use uuid::Uuid;

/// See the module.
#[derive(Debug)]
pub(super) struct Standings {
    /// By event and entry; none until it was judged once.
    evaluations: Vec<Vec<Option<EntryEvaluation>>>,
    changed: BTreeSet<usize>,
    /// The results that were last told, by entry and stage.
    told: BTreeMap<(Uuid, Uuid), StageResult>,
}

impl Standings {
    pub(super) fn new(course: &Course) -> Self {
        let evaluations = course.events.iter().map(|event| vec![None; event.entries.len()]).collect();
        Self { evaluations, changed: BTreeSet::new(), told: BTreeMap::new() }
    }

    /// What is saved of an entry.
    pub(super) fn set(&mut self, (event, entry): EntryKey, evaluation: EntryEvaluation) {
        self.evaluations[event][entry] = Some(evaluation);
        self.changed.insert(event);
    }

    /// Results that differ from those told last. An event is ranked once all its entries were judged: a place in a
    /// part of the field is none.
    pub(super) fn changed(&mut self, course: &Course) -> Vec<StageResult> {
        let mut changed = Vec::new();
        for event in std::mem::take(&mut self.changed) {
            let Some(evaluations) = self.evaluations[event].iter().cloned().collect::<Option<Vec<_>>>()
            else {
                self.changed.insert(event);
                continue;
            };
            let plan = &course.events[event];
            for stage in 0..plan.stages.len() {
                for result in ranking::rank(plan, stage, &evaluations) {
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
