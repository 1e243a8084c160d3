//! Schema jobs by TLS.
#![allow(clippy::unwrap_used, reason = "a failed test says where")]

mod support;

use std::path::Path;
use std::process::Command;

use support::Ran;
use test_services::{Authority, Options, Postgres, Tls};

fn command(server: &Postgres, host: &str) -> Command {
    let mut command = support::command(server.port(), "postgres");
    command.env("DB_HOST", host).env("DB_INIT_TIMEOUT_SECONDS", "20").arg("--status");
    command
}

#[test]
fn a_server_that_demands_tls_is_spoken_to_by_tls() {
    let authority = Authority::new().unwrap();
    let certificate = authority.server(&["localhost"]).unwrap();
    let tls = Some(Tls { certificate, required: true, client_certificates: false });
    let server = Postgres::start_with(Options { tls, ..Options::default() }).unwrap();
    let other = Authority::new().unwrap();
    let refused = |command: &mut Command, told: &str| {
        let begin = std::time::Instant::now();
        let ran = Ran::of(command);
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert!(ran.err.contains(told), "{}", ran.err);
        assert!(!ran.err.contains(Postgres::PASSWORD), "{}", ran.err);
        assert!(begin.elapsed().as_secs() < 10, "asked again although it is no use");
    };
    let roots = |host: &str, file: &Path| {
        let mut command = command(&server, host);
        command.env("DB_SSLROOTCERT", file);
        command
    };

    let good = Ran::of(&mut roots("localhost", &authority.certificate_file()));
    assert_eq!(good.code, 0, "{}", good.err);
    let added = Ran::of(
        command(&server, "localhost")
            .env("DB_SSLMODE", "verify-full")
            .env("TLS_CA_FILE", authority.certificate_file()),
    );
    assert_eq!(added.code, 0, "{}", added.err);
    let unchecked = Ran::of(command(&server, "127.0.0.1").env("DB_SSLMODE", "no-verify"));
    assert_eq!(unchecked.code, 0, "{}", unchecked.err);

    refused(&mut roots("127.0.0.1", &authority.certificate_file()), "for another name");
    refused(&mut roots("localhost", &other.certificate_file()), "no trusted root vouches");
    refused(&mut roots("localhost", Path::new("/no/such.pem")), "/no/such.pem: No such file");
    refused(&mut command(&server, "127.0.0.1"), "no encryption");
    let plain = Postgres::shared().unwrap();
    refused(command(&plain, "127.0.0.1").env("DB_SSLMODE", "require"), "does not support TLS");
}
