//! The rows of the course file.

use race::course::Geometry;
use race::course::tables::{
    Event, Geofence, GeofenceKind, Neutralisation, Segment, SegmentType, Stage as StageRow, Tables,
    Truncation, Waypoint, default,
};
use race::ids::imported_id;
use uuid::Uuid;

use super::options::ImportArgs;
use super::people;
use super::roadbook::{Point, Roadbook};
use super::select::Stage;
use super::zones;

/// What names the rows of one import: the event, then the stage.
pub(super) struct Names<'a> {
    event: &'a str,
    stage: &'a str,
}

impl Names<'_> {
    /// The id of a row of the stage.
    pub(super) fn id(&self, table: &str, name: &str) -> Uuid {
        imported_id(table, &[self.event, self.stage, name])
    }
}

/// Makes the tables; what could not be used is added to the roadbook's warnings.
pub(super) fn tables(args: &ImportArgs, roadbook: &mut Roadbook, stage: &Stage) -> Tables {
    let event_name = args.event_name();
    let names = Names { event: &event_name, stage: &args.stage };
    let event_id = imported_id("events", &[&event_name]);
    let stage_id = imported_id("stages", &[&event_name, &args.stage]);
    let segment_id = names.id("segments", "1");
    let circle = |name: &str, point: &Point| geofence(args, &names, event_id, name, point);
    let start = circle("start", &roadbook.points[stage.start]);
    let finish = circle("finish", &roadbook.points[stage.finish]);
    let mut tables = Tables {
        events: vec![event(args, event_id, &event_name)],
        stages: vec![stage_row(args, stage_id, event_id)],
        segments: vec![segment(args, segment_id, stage_id, start.id, finish.id)],
        geofences: vec![start, finish],
        ..Tables::default()
    };
    for &n in &stage.waypoints {
        let point = &roadbook.points[n];
        tables.waypoints.push(Waypoint {
            id: names.id("waypoints", &point.number.to_string()),
            segment_id,
            number: point.number,
            kind: point.kind.clone(),
            location: Geometry::Point(point.at),
            tolerance_meters: point.radius_meters.unwrap_or(args.radius),
            sort_order: i64::try_from(n + 1).unwrap_or(i64::MAX),
            cancelled: args.cancel.contains(&point.number),
            valid_from: None,
            valid_to: None,
        });
    }
    tables.speed_limit_zones = zones::rows(args, roadbook, stage, &names, segment_id);
    for (from, to, allowed_seconds) in zones::neutralised(roadbook, stage) {
        let (from, to) = (&roadbook.points[from], &roadbook.points[to]);
        let entry = circle(&format!("neutralisation {}", from.number), from);
        let exit = circle(&format!("end of neutralisation {}", to.number), to);
        tables.neutralisations.push(Neutralisation {
            id: names.id("neutralisations", &from.number.to_string()),
            segment_id,
            entry_geofence_id: entry.id,
            exit_geofence_id: exit.id,
            allowed_seconds,
            valid_from: None,
            valid_to: None,
        });
        for circle in [entry, exit] {
            // One FN may end two neutralisations.
            if !tables.geofences.iter().any(|own| own.id == circle.id) {
                tables.geofences.push(circle);
            }
        }
    }
    people::add(&mut tables, event_id, &event_name, &args.entry);
    tables.penalty_formulas =
        args.missed.iter().map(|missed| people::missed(event_id, &event_name, missed)).collect();
    tables
}

fn event(args: &ImportArgs, id: Uuid, name: &str) -> Event {
    Event {
        id,
        organization_id: None,
        name: name.to_owned(),
        slug: slug(name),
        discipline: args.discipline,
        starts_at: args.starts_at,
        ends_at: args.ends_at,
        margin_seconds: default::margin_seconds(),
        max_plausible_kmh: args.max_plausible_kmh,
        max_gap_seconds: args.max_gap_seconds,
        spike_fixes: default::spike_fixes(),
        truncation: Truncation::default(),
        minute_truncation: true,
    }
}

/// Letters and digits of a name, joined by dashes.
fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}

fn stage_row(args: &ImportArgs, id: Uuid, event_id: Uuid) -> StageRow {
    StageRow {
        id,
        event_id,
        name: args.stage.clone(),
        sort_order: 1,
        role: String::new(),
        starts_at: None,
        start_interval_seconds: None,
        start_order_strategy: None,
        start_order_strategy_params: None,
        start_order_input_stage_id: None,
        closed_at: args.closed_at,
        fixed_seconds_dnf: None,
        fixed_seconds_dns: None,
    }
}

fn segment(args: &ImportArgs, id: Uuid, stage_id: Uuid, start: Uuid, finish: Uuid) -> Segment {
    Segment {
        id,
        stage_id,
        sort_order: 1,
        kind: SegmentType::SpecialStage,
        entry_geofence_id: Some(start),
        exit_geofence_id: Some(finish),
        target_duration_seconds: None,
        start_mode: args.start_mode,
        start_edge: args.start_edge,
        start_pick: args.start_pick,
        min_seconds: args.min_seconds,
        bogey_seconds: None,
        maximum_seconds: None,
        // A stage that is closed and names no laps is ranked by laps; a roadbook is driven once.
        laps: Some(1),
        waypoint_order: args.order,
        min_absence_seconds: default::min_absence_seconds(),
        absence_meters: default::absence_meters(),
    }
}

fn geofence(args: &ImportArgs, names: &Names<'_>, event_id: Uuid, name: &str, point: &Point) -> Geofence {
    Geofence {
        id: names.id("geofences", name),
        event_id,
        name: format!("{} {name}", names.stage),
        kind: GeofenceKind::Area,
        geometry: Geometry::Point(point.at),
        radius_meters: Some(point.radius_meters.unwrap_or(args.radius)),
        hysteresis_meters: args.hysteresis,
        debounce_seconds: default::debounce_seconds(),
        manual_verification: false,
        retroactive: false,
        valid_from: None,
        valid_to: None,
    }
}
