//! Connections by TLS, and those that must not come about.

use race::time::Timestamp;
use storage::timescale::{PostgresEndpoint, PostgresStore};
use storage::{Positions as _, StoreError};
use test_services::{Authority, Options, Postgres, Tls};

use crate::fixture::{CONFLICTS, POSITIONS, commit, fix};

/// A server whose certificate is for localhost, and not for 127.0.0.1.
fn server(authority: &Authority, required: bool, client_certificates: bool) -> Postgres {
    let certificate = authority.server(&["localhost"]).unwrap();
    let tls = Some(Tls { certificate, required, client_certificates });
    let server = Postgres::start_with(Options { tls, ..Options::default() }).unwrap();
    if !client_certificates {
        server.psql("postgres", POSITIONS).unwrap();
        server.psql("postgres", CONFLICTS).unwrap();
    }
    server
}

fn url(server: &Postgres, host: &str, query: &str) -> String {
    let url = server.url("postgres").replace("127.0.0.1", host);
    format!("{url}?{query}")
}

async fn connect(url: &str) -> Result<PostgresStore, StoreError> {
    PostgresStore::connect(PostgresEndpoint::parse(url).unwrap()).await
}

async fn refused(url: &str) -> String {
    match connect(url).await.unwrap_err() {
        StoreError::Broken { message, .. } => {
            assert!(!message.contains(Postgres::PASSWORD), "{message}");
            message
        }
        other => panic!("{url}: {other:?} would be tried again"),
    }
}

/// Whether the sessions of the store are by TLS, as the server sees it; the one that asks is not counted.
fn sessions(server: &Postgres) -> String {
    let sql = "SELECT string_agg(DISTINCT ssl::text, ',') FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
               WHERE application_name = 'processor'";
    server.psql("postgres", sql).unwrap()
}

#[tokio::test]
async fn positions_travel_by_tls() {
    let authority = Authority::new().unwrap();
    let server = server(&authority, true, false);
    let roots = authority.certificate_file();
    let store =
        connect(&url(&server, "localhost", &format!("sslrootcert={}", roots.display()))).await.unwrap();
    commit(&store, &[fix("a", 1), fix("a", 2)]).await;
    // The reading connection goes the same way.
    let read = store.read_positions("a".into(), Timestamp::from_micros(0), None, 10).await.unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!(sessions(&server), "true");

    let extra = PostgresEndpoint::parse(&url(&server, "localhost", "sslmode=verify-full")).unwrap();
    PostgresStore::connect(extra.trusting(&roots)).await.unwrap();
    // Whoever is not asked who they are gets in by any name.
    connect(&url(&server, "127.0.0.1", "sslmode=no-verify")).await.unwrap();
    let by_chain = format!("uselibpqcompat=true&sslmode=verify-ca&sslrootcert={}", roots.display());
    connect(&url(&server, "127.0.0.1", &by_chain)).await.unwrap();
}

#[tokio::test]
async fn whom_nobody_vouches_for_is_refused_for_good() {
    let (authority, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let server = server(&authority, false, false);
    let trusting = |file: &std::path::Path| format!("sslrootcert={}", file.display());
    let ours = trusting(&authority.certificate_file());
    let wrong_name = refused(&url(&server, "127.0.0.1", &ours)).await;
    assert!(wrong_name.contains("for another name"), "{wrong_name}");
    let wrong_roots = refused(&url(&server, "localhost", &trusting(&other.certificate_file()))).await;
    assert!(wrong_roots.contains("no trusted root vouches for the server's certificate"), "{wrong_roots}");
    let system_roots = refused(&url(&server, "localhost", "sslmode=require")).await;
    assert!(system_roots.contains("TLS"), "{system_roots}");
    let by_chain = format!("uselibpqcompat=true&sslmode=verify-ca&{}", trusting(&other.certificate_file()));
    let wrong_chain = refused(&url(&server, "127.0.0.1", &by_chain)).await;
    assert!(wrong_chain.contains("no trusted root vouches"), "{wrong_chain}");
    let no_file = refused(&url(&server, "localhost", "sslrootcert=/no/such.pem")).await;
    assert!(no_file.contains("/no/such.pem: No such file"), "{no_file}");
    // Without TLS this server still takes who asks for none.
    connect(&url(&server, "127.0.0.1", "sslmode=disable")).await.unwrap();
}

#[tokio::test]
async fn a_server_that_demands_tls_refuses_others_and_one_without_is_refused() {
    let authority = Authority::new().unwrap();
    let server = server(&authority, true, false);
    let plain = refused(&url(&server, "127.0.0.1", "ssl=0")).await;
    assert!(plain.contains("no pg_hba.conf entry") && plain.contains("no encryption"), "{plain}");

    let without = Postgres::shared().unwrap();
    let none = refused(&url(&without, "127.0.0.1", "sslmode=no-verify")).await;
    assert!(none.contains("does not support TLS"), "{none}");
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let authority = Authority::new().unwrap();
    let server = server(&authority, true, true);
    let client = authority.client("worker").unwrap();
    let roots = format!("sslrootcert={}", client.authority.display());
    let missing = refused(&url(&server, "localhost", &roots)).await;
    assert!(missing.contains("certificate"), "{missing}");
    let shown = format!("{roots}&sslcert={}&sslkey={}", client.certificate.display(), client.key.display());
    // It gets in; that the schema is not there is the next thing to be said.
    let inside = refused(&url(&server, "localhost", &shown)).await;
    assert!(inside.contains("positions"), "{inside}");
}

#[tokio::test]
async fn a_login_may_be_bound_to_the_channel() {
    let authority = Authority::new().unwrap();
    let server = server(&authority, true, false);
    let endpoint =
        url(&server, "localhost", &format!("sslrootcert={}", authority.certificate_file().display()));
    let mut endpoint = PostgresEndpoint::parse(&endpoint).unwrap();
    endpoint.config_mut().channel_binding(tokio_postgres::config::ChannelBinding::Require);
    PostgresStore::connect(endpoint).await.unwrap();
}
