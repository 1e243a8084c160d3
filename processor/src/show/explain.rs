//! All evidence of one entry: what every crossing and penalty rests on.

pub(crate) mod arithmetic;
pub(crate) mod geojson;
pub(crate) mod history;
pub(crate) mod shape;
pub(crate) mod text;
pub(crate) mod times;
pub(crate) mod track;

use race::course::Course;
use race::course::plan::{EventPlan, StagePlan};
use race::course::tables::{CountsFor, Geofence, Override, OverrideTarget, PenaltyFormula};
use race::judge::EntryEvaluation;
use race::judge::stage::StageEvaluation;
use race::record::{Crossing, Direction, Penalty, PenaltyStatus, StageStatus};
use race::time::Timestamp;
use race::track::FixCounts;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use self::history::RevisionLine;
use self::shape::{Place, places_of};
use self::times::SpecialStage;
use self::track::{StoredFix, StoredTrack};
use super::board::{EventHead, class_of};
use super::reason;

/// The document's own version, raised when a field changes its meaning.
const FORMAT: &str = "race-explanation/1";

/// Everything that one entry's results rest on. Instants are UTC, durations milliseconds, distances metres.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation<'a> {
    format: &'static str,
    pub(crate) event: EventHead<'a>,
    pub(crate) race_number: i64,
    pub(crate) entry_id: Uuid,
    /// The code of the class.
    pub(crate) class: Option<&'a str>,
    /// Two trackers are set to time it at once: to be reviewed.
    pub(crate) is_timed_twice: bool,
    /// What became of its positions.
    pub(crate) fixes: FixCounts,
    /// The last position that was judged.
    pub(crate) evaluated_to: Option<Timestamp>,
    pub(crate) stages: Vec<StageLine<'a>>,
    /// By time.
    pub(crate) crossings: Vec<CrossingLine<'a>>,
    /// By stage, then id.
    pub(crate) penalties: Vec<PenaltyEvidence<'a>>,
    /// What people decided about the entry.
    pub(crate) overrides: Vec<&'a Override>,
    /// Ids of those decisions that there is nothing for any more: to be reviewed.
    pub(crate) unbound_overrides: Vec<Uuid>,
    /// Records that were published and are no longer true.
    pub(crate) retracted: Vec<RevisionLine>,
}

/// A stage as it adds up.
#[derive(Debug, Serialize)]
pub(crate) struct StageLine<'a> {
    pub(crate) stage_id: Uuid,
    pub(crate) name: &'a str,
    pub(crate) status: StageStatus,
    pub(crate) provisional: bool,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) elapsed_ms: Option<i64>,
    pub(crate) neutralised_ms: i64,
    /// What the time is the sum of.
    pub(crate) special_stages: Vec<SpecialStage>,
    pub(crate) penalty_ms: i64,
    pub(crate) total_ms: Option<i64>,
    pub(crate) missed: Vec<i64>,
    pub(crate) doubtful: Vec<i64>,
    pub(crate) revisions: Vec<RevisionLine>,
}

/// A crossing and what it rests on.
#[derive(Debug, Serialize)]
pub(crate) struct CrossingLine<'a> {
    #[serde(flatten)]
    pub(crate) crossing: &'a Crossing,
    /// What was crossed; null when its row is gone.
    pub(crate) geofence: Option<&'a Geofence>,
    /// Of what it is the start or the finish, or may be, as `start of SS 1`; null: recorded only.
    pub(crate) counts_as: Option<String>,
    /// The two fixes that bracket it, as they are stored; null where one is there no more.
    pub(crate) evidence: [Option<&'a StoredFix>; 2],
    pub(crate) overrides: Vec<&'a Override>,
    pub(crate) revisions: Vec<RevisionLine>,
}

/// A penalty and what it rests on.
#[derive(Debug, Serialize)]
pub(crate) struct PenaltyEvidence<'a> {
    pub(crate) id: Uuid,
    pub(crate) stage: &'a str,
    pub(crate) segment_id: Option<Uuid>,
    #[serde(rename = "type")]
    pub(crate) evaluator: &'a str,
    pub(crate) kind: Option<&'a str>,
    pub(crate) reason: String,
    pub(crate) effect: &'static str,
    pub(crate) penalty_ms: i64,
    pub(crate) counts_for: &'a [CountsFor],
    pub(crate) status: PenaltyStatus,
    pub(crate) needs_review: bool,
    /// What was measured.
    pub(crate) inputs: &'a Value,
    /// The table as it stood.
    pub(crate) formula_rows: Vec<PenaltyFormula>,
    /// The row of the bracket; none for seconds that a person gave.
    pub(crate) formula_id: Option<Uuid>,
    /// How it came to its amount, step by step.
    pub(crate) arithmetic: Vec<String>,
    /// Where it happened, with how near the track came.
    pub(crate) places: Vec<Place<'a>>,
    /// The stored positions of the instants that it names, and those around and within its window.
    pub(crate) evidence: Vec<&'a StoredFix>,
    pub(crate) overrides: Vec<&'a Override>,
    pub(crate) revisions: Vec<RevisionLine>,
}

/// What is asked about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    /// One stage, by its number; else all.
    pub(crate) stage: Option<usize>,
    /// One penalty, and no crossings.
    pub(crate) penalty: Option<Uuid>,
}

/// An entry, judged, with its track and its past.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) course: &'a Course,
    pub(crate) plan: &'a EventPlan,
    /// Its number in the event.
    pub(crate) entry: usize,
    pub(crate) evaluation: &'a EntryEvaluation,
    pub(crate) evaluated_to: Option<Timestamp>,
    pub(crate) track: &'a StoredTrack,
    pub(crate) past: &'a history::Past,
}

impl<'a> Case<'a> {
    /// Puts the evidence together.
    pub(crate) fn explain(&self, asked: Asked) -> Explanation<'a> {
        let entry = &self.plan.entries[self.entry];
        let overrides = &self.course.tables.overrides;
        let stages = self.stages(asked).map(|(stage, result)| self.stage(stage, result));
        let shown = asked.penalty.is_none();
        let penalties = self.stages(asked).flat_map(|(stage, result)| {
            let wanted = result.penalties.iter().filter(move |p| asked.penalty.is_none_or(|id| id == p.id));
            wanted.map(move |penalty| self.penalty(stage, result, penalty))
        });
        Explanation {
            format: FORMAT,
            event: EventHead::of(self.plan),
            race_number: entry.row.race_number,
            entry_id: entry.row.id,
            class: class_of(self.course, entry),
            is_timed_twice: entry.is_timed_twice,
            fixes: self.evaluation.fixes,
            evaluated_to: self.evaluated_to,
            stages: stages.collect(),
            crossings: if shown { self.crossings(asked) } else { Vec::new() },
            penalties: penalties.collect(),
            overrides: overrides.iter().filter(|over| over.entry_id == entry.row.id).collect(),
            unbound_overrides: self
                .evaluation
                .overrides
                .iter()
                .filter(|outcome| outcome.needs_review)
                .map(|outcome| outcome.override_id)
                .collect(),
            retracted: if shown { self.past.retracted(self.evaluation) } else { Vec::new() },
        }
    }

    /// The stages that are asked about, as the entry has driven them.
    fn stages(&self, asked: Asked) -> impl Iterator<Item = (&'a StagePlan, &'a StageEvaluation)> {
        let all = self.plan.stages.iter().zip(&self.evaluation.stages).enumerate();
        all.filter(move |(n, _)| asked.stage.is_none_or(|stage| stage == *n)).map(|(_, both)| both)
    }

    fn stage(&self, stage: &'a StagePlan, result: &'a StageEvaluation) -> StageLine<'a> {
        StageLine {
            stage_id: result.stage_id,
            name: &stage.row.name,
            status: result.status,
            provisional: result.provisional,
            started_at: result.started_at,
            finished_at: result.finished_at,
            elapsed_ms: result.elapsed_ms,
            neutralised_ms: result.neutralised_ms,
            special_stages: times::special_stages(stage, result),
            penalty_ms: result.penalty_ms,
            total_ms: result.total_ms,
            missed: result.segments.iter().flat_map(|s| s.missed.clone()).collect(),
            doubtful: result.segments.iter().flat_map(|s| s.doubtful.clone()).collect(),
            revisions: self.past.of(result.stage_id),
        }
    }

    fn crossings(&self, asked: Asked) -> Vec<CrossingLine<'a>> {
        let shown = self.evaluation.crossings.iter().filter(|crossing| {
            asked.stage.is_none_or(|stage| {
                shape::geofences_of(&self.plan.stages[stage]).contains(&crossing.geofence_id)
            })
        });
        shown.map(|crossing| self.crossing(crossing)).collect()
    }

    fn crossing(&self, crossing: &'a Crossing) -> CrossingLine<'a> {
        let geofence = self.plan.geofences.iter().find(|row| row.id == crossing.geofence_id);
        let named = |over: &&Override| {
            let key = &over.key;
            over.target == OverrideTarget::Crossing
                && over.entry_id == crossing.entry_id
                && key["geofence"].as_str().is_none_or(|id| id == crossing.geofence_id.to_string())
                && key["direction"].as_str().is_none_or(|way| way == crossing.direction.as_str())
                && over.from.is_none_or(|from| from <= crossing.fixes[1])
                && over.to.is_none_or(|to| to >= crossing.fixes[0])
        };
        CrossingLine {
            crossing,
            geofence,
            counts_as: self.counts_as(crossing.id).or_else(|| self.neutralises(crossing)),
            evidence: crossing.fixes.map(|ts| self.track.at(ts)),
            overrides: self.course.tables.overrides.iter().filter(named).collect(),
            revisions: self.past.of(crossing.id),
        }
    }

    fn counts_as(&self, crossing: Uuid) -> Option<String> {
        let stages = self.plan.stages.iter().zip(&self.evaluation.stages);
        stages.flat_map(|(plan, stage)| stage.segments.iter().map(move |segment| (plan, segment))).find_map(
            |(plan, segment)| {
                let name = &plan.row.name;
                if segment.start_crossing_id == Some(crossing) {
                    Some(format!("start of {name}"))
                } else {
                    (segment.finish_crossing_id == Some(crossing)).then(|| format!("finish of {name}"))
                }
            },
        )
    }

    /// A crossing that may begin or end a neutralisation.
    fn neutralises(&self, crossing: &Crossing) -> Option<String> {
        let stage = self.plan.stages.iter().find(|stage| {
            let rows = stage.segments.iter().flat_map(|segment| &segment.neutralisations);
            rows.into_iter().any(|row| match crossing.direction {
                Direction::Enter => row.entry_geofence_id == crossing.geofence_id,
                Direction::Exit => row.exit_geofence_id == crossing.geofence_id,
                Direction::Cross => {
                    [row.entry_geofence_id, row.exit_geofence_id].contains(&crossing.geofence_id)
                }
                Direction::Reverse => false,
            })
        })?;
        Some(format!("neutralisation of {}", stage.row.name))
    }

    fn penalty(
        &self,
        stage: &'a StagePlan,
        result: &'a StageEvaluation,
        penalty: &'a Penalty,
    ) -> PenaltyEvidence<'a> {
        let by = penalty.override_id;
        PenaltyEvidence {
            id: penalty.id,
            stage: &stage.row.name,
            segment_id: penalty.segment_id,
            evaluator: &penalty.evaluator,
            kind: penalty.kind.as_deref(),
            reason: reason::reason(penalty),
            effect: reason::effect(penalty),
            penalty_ms: penalty.penalty_ms,
            counts_for: &penalty.counts_for,
            status: penalty.status,
            needs_review: penalty.needs_review,
            inputs: &penalty.inputs,
            formula_rows: arithmetic::rows(penalty),
            formula_id: penalty.formula_id,
            arithmetic: arithmetic::lines(penalty),
            places: places_of(self, stage, result, penalty),
            evidence: shape::evidence(self, penalty),
            overrides: self.course.tables.overrides.iter().filter(|over| Some(over.id) == by).collect(),
            revisions: self.past.of(penalty.id),
        }
    }
}
