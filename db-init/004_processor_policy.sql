-- Compression and retention of positions, both off until somebody turns them on:
--
--   UPDATE processor_policy SET compress_after = '14 days', retain_for = '400 days';
--
-- and off again with null. What is set takes effect at once.

CREATE TABLE IF NOT EXISTS processor_policy (
    id             boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (id),
    compress_after interval CHECK (compress_after >= interval '1 day'),
    retain_for     interval CHECK (retain_for >= interval '1 day'),
    CHECK (compress_after < retain_for)
);
INSERT INTO processor_policy DEFAULT VALUES ON CONFLICT DO NOTHING;

-- The spans that retention must spare: the windows, margins included, of the events that are not archived. An event
-- without an end spares everything after its start. Refuses where there is no way to know.
CREATE OR REPLACE FUNCTION processor_spared_spans() RETURNS SETOF tstzrange
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    margin text := '86400';
BEGIN
    IF to_regclass('events') IS NULL THEN
        RAISE EXCEPTION 'retention is refused: there is no table events to tell which days must stay';
    END IF;
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'events'::regclass AND attname = 'margin_seconds'
                  AND NOT attisdropped) THEN
        margin := 'coalesce(e.margin_seconds, 86400)';
    END IF;
    RETURN QUERY EXECUTE format(
        'SELECT tstzrange(
                    CASE WHEN e.ends_at < e.starts_at THEN e.ends_at ELSE e.starts_at END::timestamptz
                        - make_interval(secs => %1$s),
                    CASE WHEN e.ends_at < e.starts_at THEN e.starts_at ELSE e.ends_at END::timestamptz
                        + make_interval(secs => %1$s), ''[]'')
           FROM events e
          WHERE NOT EXISTS (SELECT FROM processor_archived_events a WHERE a.event_id::text = e.id::text)', margin);
END
$$;

-- Drops the whole days (UTC) older than `retain_for` that no spared span touches. Returns how many chunks, or on a
-- plain table rows, went.
CREATE OR REPLACE FUNCTION processor_apply_retention() RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    keep    interval;
    horizon timestamptz;
    spared  tstzrange[];
    dropped bigint := 0;
    chunked boolean := false;
    chunk   record;
BEGIN
    SELECT retain_for INTO keep FROM processor_policy;
    IF keep IS NULL THEN
        RETURN 0;
    END IF;
    horizon := date_trunc('day', now() - keep, 'UTC');
    SELECT coalesce(array_agg(span), '{}') INTO spared FROM processor_spared_spans() AS span;

    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        EXECUTE
            'SELECT EXISTS (SELECT FROM timescaledb_information.hypertables h
                             JOIN pg_class c ON c.relname = h.hypertable_name
                             JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = h.hypertable_schema
                            WHERE c.oid = ''positions''::regclass)' INTO chunked;
    END IF;
    IF chunked THEN
        FOR chunk IN EXECUTE
            'SELECT k.range_start, k.range_end
               FROM timescaledb_information.chunks k
               JOIN pg_class c ON c.relname = k.hypertable_name
               JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = k.hypertable_schema
              WHERE c.oid = ''positions''::regclass AND k.range_end <= $1 ORDER BY k.range_start' USING horizon
        LOOP
            CONTINUE WHEN EXISTS (SELECT FROM unnest(spared) AS span
                                   WHERE span && tstzrange(chunk.range_start, chunk.range_end));
            PERFORM drop_chunks('positions', older_than => chunk.range_end, newer_than => chunk.range_start);
            dropped := dropped + 1;
        END LOOP;
        RETURN dropped;
    END IF;

    DELETE FROM positions p
     WHERE p.ts < horizon
       AND NOT EXISTS (SELECT FROM unnest(spared) AS span
                        WHERE span && tstzrange(date_trunc('day', p.ts, 'UTC'),
                                                date_trunc('day', p.ts, 'UTC') + interval '1 day'));
    GET DIAGNOSTICS dropped = ROW_COUNT;
    RETURN dropped;
END
$$;

-- The form that TimescaleDB's scheduler calls.
CREATE OR REPLACE PROCEDURE processor_retention_job(job_id integer, config jsonb)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM processor_apply_retention();
END
$$;

-- Makes TimescaleDB do what the policy says.
CREATE OR REPLACE FUNCTION processor_apply_policy() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    compressed boolean;
    job        integer;
BEGIN
    IF NEW.retain_for IS NOT NULL THEN
        PERFORM count(*) FROM processor_spared_spans();
    END IF;
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        IF NEW.compress_after IS NOT NULL THEN
            RAISE EXCEPTION 'compression needs TimescaleDB, which this database does not have';
        END IF;
        IF NEW.retain_for IS NOT NULL THEN
            RAISE NOTICE 'without TimescaleDB nothing runs by itself: call SELECT processor_apply_retention() daily';
        END IF;
        RETURN NEW;
    END IF;

    IF NEW.compress_after IS DISTINCT FROM OLD.compress_after THEN
        PERFORM remove_compression_policy('positions', if_exists => true);
        IF NEW.compress_after IS NOT NULL THEN
            EXECUTE 'SELECT bool_or(compression_enabled) FROM timescaledb_information.hypertables
                      WHERE hypertable_name = ''positions''' INTO compressed;
            IF compressed IS NOT TRUE THEN
                ALTER TABLE positions SET (timescaledb.compress, timescaledb.compress_segmentby = 'device_id',
                                           timescaledb.compress_orderby = 'ts');
            END IF;
            PERFORM add_compression_policy('positions', NEW.compress_after);
        END IF;
    END IF;

    IF NEW.retain_for IS DISTINCT FROM OLD.retain_for THEN
        FOR job IN EXECUTE 'SELECT job_id FROM timescaledb_information.jobs
                             WHERE proc_name = ''processor_retention_job'''
        LOOP
            PERFORM delete_job(job);
        END LOOP;
        IF NEW.retain_for IS NOT NULL THEN
            PERFORM add_job('processor_retention_job', interval '1 day');
        END IF;
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER processor_policy_applied AFTER UPDATE ON processor_policy
    FOR EACH ROW EXECUTE FUNCTION processor_apply_policy();
