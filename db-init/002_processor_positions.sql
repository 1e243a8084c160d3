-- The evidence: one row a device and instant. A table that is here already is completed, never rebuilt, and keeps
-- every index it has.

CREATE TABLE IF NOT EXISTS positions (
    device_id   text             NOT NULL,
    ts          timestamptz      NOT NULL,
    ingested_at timestamptz      NOT NULL DEFAULT now(),
    latitude    double precision NOT NULL,
    longitude   double precision NOT NULL,
    altitude    real             NOT NULL,
    angle       real             NOT NULL,
    speed       real             NOT NULL,
    satellites  smallint         NOT NULL,
    priority    smallint         NOT NULL,
    codec       text             NOT NULL,
    attributes  jsonb            NOT NULL,
    -- Set by people only.
    faulty      boolean          NOT NULL DEFAULT false
);

-- The first platforms began without `faulty`. Where it is there the table is not even locked.
DO $$
DECLARE
    missing text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute
                    WHERE attrelid = 'positions'::regclass AND attname = 'faulty' AND NOT attisdropped) THEN
        ALTER TABLE positions ADD COLUMN faulty boolean NOT NULL DEFAULT false;
    END IF;
    SELECT string_agg(name, ', ') INTO missing
      FROM unnest(ARRAY['device_id', 'ts', 'ingested_at', 'latitude', 'longitude', 'altitude', 'angle', 'speed',
                        'satellites', 'priority', 'codec', 'attributes']) AS name
     WHERE NOT EXISTS (SELECT FROM pg_attribute
                        WHERE attrelid = 'positions'::regclass AND attname = name AND NOT attisdropped);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'the table positions lacks the columns %', missing
              USING HINT = 'it is not the table of this platform: rename it or use another database';
    END IF;
END
$$;

-- One day a chunk: a day is what retention keeps or drops, and the unit that a rally is asked for.
DO $$
DECLARE
    is_hypertable boolean;
    has_rows      boolean;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        RETURN;
    END IF;
    EXECUTE 'SELECT EXISTS (SELECT FROM timescaledb_information.hypertables h
                             JOIN pg_class c ON c.relname = h.hypertable_name
                             JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = h.hypertable_schema
                            WHERE c.oid = ''positions''::regclass)' INTO is_hypertable;
    IF is_hypertable THEN
        RETURN;
    END IF;
    SELECT EXISTS (SELECT FROM positions) INTO has_rows;
    IF has_rows THEN
        -- Moving rows locks the table for as long as it takes; that is a person's decision.
        RAISE WARNING 'positions holds rows and is no hypertable: it stays a plain table until somebody converts it';
        RETURN;
    END IF;
    PERFORM create_hypertable('positions', 'ts', chunk_time_interval => interval '1 day',
                              create_default_indexes => false);
END
$$;

-- The idempotency key, and the only index that a new database gets. Every read of ours names its devices and a span
-- of time, or wants a device's latest rows: this key serves both. Time alone is served by the chunks. An index more
-- costs a third of the write rate, so positions_ts and positions_faulty_idx of older databases are used where they
-- are and not made where they are not: nearly no row is faulty, and the filter costs nothing.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_index i
         WHERE i.indrelid = 'positions'::regclass AND i.indisunique AND i.indisvalid
           AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = 2
           AND (SELECT array_agg(a.attname::text ORDER BY a.attname)
                  FROM pg_attribute a
                 WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])) = ARRAY['device_id', 'ts']
    ) THEN
        CREATE UNIQUE INDEX positions_device_ts ON positions (device_id, ts);
    END IF;
END
$$;

-- What was offered for a stored (device_id, ts) and says something else. The same saying is kept once; attributes
-- may be larger than an index entry, so their digest stands for them.
CREATE TABLE IF NOT EXISTS position_conflicts (
    device_id   text             NOT NULL,
    ts          timestamptz      NOT NULL,
    ingested_at timestamptz      NOT NULL DEFAULT now(),
    latitude    double precision NOT NULL,
    longitude   double precision NOT NULL,
    altitude    real             NOT NULL,
    angle       real             NOT NULL,
    speed       real             NOT NULL,
    satellites  smallint         NOT NULL,
    priority    smallint         NOT NULL,
    codec       text             NOT NULL,
    attributes  jsonb            NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS position_conflicts_once ON position_conflicts
    (device_id, ts, latitude, longitude, altitude, angle, speed, satellites, priority, md5(attributes::text));
