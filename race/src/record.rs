//! What the judge writes: crossings, penalties and stage results, with the evidence each rests on.

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::course::tables::CountsFor;
use crate::time::Timestamp;

/// What happened at a geofence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Came into an area.
    Enter,
    /// Left an area.
    Exit,
    /// Crossed a gate from its left to its right as drawn.
    Cross,
    /// Crossed a gate the other way: recorded, counts for nothing.
    Reverse,
}

impl Direction {
    /// The word used in rows and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enter => "enter",
            Self::Exit => "exit",
            Self::Cross => "cross",
            Self::Reverse => "reverse",
        }
    }
}

/// How far a crossing is established.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CrossingStatus {
    /// Counts.
    Computed,
    /// Withheld until a person confirms it (`geofences.manual_verification`).
    Proposed,
    /// Confirmed by a person.
    Confirmed,
    /// Rejected by a person: counts for nothing.
    Rejected,
}

impl CrossingStatus {
    /// The word used in rows and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Computed => "computed",
            Self::Proposed => "proposed",
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
        }
    }
}

/// One row of `entry_crossings`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Crossing {
    /// Named by what it is, see [`crate::ids`].
    pub id: Uuid,
    /// Who crossed.
    pub entry_id: Uuid,
    /// What was crossed.
    pub geofence_id: Uuid,
    /// When, interpolated at the boundary, rounded to the millisecond.
    pub ts: Timestamp,
    /// Which way.
    pub direction: Direction,
    /// Degrees WGS84 at the boundary, rounded to 1e-7.
    pub latitude: f64,
    /// Degrees WGS84 at the boundary, rounded to 1e-7.
    pub longitude: f64,
    /// km/h, rounded to 0.01: the device's at the later bracketing fix when above 0, else implied.
    pub speed: f64,
    /// Milliseconds between the two bracketing fixes.
    pub uncertainty_ms: i64,
    /// The two fixes that bracket the crossing.
    pub fixes: [Timestamp; 2],
    /// The last touch before a gate's passage was decided, where it differs from `ts`: what a start takes.
    pub last_touch_at: Option<Timestamp>,
    /// A person should look: weak evidence, or undecided at the end of the track.
    pub needs_review: bool,
    /// How far it is established.
    pub status: CrossingStatus,
    /// The override that decided it.
    pub override_id: Option<Uuid>,
    /// The instant that a person set in place of `ts`.
    pub set_at: Option<Timestamp>,
}

/// How a penalty stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum PenaltyStatus {
    Computed,
    Confirmed,
    Overridden,
    Cancelled,
}

impl PenaltyStatus {
    /// The word used in rows and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Computed => "computed",
            Self::Confirmed => "confirmed",
            Self::Overridden => "overridden",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One row of `entry_penalties`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Penalty {
    /// Named by what it is, see [`crate::ids`].
    pub id: Uuid,
    /// Who is penalised.
    pub entry_id: Uuid,
    /// In which stage.
    pub stage_id: Uuid,
    /// In which segment, where the scope is no wider.
    pub segment_id: Option<Uuid>,
    /// The evaluator.
    #[serde(rename = "type")]
    pub evaluator: String,
    /// The waypoint kind that the table is for; null is any.
    pub kind: Option<String>,
    /// The formula row of the bracket that the measure fell in; none for seconds that a person gave.
    pub formula_id: Option<Uuid>,
    /// Every row of the table as it stood.
    pub formula_snapshot: Value,
    /// What was measured, from which fixes.
    pub inputs: Value,
    /// Milliseconds added; 0 for an exclusion. What a person set or cancelled; `inputs.computed_ms` is what was computed.
    pub penalty_ms: i64,
    /// The totals it goes into.
    pub counts_for: Vec<CountsFor>,
    /// How it stands.
    pub status: PenaltyStatus,
    /// The override that changed it.
    pub override_id: Option<Uuid>,
    /// A person should look.
    pub needs_review: bool,
}

/// Where an entry is in a stage. The order is the order of a ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageStatus {
    /// Every timed segment has its finish.
    Finished,
    /// Started, not finished, the stage is open.
    Running,
    /// Not started, the stage is open.
    NotStarted,
    /// Started, not finished, the stage is closed; or not classified by a penalty.
    Dnf,
    /// Not started, the stage is closed.
    Dns,
    /// Excluded.
    Dsq,
}

impl StageStatus {
    /// The word used in rows and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Running => "running",
            Self::NotStarted => "not-started",
            Self::Dnf => "dnf",
            Self::Dns => "dns",
            Self::Dsq => "dsq",
        }
    }
}

/// One row of `stage_results`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageResult {
    /// Whose result.
    pub entry_id: Uuid,
    /// In which stage.
    pub stage_id: Uuid,
    /// Where the entry is.
    pub status: StageStatus,
    /// Start of the first special stage, rounded to the millisecond.
    pub started_at: Option<Timestamp>,
    /// Finish of the last special stage, rounded to the millisecond.
    pub finished_at: Option<Timestamp>,
    /// Passages of the finish, in a stage with laps.
    pub laps: Option<u32>,
    /// Sum over the special stages of finish - start - neutralised, in milliseconds.
    pub elapsed_ms: Option<i64>,
    /// Milliseconds taken off for neutralisations.
    pub neutralised_ms: i64,
    /// Elapsed without penalties, in milliseconds.
    pub clean_ms: Option<i64>,
    /// Milliseconds of the penalties that count for the stage.
    pub penalty_ms: i64,
    /// Elapsed plus penalties, in milliseconds.
    pub total_ms: Option<i64>,
    /// Place in the stage; null unless finished.
    pub position: Option<u32>,
    /// Place in the class; null unless finished or without a class.
    pub class_position: Option<u32>,
    /// Milliseconds behind the first; null unless finished.
    pub gap_ms: Option<i64>,
    /// The stage is open, or something beneath is undecided, proposed or to be reviewed.
    pub provisional: bool,
}
