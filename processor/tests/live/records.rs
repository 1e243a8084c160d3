//! Race records, and what they should be: the replay of the same fixes into the embedded database.

use std::process::Command;

use crate::fleet::{Entry, Key};
use crate::platform::Platform;

/// Positions as they are stored.
pub fn stored(platform: &Platform) -> std::collections::BTreeSet<Key> {
    let rows = platform.sql(
        "SELECT device_id, to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') FROM positions",
    );
    rows.lines().map(|line| line.split_once('|').unwrap()).map(|(d, ts)| (d.into(), ts.into())).collect()
}

/// Crossings, penalties and results that are true now, one a line.
pub fn records(platform: &Platform) -> Vec<String> {
    let millis = |column: &str| format!("(extract(epoch FROM {column}) * 1000)::int8");
    let sql = format!(
        "SELECT 'crossing', id, entry_id, geofence_id, {ts}, direction, latitude, longitude, speed, uncertainty_ms, \
                {before}, {after}, needs_review::int, status FROM entry_crossings WHERE retracted_at IS NULL \
         ORDER BY id; \
         SELECT 'penalty', id, entry_id, type, kind, penalty_ms, status, needs_review::int FROM entry_penalties \
         WHERE retracted_at IS NULL ORDER BY id; \
         SELECT 'result', entry_id, stage_id, status, {started}, {finished}, elapsed_ms, penalty_ms, total_ms, \
                position, gap_ms, provisional::int FROM stage_results ORDER BY entry_id",
        ts = millis("ts"),
        before = millis("fix_before"),
        after = millis("fix_after"),
        started = millis("started_at"),
        finished = millis("finished_at"),
    );
    platform.sql(&sql).lines().map(str::to_owned).collect()
}

/// The same of a replay of these entries in any order.
pub fn expected(platform: &Platform, entries: &[Entry]) -> Vec<String> {
    let payloads: Vec<&str> = entries.iter().map(|entry| entry.payload.as_str()).collect();
    std::fs::write(platform.path("fixes.ndjson"), payloads.join("\n")).unwrap();
    let _ = std::fs::remove_file(platform.path("expected.db"));
    let replay = Command::new(env!("CARGO_BIN_EXE_processor"))
        .args(["replay", "--quiet", "--json", "--store", "sqlite:expected.db", "--course", "course.json"])
        .arg("fixes.ndjson")
        .current_dir(platform.folder.path())
        .output()
        .unwrap();
    assert!(replay.status.success(), "{}", String::from_utf8_lossy(&replay.stderr));
    let database = rusqlite::Connection::open(platform.path("expected.db")).unwrap();
    let mut lines = Vec::new();
    for sql in [
        "SELECT 'crossing', id, entry_id, geofence_id, ts / 1000, direction, latitude, longitude, speed, \
         uncertainty_ms, fix_before / 1000, fix_after / 1000, needs_review, status FROM entry_crossings \
         WHERE retracted_at IS NULL ORDER BY id",
        "SELECT 'penalty', id, entry_id, type, kind, penalty_ms, status, needs_review FROM entry_penalties \
         WHERE retracted_at IS NULL ORDER BY id",
        "SELECT 'result', entry_id, stage_id, status, started_at / 1000, finished_at / 1000, elapsed_ms, \
         penalty_ms, total_ms, position, gap_ms, provisional FROM stage_results ORDER BY entry_id",
    ] {
        let mut statement = database.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells: Result<Vec<String>, _> =
                (0..columns).map(|n| row.get::<_, rusqlite::types::Value>(n).map(text)).collect();
            cells.map(|cells| cells.join("|"))
        });
        lines.extend(rows.unwrap().map(Result::unwrap));
    }
    lines
}

fn text(value: rusqlite::types::Value) -> String {
    match value {
        rusqlite::types::Value::Null => String::new(),
        rusqlite::types::Value::Integer(number) => number.to_string(),
        // As PostgreSQL prints it: the shortest that reads back, which is Rust's too.
        rusqlite::types::Value::Real(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        rusqlite::types::Value::Blob(bytes) => uuid(&bytes),
    }
}

fn uuid(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if hex.len() != 32 {
        return hex;
    }
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
