//! `speeding_average`: the mean speed over the enforced part of a zone, over the limit.

use serde_json::Map;

use super::{Case, Evaluator, Offence, speeding};

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "speeding_average", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    for (segment, passage) in speeding::passages(case) {
        let Some(mean_ckmh) = passage.mean_ckmh.filter(|&mean| mean > passage.zone.over_ckmh) else {
            continue;
        };
        let mut inputs = Map::new();
        inputs.insert("mean_kmh".to_owned(), speeding::kmh(mean_ckmh));
        if let Some(length_m) = passage.zone.row.length_meters {
            inputs.insert("length_m".to_owned(), length_m.into());
        }
        let measure = speeding::speed(mean_ckmh - passage.zone.limit_ckmh);
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
