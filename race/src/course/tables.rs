//! The rows of a course: the business tables with the columns that the database has.
//!
//! Column names and defaults are those of the database, so that a course file and a database dump read alike.
//! A JSON `null` stands for the column's default. Distances are metres, durations seconds, speeds km/h unless a
//! name says otherwise.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::course::geometry::Geometry;
use crate::course::salvage::LeftOut;
use crate::time::Timestamp;

macro_rules! rows {
    ($($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident : $ty:ty $(= $default:expr)?),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(missing_docs, reason = "columns are described once, in docs/COURSE.md")]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty),* }
    )*};
}

/// Everything a course file holds, one array a table.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[allow(missing_docs, reason = "each field is the table of that name")]
pub struct Tables {
    pub events: Vec<Event>,
    pub classes: Vec<Class>,
    pub entries: Vec<Entry>,
    pub devices: Vec<Device>,
    pub entry_devices: Vec<EntryDevice>,
    pub stages: Vec<Stage>,
    pub segments: Vec<Segment>,
    pub geofences: Vec<Geofence>,
    pub waypoints: Vec<Waypoint>,
    pub speed_limit_zones: Vec<SpeedLimitZone>,
    pub neutralisations: Vec<Neutralisation>,
    pub penalty_formulas: Vec<PenaltyFormula>,
    pub entry_segment_starts: Vec<EntrySegmentStart>,
    pub overrides: Vec<Override>,
    /// Rows that were given and cannot be judged by, see [`super::salvage`].
    #[serde(skip)]
    pub left_out: Vec<LeftOut>,
}

/// What kind of competition an event is. The rules are the same for all; it is shown, not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Discipline {
    Rally,
    TimeTrial,
    Regatta,
    TrailRun,
    Hike,
}

/// To what unit instants are cut before official durations are computed from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Truncation {
    #[default]
    #[serde(rename = "ms")]
    Millisecond,
    #[serde(rename = "s")]
    Second,
}

impl Truncation {
    /// The unit in milliseconds.
    pub const fn unit_ms(self) -> i64 {
        match self {
            Self::Millisecond => 1,
            Self::Second => 1_000,
        }
    }
}

/// What a segment of a stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the field's own terms")]
pub enum SegmentType {
    Liaison,
    SpecialStage,
    ParcFerme,
}

/// Who says when a special stage begins: the start list or the vehicle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum StartMode {
    /// The handed-out `target_at`, whatever the GPS says.
    #[default]
    Standing,
    /// The vehicle's own crossing of the entry geofence.
    Rolling,
}

/// Which crossing of the entry geofence starts a rolling start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum StartEdge {
    #[default]
    Exit,
    Enter,
}

/// Which of several such crossings counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum StartPick {
    #[default]
    First,
    Last,
}

/// Whether waypoints may be visited in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum WaypointOrder {
    #[default]
    Free,
    Sequence,
}

/// What a geofence is: something one is in, or something one crosses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GeofenceKind {
    /// A polygon with holes, or a point with `radius_meters`.
    Area,
    /// A line of two points, crossed from its left to its right as drawn.
    Gate,
}

/// To what a penalty formula belongs; the closest scope wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the field's own terms")]
pub enum BelongsTo {
    Waypoint,
    SpeedLimitZone,
    Geofence,
    Segment,
    Stage,
    Event,
}

/// How a bracket turns a measure into seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// `base` + `penalty` of the bracket that the measure falls in.
    Flat,
    /// `base` + `penalty` of that bracket times the whole unit measure.
    PerUnit,
    /// `base` + the sum over brackets of `penalty` times the part of the measure inside the bracket.
    Progressive,
    /// Disqualification.
    Exclude,
    /// The stage counts as not finished.
    NotClassified,
}

/// Into which total a penalty goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum CountsFor {
    Stage,
    Overall,
    StartOrder,
}

/// What an override speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum OverrideTarget {
    Crossing,
    Penalty,
    Start,
}

/// What an override does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum OverrideAction {
    Cancel,
    Confirm,
    Reject,
    Set,
}

rows! {
    /// A competition: the window outside of which no fix counts, and how its tracks are read.
    Event {
        id: Uuid,
        #[serde(default, skip_serializing_if = "Option::is_none")] organization_id: Option<Uuid>,
        name: String,
        #[serde(default)] slug: String,
        #[serde(default = "default::discipline")] discipline: Discipline,
        #[serde(default)] starts_at: Option<Timestamp>,
        #[serde(default)] ends_at: Option<Timestamp>,
        #[serde(default = "default::margin_seconds")] margin_seconds: f64,
        #[serde(default = "default::max_plausible_kmh")] max_plausible_kmh: f64,
        #[serde(default = "default::max_gap_seconds")] max_gap_seconds: f64,
        #[serde(default = "default::spike_fixes")] spike_fixes: u32,
        #[serde(default)] truncation: Truncation,
        #[serde(default = "default::yes")] minute_truncation: bool,
    }
    /// A class of entries with a ranking of its own.
    Class {
        id: Uuid,
        event_id: Uuid,
        code: String,
        #[serde(default)] name: String,
        #[serde(default)] sort_order: i64,
    }
    /// What is timed: a vehicle with its crew, a boat, a runner.
    Entry {
        id: Uuid,
        event_id: Uuid,
        #[serde(default)] class_id: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")] vehicle_id: Option<Uuid>,
        race_number: i64,
        #[serde(default)] status: String,
    }
    /// A tracker.
    Device {
        id: Uuid,
        imei: String,
        #[serde(default)] model: String,
    }
    /// A tracker carried by an entry for some time.
    EntryDevice {
        id: Uuid,
        entry_id: Uuid,
        device_id: Uuid,
        #[serde(default)] assigned_user_id: Option<Uuid>,
        #[serde(default)] timing: bool,
        #[serde(default)] valid_from: Option<Timestamp>,
        #[serde(default)] valid_to: Option<Timestamp>,
    }
    /// A day or leg that is ranked.
    Stage {
        id: Uuid,
        event_id: Uuid,
        name: String,
        #[serde(default)] sort_order: i64,
        #[serde(default)] role: String,
        #[serde(default)] starts_at: Option<Timestamp>,
        #[serde(default)] start_interval_seconds: Option<f64>,
        #[serde(default)] start_order_strategy: Option<String>,
        #[serde(default)] start_order_strategy_params: Option<serde_json::Value>,
        #[serde(default)] start_order_input_stage_id: Option<Uuid>,
        #[serde(default)] closed_at: Option<Timestamp>,
        #[serde(default)] fixed_seconds_dnf: Option<f64>,
        #[serde(default)] fixed_seconds_dns: Option<f64>,
    }
    /// A part of a stage between two geofences.
    Segment {
        id: Uuid,
        stage_id: Uuid,
        #[serde(default)] sort_order: i64,
        #[serde(rename = "type")] kind: SegmentType,
        #[serde(default)] entry_geofence_id: Option<Uuid>,
        #[serde(default)] exit_geofence_id: Option<Uuid>,
        #[serde(default)] target_duration_seconds: Option<f64>,
        #[serde(default)] start_mode: StartMode,
        #[serde(default)] start_edge: StartEdge,
        #[serde(default)] start_pick: StartPick,
        #[serde(default)] min_seconds: f64,
        #[serde(default)] bogey_seconds: Option<f64>,
        #[serde(default)] maximum_seconds: Option<f64>,
        #[serde(default)] laps: Option<u32>,
        #[serde(default)] waypoint_order: WaypointOrder,
        #[serde(default = "default::min_absence_seconds")] min_absence_seconds: f64,
        #[serde(default = "default::absence_meters")] absence_meters: f64,
    }
    /// A place that a crossing is recorded at.
    Geofence {
        id: Uuid,
        event_id: Uuid,
        name: String,
        kind: GeofenceKind,
        geometry: Geometry,
        #[serde(default)] radius_meters: Option<f64>,
        #[serde(default = "default::hysteresis_meters")] hysteresis_meters: f64,
        #[serde(default = "default::debounce_seconds")] debounce_seconds: f64,
        #[serde(default)] manual_verification: bool,
        #[serde(default)] retroactive: bool,
        #[serde(default)] valid_from: Option<Timestamp>,
        #[serde(default)] valid_to: Option<Timestamp>,
    }
    /// A point that must be passed within a tolerance.
    Waypoint {
        id: Uuid,
        segment_id: Uuid,
        number: i64,
        #[serde(default)] kind: String,
        location: Geometry,
        tolerance_meters: f64,
        #[serde(default)] sort_order: i64,
        #[serde(default)] cancelled: bool,
        #[serde(default)] valid_from: Option<Timestamp>,
        #[serde(default)] valid_to: Option<Timestamp>,
    }
    /// A polygon, or a stretch between two waypoints, with a speed limit.
    SpeedLimitZone {
        id: Uuid,
        segment_id: Uuid,
        #[serde(default)] name: String,
        #[serde(default)] geometry: Option<Geometry>,
        #[serde(default)] dz_waypoint_id: Option<Uuid>,
        #[serde(default)] fz_waypoint_id: Option<Uuid>,
        limit_kmh: f64,
        #[serde(default)] buffer_meters: f64,
        #[serde(default)] tolerance_kmh: f64,
        #[serde(default)] tolerance_percent: f64,
        #[serde(default = "default::min_duration_ms")] min_duration_ms: i64,
        #[serde(default = "default::impulse_meters")] impulse_meters: f64,
        #[serde(default = "default::impulse_seconds")] impulse_seconds: f64,
        #[serde(default)] length_meters: Option<f64>,
        #[serde(default)] valid_from: Option<Timestamp>,
        #[serde(default)] valid_to: Option<Timestamp>,
    }
    /// A stretch whose time is taken off, up to an allowance.
    Neutralisation {
        id: Uuid,
        segment_id: Uuid,
        entry_geofence_id: Uuid,
        exit_geofence_id: Uuid,
        allowed_seconds: f64,
        #[serde(default)] valid_from: Option<Timestamp>,
        #[serde(default)] valid_to: Option<Timestamp>,
    }
    /// One bracket of a penalty table.
    PenaltyFormula {
        id: Uuid,
        event_id: Uuid,
        belongs_to_type: BelongsTo,
        belongs_to_id: Uuid,
        #[serde(default)] class_id: Option<Uuid>,
        #[serde(default)] kind: Option<String>,
        #[serde(rename = "type")] evaluator: String,
        #[serde(default)] offence_min: f64,
        #[serde(default)] offence_max: Option<f64>,
        operator: Operator,
        #[serde(default)] base: f64,
        #[serde(default)] penalty: f64,
        #[serde(default = "default::counts_for")] counts_for: Vec<CountsFor>,
        #[serde(default)] retroactive: bool,
        #[serde(default = "default::yes")] enabled: bool,
        #[serde(default)] valid_from: Option<Timestamp>,
        #[serde(default)] valid_to: Option<Timestamp>,
    }
    /// A slot that was handed out.
    EntrySegmentStart {
        #[serde(default, skip_serializing_if = "Option::is_none")] id: Option<Uuid>,
        entry_id: Uuid,
        segment_id: Uuid,
        #[serde(default)] start_position: Option<i64>,
        #[serde(default)] target_at: Option<Timestamp>,
        #[serde(default)] manual_override: bool,
    }
    /// A person's last word on a crossing, a penalty or a start.
    Override {
        id: Uuid,
        entry_id: Uuid,
        target: OverrideTarget,
        key: serde_json::Value,
        #[serde(default)] from: Option<Timestamp>,
        #[serde(default)] to: Option<Timestamp>,
        action: OverrideAction,
        #[serde(default)] value_ms: Option<i64>,
        #[serde(default)] reason: String,
        #[serde(default)] user_id: Option<Uuid>,
        #[serde(default)] created_at: Option<Timestamp>,
    }
}

/// The defaults of optional columns. Numbers of a rulebook stand in the data; these are only where a row is silent.
pub mod default {
    use super::{CountsFor, Discipline};

    pub(super) fn discipline() -> Discipline {
        Discipline::Rally
    }
    pub(super) fn yes() -> bool {
        true
    }
    pub(super) fn counts_for() -> Vec<CountsFor> {
        vec![CountsFor::Stage, CountsFor::Overall, CountsFor::StartOrder]
    }
    macro_rules! numbers {
        ($($(#[$meta:meta])* $name:ident: $ty:ty = $value:expr;)*) => {$(
            $(#[$meta])*
            pub fn $name() -> $ty { $value }
        )*};
    }
    numbers! {
        /// Seconds before `starts_at` and after `ends_at` in which a fix still counts.
        margin_seconds: f64 = 86_400.0;
        /// km/h above which a movement between two fixes is not believed.
        max_plausible_kmh: f64 = 250.0;
        /// Seconds between two fixes above which the line between them is weak evidence.
        max_gap_seconds: f64 = 60.0;
        /// How many consecutive fixes may go together as one spike.
        spike_fixes: u32 = 3;
        /// Metres outside an area before it counts as left.
        hysteresis_meters: f64 = 15.0;
        /// Seconds beyond a gate after which a passage counts, however near it stays.
        debounce_seconds: f64 = 10.0;
        /// Seconds out of parc ferme before an absence counts.
        min_absence_seconds: f64 = 60.0;
        /// Metres out of parc ferme before an absence counts.
        absence_meters: f64 = 100.0;
        /// Milliseconds over the limit before an episode counts.
        min_duration_ms: i64 = 2_000;
        /// Metres over the limit that make an impulse.
        impulse_meters: f64 = 150.0;
        /// Seconds over the limit that make an impulse.
        impulse_seconds: f64 = 10.0;
    }
}
