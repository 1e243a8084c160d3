//! Files are applied once, in order, whole or not at all.

mod support;

use std::thread::sleep;
use std::time::Duration;

use support::{Database, Ran, command, folder, spawn, write};
use test_services::{Options, Postgres};

#[test]
fn the_second_time_finds_everything_done() {
    let db = Database::new();
    let first = db.run(&[]);
    assert_eq!(first.last(), "db-init complete: 6 applied, 0 skipped");
    assert_eq!(first.err.matches("timescaledb is not available").count(), 1, "{}", first.err);
    let dump = "select string_agg(filename || checksum || applied_at, ',' order by filename) from migrations_applied";
    let before = db.psql(dump);

    let second = db.run(&[]);
    assert_eq!(second.last(), "db-init complete: 0 applied, 6 skipped");
    assert_eq!(second.err, "");
    assert_eq!(db.psql(dump), before);
}

#[test]
fn numbers_decide_the_order() {
    let db = Database::new();
    let files = folder(&[
        ("010_c.sql", "insert into seen (what) values ('c')"),
        ("002_b.sql", "insert into seen (what) values ('b')"),
        ("001_z.sql", "create table seen (n serial, what text); insert into seen (what) values ('z')"),
        ("notes.txt", "not for the database"),
    ]);
    assert_eq!(db.run_in(&files, &[]).last(), "db-init complete: 3 applied, 0 skipped");
    assert_eq!(db.psql("select string_agg(what, '' order by n) from seen"), "zbc");
    write(files.path(), "011_d.sql", "insert into seen (what) values ('d')");
    assert_eq!(db.run_in(&files, &[]).last(), "db-init complete: 1 applied, 3 skipped");
    assert_eq!(db.psql("select string_agg(what, '' order by n) from seen"), "zbcd");
}

#[test]
fn two_at_once_apply_each_file_once() {
    let db = Database::new();
    let files = folder(&[
        ("001_slow.sql", "create table seen (n int); select pg_sleep(1)"),
        ("002_row.sql", "insert into seen values (1)"),
    ]);
    let run = || spawn(db.command().env("DB_INIT_DIR", files.path()));
    let runs: Vec<_> =
        [run(), run(), run()].into_iter().map(|r| Ran::from(r.wait_with_output().unwrap())).collect();
    let mut lasts: Vec<&str> = runs.iter().map(Ran::last).collect();
    lasts.sort_unstable();
    let nothing = "db-init complete: 0 applied, 2 skipped";
    assert_eq!(lasts, [nothing, nothing, "db-init complete: 2 applied, 0 skipped"]);
    assert_eq!(runs.iter().filter(|r| r.err.contains("another db-init is at work")).count(), 2);
    assert_eq!(db.psql("select count(*) from seen"), "1");
}

#[test]
fn a_killed_run_leaves_whole_files_only() {
    let db = Database::new();
    let slow = "create table half (n int); insert into half values (1); select pg_sleep(120)";
    let files = folder(&[("001_first.sql", "create table whole (n int)"), ("002_slow.sql", slow)]);
    let mut run = spawn(db.command().env("DB_INIT_DIR", files.path()));
    let sleeping =
        "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()";
    db.wait_until(sleeping, "1");
    run.kill().unwrap();
    run.wait().unwrap();

    // The next run waits for the server to notice, which takes a second and not two minutes.
    write(files.path(), "002_slow.sql", "create table half (n int)");
    let begin = std::time::Instant::now();
    assert_eq!(db.run_in(&files, &[]).last(), "db-init complete: 1 applied, 1 skipped");
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert_eq!(db.psql("select count(*) from half"), "0");
}

#[test]
fn a_server_that_is_killed_in_the_middle_keeps_whole_files_only() {
    let mut server = Postgres::start_with(Options { fsync: true, ..Options::default() }).unwrap();
    let slow = "create table half (n int); select pg_sleep(120)";
    let files = folder(&[("001_first.sql", "create table whole (n int)"), ("002_slow.sql", slow)]);
    let run = spawn(command(server.port(), "postgres").env("DB_INIT_DIR", files.path()));
    let sleeping = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
    while server.psql("postgres", sleeping).unwrap() != "1" {
        sleep(Duration::from_millis(50));
    }
    server.kill9().unwrap();
    let ran = Ran::from(run.wait_with_output().unwrap());
    assert!(ran.refusal().contains("002_slow.sql, nothing of it stays"), "{}", ran.err);

    write(files.path(), "002_slow.sql", "create table half (n int)");
    let again = spawn(command(server.port(), "postgres").env("DB_INIT_DIR", files.path()));
    server.restart().unwrap();
    assert_eq!(Ran::from(again.wait_with_output().unwrap()).last(), "db-init complete: 1 applied, 1 skipped");
}

#[test]
fn a_file_that_fails_in_its_middle_leaves_nothing() {
    let db = Database::new();
    let failing =
        "create table middle (n int);\n\ninsert into middle values (1);\ninsert into nowhere values (1);";
    let files = folder(&[
        ("001_before.sql", "create table before (n int)"),
        ("002_middle.sql", failing),
        ("003_after.sql", "create table after (n int)"),
    ]);
    let ran = db.run_in(&files, &[]);
    assert!(ran.refusal().contains("error: 002_middle.sql, nothing of it stays: line 4: "), "{}", ran.err);
    assert!(ran.err.contains("relation \"nowhere\" does not exist (SQLSTATE 42P01)"), "{}", ran.err);
    assert_eq!(
        db.psql("select to_regclass('before'), to_regclass('middle'), to_regclass('after')"),
        "before||"
    );
    assert_eq!(db.psql("select string_agg(filename, ',') from migrations_applied"), "001_before.sql");

    write(files.path(), "002_middle.sql", "create table middle (n int)");
    assert_eq!(db.run_in(&files, &[]).last(), "db-init complete: 2 applied, 1 skipped");
}

#[test]
fn what_a_file_sets_ends_with_it() {
    let db = Database::new();
    let files = folder(&[
        ("001_dump.sql", "select set_config('search_path', '', false); set statement_timeout = 1"),
        ("002_next.sql", "create table here (n int); select pg_sleep(0.1)"),
    ]);
    assert_eq!(db.run_in(&files, &[]).last(), "db-init complete: 2 applied, 0 skipped");
    assert_eq!(db.psql("select 'public.here'::regclass, count(*) from public.migrations_applied"), "here|2");
}

#[test]
fn a_lock_that_is_held_by_hand_is_waited_for() {
    let db = Database::new();
    let files = folder(&[("001_a.sql", "select 1")]);
    let lock = "select pg_advisory_lock(x'0064622d696e6974'::bigint); select pg_sleep(300)";
    let server = std::sync::Arc::clone(&db.server);
    let name = db.name.clone();
    let holder = std::thread::spawn(move || server.psql(&name, lock));
    // The tests beside this one take the same lock on their own databases of this server.
    let locks = "from pg_locks l join pg_database d on d.oid = l.database \
                 where l.locktype = 'advisory' and d.datname = current_database()";
    db.wait_until(&format!("select count(*) {locks} and granted"), "1");
    let run = spawn(db.command().env("DB_INIT_DIR", files.path()));
    db.wait_until(&format!("select count(*) {locks} and not granted"), "1");
    assert_eq!(
        db.psql("select to_regclass('migrations_applied')"),
        "",
        "nothing is touched without the lock"
    );
    db.psql(&format!("select pg_terminate_backend(pid) {locks} and granted"));
    assert!(holder.join().unwrap().is_err(), "the holder was ended in its sleep");
    assert_eq!(Ran::from(run.wait_with_output().unwrap()).last(), "db-init complete: 1 applied, 0 skipped");
}
