//! Speed limit zones and neutralisations: pairs of points of the stage.

use race::course::tables::{SpeedLimitZone, default};
use uuid::Uuid;

use super::build::Names;
use super::options::ImportArgs;
use super::roadbook::Roadbook;
use super::select::Stage;

/// A zone from each DZ to the next FZ, and a row without ends for each limit that opens no zone.
///
/// Such a row enforces nothing. It keeps what the roadbook says, so that `check` can point at it.
pub(super) fn rows(
    args: &ImportArgs,
    roadbook: &mut Roadbook,
    stage: &Stage,
    names: &Names<'_>,
    segment_id: Uuid,
) -> Vec<SpeedLimitZone> {
    let mut rows = Vec::new();
    let mut warnings = Vec::new();
    let waypoint = |n: usize| names.id("waypoints", &roadbook.points[n].number.to_string());
    for (n, point) in roadbook.points.iter().enumerate() {
        let mut warn = |message: String| warnings.push((point.line, message));
        if !(stage.start..=stage.finish).contains(&n) {
            if point.limit_kmh.is_some() {
                warn(format!("the limit at {} is outside the stage: skipped", point.number));
            }
            continue;
        }
        let Some(limit_kmh) = point.limit_kmh else {
            if point.opens_zone {
                warn(format!("DZ {} names no limit: no zone begins there", point.number));
            }
            continue;
        };
        let opens = point.opens_zone && stage.waypoints.contains(&n);
        if !point.opens_zone {
            warn(format!("the limit at {} opens no zone: it is not enforced", point.number));
        } else if !opens {
            warn(format!("{} is no waypoint, see --kinds: its limit is not enforced", point.number));
        }
        let end = (n + 1..roadbook.points.len()).find(|m| opens && roadbook.points[*m].closes_zone);
        let fz = end.filter(|m| stage.waypoints.contains(m));
        if opens && fz.is_none() {
            let why = match end {
                Some(m) if m > stage.finish => "its FZ is after the finish",
                Some(_) => "its FZ is no waypoint, see --kinds",
                None => "no FZ follows",
            };
            warn(format!("the zone at {} does not end: {why}", point.number));
        }
        let name = match fz {
            Some(m) => format!("{}-{}", point.number, roadbook.points[m].number),
            None => point.number.to_string(),
        };
        rows.push(SpeedLimitZone {
            id: names.id("speed_limit_zones", &point.number.to_string()),
            segment_id,
            name,
            geometry: None,
            dz_waypoint_id: opens.then(|| waypoint(n)),
            fz_waypoint_id: fz.map(waypoint),
            limit_kmh,
            buffer_meters: args.buffer,
            tolerance_kmh: args.tolerance_kmh,
            tolerance_percent: 0.0,
            min_duration_ms: default::min_duration_ms(),
            impulse_meters: default::impulse_meters(),
            impulse_seconds: default::impulse_seconds(),
            length_meters: None,
            valid_from: None,
            valid_to: None,
        });
    }
    for (line, message) in warnings {
        roadbook.warn(line, message);
    }
    rows
}

/// Begin, end and allowance of each neutralisation, begin and end as places in the roadbook.
pub(super) fn neutralised(roadbook: &mut Roadbook, stage: &Stage) -> Vec<(usize, usize, f64)> {
    let mut pairs = Vec::new();
    let mut warnings = Vec::new();
    for (n, point) in roadbook.points.iter().enumerate() {
        let Some(seconds) = point.neutralised_seconds else { continue };
        let end = (n + 1..=stage.finish).find(|m| roadbook.points[*m].ends_neutralisation);
        match end.filter(|_| n >= stage.start) {
            Some(m) => pairs.push((n, m, seconds)),
            None => warnings.push((
                point.line,
                format!("the neutralisation at {} has no end in the stage: skipped", point.number),
            )),
        }
    }
    for (line, message) in warnings {
        roadbook.warn(line, message);
    }
    pairs
}
