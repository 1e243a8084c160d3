//! The URL, against what the Node driver makes of it.

use std::path::Path;

use proptest::prelude::*;
use tls::Verify;

use super::*;

fn parsed(url: &str) -> PostgresEndpoint {
    PostgresEndpoint::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// Host, port, user, password, database.
fn parts(endpoint: &PostgresEndpoint) -> (String, u16, String, Option<String>, String) {
    let config = endpoint.config();
    let host = match &config.get_hosts()[0] {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    let password = config.get_password().map(|password| String::from_utf8(password.to_vec()).unwrap());
    let text = |text: Option<&str>| text.unwrap().to_owned();
    (host, config.get_ports()[0], text(config.get_user()), password, text(config.get_dbname()))
}

#[test]
fn reads_what_the_node_driver_reads() {
    for (url, host, port, user, password, database) in [
        ("postgres://u:p@h:1/d", "h", 1, "u", Some("p"), "d"),
        ("postgresql://u@h", "h", 5432, "u", None, "u"),
        ("POSTGRES://u@/", "localhost", 5432, "u", None, "u"),
        ("postgres://u:p%40%2f%3A@h/my%20db", "h", 5432, "u", Some("p@/:"), "my db"),
        ("postgres://u%40corp:a:b@[::1]:6000/d", "::1", 6000, "u@corp", Some("a:b"), "d"),
        ("postgres://u:a@b@h/d", "h", 5432, "u", Some("a@b"), "d"),
        (
            "postgres://a:b@h:1/d?host=h2&port=2&user=u2&password=p2&database=no",
            "h2",
            2,
            "u2",
            Some("p2"),
            "d",
        ),
        ("postgres://u@%2Fvar%2Frun/d", "/var/run", 5432, "u", None, "d"),
        ("postgres://u@h/d?host=/var/run/postgresql", "/var/run/postgresql", 5432, "u", None, "d"),
        // decodeURI leaves what would be a separator.
        ("postgres://u@h/a%2Fb%C3%A9", "h", 5432, "u", None, "a%2Fbé"),
        // A % that means itself makes the driver read decimal digits only.
        ("postgres://u:100%@h/d%20e", "h", 5432, "u", Some("100%"), "d e"),
        ("postgres://u:a%zz%2f@h/d", "h", 5432, "u", Some("a%zz%2f"), "d"),
        ("postgres://u:a b@h/d", "h", 5432, "u", Some("a b"), "d"),
        ("postgres://u@h/d?password=a+b%26c&unknown=1&&x", "h", 5432, "u", Some("a b&c"), "d"),
        ("  postgres://u@h/d#fragment  ", "h", 5432, "u", None, "d"),
    ] {
        let expected =
            (host.to_owned(), port, user.to_owned(), password.map(str::to_owned), database.to_owned());
        assert_eq!(parts(&parsed(url)), expected, "{url}");
    }
}

#[test]
fn parameters_reach_the_session() {
    let endpoint = parsed(
        "postgres://u@h/d?application_name=me&options=-c%20geqo%3Doff&connect_timeout=7&statement_timeout=9",
    );
    let config = endpoint.config();
    assert_eq!(config.get_application_name(), Some("me"));
    assert_eq!(config.get_options(), Some("-c geqo=off -c statement_timeout=9"));
    assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(7)));
    assert_eq!(parsed("postgres://u@h/d?connect_timeout=0").config().get_connect_timeout(), None);
}

#[test]
fn the_environment_stands_behind_the_url() {
    let variable = |name: &str| {
        let value = match name {
            "PGHOST" => "env-host",
            "PGPORT" => "77",
            "PGUSER" => "env-user",
            "PGPASSWORD" => "env-password",
            "PGDATABASE" => "env-db",
            "PGSSLMODE" => "require",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let endpoint = PostgresEndpoint::parse_with("postgres://", variable).unwrap();
    let password = Some("env-password".to_owned());
    assert_eq!(parts(&endpoint), ("env-host".into(), 77, "env-user".into(), password, "env-db".into()));
    assert_eq!(endpoint.tls().unwrap().verify, Verify::Full);
    let endpoint = PostgresEndpoint::parse_with("postgres://u:p@h:1/d?ssl=0", variable).unwrap();
    assert_eq!(parts(&endpoint), ("h".into(), 1, "u".into(), Some("p".into()), "d".into()));
    assert_eq!(endpoint.tls(), None);
}

#[test]
fn tls_is_what_the_node_driver_makes_of_it() {
    for (query, verify) in [
        ("", None),
        ("ssl=true", Some(Verify::Full)),
        ("ssl=1", Some(Verify::Full)),
        ("ssl=0", None),
        ("ssl=false", None),
        ("ssl=no-verify", Some(Verify::None)),
        ("sslmode=disable", None),
        ("ssl=true&sslmode=disable", None),
        ("sslmode=no-verify", Some(Verify::None)),
        ("sslmode=prefer", Some(Verify::Full)),
        ("sslmode=require", Some(Verify::Full)),
        ("sslmode=verify-ca", Some(Verify::Full)),
        ("sslmode=verify-full", Some(Verify::Full)),
        ("sslmode=unheard-of", Some(Verify::Full)),
        ("sslrootcert=/ca", Some(Verify::Full)),
        ("uselibpqcompat=true&sslmode=disable", None),
        ("uselibpqcompat=true&sslmode=prefer", Some(Verify::None)),
        ("uselibpqcompat=true&sslmode=require", Some(Verify::None)),
        ("uselibpqcompat=true&sslmode=require&sslrootcert=/ca", Some(Verify::Chain)),
        ("uselibpqcompat=true&sslmode=verify-ca&sslrootcert=/ca", Some(Verify::Chain)),
        ("uselibpqcompat=true&sslmode=verify-full", Some(Verify::Full)),
        ("uselibpqcompat=1&sslmode=require", Some(Verify::Full)),
        ("sslnegotiation=direct", Some(Verify::Full)),
    ] {
        let endpoint = parsed(&format!("postgres://u@h/d?{query}"));
        assert_eq!(endpoint.tls().map(|tls| tls.verify), verify, "{query}");
        let mode = if verify.is_some() { SslMode::Require } else { SslMode::Disable };
        assert_eq!(endpoint.config().get_ssl_mode(), mode, "{query}");
    }
    let endpoint = parsed("postgres://u@h/d?sslrootcert=/ca.pem&sslcert=/me.pem&sslkey=/me.key");
    let tls = endpoint.trusting("/more.pem").tls().cloned().unwrap();
    assert_eq!(tls.roots.as_deref(), Some(Path::new("/ca.pem")));
    assert_eq!(tls.extra_roots, [Path::new("/more.pem")]);
    let identity = tls.identity.unwrap();
    assert_eq!(
        (identity.certificate.as_path(), identity.key.as_path()),
        (Path::new("/me.pem"), Path::new("/me.key"))
    );
}

#[test]
fn a_wrong_url_is_told_without_repeating_it() {
    for url in [
        "hunter2",
        "mysql://u:hunter2@h/d",
        // At the very end of the text the driver refuses it, elsewhere it takes it for itself.
        "postgres://u@h/hunter2%",
        "postgres://u:hunter2@h:0/d",
        "postgres://u:hunter2@h:65536/d",
        "postgres://:hunter2@h/d",
        "postgres://u:hunter2@[::1/d",
        "postgres://u:hunter2%ff@h/d",
        "postgres://u:hunter2@h/d?connect_timeout=soon",
        "postgres://u:hunter2@h/d?sslcert=/x",
        "postgres://u:hunter2@h/d?uselibpqcompat=true&sslmode=verify-ca",
        "postgres://u:hunter2@h/d?sslmode=disable&sslnegotiation=direct",
    ] {
        let error = PostgresEndpoint::parse(url).err().unwrap_or_else(|| panic!("{url} is taken"));
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}");
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

proptest! {
    #[test]
    fn any_login_comes_through_and_no_password_is_shown(
        user in "\\PC{1,12}", password in "\\PC{8,20}", in_query: bool,
    ) {
        let (login, query) = if in_query {
            (encoded(&user), format!("?password={}", encoded(&password)))
        } else {
            (format!("{}:{}", encoded(&user), encoded(&password)), String::new())
        };
        let endpoint = parsed(&format!("postgres://{login}@host.example:5433/race{query}"));
        let expected = ("host.example".to_owned(), 5433, user.clone(), Some(password.clone()), "race".to_owned());
        prop_assert_eq!(parts(&endpoint), expected);
        prop_assume!(!user.contains(&password));
        let shown = format!("{endpoint} {endpoint:?} {:?}", endpoint.config());
        prop_assert!(!shown.contains(&password), "{shown}");
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(postgres://)?[\\PC%/@:?&=#\\[\\]]{0,60}") {
        drop(PostgresEndpoint::parse(&text));
    }
}
