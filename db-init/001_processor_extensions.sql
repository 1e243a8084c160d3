-- TimescaleDB and PostGIS, where the server has them. Nothing here needs PostGIS; other programs on this database do.
--
-- What is missing is said once, here: the file is not applied again. To add an extension later see docs/OPERATIONS.md.

DO $$
DECLARE
    preloaded boolean;
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') THEN
        RAISE NOTICE 'timescaledb is not available on this server: positions becomes a plain table';
        RETURN;
    END IF;
    -- Creating it without its library preloaded would end the session. Not every role may read
    -- shared_preload_libraries; the setting that the library defines is visible to all.
    preloaded := current_setting('timescaledb.disable_load', true) IS NOT NULL;
    IF NOT preloaded THEN
        BEGIN
            preloaded := current_setting('shared_preload_libraries') LIKE '%timescaledb%';
        EXCEPTION WHEN insufficient_privilege THEN
            preloaded := false;
        END;
    END IF;
    IF NOT preloaded THEN
        RAISE NOTICE 'timescaledb is installed but not in shared_preload_libraries: positions becomes a plain table';
        RETURN;
    END IF;
    BEGIN
        CREATE EXTENSION timescaledb;
    EXCEPTION WHEN insufficient_privilege THEN
        RAISE NOTICE 'this role may not create the extension timescaledb: positions becomes a plain table';
    END;
END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'postgis') THEN
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'postgis') THEN
        RAISE NOTICE 'postgis is not available on this server';
        RETURN;
    END IF;
    BEGIN
        CREATE EXTENSION postgis;
    EXCEPTION WHEN insufficient_privilege THEN
        RAISE NOTICE 'this role may not create the extension postgis';
    END;
END
$$;
