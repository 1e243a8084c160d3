//! What is refused, and what is said then.

mod support;

use std::time::{Duration, Instant};

use support::{Database, Ran, command, folder, spawn, write};
use test_services::{Options, Postgres};

#[test]
fn a_changed_file_is_shown_with_both_checksums() {
    let db = Database::new();
    let files = folder(&[("001_a.sql", "select 1"), ("002_b.sql", "select 2")]);
    db.run_in(&files, &[]).last();
    let recorded = db.psql("select checksum from migrations_applied where filename = '001_a.sql'");
    write(files.path(), "001_a.sql", "select 1 ");
    write(files.path(), "003_c.sql", "create table c (n int)");

    let ran = db.run_in(&files, &[]);
    let now = db.psql("select encode(sha256('select 1 '), 'hex')");
    assert_eq!(recorded, db.psql("select encode(sha256('select 1'), 'hex')"));
    let message = ran.refusal();
    assert!(message.contains("001_a.sql was changed") && !message.contains("002_b.sql"), "{message}");
    assert!(message.contains(&recorded) && message.contains(&now), "{message}");
    assert_eq!(db.psql("select to_regclass('c')"), "", "nothing more is applied");
    assert!(db.run_in(&files, &["--dry-run"]).refusal().contains(&recorded));

    let status = db.run_in(&files, &["--status", "--json"]);
    assert_eq!(status.code, 1);
    let report: serde_json::Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!(report[0]["state"], "changed");
    assert_eq!((&report[0]["applied_checksum"], &report[0]["checksum"]), (&recorded.into(), &now.into()));
}

#[test]
fn files_that_cannot_be_applied_are_found_before_the_server_is_asked() {
    let refuse = |files: &[(&str, &str)]| {
        let files = folder(files);
        // Nobody listens on port 1.
        Ran::of(command(1, "none").env("DB_INIT_DIR", files.path())).refusal().to_owned()
    };
    let two = refuse(&[("001_b.sql", ""), ("001_a.sql", ""), ("002_c.sql", "")]);
    assert_eq!(two, "error: 001_a.sql and 001_b.sql have the same number\n");
    assert!(refuse(&[("1_a.sql", "")]).contains("1_a.sql is not named NNN_name.sql"));
    let commit = refuse(&[("001_a.sql", "select 1;\ncommit;")]);
    assert!(commit.contains("001_a.sql, line 2: COMMIT would end the transaction"), "{commit}");
    assert!(refuse(&[("readme.md", "")]).contains("holds no NNN_name.sql"));
    let absent = Ran::of(command(1, "none").env("DB_INIT_DIR", "/nonexistent/folder"));
    assert!(absent.refusal().contains("DB_INIT_DIR /nonexistent/folder: No such file"), "{absent:?}");
}

#[test]
fn a_number_may_serve_once_in_each_folder() {
    let db = Database::new();
    let files = folder(&[("001_a.sql", "select 1"), ("standalone/001_b.sql", "select 2")]);
    assert_eq!(db.run_in(&files, &[]).last(), "db-init complete: 1 applied, 0 skipped");
    assert_eq!(db.run_in(&files, &["--standalone"]).last(), "db-init complete: 1 applied, 1 skipped");
    let names = db.psql("select string_agg(filename, ',' order by filename) from migrations_applied");
    assert_eq!(names, "001_a.sql,standalone/001_b.sql");
}

#[test]
fn a_statement_that_needs_no_transaction_is_an_error() {
    let db = Database::new();
    let files = folder(&[("001_a.sql", "create table t (n int);\ncreate index concurrently i on t (n);")]);
    let ran = db.run_in(&files, &[]);
    assert!(ran.refusal().contains("cannot run inside a transaction block"), "{}", ran.err);
    assert_eq!(db.psql("select to_regclass('t')"), "");
}

#[test]
fn a_wrong_password_is_told_at_once_and_not_shown() {
    let db = Database::new();
    let begin = Instant::now();
    let ran = Ran::of(db.command().env("DB_PASSWORD", "hunter2-and-more"));
    assert!(ran.refusal().contains("password authentication failed for user \"postgres\""), "{}", ran.err);
    assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    assert!(begin.elapsed() < Duration::from_secs(10), "no use in waiting");
    let none = Ran::of(db.command().env_remove("DB_PASSWORD"));
    assert!(none.refusal().contains("password missing"), "{}", none.err);
    let absent = Ran::of(db.command().env("DB_DATABASE", "nowhere"));
    assert!(absent.refusal().contains("database \"nowhere\" does not exist"), "{}", absent.err);
}

#[test]
fn a_server_that_comes_up_in_time_is_waited_for() {
    let mut server = Postgres::init(Options::default()).unwrap();
    let run = spawn(command(server.port(), "postgres").env("DB_INIT_TIMEOUT_SECONDS", "60"));
    std::thread::sleep(Duration::from_secs(1));
    server.restart().unwrap();
    let ran = Ran::from(run.wait_with_output().unwrap());
    assert_eq!(ran.last(), "db-init complete: 6 applied, 0 skipped");
    assert_eq!(ran.err.matches("waiting for 127.0.0.1").count(), 1, "{}", ran.err);
    assert!(ran.err.contains("Connection refused"), "{}", ran.err);
}

#[test]
fn a_server_that_does_not_is_given_up() {
    let begin = Instant::now();
    let ran = Ran::of(command(1, "none").env("DB_INIT_TIMEOUT_SECONDS", "1"));
    let message = ran.refusal();
    assert!(message.contains("127.0.0.1:1/none: not accepting connections after 1 s"), "{message}");
    assert!(begin.elapsed() < Duration::from_secs(5));

    // Takes the connection and never answers, like a server that is stopped in a debugger.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let ran = Ran::of(command(port, "none").env("DB_INIT_TIMEOUT_SECONDS", "1"));
    assert!(ran.refusal().contains("no answer within"), "{}", ran.err);
}

#[test]
fn a_wrong_command_line_or_environment_is_usage() {
    for args in [["--dry-run", "--status"].as_slice(), &["--json"], &["--nonsense"]] {
        assert_eq!(Ran::of(command(1, "none").args(args)).code, 2, "{args:?}");
    }
    let unset = Ran::of(command(1, "none").env_remove("DB_DATABASE"));
    assert_eq!((unset.code, unset.err.as_str()), (2, "error: DB_DATABASE is not set\n"));
    let help = Ran::of(command(1, "none").arg("--help"));
    assert_eq!(help.code, 0);
    assert!(help.out.contains("DB_INIT_TIMEOUT_SECONDS"));
}
