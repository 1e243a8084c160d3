//! The layers, and what is never shown.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use proptest::prelude::*;

use super::args::ConfigArgs;
use super::environment::Environment;
use super::keys::{Fallback, Id};
use super::kind::Kind;
use super::resolved::{Resolved, Source};
use super::settings::Settings;
use super::{markdown, nearest};
use crate::commands::config::to_json;

const URLS: [(&str, &str); 2] =
    [("REDIS_URL", "redis://:hunter2@broker"), ("POSTGRES_URL", "postgres://me:hunter2@database/race")];

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
}

/// With both URLs given.
fn complete(pairs: &[(&str, &str)]) -> Environment {
    environment(&[&URLS, pairs].concat())
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("processor.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn with_file(path: &std::path::Path) -> ConfigArgs {
    ConfigArgs { config: Some(path.to_owned()), ..ConfigArgs::default() }
}

fn settings(args: &ConfigArgs, environment: &Environment) -> Result<Settings, String> {
    Settings::of(&mut Resolved::read(args, environment)).map_err(|errors| errors.to_string())
}

/// What is wrong with a file, its path left out.
fn errors_of_file(text: &str) -> String {
    let (folder, path) = file(text);
    let errors = settings(&with_file(&path), &complete(&[])).unwrap_err();
    errors.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn every_default_is_allowed_and_every_key_has_its_type() {
    for id in Id::ALL {
        if let Fallback::Is(text) = id.key().default {
            id.key().kind.read(text, &|_| None).unwrap_or_else(|why| panic!("{}: {why}", id.key().name));
        }
    }
    let settings = settings(&ConfigArgs::default(), &complete(&[])).unwrap();
    assert_eq!(settings.instance_id, "processor-1");
    assert_eq!(settings.redis.consumer, "processor-1");
    assert_eq!(settings.write.batch_rows, 10_000);
    assert_eq!(settings.write.batch_bytes, pipeline::limits::WRITE_BYTES);
    assert!((1..=4).contains(&settings.lanes));
    assert_eq!(settings.race.rules, None);
    assert_eq!((settings.metrics.host.as_str(), settings.metrics.port), ("0.0.0.0", 9090));
    assert_eq!(settings.live.ping_interval.as_millis(), 30_000);
    assert!(settings.directus.secret.is_none());
}

#[test]
fn names_are_used_once() {
    for (n, id) in Id::ALL.iter().enumerate() {
        assert_eq!(*id as usize, n);
        let named = |other: &&Id| other.key().name == id.key().name || other.key().env == id.key().env;
        assert_eq!(Id::ALL.iter().filter(named).count(), 1, "{}", id.key().name);
    }
}

#[test]
fn the_command_line_has_the_flags_of_the_table() {
    use clap::Args as _;
    let command = ConfigArgs::augment_args(clap::Command::new("test"));
    let mut flags: Vec<String> = command
        .get_arguments()
        .filter_map(|argument| argument.get_long())
        .map(|l| format!("--{l}"))
        .collect();
    flags.retain(|flag| flag != "--config" && flag != "--set");
    flags.sort();
    let mut known: Vec<&str> = Id::ALL.iter().filter_map(|id| id.key().flag).collect();
    known.sort_unstable();
    assert_eq!(flags, known);
}

#[test]
fn a_consumer_is_named_like_its_instance_unless_told_otherwise() {
    let read =
        |pairs: &[(&str, &str)]| settings(&ConfigArgs::default(), &complete(pairs)).unwrap().redis.consumer;
    assert_eq!(read(&[("INSTANCE_ID", "p-2")]), "p-2");
    assert_eq!(read(&[("INSTANCE_ID", "p-2"), ("REDIS_CONSUMER_NAME", "c")]), "c");
}

#[test]
fn an_empty_variable_is_not_set() {
    let empty = complete(&[("INSTANCE_ID", ""), ("LANES", " "), ("PROCESSOR_CONFIG", "")]);
    assert_eq!(settings(&ConfigArgs::default(), &empty).unwrap().instance_id, "processor-1");
}

#[test]
fn a_file_may_be_named_by_a_variable_and_a_flag_goes_first() {
    let (_one, first) = file("instance_id = 'first'\n[live]\nallowed_origins = ['https://a', 'https://b']");
    let (_two, second) = file("instance_id = 'second'");
    let named = complete(&[("PROCESSOR_CONFIG", first.to_str().unwrap())]);
    let read = settings(&ConfigArgs::default(), &named).unwrap();
    assert_eq!(read.instance_id, "first");
    assert_eq!(read.live.allowed_origins, ["https://a", "https://b"]);
    assert_eq!(settings(&with_file(&second), &named).unwrap().instance_id, "second");
}

#[test]
fn race_rules_are_on_off_or_not_said() {
    for (text, rules) in
        [("true", true), ("1", true), ("ON", true), ("false", false), ("0", false), ("off", false)]
    {
        let told = complete(&[("PROCESSOR_PHASE_2_ENABLED", text)]);
        assert_eq!(settings(&ConfigArgs::default(), &told).unwrap().race.rules, Some(rules), "{text}");
    }
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_line_and_nearest_key() {
    for (text, told) in [
        (
            "[redis]\nulr = 1",
            "processor.toml:2: unknown key \"redis.ulr\"; the nearest known one is \"redis.url\"",
        ),
        (
            "[rediss]\nurl = 'x'",
            "processor.toml:2: unknown key \"rediss.url\"; the nearest known one is \"redis.url\"",
        ),
        (
            "\nbatch_size = 5",
            "processor.toml:2: unknown key \"batch_size\"; the nearest known one is \"write.batch_size\"",
        ),
        (
            "METRICS_PORT = 5",
            "processor.toml:1: unknown key \"METRICS_PORT\"; the nearest known one is \"metrics.port\"",
        ),
        ("abcdefghijklmnop = 1", "processor.toml:1: unknown key \"abcdefghijklmnop\""),
        (
            "[write]\nbatch_size = 0",
            "processor.toml:2: write.batch_size is \"0\": a whole number from 1 to 200000 (rows) is expected",
        ),
        (
            "write.batch_size = 2.5",
            "processor.toml:1: write.batch_size is \"2.5\": a whole number from 1 to 200000 (rows) is expected",
        ),
        (
            "write.batch_size = 1979-05-27",
            "processor.toml:1: write.batch_size is \"datetime\": a whole number from 1 to 200000 (rows) is expected",
        ),
        (
            "race.rules = 'maybe'",
            "processor.toml:1: race.rules is \"maybe\": true, false, 1, 0, on or off is expected",
        ),
        (
            "instance_id = 'a b'",
            "processor.toml:1: instance_id is \"a b\": a name of 1 to 200 characters without blanks is expected",
        ),
        (
            "live.trusted_proxies = ['10.0.0.0/33']",
            "processor.toml:1: live.trusted_proxies is \"10.0.0.0/33\": addresses and networks such as 10.0.0.0/8, parted by commas is expected",
        ),
    ] {
        assert_eq!(errors_of_file(text), told, "{text}");
    }
    let hidden = errors_of_file("a = 1\nredis.url = 'redis://:hunter2@x' x\nb = 2");
    assert!(hidden.starts_with("processor.toml:2: ") && !hidden.contains("hunter2"), "{hidden}");
    let twice =
        errors_of_file("[postgres]\nurl = 'hunter2'\n[write]\nconnections = 17\n[races]\nrules = true");
    assert_eq!(twice.lines().count(), 3, "{twice}");
    assert!(!twice.contains("hunter2"), "{twice}");
}

#[test]
fn every_layer_tells_what_is_wrong_at_once() {
    let args = ConfigArgs {
        config: Some("/no/such/file".into()),
        set: vec!["LANES=0".into(), "write.batchsize=1".into(), "hunter2".into()],
        metrics_port: Some("x".into()),
        ..ConfigArgs::default()
    };
    let told =
        settings(&args, &environment(&[("WRITE_BATCH_SIZE", "many"), ("DIRECTUS_BASE_URL", "hunter2")]));
    assert_eq!(
        told.unwrap_err().lines().collect::<Vec<_>>(),
        [
            "/no/such/file: No such file or directory (os error 2)",
            "--set: unknown key \"write.batchsize\"; the nearest known one is \"write.batch_size\"",
            "--set: KEY=VALUE is expected",
            "WRITE_BATCH_SIZE (write.batch_size) is \"many\": a whole number from 1 to 200000 (rows) is expected",
            "DIRECTUS_BASE_URL (directus.base_url): http://HOST[:PORT][/PATH] or https://… is expected",
            "--set: pipeline.lanes is \"0\": a whole number from 1 to 64 (threads) is expected",
            "--metrics-port: metrics.port is \"x\": a whole number from 0 to 65535 (0 takes any free one) is expected",
            "REDIS_URL is not set; in the file it is \"redis.url\", on the command line --redis-url",
            "POSTGRES_URL is not set; in the file it is \"postgres.url\", on the command line --postgres-url",
        ]
    );
}

#[test]
fn a_near_miss_in_the_environment_is_a_warning() {
    for (name, meant) in [
        ("WRITE_BATCH_SIZES", "WRITE_BATCH_SIZE"),
        ("REDIS_TELEMETRY_STREAMS", "REDIS_TELEMETRY_STREAM"),
        ("PROCESSOR_PHASE2_ENABLED", "PROCESSOR_PHASE_2_ENABLED"),
        ("LIVE_WS_PROT", "LIVE_WS_PORT"),
        ("PROCESSOR_CONFG", "PROCESSOR_CONFIG"),
    ] {
        let resolved = Resolved::read(&ConfigArgs::default(), &complete(&[(name, "1")]));
        assert_eq!(
            resolved.warnings,
            [format!("the variable {name} is not read; the nearest that is, is {meant}")]
        );
        assert!(resolved.errors().is_none());
    }
    let others = [
        "PATH",
        "HOME",
        "REDIS_PORT",
        "POSTGRES_USER",
        "POSTGRES_DB",
        "DIRECTUS_KEY",
        "DB_HOST",
        "LINES",
        "WS_PORT",
    ];
    for name in others {
        assert_eq!(nearest::variable(name), None, "{name}");
    }
}

#[test]
fn a_secret_is_taken_as_it_is() {
    let told = complete(&[("DIRECTUS_SECRET", " hunter2 "), ("DIRECTUS_BASE_URL", "http://directus:8055/")]);
    let directus = settings(&ConfigArgs::default(), &told).unwrap().directus;
    assert_eq!(directus.secret.unwrap().reveal(), " hunter2 ");
    assert_eq!(directus.base_url.unwrap().reveal(), "http://directus:8055");
}

#[test]
fn trusting_everybody_is_a_warning() {
    let warnings = |value| {
        let told = complete(&[("NODE_TLS_REJECT_UNAUTHORIZED", value)]);
        Resolved::read(&ConfigArgs::default(), &told).warnings.len()
    };
    assert_eq!((warnings("0"), warnings("1"), warnings("")), (1, 0, 0));
}

#[test]
fn roots_are_looked_into_at_the_start() {
    let told = settings(&ConfigArgs::default(), &complete(&[("TLS_CA_FILE", "/no/ca.pem")])).unwrap_err();
    assert!(told.starts_with("TLS_CA_FILE (tls.ca_file) is \"/no/ca.pem\": No such file"), "{told}");
    let mut resolved =
        Resolved::read(&ConfigArgs::default(), &complete(&[("NODE_EXTRA_CA_CERTS", "/no/ca.pem")]));
    assert!(Settings::of(&mut resolved).is_ok());
    assert_eq!(resolved.warnings.len(), 1, "{:?}", resolved.warnings);
}

#[test]
fn the_documentation_is_that_of_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/CONFIGURATION.md");
    assert!(
        std::fs::read_to_string(path).unwrap_or_default() == markdown::document(),
        "docs/CONFIGURATION.md is not what the table of keys says: \
         cargo run -q -- config --markdown > docs/CONFIGURATION.md"
    );
}

/// A value that a key may have.
fn allowed(kind: Kind) -> BoxedStrategy<String> {
    match kind {
        Kind::Name => "[a-z:]{1,12}".boxed(),
        Kind::Host => "[a-z]{1,12}".boxed(),
        Kind::Integer { min, max, .. } => (min..=max).prop_map(|number| number.to_string()).boxed(),
        Kind::Switch => any::<bool>().prop_map(|on| on.to_string()).boxed(),
        Kind::Choice(words) => proptest::sample::select(words).prop_map(|(word, _)| word.to_owned()).boxed(),
        Kind::RedisUrl => "redis://[a-z]{1,9}".boxed(),
        Kind::PostgresUrl => "postgres://u@[a-z]{1,9}/d".boxed(),
        Kind::HttpUrl => "https://[a-z]{1,9}".boxed(),
        Kind::Secret | Kind::File => "[a-z]{1,9}".boxed(),
        Kind::Origins => "https://[a-z]{1,9}(, https://[a-z]{1,9})?".boxed(),
        Kind::Networks => "10\\.0\\.[0-9]\\.0/2[0-4]".boxed(),
    }
}

/// A key, and what the file, the environment and the command line say of it.
fn said() -> impl Strategy<Value = (Id, [Option<String>; 3])> {
    proptest::sample::select(Id::ALL).prop_flat_map(|id| {
        let layer = || proptest::option::of(allowed(id.key().kind));
        (Just(id), [layer(), layer(), layer()])
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_highest_layer_wins(said in proptest::collection::vec(said(), 0..30)) {
        let said: BTreeMap<usize, (Id, [Option<String>; 3])> =
            said.into_iter().map(|(id, layers)| (id as usize, (id, layers))).collect();
        let (mut toml, mut variables, mut args) = (String::new(), Vec::new(), ConfigArgs::default());
        for (id, [in_file, in_environment, on_line]) in said.values() {
            let key = id.key();
            if let Some(text) = in_file {
                // A number as TOML writes it, all else as a text.
                let number = matches!(key.kind, Kind::Integer { .. });
                let value = if number { text.clone() } else { format!("{text:?}") };
                toml = format!("{} = {value}\n{toml}", key.name);
            }
            if let Some(text) = in_environment {
                variables.push((OsString::from(key.env), OsString::from(text)));
            }
            if let Some(text) = on_line {
                args.set.push(format!("{}={text}", key.name));
            }
        }
        let (_folder, path) = file(&toml);
        args.config = Some(path);
        let resolved = Resolved::read(&args, &variables.into_iter().collect());
        for &id in Id::ALL {
            let layers = said.get(&(id as usize)).map(|(_, layers)| layers);
            let highest = layers.and_then(|layers| layers.iter().rev().flatten().next());
            let Some(text) = highest else {
                prop_assert_eq!(resolved.source(id), &Source::Default);
                continue;
            };
            let expected = id.key().kind.read(text, &|_| None).unwrap();
            let value = resolved.value(id).map(ToString::to_string);
            prop_assert_eq!(value, Some(expected.to_string()), "{}", id.key().name);
            let from = match layers.unwrap() {
                [_, _, Some(_)] => matches!(resolved.source(id), Source::Set),
                [_, Some(_), None] => matches!(resolved.source(id), Source::Environment),
                _ => matches!(resolved.source(id), Source::File { .. }),
            };
            prop_assert!(from, "{}: {}", id.key().name, resolved.source(id));
        }
    }

    #[test]
    fn no_secret_is_printed(secret in "\\PC{8,24}", coded: bool, in_query: bool, in_file: bool) {
        let percent: String = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
        // As it is, where the URL still reads; else encoded.
        let plain = secret.chars().all(|c| c.is_ascii_alphanumeric());
        let written = if coded || !plain { percent.clone() } else { secret.clone() };
        let login = |user: &str| if in_query { format!("{user}@") } else { format!("{user}:{written}@") };
        let query = if in_query { format!("?password={written}") } else { String::new() };
        let values = [
            ("redis.url", "REDIS_URL", format!("rediss://{}h/1{query}", login("u"))),
            ("postgres.url", "POSTGRES_URL", format!("postgres://{}h/d{query}", login("u"))),
            ("directus.base_url", "DIRECTUS_BASE_URL", format!("http://{}h/p{query}", login("u"))),
            ("directus.secret", "DIRECTUS_SECRET", secret.clone()),
        ];
        prop_assume!(!secret.trim().is_empty());
        let toml: String = values.iter().map(|(name, _, value)| format!("{name} = {}\n", toml_text(value))).collect();
        let (_folder, path) = file(&toml);
        let mut resolved = if in_file {
            Resolved::read(&with_file(&path), &Environment::default())
        } else {
            let pairs = values.iter().map(|(_, env, value)| (OsString::from(env), OsString::from(value)));
            Resolved::read(&ConfigArgs::default(), &pairs.collect())
        };
        let printed = format!("{:#}", to_json(&resolved));
        let settings = Settings::of(&mut resolved);
        prop_assert!(settings.is_ok(), "{:?}", settings);
        let debug = format!("{settings:?} {settings:#?}");
        for text in [printed, debug] {
            for hidden in [&secret, &percent, &written] {
                prop_assert!(!text.contains(hidden.as_str()), "{hidden:?} in {text}");
            }
        }
    }
}

/// A text as TOML writes it.
fn toml_text(text: &str) -> String {
    let escaped: String = text.chars().map(|c| format!("\\U{:08X}", u32::from(c))).collect();
    format!("\"{escaped}\"")
}
