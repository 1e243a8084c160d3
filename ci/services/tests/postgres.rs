//! The throwaway server does what tests expect of it.

use test_services::{Options, Postgres};

#[test]
fn what_was_committed_survives_a_kill_and_a_restart() {
    let mut server = Postgres::start_with(Options { fsync: true, ..Options::default() }).unwrap();
    let port = server.port();
    server.psql("postgres", "create table kept (n int)").unwrap();
    server.psql("postgres", "insert into kept values (7)").unwrap();

    server.kill9().unwrap();
    assert!(server.psql("postgres", "select 1").is_err(), "nobody answers after a kill");
    server.restart().unwrap();
    assert_eq!(server.psql("postgres", "select n from kept").unwrap(), "7");
    assert_eq!(server.port(), port);

    server.stop().unwrap();
    assert!(server.psql("postgres", "select 1").is_err(), "nobody answers after a stop");
    server.restart().unwrap();
    assert_eq!(server.psql("postgres", "show fsync").unwrap(), "on");
}

#[test]
fn a_server_is_gone_when_its_value_is() {
    let server = Postgres::shared().unwrap();
    let again = Postgres::shared().unwrap();
    assert_eq!(server.port(), again.port());
    let port = server.port();
    assert_eq!(server.psql("postgres", "show unix_socket_directories").unwrap(), "");
    drop((server, again));
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_setting_that_is_wrong_is_told_from_the_log() {
    let settings = vec![("work_mem".to_owned(), "plenty".to_owned())];
    let error = Postgres::start_with(Options { settings, ..Options::default() }).unwrap_err();
    assert!(error.to_string().contains("work_mem"), "{error}");
}
