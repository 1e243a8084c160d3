-- Schema 1 of the embedded database.
--
-- Instants are INTEGER microseconds UTC since 1970-01-01T00:00:00Z, everywhere. Durations ending in `_ms` are
-- INTEGER milliseconds. Uuids are TEXT in lower case with hyphens, flags INTEGER 0 or 1, JSON documents TEXT.

-- Evidence ---------------------------------------------------------------------------------------------------

-- One row a device and instant: the first that was stored. Clustered by its key, so that a device's track is
-- read in order from neighbouring pages. `faulty` is set by people; the program only reads it.
--
-- The measured columns are ANY, which keeps a float's bits: REAL would store -0.0 as 0.0, and a row that is sent
-- again would then differ from itself.
CREATE TABLE positions (
    device_id   TEXT    NOT NULL,
    ts          INTEGER NOT NULL,
    ingested_at INTEGER NOT NULL,
    latitude    ANY     NOT NULL,
    longitude   ANY     NOT NULL,
    altitude    ANY     NOT NULL,
    angle       ANY     NOT NULL,
    speed       ANY     NOT NULL,
    satellites  INTEGER NOT NULL,
    priority    INTEGER NOT NULL,
    codec       TEXT    NOT NULL,
    attributes  TEXT    NOT NULL,
    faulty      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (device_id, ts)
) STRICT, WITHOUT ROWID;

-- What was offered for a stored (device_id, ts) and says something else. The same saying is kept once.
CREATE TABLE position_conflicts (
    device_id   TEXT    NOT NULL,
    ts          INTEGER NOT NULL,
    ingested_at INTEGER NOT NULL,
    latitude    ANY     NOT NULL,
    longitude   ANY     NOT NULL,
    altitude    ANY     NOT NULL,
    angle       ANY     NOT NULL,
    speed       ANY     NOT NULL,
    satellites  INTEGER NOT NULL,
    priority    INTEGER NOT NULL,
    codec       TEXT    NOT NULL,
    attributes  TEXT    NOT NULL,
    PRIMARY KEY (device_id, ts, latitude, longitude, altitude, angle, speed, satellites, priority, attributes)
) STRICT, WITHOUT ROWID;

-- The course -------------------------------------------------------------------------------------------------
--
-- References are checked at commit, so that a course may be stored in any order. No row here goes because
-- another went: a course that forgets a row that is still referred to is refused.

CREATE TABLE events (
    id                TEXT    NOT NULL PRIMARY KEY,
    organization_id   TEXT,
    name              TEXT    NOT NULL,
    slug              TEXT    NOT NULL,
    discipline        TEXT    NOT NULL,
    starts_at         INTEGER,
    ends_at           INTEGER,
    margin_seconds    REAL    NOT NULL,
    max_plausible_kmh REAL    NOT NULL,
    max_gap_seconds   REAL    NOT NULL,
    spike_fixes       INTEGER NOT NULL,
    truncation        TEXT    NOT NULL,
    minute_truncation INTEGER NOT NULL
) STRICT;

CREATE TABLE classes (
    id         TEXT    NOT NULL PRIMARY KEY,
    event_id   TEXT    NOT NULL REFERENCES events DEFERRABLE INITIALLY DEFERRED,
    code       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    sort_order INTEGER NOT NULL
) STRICT;
CREATE INDEX classes_event ON classes (event_id);

CREATE TABLE entries (
    id          TEXT    NOT NULL PRIMARY KEY,
    event_id    TEXT    NOT NULL REFERENCES events DEFERRABLE INITIALLY DEFERRED,
    class_id    TEXT    REFERENCES classes DEFERRABLE INITIALLY DEFERRED,
    vehicle_id  TEXT,
    race_number INTEGER NOT NULL,
    status      TEXT    NOT NULL,
    UNIQUE (event_id, race_number)
) STRICT;

CREATE TABLE devices (
    id    TEXT NOT NULL PRIMARY KEY,
    imei  TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL
) STRICT;

CREATE TABLE entry_devices (
    id               TEXT    NOT NULL PRIMARY KEY,
    entry_id         TEXT    NOT NULL REFERENCES entries DEFERRABLE INITIALLY DEFERRED,
    device_id        TEXT    NOT NULL REFERENCES devices DEFERRABLE INITIALLY DEFERRED,
    assigned_user_id TEXT,
    timing           INTEGER NOT NULL,
    valid_from       INTEGER,
    valid_to         INTEGER
) STRICT;
CREATE INDEX entry_devices_entry ON entry_devices (entry_id);

CREATE TABLE stages (
    id                          TEXT    NOT NULL PRIMARY KEY,
    event_id                    TEXT    NOT NULL REFERENCES events DEFERRABLE INITIALLY DEFERRED,
    name                        TEXT    NOT NULL,
    sort_order                  INTEGER NOT NULL,
    role                        TEXT    NOT NULL,
    starts_at                   INTEGER,
    start_interval_seconds      REAL,
    start_order_strategy        TEXT,
    start_order_strategy_params TEXT,
    start_order_input_stage_id  TEXT    REFERENCES stages DEFERRABLE INITIALLY DEFERRED,
    closed_at                   INTEGER,
    fixed_seconds_dnf           REAL,
    fixed_seconds_dns           REAL
) STRICT;
CREATE INDEX stages_event ON stages (event_id);

CREATE TABLE geofences (
    id                  TEXT    NOT NULL PRIMARY KEY,
    event_id            TEXT    NOT NULL REFERENCES events DEFERRABLE INITIALLY DEFERRED,
    name                TEXT    NOT NULL,
    kind                TEXT    NOT NULL,
    geometry            TEXT    NOT NULL,
    radius_meters       REAL,
    hysteresis_meters   REAL    NOT NULL,
    debounce_seconds    REAL    NOT NULL,
    manual_verification INTEGER NOT NULL,
    retroactive         INTEGER NOT NULL,
    valid_from          INTEGER,
    valid_to            INTEGER
) STRICT;
CREATE INDEX geofences_event ON geofences (event_id);

CREATE TABLE segments (
    id                      TEXT    NOT NULL PRIMARY KEY,
    stage_id                TEXT    NOT NULL REFERENCES stages DEFERRABLE INITIALLY DEFERRED,
    sort_order              INTEGER NOT NULL,
    type                    TEXT    NOT NULL,
    entry_geofence_id       TEXT    REFERENCES geofences DEFERRABLE INITIALLY DEFERRED,
    exit_geofence_id        TEXT    REFERENCES geofences DEFERRABLE INITIALLY DEFERRED,
    target_duration_seconds REAL,
    start_mode              TEXT    NOT NULL,
    start_edge              TEXT    NOT NULL,
    start_pick              TEXT    NOT NULL,
    min_seconds             REAL    NOT NULL,
    bogey_seconds           REAL,
    maximum_seconds         REAL,
    laps                    INTEGER,
    waypoint_order          TEXT    NOT NULL,
    min_absence_seconds     REAL    NOT NULL,
    absence_meters          REAL    NOT NULL
) STRICT;
CREATE INDEX segments_stage ON segments (stage_id);

CREATE TABLE waypoints (
    id               TEXT    NOT NULL PRIMARY KEY,
    segment_id       TEXT    NOT NULL REFERENCES segments DEFERRABLE INITIALLY DEFERRED,
    number           INTEGER NOT NULL,
    kind             TEXT    NOT NULL,
    location         TEXT    NOT NULL,
    tolerance_meters REAL    NOT NULL,
    sort_order       INTEGER NOT NULL,
    cancelled        INTEGER NOT NULL,
    valid_from       INTEGER,
    valid_to         INTEGER
) STRICT;
CREATE INDEX waypoints_segment ON waypoints (segment_id);

CREATE TABLE speed_limit_zones (
    id                TEXT    NOT NULL PRIMARY KEY,
    segment_id        TEXT    NOT NULL REFERENCES segments DEFERRABLE INITIALLY DEFERRED,
    name              TEXT    NOT NULL,
    geometry          TEXT,
    dz_waypoint_id    TEXT    REFERENCES waypoints DEFERRABLE INITIALLY DEFERRED,
    fz_waypoint_id    TEXT    REFERENCES waypoints DEFERRABLE INITIALLY DEFERRED,
    limit_kmh         REAL    NOT NULL,
    buffer_meters     REAL    NOT NULL,
    tolerance_kmh     REAL    NOT NULL,
    tolerance_percent REAL    NOT NULL,
    min_duration_ms   INTEGER NOT NULL,
    impulse_meters    REAL    NOT NULL,
    impulse_seconds   REAL    NOT NULL,
    length_meters     REAL,
    valid_from        INTEGER,
    valid_to          INTEGER
) STRICT;
CREATE INDEX speed_limit_zones_segment ON speed_limit_zones (segment_id);

CREATE TABLE neutralisations (
    id                TEXT    NOT NULL PRIMARY KEY,
    segment_id        TEXT    NOT NULL REFERENCES segments DEFERRABLE INITIALLY DEFERRED,
    entry_geofence_id TEXT    NOT NULL REFERENCES geofences DEFERRABLE INITIALLY DEFERRED,
    exit_geofence_id  TEXT    NOT NULL REFERENCES geofences DEFERRABLE INITIALLY DEFERRED,
    allowed_seconds   REAL    NOT NULL,
    valid_from        INTEGER,
    valid_to          INTEGER
) STRICT;
CREATE INDEX neutralisations_segment ON neutralisations (segment_id);

-- `belongs_to_id` names a row of the table that `belongs_to_type` says.
CREATE TABLE penalty_formulas (
    id              TEXT    NOT NULL PRIMARY KEY,
    event_id        TEXT    NOT NULL REFERENCES events DEFERRABLE INITIALLY DEFERRED,
    belongs_to_type TEXT    NOT NULL,
    belongs_to_id   TEXT    NOT NULL,
    class_id        TEXT    REFERENCES classes DEFERRABLE INITIALLY DEFERRED,
    kind            TEXT,
    type            TEXT    NOT NULL,
    offence_min     REAL    NOT NULL,
    offence_max     REAL,
    operator        TEXT    NOT NULL,
    base            REAL    NOT NULL,
    penalty         REAL    NOT NULL,
    counts_for      TEXT    NOT NULL,
    retroactive     INTEGER NOT NULL,
    enabled         INTEGER NOT NULL,
    valid_from      INTEGER,
    valid_to        INTEGER
) STRICT;
CREATE INDEX penalty_formulas_event ON penalty_formulas (event_id);

CREATE TABLE entry_segment_starts (
    id              TEXT,
    entry_id        TEXT    NOT NULL REFERENCES entries DEFERRABLE INITIALLY DEFERRED,
    segment_id      TEXT    NOT NULL REFERENCES segments DEFERRABLE INITIALLY DEFERRED,
    start_position  INTEGER,
    target_at       INTEGER,
    manual_override INTEGER NOT NULL,
    PRIMARY KEY (entry_id, segment_id)
) STRICT;

CREATE TABLE overrides (
    id         TEXT    NOT NULL PRIMARY KEY,
    entry_id   TEXT    NOT NULL REFERENCES entries DEFERRABLE INITIALLY DEFERRED,
    target     TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    "from"     INTEGER,
    "to"       INTEGER,
    action     TEXT    NOT NULL,
    value_ms   INTEGER,
    reason     TEXT    NOT NULL,
    user_id    TEXT,
    created_at INTEGER
) STRICT;
CREATE INDEX overrides_entry ON overrides (entry_id);

-- Race records -----------------------------------------------------------------------------------------------
--
-- Rows of the course are only named, without a foreign key: what was published outlives the entry, stage, geofence
-- or formula that it rested on. `revision` counts from 1; a row that is no longer true stays, with `retracted_at`.

CREATE TABLE entry_crossings (
    id             TEXT    NOT NULL PRIMARY KEY,
    entry_id       TEXT    NOT NULL,
    geofence_id    TEXT    NOT NULL,
    ts             INTEGER NOT NULL,
    direction      TEXT    NOT NULL,
    latitude       REAL    NOT NULL,
    longitude      REAL    NOT NULL,
    speed          REAL    NOT NULL,
    uncertainty_ms INTEGER NOT NULL,
    fix_before     INTEGER NOT NULL,
    fix_after      INTEGER NOT NULL,
    last_touch_at  INTEGER,
    needs_review   INTEGER NOT NULL,
    status         TEXT    NOT NULL,
    revision       INTEGER NOT NULL,
    retracted_at   INTEGER,
    UNIQUE (entry_id, geofence_id, direction, ts)
) STRICT;

CREATE TABLE entry_penalties (
    id               TEXT    NOT NULL PRIMARY KEY,
    entry_id         TEXT    NOT NULL,
    stage_id         TEXT    NOT NULL,
    segment_id       TEXT,
    type             TEXT    NOT NULL,
    kind             TEXT,
    formula_id       TEXT    NOT NULL,
    formula_snapshot TEXT    NOT NULL,
    inputs           TEXT    NOT NULL,
    penalty_ms       INTEGER NOT NULL,
    counts_for       TEXT    NOT NULL,
    status           TEXT    NOT NULL,
    override_id      TEXT,
    needs_review     INTEGER NOT NULL,
    revision         INTEGER NOT NULL,
    retracted_at     INTEGER
) STRICT;
CREATE INDEX entry_penalties_entry ON entry_penalties (entry_id);
CREATE INDEX entry_penalties_stage ON entry_penalties (stage_id);

CREATE TABLE stage_results (
    entry_id       TEXT    NOT NULL,
    stage_id       TEXT    NOT NULL,
    status         TEXT    NOT NULL,
    started_at     INTEGER,
    finished_at    INTEGER,
    laps           INTEGER,
    elapsed_ms     INTEGER,
    neutralised_ms INTEGER NOT NULL,
    clean_ms       INTEGER,
    penalty_ms     INTEGER NOT NULL,
    total_ms       INTEGER,
    position       INTEGER,
    class_position INTEGER,
    gap_ms         INTEGER,
    provisional    INTEGER NOT NULL,
    revision       INTEGER NOT NULL,
    retracted_at   INTEGER,
    PRIMARY KEY (entry_id, stage_id)
) STRICT;
CREATE INDEX stage_results_stage ON stage_results (stage_id);
