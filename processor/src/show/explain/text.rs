//! The evidence as a person reads it.

use std::fmt::Write as _;

use race::course::geometry::{Geometry, LonLat};
use race::course::tables::{Geofence, GeofenceKind, Operator, Override, OverrideTarget, PenaltyFormula};
use race::time::Timestamp;
use serde_json::Value;

use super::arithmetic::bracket;
use super::history::RevisionLine;
use super::shape::{Place, PlaceRow};
use super::times::SpecialStage;
use super::track::StoredFix;
use super::{CrossingLine, Explanation, PenaltyEvidence, StageLine};
use crate::show::words::{duration, escaped, instant, list, seconds, short};

/// Fixes of a penalty that are told: a minute of a tracker that sends each second.
const FIXES_TOLD: usize = 60;

/// The whole explanation.
pub(crate) fn text(explanation: &Explanation<'_>) -> String {
    let mut out = String::new();
    let class = explanation.class.map_or_else(String::new, |class| format!(" · class {}", escaped(class)));
    let to = explanation.evaluated_to.map_or_else(
        || "no position is stored".to_owned(),
        |to| format!("judged by positions up to {}", instant(to)),
    );
    let _ = writeln!(out, "{} · {}{class} · {to}", escaped(explanation.event.name), explanation.race_number);
    let fixes = explanation.fixes;
    let _ = writeln!(
        out,
        "fixes: {} used; set aside: {} faulty, {} without a fix, {} outside the event, {} spikes",
        fixes.used, fixes.faulty, fixes.no_fix, fixes.outside_event, fixes.spike
    );
    if explanation.is_timed_twice {
        let _ = writeln!(out, "two trackers are set to time it at once: all of it is to be reviewed");
    }
    for stage in &explanation.stages {
        of_stage(&mut out, stage);
    }
    for crossing in &explanation.crossings {
        of_crossing(&mut out, crossing);
    }
    for penalty in &explanation.penalties {
        of_penalty(&mut out, penalty);
    }
    let elsewhere = explanation.overrides.iter().filter(|over| {
        let shown = explanation.crossings.iter().flat_map(|crossing| &crossing.overrides);
        !shown.chain(explanation.penalties.iter().flat_map(|p| &p.overrides)).any(|other| other.id == over.id)
    });
    for over in elsewhere {
        let unbound = explanation.unbound_overrides.contains(&over.id);
        let review = if unbound { "; there is nothing that it decides: to be reviewed" } else { "" };
        let _ = writeln!(out, "\noverride {}: {}{review}", over.id, decision(over));
    }
    for line in &explanation.retracted {
        let _ = writeln!(out, "\nno longer true: {} {}", line.record_kind, line.record_id);
        revision(&mut out, line);
        let _ = writeln!(out, "    it said {}", compact(&line.record));
    }
    out
}

fn of_stage(out: &mut String, stage: &StageLine<'_>) {
    let provisional = if stage.provisional { ", provisional" } else { "" };
    let _ = writeln!(out, "\n{}: {}{provisional}", escaped(stage.name), stage.status.as_str());
    if let Some(elapsed) = stage.elapsed_ms {
        let ends = stage.started_at.zip(stage.finished_at);
        let ends = ends.map_or_else(String::new, |(start, finish)| {
            format!(" (from {} to {})", instant(start), instant(finish))
        });
        let neutralised = stage.neutralised_ms;
        let _ = writeln!(out, "  time {}, {} neutralised{ends}", duration(elapsed), seconds(neutralised));
    }
    let special = &stage.special_stages;
    if stage.elapsed_ms.is_some() && (special.len() > 1 || special.iter().any(SpecialStage::is_clamped)) {
        for special in special {
            let _ = writeln!(out, "  special stage {}", special.text());
        }
    }
    if let Some(total) = stage.total_ms {
        let penalty = short(stage.penalty_ms);
        let time = stage.elapsed_ms.map_or_else(
            || format!("{}, fixed for {},", duration(total - stage.penalty_ms), stage.status.as_str()),
            duration,
        );
        let _ = writeln!(out, "  total {time} + penalties {penalty} = {}", duration(total));
    }
    if !stage.missed.is_empty() {
        let _ = writeln!(out, "  missed {}", list(&stage.missed));
    }
    if !stage.doubtful.is_empty() {
        let _ = writeln!(out, "  a gap in the track may hide {}", list(&stage.doubtful));
    }
    revisions(out, &stage.revisions);
}

fn of_crossing(out: &mut String, line: &CrossingLine<'_>) {
    let crossing = line.crossing;
    let name = line.geofence.map_or_else(|| crossing.geofence_id.to_string(), |row| escaped(&row.name));
    let counts = line.counts_as.as_deref().map_or("recorded only".to_owned(), escaped);
    let _ = writeln!(out, "\ncrossing {}: {} {name}, {counts}", crossing.id, crossing.direction.as_str());
    let _ = writeln!(
        out,
        "  at {}, between fixes {} apart, {} {}, {} km/h",
        instant(crossing.ts),
        seconds(crossing.uncertainty_ms),
        crossing.latitude,
        crossing.longitude,
        crossing.speed
    );
    if let Some(last) = crossing.last_touch_at {
        let _ = writeln!(out, "  last touch {}: what a start takes", instant(last));
    }
    let review = if crossing.needs_review { ", to be reviewed" } else { "" };
    let _ = writeln!(out, "  {}{review}", crossing.status.as_str());
    for (ts, fix) in crossing.fixes.into_iter().zip(line.evidence) {
        match fix {
            Some(fix) => of_fix(out, fix),
            None => drop(writeln!(out, "  fix {}: not among the stored positions", instant(ts))),
        }
    }
    if let Some(row) = line.geofence {
        let _ = writeln!(out, "  geofence {}: {}", row.id, fence(row));
    }
    decisions(out, &line.overrides);
    revisions(out, &line.revisions);
}

fn of_penalty(out: &mut String, penalty: &PenaltyEvidence<'_>) {
    let amount = if penalty.effect == "time" { short(penalty.penalty_ms) } else { penalty.effect.to_owned() };
    let _ = writeln!(out, "\npenalty {}: {}, {amount}", penalty.id, escaped(penalty.stage));
    let _ = writeln!(out, "  {}", escaped(&penalty.reason));
    let totals: Vec<Value> = penalty.counts_for.iter().filter_map(|t| serde_json::to_value(t).ok()).collect();
    let totals: Vec<&str> = totals.iter().filter_map(Value::as_str).collect();
    let _ = writeln!(out, "  counts for {}", list(&totals));
    // Keys are sorted: `serde_json` keeps objects so.
    for (name, value) in penalty.inputs.as_object().into_iter().flatten() {
        let _ = writeln!(out, "  input {}: {}", escaped(name), compact(value));
    }
    for row in &penalty.formula_rows {
        let mark = if Some(row.id) == penalty.formula_id { "  <- its bracket" } else { "" };
        let _ = writeln!(out, "  formula {}: {}{mark}", row.id, formula(row));
    }
    for step in &penalty.arithmetic {
        let _ = writeln!(out, "  = {step}");
    }
    for place in &penalty.places {
        let _ = writeln!(out, "  at {}", of_place(place));
    }
    for fix in penalty.evidence.iter().take(FIXES_TOLD) {
        of_fix(out, fix);
    }
    if penalty.evidence.len() > FIXES_TOLD {
        let more = penalty.evidence.len() - FIXES_TOLD;
        let _ = writeln!(out, "  and {more} more fixes, which --json tells");
    }
    decisions(out, &penalty.overrides);
    revisions(out, &penalty.revisions);
}

fn of_fix(out: &mut String, fix: &StoredFix) {
    // Neither is a speed that anything is judged by: then it is the line's own.
    let speed = if fix.speed_kmh > 0.0 {
        format!("{} km/h", fix.speed_kmh)
    } else {
        "speed 0 or not told".to_owned()
    };
    let _ = writeln!(
        out,
        "  fix {}: {} {}, {speed}, {}, {}",
        instant(fix.ts),
        fix.latitude,
        fix.longitude,
        escaped(&fix.device_id),
        fix.fate.as_str()
    );
}

fn formula(row: &PenaltyFormula) -> String {
    let base = if row.base == 0.0 { String::new() } else { format!("{} s + ", row.base) };
    let amount = match row.operator {
        Operator::Flat => format!("{base}{} s flat", row.penalty),
        Operator::PerUnit => format!("{base}{} s per unit", row.penalty),
        Operator::Progressive => format!("{base}{} s per unit inside, progressive", row.penalty),
        Operator::Exclude => "disqualification".to_owned(),
        Operator::NotClassified => "not classified".to_owned(),
    };
    format!("{}: {amount}", bracket(row))
}

/// A geofence by its shape and parameters.
fn fence(row: &Geofence) -> String {
    let shape = shape(&row.geometry, row.radius_meters);
    let settle = match row.kind {
        GeofenceKind::Area => format!("hysteresis {} m", row.hysteresis_meters),
        GeofenceKind::Gate => {
            format!("hysteresis {} m, debounce {} s", row.hysteresis_meters, row.debounce_seconds)
        }
    };
    let manual = if row.manual_verification { ", to be verified by a person" } else { "" };
    format!("{shape}, {settle}{manual}")
}

fn shape(geometry: &Geometry, radius_m: Option<f64>) -> String {
    let point = |p: &LonLat| format!("{} {}", p.lat, p.lon);
    match (geometry, radius_m) {
        (Geometry::Point(at), Some(radius)) => format!("circle of {radius} m around {}", point(at)),
        (Geometry::Point(at), None) => format!("point {}", point(at)),
        (Geometry::LineString(points), _) => {
            format!("line {}", points.iter().map(point).collect::<Vec<_>>().join(" to "))
        }
        (Geometry::Polygon(rings), _) => {
            let corners = rings.first().map_or(0, |ring| ring.len().saturating_sub(1));
            let holes = rings.len().saturating_sub(1);
            format!("polygon of {corners} corners, {holes} hole(s)")
        }
    }
}

fn of_place(place: &Place<'_>) -> String {
    let row = match &place.row {
        PlaceRow::Waypoints(row) => {
            let kind = if row.kind.is_empty() { String::new() } else { format!(" {}", escaped(&row.kind)) };
            let shape = shape(&row.location, Some(row.tolerance_meters));
            format!("waypoint {}{kind}: {shape}", row.number)
        }
        PlaceRow::SpeedLimitZones(row) => format!(
            "zone {} {}: {} km/h, buffer {} m, tolerance {} km/h and {} %, from {} ms on",
            escaped(&row.name),
            row.id,
            row.limit_kmh,
            row.buffer_meters,
            row.tolerance_kmh,
            row.tolerance_percent,
            row.min_duration_ms
        ),
        PlaceRow::Neutralisations(row) => {
            format!("neutralisation {}: {} s allowed", row.id, row.allowed_seconds)
        }
        PlaceRow::Geofences(row) => format!("geofence {}: {}", escaped(&row.name), fence(row)),
    };
    let nearest = place.nearest.as_ref().map(|near| {
        let line =
            near.line_m.map_or_else(String::new, |line_m| format!("the track passed {line_m} m away; "));
        format!("; {line}the nearest fix was {} m away, at {}", near.distance_m, instant(near.fix.ts))
    });
    row + &nearest.unwrap_or_default()
}

fn decisions(out: &mut String, overrides: &[&Override]) {
    for over in overrides {
        let _ = writeln!(out, "  override {}: {}", over.id, decision(over));
    }
}

fn decision(over: &Override) -> String {
    let action = serde_json::to_value(over.action).unwrap_or_default();
    let action = action.as_str().unwrap_or_default();
    let value = over.value_ms.map_or_else(String::new, |ms| match over.target {
        OverrideTarget::Penalty => format!(" {}", seconds(ms)),
        OverrideTarget::Crossing | OverrideTarget::Start => {
            format!(" {}", instant(Timestamp::from_micros(ms * 1_000)))
        }
    });
    let by = over.user_id.map_or_else(String::new, |user| format!(" by user {user}"));
    let at = over.created_at.map_or_else(String::new, |at| format!(" at {}", instant(at)));
    let reason = if over.reason.is_empty() { "no reason given".to_owned() } else { escaped(&over.reason) };
    format!("{action}{value}{by}{at}: {reason}; for {}", compact(&over.key))
}

fn revisions(out: &mut String, lines: &[RevisionLine]) {
    for line in lines {
        revision(out, line);
    }
}

fn revision(out: &mut String, line: &RevisionLine) {
    let cause = escaped(&line.cause);
    let at = instant(line.recorded_at);
    let _ = writeln!(out, "  revision {} {} at {at}, because of {cause}", line.revision, line.change);
    for difference in &line.differences {
        let (before, after) = (compact(&difference.before), compact(&difference.after));
        let _ = writeln!(out, "    {}: {before} -> {after}", escaped(&difference.column));
    }
}

/// A value in one line.
fn compact(value: &Value) -> String {
    value.as_str().map_or_else(|| escaped(&value.to_string()), escaped)
}
