//! What a replay did, for the person who ran it.

use std::fmt::Write as _;
use std::time::Duration;

use pipeline::topology::Report;
use race::course::Course;
use storage::{Changes, Store};

use super::sink::StoreSink;

/// Devices without an entry that are named; the rest is counted.
const DEVICES_NAMED: usize = 5;

pub(crate) fn text<S: Store>(
    report: &Report,
    sink: &StoreSink<S>,
    changes: Changes,
    written: Duration,
    total: Duration,
    course: &Course,
) -> String {
    let committed = report.committed;
    let positions = committed.inserted + committed.duplicates + committed.conflicts;
    let mut lines: Vec<String> = Vec::new();
    lines.push(format!(
        "positions   {positions} read: {} stored, {} known already, {} conflicting; {} refused",
        committed.inserted, committed.duplicates, committed.conflicts, committed.rejects
    ));
    for (source, count) in sink.rejects() {
        lines.push(format!("refused     {count} in {source}"));
    }
    let lanes = &report.lanes;
    let unknown: u64 = lanes.unknown_devices.values().sum::<u64>() + lanes.unknown_unnamed;
    if unknown > 0 {
        let named: Vec<&str> = lanes.unknown_devices.keys().take(DEVICES_NAMED).map(|d| &**d).collect();
        let more = lanes.unknown_devices.len().saturating_sub(DEVICES_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let known = course.roster.devices();
        let known: Vec<&str> = known.iter().take(DEVICES_NAMED).map(|d| &**d).collect();
        lines.push(format!(
            "no entry    {unknown} position(s) of device(s) that no entry has: {}{more}; stored, timing nobody; \
             the course has {}",
            named.join(", "),
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        ));
    }
    for (count, what) in [
        (lanes.not_timing, "not timing  {} position(s) at an instant at which their device times nobody"),
        (
            lanes.late,
            "late        {} position(s) older than one before; their entries were judged from the store",
        ),
        (lanes.repeated, "repeated    {} position(s) for an instant just seen; the first one counts"),
    ] {
        if count > 0 {
            lines.push(what.replace("{}", &count.to_string()));
        }
    }
    lines.push(format!(
        "records     {} new, {} revised, {} retracted",
        changes.inserted, changes.revised, changes.retracted
    ));
    let seconds = written.as_secs_f64().max(1e-9);
    #[allow(clippy::cast_precision_loss, reason = "a rate to show")]
    let rate = positions as f64 / seconds;
    lines.push(format!(
        "time        {:.2} s, of it {:.2} s reading: {rate:.0} positions/s, {:.0} % of that in the store \
         ({} transaction(s))",
        total.as_secs_f64(),
        seconds,
        100.0 * sink.in_store().as_secs_f64() / seconds,
        sink.commits(),
    ));
    let process =
        peak_memory_bytes().map_or_else(String::new, |b| format!("; the process {:.0} MiB", mebibytes(b)));
    lines.push(format!(
        "memory      at most {:.2} MiB between reading and commit{process}",
        mebibytes(report.peak_in_flight_bytes)
    ));
    lines.into_iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    })
}

/// The most memory the process has held, where the system tells (Linux).
fn peak_memory_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: usize = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[allow(clippy::cast_precision_loss, reason = "a size to show")]
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
