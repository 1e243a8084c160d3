//! Which points make the stage: from the start to the finish.

use std::collections::{BTreeMap, BTreeSet};

use super::Failure;
use super::options::ImportArgs;
use super::roadbook::{Point, Roadbook};

/// The part of a roadbook that becomes a stage, as places in its points.
pub(super) struct Stage {
    pub(super) start: usize,
    pub(super) finish: usize,
    /// Places of the points that become waypoints.
    pub(super) waypoints: BTreeSet<usize>,
}

/// Finds start and finish, and the points between them that are validated.
pub(super) fn select(args: &ImportArgs, roadbook: &mut Roadbook) -> Result<Stage, Failure> {
    let points = &roadbook.points;
    let counts = |point: &Point| args.is_validated(&point.kind);
    let start = match args.start {
        Some(number) => known(roadbook, number, "--start")?,
        None => points
            .iter()
            .position(|p| p.kind == "DSS")
            .or_else(|| points.iter().position(counts))
            .ok_or_else(|| nothing("start", ""))?,
    };
    let finish = match args.finish {
        Some(number) => known(roadbook, number, "--finish")?,
        None => {
            let after = |wanted: &dyn Fn(&Point) -> bool, from: usize| {
                points.iter().skip(from).position(wanted).map(|n| n + from)
            };
            let last = points.iter().rposition(counts).filter(|n| *n > start);
            after(&|p| p.kind == "ASS", start + 1)
                .or(last)
                .ok_or_else(|| nothing("finish", " after the start"))?
        }
    };
    if finish <= start {
        let (start, finish) = (points[start].number, points[finish].number);
        return Err(Failure::Usage(format!(
            "finish {finish} does not come after start {start} in the roadbook"
        )));
    }
    let waypoints: BTreeSet<usize> = (start..=finish).filter(|n| counts(&points[*n])).collect();
    for number in &args.cancel {
        let place = known(roadbook, *number, "--cancel")?;
        if !waypoints.contains(&place) {
            let line = roadbook.points[place].line;
            roadbook.warn(line, format!("point {number} is no waypoint of the stage: nothing to cancel"));
        }
    }
    let stage = Stage { start, finish, waypoints };
    skipped(args, roadbook, &stage);
    Ok(stage)
}

fn known(roadbook: &Roadbook, number: i64, option: &str) -> Result<usize, Failure> {
    let unknown = || Failure::Usage(format!("{option} {number}: the roadbook has no point of that number"));
    roadbook.position(number).ok_or_else(unknown)
}

fn nothing(what: &str, place: &str) -> Failure {
    Failure::Data(vec![format!(
        "no {what} found: no point{place} is of a kind that counts as a waypoint; see --{what} and --kinds"
    )])
}

/// Says which rows were left out and why, one line a reason.
fn skipped(args: &ImportArgs, roadbook: &mut Roadbook, stage: &Stage) {
    let mut reasons: BTreeMap<&str, Vec<(u64, i64)>> = BTreeMap::new();
    for (n, point) in roadbook.points.iter().enumerate() {
        let reason = if n < stage.start {
            "before the start"
        } else if n > stage.finish {
            "after the finish"
        } else if stage.waypoints.contains(&n) {
            continue;
        } else if point.kind.is_empty() {
            "without a kind"
        } else {
            "of a kind that is no waypoint"
        };
        reasons.entry(reason).or_default().push((point.line, point.number));
    }
    for (reason, points) in reasons {
        let numbers: Vec<String> = points.iter().map(|(_, number)| number.to_string()).collect();
        let line = points.first().map_or(1, |(line, _)| *line);
        roadbook.warn(line, format!("skipped, {reason}: {}", numbers.join(", ")));
    }
    for kind in args.kinds.iter().flatten() {
        if !roadbook.points.iter().any(|point| point.kind == *kind) {
            roadbook.warn(1, format!("no point is of the kind {kind}"));
        }
    }
}
