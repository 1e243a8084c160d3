-- The course of an event and its rulebook. Distances are metres, durations seconds, speeds km/h unless a name says
-- otherwise. Geometry is GeoJSON, as in a course file: what the processor reads needs no PostGIS.

CREATE TABLE stages (
    id                          uuid             NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    event_id                    uuid             NOT NULL REFERENCES events DEFERRABLE INITIALLY DEFERRED,
    name                        text             NOT NULL,
    sort_order                  integer          NOT NULL DEFAULT 0,
    role                        text             NOT NULL DEFAULT '',
    starts_at                   timestamptz,
    start_interval_seconds      double precision,
    start_order_strategy        text,
    start_order_strategy_params jsonb,
    start_order_input_stage_id  uuid             REFERENCES stages DEFERRABLE INITIALLY DEFERRED,
    closed_at                   timestamptz,
    fixed_seconds_dnf           double precision,
    fixed_seconds_dns           double precision
);
CREATE INDEX stages_event ON stages (event_id);

CREATE TABLE geofences (
    id                  uuid             NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    event_id            uuid             NOT NULL REFERENCES events DEFERRABLE INITIALLY DEFERRED,
    name                text             NOT NULL,
    kind                text             NOT NULL CHECK (kind IN ('area', 'gate')),
    geometry            jsonb            NOT NULL CHECK (jsonb_typeof(geometry) = 'object'),
    radius_meters       double precision,
    hysteresis_meters   double precision NOT NULL DEFAULT 15,
    debounce_seconds    double precision NOT NULL DEFAULT 10,
    manual_verification boolean          NOT NULL DEFAULT false,
    retroactive         boolean          NOT NULL DEFAULT false,
    valid_from          timestamptz,
    valid_to            timestamptz
);
CREATE INDEX geofences_event ON geofences (event_id);

CREATE TABLE segments (
    id                      uuid             NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    stage_id                uuid             NOT NULL REFERENCES stages DEFERRABLE INITIALLY DEFERRED,
    sort_order              integer          NOT NULL DEFAULT 0,
    type                    text             NOT NULL CHECK (type IN ('liaison', 'special-stage', 'parc-ferme')),
    entry_geofence_id       uuid             REFERENCES geofences DEFERRABLE INITIALLY DEFERRED,
    exit_geofence_id        uuid             REFERENCES geofences DEFERRABLE INITIALLY DEFERRED,
    target_duration_seconds double precision,
    start_mode              text             NOT NULL DEFAULT 'standing' CHECK (start_mode IN ('standing', 'rolling')),
    start_edge              text             NOT NULL DEFAULT 'exit' CHECK (start_edge IN ('exit', 'enter')),
    start_pick              text             NOT NULL DEFAULT 'first' CHECK (start_pick IN ('first', 'last')),
    min_seconds             double precision NOT NULL DEFAULT 0,
    bogey_seconds           double precision,
    maximum_seconds         double precision,
    laps                    integer,
    waypoint_order          text             NOT NULL DEFAULT 'free' CHECK (waypoint_order IN ('free', 'sequence')),
    min_absence_seconds     double precision NOT NULL DEFAULT 60,
    absence_meters          double precision NOT NULL DEFAULT 100
);
CREATE INDEX segments_stage ON segments (stage_id);

CREATE TABLE waypoints (
    id               uuid             NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    segment_id       uuid             NOT NULL REFERENCES segments DEFERRABLE INITIALLY DEFERRED,
    number           integer          NOT NULL,
    kind             text             NOT NULL DEFAULT '',
    location         jsonb            NOT NULL CHECK (jsonb_typeof(location) = 'object'),
    tolerance_meters double precision NOT NULL,
    sort_order       integer          NOT NULL DEFAULT 0,
    cancelled        boolean          NOT NULL DEFAULT false,
    valid_from       timestamptz,
    valid_to         timestamptz
);
CREATE INDEX waypoints_segment ON waypoints (segment_id);

CREATE TABLE speed_limit_zones (
    id                uuid             NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    segment_id        uuid             NOT NULL REFERENCES segments DEFERRABLE INITIALLY DEFERRED,
    name              text             NOT NULL DEFAULT '',
    geometry          jsonb            CHECK (jsonb_typeof(geometry) = 'object'),
    dz_waypoint_id    uuid             REFERENCES waypoints DEFERRABLE INITIALLY DEFERRED,
    fz_waypoint_id    uuid             REFERENCES waypoints DEFERRABLE INITIALLY DEFERRED,
    limit_kmh         double precision NOT NULL,
    buffer_meters     double precision NOT NULL DEFAULT 0,
    tolerance_kmh     double precision NOT NULL DEFAULT 0,
    tolerance_percent double precision NOT NULL DEFAULT 0,
    min_duration_ms   bigint           NOT NULL DEFAULT 2000,
    impulse_meters    double precision NOT NULL DEFAULT 150,
    impulse_seconds   double precision NOT NULL DEFAULT 10,
    length_meters     double precision,
    valid_from        timestamptz,
    valid_to          timestamptz
);
CREATE INDEX speed_limit_zones_segment ON speed_limit_zones (segment_id);

CREATE TABLE neutralisations (
    id                uuid             NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    segment_id        uuid             NOT NULL REFERENCES segments DEFERRABLE INITIALLY DEFERRED,
    entry_geofence_id uuid             NOT NULL REFERENCES geofences DEFERRABLE INITIALLY DEFERRED,
    exit_geofence_id  uuid             NOT NULL REFERENCES geofences DEFERRABLE INITIALLY DEFERRED,
    allowed_seconds   double precision NOT NULL,
    valid_from        timestamptz,
    valid_to          timestamptz
);
CREATE INDEX neutralisations_segment ON neutralisations (segment_id);

-- `belongs_to_id` names a row of the table that `belongs_to_type` says; `type` is the evaluator.
CREATE TABLE penalty_formulas (
    id              uuid             NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    event_id        uuid             NOT NULL REFERENCES events DEFERRABLE INITIALLY DEFERRED,
    belongs_to_type text             NOT NULL
        CHECK (belongs_to_type IN ('waypoint', 'speed_limit_zone', 'geofence', 'segment', 'stage', 'event')),
    belongs_to_id   uuid             NOT NULL,
    class_id        uuid             REFERENCES classes DEFERRABLE INITIALLY DEFERRED,
    kind            text,
    type            text             NOT NULL,
    offence_min     double precision NOT NULL DEFAULT 0,
    offence_max     double precision,
    operator        text             NOT NULL
        CHECK (operator IN ('flat', 'per_unit', 'progressive', 'exclude', 'not_classified')),
    base            double precision NOT NULL DEFAULT 0,
    penalty         double precision NOT NULL DEFAULT 0,
    counts_for      jsonb            NOT NULL DEFAULT '["stage", "overall", "start-order"]'
        CHECK (jsonb_typeof(counts_for) = 'array'),
    retroactive     boolean          NOT NULL DEFAULT false,
    enabled         boolean          NOT NULL DEFAULT true,
    valid_from      timestamptz,
    valid_to        timestamptz
);
CREATE INDEX penalty_formulas_event ON penalty_formulas (event_id);

CREATE TABLE entry_segment_starts (
    id              uuid        NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    entry_id        uuid        NOT NULL REFERENCES entries DEFERRABLE INITIALLY DEFERRED,
    segment_id      uuid        NOT NULL REFERENCES segments DEFERRABLE INITIALLY DEFERRED,
    start_position  integer,
    target_at       timestamptz,
    manual_override boolean     NOT NULL DEFAULT false,
    UNIQUE (entry_id, segment_id)
);

CREATE TABLE overrides (
    id         uuid        NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    entry_id   uuid        NOT NULL REFERENCES entries DEFERRABLE INITIALLY DEFERRED,
    target     text        NOT NULL CHECK (target IN ('crossing', 'penalty', 'start')),
    key        jsonb       NOT NULL,
    "from"     timestamptz,
    "to"       timestamptz,
    action     text        NOT NULL CHECK (action IN ('cancel', 'confirm', 'reject', 'set')),
    value_ms   bigint,
    reason     text        NOT NULL DEFAULT '',
    user_id    uuid,
    created_at timestamptz DEFAULT now()
);
CREATE INDEX overrides_entry ON overrides (entry_id);
