//! `speeding_average`: the mean speed over the enforced part of a zone, over the limit.

use serde_json::Map;

use super::{Case, Evaluator, Offence, speeding};
use crate::num::div_round;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "speeding_average", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    for (segment, passage) in speeding::passages(case) {
        let Some(mean) = passage.mean.filter(|mean| mean.ckmh > passage.zone.over_ckmh) else {
            continue;
        };
        let mut inputs = Map::new();
        inputs.insert("mean_kmh".to_owned(), speeding::kmh(mean.ckmh));
        inputs.insert("distance_m".to_owned(), speeding::metres(mean.distance_um));
        inputs.insert("duration_ms".to_owned(), div_round(i128::from(mean.duration_us), 1_000).into());
        if let Some(length_m) = passage.zone.row.length_meters {
            inputs.insert("length_m".to_owned(), length_m.into());
        }
        let measure = speeding::speed(mean.ckmh - passage.zone.limit_ckmh);
        let Some(to) = passage.to else { continue };
        let window = [passage.from, to];
        let measures = measure.into();
        offences.push(speeding::offence(
            case,
            EVALUATOR.name,
            "km/h",
            segment,
            passage,
            window,
            measures,
            inputs,
        ));
    }
}
