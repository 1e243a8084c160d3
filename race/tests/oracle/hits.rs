//! What the cases had: a rule that no case meets is a rule that nothing is said about.

use std::collections::BTreeMap;

use race::course::tables::{BelongsTo, OverrideTarget, SegmentType, Tables};
use race::record::PenaltyStatus;

use crate::generate::edits::EDITED;
use crate::offences::Charge;
use crate::results::Outcome;

/// How often something was met, by its name.
#[derive(Debug, Default)]
pub(crate) struct Hits(BTreeMap<String, u32>);

/// What every run of the default number of cases must meet.
const REQUIRED: &[&str] = &[
    "finished",
    "running",
    "not-started",
    "dnf",
    "dns",
    "dsq",
    "missed_waypoint",
    "missed_waypoint_ratio",
    "early_neutralisation",
    "speeding_peak",
    "speeding_time_gained",
    "speeding_impulse",
    "speeding_average",
    "speeding_ordinal",
    "late_check_in",
    "early_check_in",
    "late_start",
    "late_total",
    "false_start",
    "segment_over_time",
    "left_parc_ferme",
    "missed_geofence",
    "no_evidence",
    "did_not_start",
    "did_not_finish",
    "bonus",
    "manual",
    "laps until the close",
    "laps as said",
    "a liaison without an entry",
    "a liaison without an exit",
    "two neutralisations",
    "flat",
    "perunit",
    "progressive",
    "exclude",
    "notclassified",
    "a mean by a length",
    "a penalty confirmed",
    "a penalty overridden",
    "a penalty cancelled",
    "a crossing proposed",
    "a crossing confirmed",
    "a crossing rejected",
    "a crossing moved",
    "a start decided",
    "a decision on a crossing of nothing",
    "a decision on a penalty of nothing",
    "an edited table",
    "an edited neutralisation",
    "an edited waypoint",
    "an edited zone",
    "a table of a waypoint",
    "a table of a zone",
    "a table of a geofence",
    "a table of a segment",
    "a table of a stage",
    "a table of the event",
    "a table of a class",
    "second of its evaluator",
];

impl Hits {
    fn hit(&mut self, what: &str) {
        *self.0.entry(what.to_owned()).or_default() += 1;
    }

    /// The required ones that were never met.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        REQUIRED.iter().copied().filter(|what| !self.0.contains_key(*what)).collect()
    }

    /// Notes what a case had.
    pub(crate) fn note(&mut self, tables: &Tables, outcomes: &[Outcome<'_>]) {
        for outcome in outcomes {
            self.note_decisions(tables, outcome);
            for crossing in &outcome.crossings {
                self.hit(&format!("a crossing {}", crossing.status.as_str()));
                if crossing.set_ms.is_some() {
                    self.hit("a crossing moved");
                }
            }
            for stage in &outcome.stages {
                self.hit(stage.status.as_str());
                for charge in &stage.charges {
                    self.note_charge(tables, charge);
                }
                for segment in &stage.ridden.segments {
                    let row = segment.row;
                    let liaison = row.kind == SegmentType::Liaison && segment.finish.is_some();
                    for (what, is_so) in [
                        ("laps until the close", row.laps.is_none() && segment.laps.is_some()),
                        ("laps as said", segment.laps.is_some_and(|n| n > 1) && row.laps.is_some()),
                        ("a liaison without an entry", liaison && row.entry_geofence_id.is_none()),
                        (
                            "a liaison without an exit",
                            row.kind == SegmentType::Liaison
                                && row.exit_geofence_id.is_none()
                                && segment.start.is_some(),
                        ),
                        ("two neutralisations", segment.pairs.len() > 1),
                        ("an edited neutralisation", segment.pairs.iter().any(|p| p.id.as_u128() >= EDITED)),
                        ("an edited waypoint", segment.validated.iter().any(|w| w.id.as_u128() >= EDITED)),
                    ] {
                        if is_so {
                            self.hit(what);
                        }
                    }
                }
            }
        }
    }

    fn note_decisions(&mut self, tables: &Tables, outcome: &Outcome<'_>) {
        for decision in tables.overrides.iter().filter(|o| o.entry_id == outcome.entry) {
            let target = match decision.target {
                OverrideTarget::Crossing => "a crossing",
                OverrideTarget::Penalty => "a penalty",
                OverrideTarget::Start => "a start",
            };
            match (decision.target, outcome.unbound.contains(&decision.id)) {
                (OverrideTarget::Start, false) => self.hit("a start decided"),
                (_, true) => self.hit(&format!("a decision on {target} of nothing")),
                _ => {}
            }
        }
    }

    fn note_charge(&mut self, tables: &Tables, charge: &Charge) {
        self.hit(charge.evaluator);
        match charge.status {
            PenaltyStatus::Computed => {}
            PenaltyStatus::Confirmed => self.hit("a penalty confirmed"),
            PenaltyStatus::Overridden => self.hit("a penalty overridden"),
            PenaltyStatus::Cancelled => self.hit("a penalty cancelled"),
        }
        if charge.ordinal > 1 {
            self.hit("second of its evaluator");
        }
        let zone = tables.speed_limit_zones.iter().find(|zone| zone.id == charge.place);
        if zone.is_some() && charge.place.as_u128() >= EDITED {
            self.hit("an edited zone");
        }
        if charge.evaluator == "speeding_average" && zone.is_some_and(|zone| zone.length_meters.is_some()) {
            self.hit("a mean by a length");
        }
        let Some(row) = tables.penalty_formulas.iter().find(|row| Some(row.id) == charge.formula) else {
            return;
        };
        if row.id.as_u128() >= EDITED {
            self.hit("an edited table");
        }
        if row.class_id.is_some() {
            self.hit("a table of a class");
        }
        self.hit(&format!("{:?}", row.operator).to_lowercase());
        self.hit(match row.belongs_to_type {
            BelongsTo::Waypoint => "a table of a waypoint",
            BelongsTo::SpeedLimitZone => "a table of a zone",
            BelongsTo::Geofence => "a table of a geofence",
            BelongsTo::Segment => "a table of a segment",
            BelongsTo::Stage => "a table of a stage",
            BelongsTo::Event => "a table of the event",
        });
    }
}
