//! A field of entries with results written down, for tests of what is made of results.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::cast_sign_loss,
    reason = "each test file uses a part of this module"
)]

use race::course::plan::EventPlan;
use race::judge::EntryEvaluation;
use race::judge::stage::StageEvaluation;
use race::record::StageStatus::{self, Finished};
use race::track::FixCounts;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{add, document, id};

/// The result of an entry in a stage, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Result {
    pub status: StageStatus,
    pub laps: Option<u32>,
    pub elapsed: Option<i64>,
    /// Of a dnf or dns with a fixed time.
    pub fixed: Option<i64>,
    pub penalty: i64,
    pub overall_penalty: i64,
    pub start_order_penalty: i64,
    pub provisional: bool,
}

/// Finished in so many seconds.
pub const fn finished(elapsed: i64) -> Result {
    Result { elapsed: Some(elapsed), ..with(Finished) }
}

/// Without a time.
pub const fn with(status: StageStatus) -> Result {
    Result {
        status,
        laps: None,
        elapsed: None,
        fixed: None,
        penalty: 0,
        overall_penalty: 0,
        start_order_penalty: 0,
        provisional: false,
    }
}

/// The document of an event with `stages` stages, 5 the first, each of one special stage (30 the first), and entries of
/// these race numbers; the id of an entry is 1000 less its place here, so that no id stands for a number.
pub fn field(stages: usize, numbers: &[i64]) -> Value {
    let mut document = document();
    for table in ["entries", "entry_devices", "stages"] {
        document[table] = json!([]);
    }
    for (n, number) in (0..).zip(numbers) {
        let entry = json!({"id": id(1_000 - n), "event_id": id(1), "race_number": number});
        add(&mut document, "entries", entry);
    }
    let point = json!({"type": "Point", "coordinates": [19.0, 41.0]});
    let finish = json!({"id": id(10), "event_id": id(1), "name": "g", "kind": "area", "geometry": point,
        "radius_meters": 50});
    add(&mut document, "geofences", finish);
    for n in 0..stages as u128 {
        let stage = json!({"id": id(5 + n), "event_id": id(1), "name": format!("SS{}", n + 1), "sort_order": n as u64});
        add(&mut document, "stages", stage);
        let segment = json!({"id": id(30 + n), "stage_id": id(5 + n), "type": "special-stage",
            "exit_geofence_id": id(10)});
        add(&mut document, "segments", segment);
    }
    document
}

/// The results of an event's entries, by race number.
pub fn evaluations(event: &EventPlan, results: &[(i64, &[Result])]) -> Vec<EntryEvaluation> {
    let entries = event.entries.iter().map(|entry| {
        let (_, stages) = results.iter().find(|(number, _)| *number == entry.row.race_number).unwrap();
        let stages = event.stages.iter().zip(*stages).map(|(plan, result)| evaluation(plan.row.id, result));
        EntryEvaluation {
            entry_id: entry.row.id,
            fixes: FixCounts::default(),
            crossings: Vec::new(),
            stages: stages.collect(),
            overrides: Vec::new(),
        }
    });
    entries.collect()
}

fn evaluation(stage_id: Uuid, result: &Result) -> StageEvaluation {
    let ms = |seconds: Option<i64>| seconds.map(|s| s * 1_000);
    let total = result.elapsed.or(result.fixed).map(|time| time + result.penalty);
    StageEvaluation {
        stage_id,
        status: result.status,
        started_at: None,
        finished_at: None,
        laps: result.laps,
        elapsed_ms: ms(result.elapsed),
        neutralised_ms: 0,
        clean_ms: ms(result.elapsed),
        penalty_ms: result.penalty * 1_000,
        overall_penalty_ms: result.overall_penalty * 1_000,
        start_order_penalty_ms: result.start_order_penalty * 1_000,
        total_ms: ms(total),
        provisional: result.provisional,
        segments: Vec::new(),
        penalties: Vec::new(),
    }
}

/// The race number of an entry.
pub fn number(event: &EventPlan, id: Uuid) -> i64 {
    event.entries.iter().find(|entry| entry.row.id == id).unwrap().row.race_number
}
