//! The tables of the course, column by column as in a course file, parents before children; and those of the records.

use self::Kind::{Document, Flag, Geometry, Instant, Plain};
use crate::RecordKind;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A text, an integer or a float.
    Plain,
    /// A boolean.
    Flag,
    /// An instant.
    Instant,
    /// Any JSON document.
    Document,
    /// A GeoJSON geometry.
    Geometry,
}

/// Through which column a row belongs to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parent {
    /// `event_id`.
    Event,
    /// `stage_id`.
    Stage,
    /// `segment_id`.
    Segment,
    /// `entry_id`.
    Entry,
}

/// A table of the course.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// The columns that name a row.
    pub(crate) key: &'static [&'static str],
    /// `None`: events themselves, and what belongs to none.
    pub(crate) parent: Option<Parent>,
    pub(crate) columns: &'static [(&'static str, Kind)],
}

macro_rules! kind {
    () => {
        Plain
    };
    ($kind:ident) => {
        $kind
    };
}

macro_rules! tables {
    ($($constant:ident $name:literal [$($key:ident),*] $parent:expr, { $($column:ident $(: $kind:ident)?),* $(,)? })*) => {$(
        pub(crate) const $constant: Table = Table {
            name: $name,
            key: &[$(stringify!($key)),*],
            parent: $parent,
            columns: &[$((stringify!($column), kind!($($kind)?))),*],
        };
    )*};
}

tables! {
    EVENTS "events" [id] None, {
        id, organization_id, name, slug, discipline, starts_at: Instant, ends_at: Instant, margin_seconds,
        max_plausible_kmh, max_gap_seconds, spike_fixes, truncation, minute_truncation: Flag,
    }
    CLASSES "classes" [id] Some(Parent::Event), { id, event_id, code, name, sort_order }
    ENTRIES "entries" [id] Some(Parent::Event), { id, event_id, class_id, vehicle_id, race_number, status }
    DEVICES "devices" [id] None, { id, imei, model }
    ENTRY_DEVICES "entry_devices" [id] Some(Parent::Entry), {
        id, entry_id, device_id, assigned_user_id, timing: Flag, valid_from: Instant, valid_to: Instant,
    }
    STAGES "stages" [id] Some(Parent::Event), {
        id, event_id, name, sort_order, role, starts_at: Instant, start_interval_seconds,
        start_order_strategy, start_order_strategy_params: Document, start_order_input_stage_id,
        closed_at: Instant, fixed_seconds_dnf, fixed_seconds_dns,
    }
    GEOFENCES "geofences" [id] Some(Parent::Event), {
        id, event_id, name, kind, geometry: Geometry, radius_meters, hysteresis_meters, debounce_seconds,
        manual_verification: Flag, retroactive: Flag, valid_from: Instant, valid_to: Instant,
    }
    SEGMENTS "segments" [id] Some(Parent::Stage), {
        id, stage_id, sort_order, type, entry_geofence_id, exit_geofence_id, target_duration_seconds,
        start_mode, start_edge, start_pick, min_seconds, bogey_seconds, maximum_seconds, laps, waypoint_order,
        min_absence_seconds, absence_meters,
    }
    WAYPOINTS "waypoints" [id] Some(Parent::Segment), {
        id, segment_id, number, kind, location: Geometry, tolerance_meters, sort_order, cancelled: Flag,
        valid_from: Instant, valid_to: Instant,
    }
    SPEED_LIMIT_ZONES "speed_limit_zones" [id] Some(Parent::Segment), {
        id, segment_id, name, geometry: Geometry, dz_waypoint_id, fz_waypoint_id, limit_kmh, buffer_meters,
        tolerance_kmh, tolerance_percent, min_duration_ms, impulse_meters, impulse_seconds, length_meters,
        valid_from: Instant, valid_to: Instant,
    }
    NEUTRALISATIONS "neutralisations" [id] Some(Parent::Segment), {
        id, segment_id, entry_geofence_id, exit_geofence_id, allowed_seconds, valid_from: Instant,
        valid_to: Instant,
    }
    PENALTY_FORMULAS "penalty_formulas" [id] Some(Parent::Event), {
        id, event_id, belongs_to_type, belongs_to_id, class_id, kind, type, offence_min, offence_max, operator,
        base, penalty, counts_for: Document, retroactive: Flag, enabled: Flag, valid_from: Instant,
        valid_to: Instant,
    }
    ENTRY_SEGMENT_STARTS "entry_segment_starts" [entry_id, segment_id] Some(Parent::Entry), {
        id, entry_id, segment_id, start_position, target_at: Instant, manual_override: Flag,
    }
    OVERRIDES "overrides" [id] Some(Parent::Entry), {
        id, entry_id, target, key: Document, from: Instant, to: Instant, action, value_ms, reason, user_id,
        created_at: Instant,
    }
}

/// A table of records, with a `revision` that counts from 1 and mostly with `retracted_at`.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) kind: RecordKind,
    pub(crate) name: &'static str,
    /// The columns that name a row, the first of `columns`; the last of them names the record of an entry.
    pub(crate) key: &'static [&'static str],
    /// All that a row says.
    pub(crate) columns: &'static [(&'static str, Kind)],
}

impl Ledger {
    /// The table of a kind.
    pub(crate) const fn of(kind: RecordKind) -> &'static Self {
        match kind {
            RecordKind::Crossing => &CROSSINGS,
            RecordKind::Penalty => &PENALTIES,
            RecordKind::Result => &RESULTS,
        }
    }

    /// The names of all columns.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.columns.iter().map(|(name, _)| *name)
    }

    /// The column that names a record among those of its entry.
    pub(crate) fn record_id(&self) -> &'static str {
        self.key.last().copied().unwrap_or("id")
    }
}

macro_rules! ledgers {
    ($($constant:ident $kind:ident $name:literal [$($key:ident),*] { $($column:ident $(: $of:ident)?),* $(,)? })*) => {$(
        pub(crate) const $constant: Ledger = Ledger {
            kind: RecordKind::$kind,
            name: $name,
            key: &[$(stringify!($key)),*],
            columns: &[$((stringify!($column), kind!($($of)?))),*],
        };
    )*};
}

ledgers! {
    CROSSINGS Crossing "entry_crossings" [id] {
        id, entry_id, geofence_id, ts: Instant, direction, latitude, longitude, speed, uncertainty_ms,
        fix_before: Instant, fix_after: Instant, last_touch_at: Instant, needs_review: Flag, status, override_id,
        set_at: Instant,
    }
    PENALTIES Penalty "entry_penalties" [id] {
        id, entry_id, stage_id, segment_id, type, kind, formula_id, formula_snapshot: Document,
        inputs: Document, penalty_ms, counts_for: Document, status, override_id, needs_review: Flag,
    }
    RESULTS Result "stage_results" [entry_id, stage_id] {
        entry_id, stage_id, status, started_at: Instant, finished_at: Instant, laps, elapsed_ms,
        neutralised_ms, clean_ms, penalty_ms, total_ms, position, class_position, gap_ms, provisional: Flag,
    }
}
