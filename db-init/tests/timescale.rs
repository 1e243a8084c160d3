//! The files built in on TimescaleDB: chunks, compression, retention.

mod support;

use support::{Ran, command};
use test_services::Timescale;

const FIXES: &str = "
    insert into positions (device_id, ts, latitude, longitude, altitude, angle, speed, satellites, priority, codec, attributes)
    select '356', date_trunc('day', now(), 'UTC') - make_interval(days => day) + interval '12 hours',
           41.3, 19.8, 112, 214, 63, 11, 0, '8E', '{}'
      from unnest(array[200, 103, 102, 101, 100, 99, 98, 97, 96, 20]) as day";
/// From 100 to 98 days ago; the margin is a day on both sides.
const EVENT: &str = "
    insert into events (id, name, starts_at, ends_at)
    select '00000000-0000-0000-0000-00000000000a', 'rally', day - interval '100 days', day - interval '98 days'
      from date_trunc('day', now(), 'UTC') as day";
const LEFT: &str = "
    select string_agg((date_trunc('day', now(), 'UTC')::date - ts::date)::text, ',' order by ts) from positions";
const JOBS: &str = "
    select string_agg(proc_name, ',' order by proc_name) from timescaledb_information.jobs where job_id >= 1000";

fn run(server: &Timescale, args: &[&str]) -> Ran {
    let mut command = command(server.port(), Timescale::DATABASE);
    Ran::of(command.env("DB_USER", Timescale::USER).env_remove("DB_PASSWORD").args(args))
}

#[test]
fn positions_are_a_hypertable_that_compresses_and_forgets_as_told() {
    if !Timescale::is_installed() {
        return;
    }
    let server = Timescale::start().unwrap();
    let psql = |sql: &str| server.psql(sql).unwrap();
    let first = run(&server, &["--standalone"]);
    assert_eq!(first.last(), "db-init complete: 11 applied, 0 skipped");
    assert!(!first.err.contains("timescaledb"), "{}", first.err);
    assert_eq!(run(&server, &["--standalone"]).last(), "db-init complete: 0 applied, 11 skipped");

    let dimension = "select column_name, time_interval from timescaledb_information.dimensions";
    assert_eq!(psql(dimension), "ts|1 day");
    assert_eq!(psql("select indexname from pg_indexes where tablename = 'positions'"), "positions_device_ts");
    psql(FIXES);
    assert_eq!(psql("select count(*) from show_chunks('positions')"), "10");

    psql(EVENT);
    psql("update processor_policy set compress_after = '14 days', retain_for = '30 days'");
    assert_eq!(psql(JOBS), "policy_compression,processor_retention_job");
    psql(
        "select compress_chunk(chunk) from show_chunks('positions', older_than => interval '14 days') as chunk",
    );
    // A fix that comes late goes into a compressed day all the same, and only once.
    psql(&format!("{FIXES} on conflict do nothing"));
    psql(&FIXES.replace("'356'", "'357'"));
    assert_eq!(psql("select count(*) from positions"), "20");
    psql("delete from positions where device_id = '357'");

    let job =
        psql("select job_id from timescaledb_information.jobs where proc_name = 'processor_retention_job'");
    psql(&format!("call run_job({job})"));
    assert_eq!(psql(LEFT), "101,100,99,98,97,20");
    psql("insert into processor_archived_events (event_id) select id from events");
    assert_eq!(psql("select processor_apply_retention()"), "5");
    assert_eq!(psql(LEFT), "20");

    psql("update processor_policy set compress_after = null, retain_for = null");
    assert_eq!(psql(JOBS), "");
    psql("update processor_policy set compress_after = '21 days'");
    assert_eq!(psql(JOBS), "policy_compression");
}

#[test]
fn a_table_with_rows_is_left_as_it_is_and_said_so() {
    if !Timescale::is_installed() {
        return;
    }
    let server = Timescale::start().unwrap();
    let psql = |sql: &str| server.psql(sql).unwrap();
    run(&server, &[]).last();
    // The same columns, in a table that is no hypertable.
    psql(
        "create table plain (like positions including all); drop table positions;
          alter table plain rename to positions; delete from migrations_applied where filename like '002%'",
    );
    psql(FIXES);
    let ran = run(&server, &[]);
    assert_eq!(ran.last(), "db-init complete: 1 applied, 5 skipped");
    assert!(ran.err.contains("positions holds rows and is no hypertable"), "{}", ran.err);
    assert_eq!(psql("select count(*) from timescaledb_information.hypertables"), "0");
    assert_eq!(psql("select count(*) from positions"), "10");
}

#[test]
fn todays_hypertable_keeps_its_chunks_and_indexes() {
    if !Timescale::is_installed() {
        return;
    }
    let server = Timescale::start().unwrap();
    let psql = |sql: &str| server.psql(sql).unwrap();
    psql(
        "create table positions (
             device_id text not null, ts timestamptz not null, ingested_at timestamptz not null default now(),
             latitude double precision not null, longitude double precision not null,
             altitude real not null, angle real not null, speed real not null,
             satellites smallint not null, priority smallint not null, codec text not null,
             attributes jsonb not null, faulty boolean not null default false);
         select create_hypertable('positions', 'ts', chunk_time_interval => interval '7 days',
                                  create_default_indexes => false);
         create unique index positions_device_ts on positions (device_id, ts);
         create index positions_ts on positions (ts desc);
         create index positions_faulty_idx on positions (device_id, ts desc) where faulty = false",
    );
    psql(FIXES);
    let state = "select (select string_agg(indexname, ',' order by indexname) from pg_indexes where tablename = 'positions'),
                        (select time_interval from timescaledb_information.dimensions),
                        (select count(*) from positions), (select count(*) from show_chunks('positions'))";
    let before = psql(state);
    assert!(
        before.starts_with("positions_device_ts,positions_faulty_idx,positions_ts|7 days|10|"),
        "{before}"
    );
    assert_eq!(run(&server, &[]).last(), "db-init complete: 6 applied, 0 skipped");
    assert_eq!(psql(state), before);
}
