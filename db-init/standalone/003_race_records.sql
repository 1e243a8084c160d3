-- What the processor finds. A record goes with its entry or stage; geofences, segments, formulas and overrides are
-- only named: what happened outlives the row of the course that it happened by. `revision` counts from 1; a record
-- that is no longer true stays, with `retracted_at`.

CREATE TABLE entry_crossings (
    id             uuid             NOT NULL PRIMARY KEY,
    entry_id       uuid             NOT NULL REFERENCES entries ON DELETE CASCADE,
    geofence_id    uuid             NOT NULL,
    ts             timestamptz      NOT NULL,
    direction      text             NOT NULL,
    latitude       double precision NOT NULL,
    longitude      double precision NOT NULL,
    speed          double precision NOT NULL,
    uncertainty_ms bigint           NOT NULL,
    fix_before     timestamptz      NOT NULL,
    fix_after      timestamptz      NOT NULL,
    last_touch_at  timestamptz,
    needs_review   boolean          NOT NULL DEFAULT false,
    status         text             NOT NULL DEFAULT 'computed'
        CHECK (status IN ('computed', 'proposed', 'confirmed', 'rejected')),
    revision       bigint           NOT NULL DEFAULT 1,
    retracted_at   timestamptz,
    UNIQUE (entry_id, geofence_id, direction, ts)
);

CREATE TABLE entry_penalties (
    id               uuid        NOT NULL PRIMARY KEY,
    entry_id         uuid        NOT NULL REFERENCES entries ON DELETE CASCADE,
    stage_id         uuid        NOT NULL REFERENCES stages ON DELETE CASCADE,
    segment_id       uuid,
    type             text        NOT NULL,
    kind             text,
    formula_id       uuid        NOT NULL,
    formula_snapshot jsonb       NOT NULL,
    inputs           jsonb       NOT NULL,
    penalty_ms       bigint      NOT NULL,
    counts_for       jsonb       NOT NULL DEFAULT '["stage", "overall", "start-order"]'
        CHECK (jsonb_typeof(counts_for) = 'array'),
    status           text        NOT NULL DEFAULT 'computed'
        CHECK (status IN ('computed', 'confirmed', 'overridden', 'cancelled')),
    override_id      uuid,
    needs_review     boolean     NOT NULL DEFAULT false,
    revision         bigint      NOT NULL DEFAULT 1,
    retracted_at     timestamptz
);
CREATE INDEX entry_penalties_entry ON entry_penalties (entry_id);
CREATE INDEX entry_penalties_stage ON entry_penalties (stage_id);

CREATE TABLE stage_results (
    entry_id       uuid        NOT NULL REFERENCES entries ON DELETE CASCADE,
    stage_id       uuid        NOT NULL REFERENCES stages ON DELETE CASCADE,
    status         text        NOT NULL
        CHECK (status IN ('not-started', 'running', 'finished', 'dnf', 'dns', 'dsq')),
    started_at     timestamptz,
    finished_at    timestamptz,
    laps           integer,
    elapsed_ms     bigint,
    neutralised_ms bigint      NOT NULL DEFAULT 0,
    clean_ms       bigint,
    penalty_ms     bigint      NOT NULL DEFAULT 0,
    total_ms       bigint,
    position       integer,
    class_position integer,
    gap_ms         bigint,
    provisional    boolean     NOT NULL DEFAULT true,
    revision       bigint      NOT NULL DEFAULT 1,
    PRIMARY KEY (entry_id, stage_id)
);
CREATE INDEX stage_results_stage ON stage_results (stage_id);
