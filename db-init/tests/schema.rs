//! What the files built in make of a database.

mod support;

use support::{Database, Ran};

const INDEXES: &str =
    "select string_agg(indexname, ',' order by indexname) from pg_indexes where tablename = 'positions'";

/// What a platform of today has.
const TODAY: &str = "
    create table positions (
        device_id text not null, ts timestamptz not null, ingested_at timestamptz not null default now(),
        latitude double precision not null, longitude double precision not null,
        altitude real not null, angle real not null, speed real not null,
        satellites smallint not null, priority smallint not null, codec text not null,
        attributes jsonb not null, faulty boolean not null default false);
    create unique index positions_device_ts on positions (device_id, ts);
    create index positions_ts on positions (ts desc);
    create index positions_faulty_idx on positions (device_id, ts desc) where faulty = false;
    create table migrations_applied (
        filename text primary key, applied_at timestamptz default now(), checksum text);
    insert into migrations_applied values ('001_extensions.sql', now(), 'abc'), ('002_old.sql', now(), null)";

const ROW: &str = "insert into positions (device_id, ts, latitude, longitude, altitude, angle, speed, satellites,
    priority, codec, attributes) values ('356', '2026-06-07T08:15:30Z', 41.3, 19.8, 112, 214, 63, 11, 0, '8E', '{}')";

#[test]
fn a_new_database_gets_the_lean_set() {
    let db = Database::new();
    db.run(&[]).last();
    assert_eq!(db.psql(INDEXES), "positions_device_ts");
    let nullable = "select count(*) from information_schema.columns where table_name = 'positions' and is_nullable = 'YES'";
    assert_eq!(db.psql(nullable), "0");
    db.psql(ROW);
    assert!(db.server.psql(&db.name, ROW).is_err(), "one row a device and instant");
    assert_eq!(db.psql("select faulty, ingested_at is not null from positions"), "f|t");
    let postgis =
        "select count(installed_version) = count(*) from pg_available_extensions where name = 'postgis'";
    assert_eq!(db.psql(postgis), "t");
    assert_eq!(db.psql("select name, token, holder from processor_leases"), "judge|0|");
    let conflict = ROW.replace("into positions", "into position_conflicts") + " on conflict do nothing";
    db.psql(&conflict);
    db.psql(&conflict);
    assert_eq!(db.psql("select count(*) from position_conflicts"), "1");
}

#[test]
fn todays_database_is_completed_and_keeps_what_it_has() {
    let db = Database::new();
    db.psql(TODAY);
    db.psql(ROW);
    let nodes = "select string_agg(oid || ':' || pg_relation_filenode(oid), ',' order by oid) from pg_class
                  where relname like 'positions%'";
    let before = db.psql(nodes);
    assert_eq!(db.run(&[]).last(), "db-init complete: 6 applied, 0 skipped");
    assert_eq!(db.psql(nodes), before, "nothing is rebuilt");
    assert_eq!(db.psql(INDEXES), "positions_device_ts,positions_faulty_idx,positions_ts");
    assert_eq!(db.psql("select count(*) from positions"), "1");

    let report: serde_json::Value = serde_json::from_str(&db.run(&["--status", "--json"]).out).unwrap();
    let states: Vec<_> =
        report.as_array().unwrap().iter().map(|file| file["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["applied", "applied", "applied", "applied", "applied", "elsewhere", "elsewhere"]);
    assert_eq!(report[5]["filename"], "001_extensions.sql");
}

#[test]
fn an_older_database_gets_the_flag_and_the_key() {
    let db = Database::new();
    let older = TODAY.replace(", faulty boolean not null default false", "");
    let older = older.split("create unique index").next().unwrap();
    db.psql(older);
    db.psql(ROW);
    db.run(&[]).last();
    assert_eq!(db.psql("select faulty from positions"), "f");
    assert_eq!(db.psql(INDEXES), "positions_device_ts");
}

#[test]
fn an_equal_key_of_another_name_serves_and_a_wrong_one_does_not() {
    let db = Database::new();
    db.psql(TODAY);
    db.psql("alter table positions add primary key (device_id, ts); drop index positions_device_ts");
    db.run(&[]).last();
    assert_eq!(db.psql(INDEXES), "positions_faulty_idx,positions_pkey,positions_ts");

    let db = Database::new();
    db.psql(TODAY);
    db.psql("drop index positions_device_ts; create index positions_device_ts on positions (device_id, ts)");
    let ran = db.run(&[]);
    assert!(ran.refusal().contains("relation \"positions_device_ts\" already exists"), "{}", ran.err);
}

#[test]
fn a_foreign_positions_table_is_refused() {
    let db = Database::new();
    db.psql("create table positions (id int, device_id text, ts timestamptz)");
    let ran = db.run(&[]);
    assert!(
        ran.refusal().contains("the table positions lacks the columns ingested_at, latitude"),
        "{}",
        ran.err
    );
    assert_eq!(
        db.psql("select count(*) from pg_attribute where attrelid = 'positions'::regclass and attnum > 0"),
        "3"
    );
}

#[test]
fn a_role_that_owns_only_the_database_suffices() {
    let db = Database::new();
    let owner = format!("owner_of_{}", db.name);
    db.psql(&format!(
        "create role {owner} login password 'owned'; alter database {} owner to {owner}",
        db.name
    ));
    let ran = Ran::of(db.command().env("DB_USER", &owner).env("DB_PASSWORD", "owned").arg("--standalone"));
    assert_eq!(ran.last(), "db-init complete: 11 applied, 0 skipped");
    assert!(ran.err.contains("postgis"), "{}", ran.err);
    assert_eq!(db.psql("select tableowner from pg_tables where tablename = 'positions'"), owner);
}

#[test]
fn dry_run_and_status_change_nothing() {
    let db = Database::new();
    let dry = db.run(&["--dry-run"]);
    assert_eq!(dry.last(), "db-init dry run: 5 to apply, 0 to skip");
    assert!(dry.out.contains("would apply 002_processor_positions.sql (sha256 "));
    let status = db.run(&["--status"]);
    assert_eq!(status.code, 0);
    assert_eq!(status.out.matches("pending").count(), 5, "{}", status.out);
    assert_eq!(db.psql("select count(*) from pg_tables where schemaname = 'public'"), "0");
    db.run(&[]).last();
    assert_eq!(db.run(&["--status"]).out.matches("pending").count(), 0);
    assert_eq!(db.run(&["--dry-run"]).last(), "db-init dry run: 0 to apply, 5 to skip");
    assert!(
        db.run(&["--dry-run", "--standalone"]).out.contains("would apply standalone/001_event_tables.sql")
    );
}

#[test]
fn standalone_makes_the_business_tables() {
    let db = Database::new();
    assert_eq!(db.run(&["--standalone"]).last(), "db-init complete: 11 applied, 0 skipped");
    assert_eq!(db.run(&["--standalone"]).last(), "db-init complete: 0 applied, 11 skipped");
    // A course may be stored in any order, with nothing but what has no default.
    db.psql(
        "begin;
         insert into entries (event_id, race_number) values ('00000000-0000-0000-0000-000000000001', 7);
         insert into events (id, name) values ('00000000-0000-0000-0000-000000000001', 'Višnjan');
         insert into stages (id, event_id, name) select id, id, 'SS 1' from events;
         insert into segments (id, stage_id, type) select id, id, 'special-stage' from stages;
         insert into waypoints (segment_id, number, location, tolerance_meters)
             select id, 1, '{\"type\":\"Point\",\"coordinates\":[13.7,45.2]}', 90 from segments;
         commit",
    );
    let defaults =
        "select discipline, margin_seconds, max_plausible_kmh, max_gap_seconds, spike_fixes, truncation,
                           minute_truncation from events";
    assert_eq!(db.psql(defaults), "rally|86400|250|60|3|ms|t");
    assert_eq!(
        db.psql(
            "select start_mode, start_edge, start_pick, waypoint_order, min_absence_seconds, absence_meters
                          from segments"
        ),
        "standing|exit|first|free|60|100"
    );
}

#[test]
fn standalone_is_refused_where_directus_is() {
    let db = Database::new();
    db.psql("create table directus_collections (collection text primary key)");
    for args in [["--standalone"].as_slice(), &["--standalone", "--dry-run"]] {
        let ran = db.run(args);
        assert!(ran.refusal().contains("directus_collections"), "{}", ran.err);
    }
    assert_eq!(
        db.psql("select to_regclass('positions'), to_regclass('events')"),
        "|",
        "nothing at all is applied"
    );
    assert_eq!(db.run(&[]).last(), "db-init complete: 6 applied, 0 skipped");
}
