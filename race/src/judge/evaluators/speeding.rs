//! What the evaluators of speed limits share: an offence for each visit of a zone that was too fast.

use serde_json::{Map, Value, json};

use super::{Case, Measures, Offence};
use crate::course::formulas::Measure;
use crate::course::tables::BelongsTo;
use crate::judge::segments::SegmentView;
use crate::judge::speeding::Speeding;
use crate::judge::zones::Passage;
use crate::num::div_round;
use crate::time::Timestamp;

/// Adds what `measures` says of each visit with an episode over the limit; an offence begins with its first episode.
pub(super) fn find<'a>(
    case: &Case<'a>,
    evaluator: &str,
    unit: &str,
    measures: impl Fn(&Speeding) -> Measures,
    offences: &mut Vec<Offence<'a>>,
) {
    for (segment, passage) in passages(case) {
        let Some(speeding) = &passage.speeding else { continue };
        let (Some(first), Some(last)) = (speeding.episodes.first(), speeding.episodes.last()) else {
            continue;
        };
        let mut inputs = Map::new();
        inputs.insert("peak_over_kmh".to_owned(), kmh(speeding.peak_over_ckmh));
        inputs.insert("mean_over_kmh".to_owned(), kmh(speeding.mean_over_ckmh));
        inputs.insert("duration_ms".to_owned(), speeding.duration_ms.into());
        inputs.insert("distance_m".to_owned(), metres(speeding.distance_um));
        inputs.insert("gained_ms".to_owned(), speeding.gained_ms.into());
        inputs.insert("impulses".to_owned(), speeding.impulses_over_ckmh.len().into());
        let episodes = speeding.episodes.iter().map(|episode| {
            json!({
                "from": episode.from,
                "to": episode.to,
                "duration_ms": episode.duration_ms,
                "peak_over_kmh": kmh(episode.peak_over_ckmh),
                "peak_fixes": episode.peak_fixes,
            })
        });
        inputs.insert("episodes".to_owned(), episodes.collect());
        let window = [first.from, last.to];
        offences.push(offence(case, evaluator, unit, segment, passage, window, measures(speeding), inputs));
    }
}

/// The visits of the zones of a stage.
pub(super) fn passages<'a>(case: &Case<'a>) -> impl Iterator<Item = (&'a SegmentView<'a>, &'a Passage<'a>)> {
    let segments = case.view().segments.iter();
    segments.flat_map(|segment| segment.zone_passages.iter().map(move |passage| (segment, passage)))
}

/// An offence in a zone.
#[allow(clippy::too_many_arguments, reason = "each is one field of the offence")]
pub(super) fn offence<'a>(
    case: &Case<'a>,
    evaluator: &str,
    unit: &str,
    segment: &SegmentView<'a>,
    passage: &Passage<'a>,
    window: [Timestamp; 2],
    measures: Measures,
    mut inputs: Map<String, Value>,
) -> Offence<'a> {
    let row = &passage.zone.row;
    let [start, _] = window;
    inputs.insert("limit_kmh".to_owned(), row.limit_kmh.into());
    inputs.insert("enforced".to_owned(), json!([passage.from, passage.to]));
    inputs.insert("zone".to_owned(), json!(row.name));
    inputs.insert("unit".to_owned(), unit.into());
    let within = Some((BelongsTo::SpeedLimitZone, row.id));
    Offence {
        table: case.table_at(evaluator, None, within, segment, start),
        segment_id: Some(segment.plan.row.id),
        place: Some(row.id),
        start: Some(start),
        window: Some(window),
        measures,
        inputs,
        needs_review: passage.needs_review,
    }
}

/// A speed as a measure in km/h.
pub(super) fn speed(ckmh: i64) -> Measure {
    Measure::ratio(ckmh, 100)
}

/// A speed as it is published.
pub(super) fn kmh(ckmh: i64) -> Value {
    speed(ckmh).rounded().into()
}

/// A distance as it is published.
pub(super) fn metres(um: i64) -> Value {
    Measure::ratio(div_round(i128::from(um), 10_000), 100).rounded().into()
}
