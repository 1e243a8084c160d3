//! `processor config` as an operator runs it.
#![allow(clippy::unwrap_used, reason = "a failed test says where")]

use std::process::{Command, Output};

fn run(args: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_processor"));
    command.env_clear().envs(environment.iter().copied()).arg("config").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const URLS: [(&str, &str); 2] = [
    ("REDIS_URL", "redis://worker:hunter2@broker:6380"),
    ("POSTGRES_URL", "postgres://worker:hunter2@database/race?sslmode=require"),
];

#[test]
fn the_result_is_shown_with_its_origin_and_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("processor.toml");
    std::fs::write(&file, "[write]\nbatch_size = 500\nbatch_age_ms = 20\n").unwrap();
    let file = file.to_str().unwrap();
    let environment = [&URLS[..], &[("WRITE_BATCH_AGE_MS", "30"), ("DIRECTUS_SECRET", "hunter2")]].concat();
    let ran = run(&["--json", "--config", file, "--set", "LANES=3", "--metrics-port", "0"], &environment);
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    assert_eq!(text(&ran.stderr), "");
    let shown: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    for (key, value, from) in [
        ("redis.url", "\"redis://worker:***@broker:6380/0\"", "environment"),
        ("postgres.url", "\"postgresql://worker:***@database:5432/race?sslmode=verify-full\"", "environment"),
        ("directus.secret", "\"***\"", "environment"),
        ("write.batch_size", "500", &format!("{file}:2")),
        ("write.batch_age_ms", "30", "environment"),
        ("pipeline.lanes", "3", "--set"),
        ("metrics.port", "0", "--metrics-port"),
        ("redis.consumer", "\"processor-1\"", "default"),
        ("race.rules", "null", "default"),
    ] {
        assert_eq!(shown[key]["value"].to_string(), value, "{key}");
        assert_eq!(shown[key]["from"], from, "{key}");
    }
    assert_eq!(shown["race.rules"]["env"], "PROCESSOR_PHASE_2_ENABLED");

    let table = run(&["--config", file], &environment);
    let table = text(&table.stdout);
    assert!(table.contains("redis://worker:***@broker:6380/0"), "{table}");
    assert!(!table.contains("hunter2"), "{table}");
}

#[test]
fn what_is_wrong_ends_with_2_and_a_near_miss_is_a_warning() {
    let near = run(&[], &[&URLS[..], &[("WRITE_BATCH_SIZES", "5")]].concat());
    assert_eq!(near.status.code(), Some(0));
    assert_eq!(
        text(&near.stderr),
        "warning: the variable WRITE_BATCH_SIZES is not read; the nearest that is, is WRITE_BATCH_SIZE\n"
    );

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    std::fs::write(&file, "[redis]\nsteam = 'x'\nurl = 'hunter2'\n").unwrap();
    let wrong = run(&["--config", file.to_str().unwrap()], &[("LANES", "many"), ("POSTGRES_URL", "hunter2")]);
    assert_eq!(wrong.status.code(), Some(2));
    let told = text(&wrong.stderr);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 4, "{told}");
    for (line, part) in lines.iter().zip([
        "p.toml:2: unknown key \"redis.steam\"; the nearest known one is \"redis.stream\"",
        "p.toml:3: redis.url: the URL of the broker has no scheme",
        "error: POSTGRES_URL (postgres.url): the URL of the database has no scheme",
        "error: LANES (pipeline.lanes) is \"many\": a whole number from 1 to 64 (threads) is expected",
    ]) {
        assert!(line.starts_with("error: ") && line.contains(part), "{line}");
    }
    assert!(!format!("{told}{}", text(&wrong.stdout)).contains("hunter2"), "{told}");
}

#[test]
fn help_names_the_flags() {
    let help = text(&run(&["--help"], &[]).stdout);
    for flag in
        ["--config", "--set", "--redis-url", "--postgres-url", "--instance-id", "--metrics-port", "--json"]
    {
        assert!(help.contains(flag), "{flag}: {help}");
    }
}
