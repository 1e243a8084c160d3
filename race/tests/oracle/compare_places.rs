//! Rankings and standings, of the engine's own times: places are compared here, not milliseconds.

use race::course::tables::Tables;
use race::judge::standings::after;
use race::judge::{EntryEvaluation, EventOutcome};

use crate::compare::Differences;
use crate::engine;
use crate::results::{Standing, rank};
use crate::standings::{Line, Part, Placed, standings};

pub(crate) fn all(d: &mut Differences, tables: &Tables, engine: &EventOutcome) {
    let row = |e: &EntryEvaluation| tables.entries.iter().find(|row| row.id == e.entry_id).unwrap();
    let course = engine::course(tables);
    for (s, ranking) in engine.rankings.iter().enumerate() {
        let standing = |e: &EntryEvaluation| {
            let own = &e.stages[s];
            Standing {
                entry: e.entry_id,
                number: row(e).race_number,
                class: row(e).class_id,
                status: own.status,
                laps: own.laps.unwrap_or(0),
                total: own.total_ms,
                clean: own.clean_ms,
            }
        };
        let field: Vec<Standing> = engine.evaluations.iter().map(standing).collect();
        let found: Vec<_> =
            ranking.iter().map(|r| (r.entry_id, r.position, r.class_position, r.gap_ms)).collect();
        d.equal(&format!("ranking of stage {s}"), &found, &rank(&field));
        let line = |e: &EntryEvaluation| {
            let part = |own: &race::judge::stage::StageEvaluation| Part {
                status: own.status,
                elapsed: own.elapsed_ms,
                total: own.total_ms,
                penalty: own.penalty_ms,
                overall_penalty: own.overall_penalty_ms,
                provisional: own.provisional,
            };
            let stages = e.stages[..=s].iter().map(part).collect();
            Line { entry: e.entry_id, number: row(e).race_number, class: row(e).class_id, stages }
        };
        let field: Vec<Line> = engine.evaluations.iter().map(line).collect();
        let found: Vec<Placed> = after(&course.events[0], s, &engine.evaluations)
            .into_iter()
            .map(|r| {
                let times = (r.elapsed_ms, r.penalty_ms, r.total_ms);
                let places = (r.position, r.class_position, r.gap_ms);
                let (elapsed, penalty, total) = times;
                let (position, class_position, gap) = places;
                let completed = r.completed_stages;
                (r.entry_id, completed, elapsed, penalty, total, position, class_position, gap, r.provisional)
            })
            .collect();
        d.equal(&format!("standings after stage {s}"), &found, &standings(&field));
    }
}
