//! What persons decided: which row each decision speaks of, and what it makes of it.

use std::collections::BTreeSet;

use race::course::tables::{Event, Override, OverrideAction, OverrideTarget, Segment, Tables};
use race::record::CrossingStatus;
use serde_json::Value;
use uuid::Uuid;

use crate::doubt;
use crate::fences::Crossing;

/// The decisions on one entry, the last given last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decisions<'a>(pub(crate) Vec<&'a Override>);

/// A row that may be decided on: the fields of its key, and from when to when it was, epoch microseconds.
pub(crate) struct Row<'k> {
    pub(crate) fields: Vec<(&'k str, Option<String>)>,
    pub(crate) window: Option<(i64, i64)>,
    /// Windows that were measured: two honest ones differ by this, microseconds.
    pub(crate) slack_us: i64,
}

const EVER: (i64, i64) = (i64::MIN / 4, i64::MAX / 4);

fn us(t: Option<race::time::Timestamp>, otherwise: i64) -> i64 {
    t.map_or(otherwise, race::time::Timestamp::micros)
}

/// Whether a decision is a penalty that a person gives.
pub(crate) fn gives(row: &Override) -> bool {
    row.target == OverrideTarget::Penalty
        && row.action == OverrideAction::Set
        && ["bonus", "manual"].contains(&row.key["type"].as_str().unwrap_or_default())
}

fn speaks_of(key: &Value, row: &Row<'_>) -> bool {
    let fields = key.as_object().unwrap();
    let same = |(name, value): (&String, &Value)| {
        row.fields.iter().any(|(field, is)| field == name && value.as_str() == is.as_deref())
    };
    !fields.is_empty() && fields.iter().all(same)
}

impl<'a> Decisions<'a> {
    pub(crate) fn of(tables: &'a Tables, entry: Uuid) -> Self {
        let mut rows: Vec<&Override> = tables.overrides.iter().filter(|o| o.entry_id == entry).collect();
        rows.sort_by_key(|o| (o.created_at, o.id));
        Self(rows)
    }

    pub(crate) fn of_start(&self, segment: Uuid) -> Option<&'a Override> {
        let mut last = self.0.iter().rev();
        last.find(|o| o.target == OverrideTarget::Start && o.key["segment"] == segment.to_string()).copied()
    }

    /// The decision on each of some rows, which stand in the order that breaks ties; with what each speaks of.
    pub(crate) fn on(&self, target: OverrideTarget, rows: &[Row<'_>]) -> Vec<Option<&'a Override>> {
        let mut decided = vec![None; rows.len()];
        for decision in self.0.iter().filter(|o| o.target == target && !gives(o)) {
            if let Some(n) = which(decision, rows) {
                decided[n] = Some(*decision);
            }
        }
        decided
    }

    /// Those that speak of no row.
    pub(crate) fn unbound(&self, target: OverrideTarget, rows: &[Row<'_>]) -> BTreeSet<Uuid> {
        let of_target = self.0.iter().filter(|o| o.target == target && !gives(o));
        of_target.filter(|o| which(o, rows).is_none()).map(|o| o.id).collect()
    }
}

/// The row of the key that overlaps the decision's interval most, the earlier of equals.
fn which(decision: &Override, rows: &[Row<'_>]) -> Option<usize> {
    let given = (decision.from.is_some() || decision.to.is_some())
        .then(|| (us(decision.from, EVER.0), us(decision.to, EVER.1)));
    let mut best: Option<(i64, i64, usize)> = None;
    for (n, row) in rows.iter().enumerate().filter(|(_, row)| speaks_of(&decision.key, row)) {
        let (from, to) = row.window.unwrap_or(EVER);
        let overlap = given.map_or(0, |given| to.min(given.1) - from.max(given.0));
        if row.window.is_some() && given.is_some() && overlap.abs() < row.slack_us {
            doubt::always("a decision that hardly touches", overlap as f64);
        }
        if overlap < 0 {
            continue;
        }
        if let Some((most, earliest, _)) = best {
            if (overlap - most).abs() < row.slack_us && (overlap, from) != (most, earliest) && given.is_some()
            {
                doubt::always("a decision between two", (overlap - most) as f64);
            }
            if (overlap, from) == (most, earliest) && row.window.is_none() {
                doubt::always("a decision between two without an interval", 0.0);
            }
            if (-overlap, from) >= (-most, earliest) {
                continue;
            }
        }
        best = Some((overlap, from, n));
    }
    best.map(|b| b.2)
}

/// Makes of crossings what persons decided; returns the decisions that speak of none.
pub(crate) fn decide_crossings(decisions: &Decisions<'_>, crossings: &mut [Crossing]) -> BTreeSet<Uuid> {
    let rows: Vec<Row<'_>> = crossings
        .iter()
        .map(|c| Row {
            fields: vec![
                ("geofence", Some(c.geofence.to_string())),
                ("direction", Some(c.direction.as_str().to_owned())),
            ],
            window: Some((c.fixes_us[0], c.fixes_us[1])),
            slack_us: 0,
        })
        .collect();
    let unbound = decisions.unbound(OverrideTarget::Crossing, &rows);
    for (crossing, decision) in crossings.iter_mut().zip(decisions.on(OverrideTarget::Crossing, &rows)) {
        let Some(decision) = decision else { continue };
        crossing.review = false;
        let counts = matches!(decision.action, OverrideAction::Confirm | OverrideAction::Set);
        crossing.withheld = !counts;
        crossing.status = if counts { CrossingStatus::Confirmed } else { CrossingStatus::Rejected };
        if decision.action == OverrideAction::Set {
            crossing.set_ms = decision.value_ms;
        }
    }
    unbound
}

/// The decisions on starts of segments that are not there.
pub(crate) fn unbound_starts(decisions: &Decisions<'_>, segments: &[&Segment]) -> BTreeSet<Uuid> {
    let is_of = |o: &Override, s: &Segment| o.key["segment"] == s.id.to_string();
    let starts = decisions.0.iter().filter(|o| o.target == OverrideTarget::Start);
    starts.filter(|o| !segments.iter().any(|s| is_of(o, s))).map(|o| o.id).collect()
}

/// The stage that a decision names by anything of it.
pub(crate) fn stage_of(tables: &Tables, event: &Event, decision: &Override) -> Option<Uuid> {
    let named: Vec<&str> = decision.key.as_object()?.values().filter_map(Value::as_str).collect();
    let names = |id: Uuid| named.contains(&id.to_string().as_str());
    let is_of = |segment: &Segment| {
        names(segment.id)
            || [segment.entry_geofence_id, segment.exit_geofence_id].into_iter().flatten().any(names)
            || tables.speed_limit_zones.iter().any(|z| z.segment_id == segment.id && names(z.id))
            || tables.waypoints.iter().any(|w| w.segment_id == segment.id && names(w.id))
            || tables.neutralisations.iter().any(|n| n.segment_id == segment.id && names(n.id))
    };
    crate::segments::in_order(tables, event)
        .into_iter()
        .find(|(stage, segments)| names(stage.id) || segments.iter().any(|s| is_of(s)))
        .map(|(stage, _)| stage.id)
}
