//! What the processor counts. Every handle is registered here once and bumped once a batch.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// From a quick commit to one that waits for a disk.
const SECONDS: [f64; 14] =
    [0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const ROWS: [f64; 12] = [1.0, 10.0, 50.0, 100.0, 500.0, 1e3, 2.5e3, 5e3, 1e4, 2.5e4, 5e4, 1e5];

type StageDurations = Family<StageKind, Histogram, fn() -> Histogram>;

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// A number with a fraction.
pub(crate) type Level = Gauge<f64, AtomicU64>;

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $field:ident: $value:ident { $($variant:ident),* $(,)? } })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub(crate) struct $name { pub(crate) $field: $value }

        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum $value { $($variant),* }

        impl $name {
            /// Every value there is, so that a sample is there before the first of its kind.
            pub(crate) fn preset<M, C: MetricConstructor<M>>(family: &Family<Self, M, C>) {
                for $field in [$($value::$variant),*] {
                    drop(family.get_or_create(&Self { $field }));
                }
            }
        }

        impl EncodeLabelValue for $value {
            fn encode(
                &self,
                encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>,
            ) -> std::fmt::Result {
                std::fmt::Write::write_str(encoder, match self { $(Self::$variant => stringify!($variant)),* })
            }
        }
    )*};
}

#[allow(non_camel_case_types, reason = "a variant is named as its label value reads")]
mod kinds {
    use super::{EncodeLabelSet, EncodeLabelValue, Family, MetricConstructor};

    labels! {
        /// How a read of the stream ended.
        ReadKind { result: ReadResult { ok, empty, error } }
        /// What became of a row.
        WriteKind { status: WriteStatus { inserted, duplicate, failed } }
        /// What the broker lost before it was stored.
        LossKind { kind: Loss { unread, pending, stream, group } }
        /// Which server is away.
        PeerKind { peer: Peer { redis, postgres } }
        /// What a judge changed.
        ChangeKind { change: Change { inserted, revised, retracted } }
        /// How a request to judge anew ended.
        RecomputeKind { status: RecomputeStatus { done, refused, failed } }
        /// A stage of the pipeline.
        StageKind { stage: Stage { decode, lane, commit } }
        /// What a lane noticed of a position.
        NoticeKind { kind: Notice { unknown_device, not_timing, late, repeated } }
        /// What became of an entry on its way to the live channel.
        LiveKind { kind: LiveFixes { published, skipped, no_event, undecodable } }
        /// How a look at who is shown where ended.
        LiveRefreshKind { result: LiveRefreshResult { ok, error } }
    }
}
pub(crate) use self::kinds::{
    Change, ChangeKind, LiveFixes, LiveKind, LiveRefreshKind, LiveRefreshResult, Loss, LossKind, Notice,
    NoticeKind, Peer, PeerKind, ReadKind, ReadResult, RecomputeKind, RecomputeStatus, Stage, StageKind,
    WriteKind, WriteStatus,
};

macro_rules! metrics {
    ($($name:ident: $kind:ty = $make:expr, $metric:literal, $unit:expr, $help:literal;)*) => {
        /// All handles.
        #[derive(Debug)]
        pub(crate) struct Metrics {
            registry: Registry,
            $(#[doc = $help] pub(crate) $name: $kind,)*
        }

        impl Metrics {
            fn unlabelled() -> Self {
                let mut registry = Registry::default();
                $(
                    let $name: $kind = $make;
                    match $unit {
                        Some(unit) => registry.register_with_unit($metric, $help, unit, $name.clone()),
                        None => registry.register($metric, $help, $name.clone()),
                    }
                )*
                Self { registry, $($name),* }
            }
        }
    };
}

const NONE: Option<Unit> = None;

metrics! {
    reads: Family<ReadKind, Counter> = Family::default(), "processor_consumer_reads", NONE,
        "Reads of the telemetry stream, by result";
    records: Counter = Counter::default(), "processor_consumer_records", NONE,
        "Entries read from the telemetry stream";
    lag: Gauge = Gauge::default(), "processor_consumer_lag", NONE,
        "Entries of the stream that the group has not been given";
    lag_seconds: Level = Level::default(), "processor_consumer_lag", Some(Unit::Seconds),
        "Age of the oldest entry that the group has not been given";
    pending: Gauge = Gauge::default(), "processor_consumer_pending", NONE,
        "Entries given to the group's consumers and not acknowledged";
    decode_errors: Counter = Counter::default(), "processor_decode_errors", NONE,
        "Entries that no position could be decoded from";
    writes: Family<WriteKind, Counter> = Family::default(), "processor_position_writes", NONE,
        "Rows offered to the table, by what became of them";
    conflicts: Counter = Counter::default(), "processor_position_conflicts", NONE,
        "Duplicates, among those counted as such, that say something else than the stored row";
    write_duration: Histogram = Histogram::new(SECONDS), "processor_position_write_duration", Some(Unit::Seconds),
        "Time to commit a batch";
    write_rows: Histogram = Histogram::new(ROWS), "processor_position_write_rows", NONE,
        "Rows in a committed batch";
    write_retries: Counter = Counter::default(), "processor_position_write_retries", NONE,
        "Commits that failed and were tried again";
    stages: StageDurations = Family::new_with_constructor(seconds), "processor_stage_duration", Some(Unit::Seconds),
        "Time that a stage took over a batch";
    entry_to_commit: Histogram = Histogram::new(SECONDS), "processor_entry_to_commit", Some(Unit::Seconds),
        "Time from a batch's first entry being added to the stream to its commit";
    acks: Counter = Counter::default(), "processor_acks", NONE,
        "Entries acknowledged";
    dead_letters: Counter = Counter::default(), "processor_dead_letters", NONE,
        "Entries written to the stream of dead letters";
    lost: Family<LossKind, Counter> = Family::default(), "processor_stream_lost", NONE,
        "Entries, or the stream or group itself, that the broker lost before they were stored";
    claimed: Counter = Counter::default(), "processor_claimed", NONE,
        "Entries taken over from other consumers";
    in_flight: Gauge = Gauge::default(), "processor_in_flight", Some(Unit::Bytes),
        "Bytes of positions between decode and commit";
    in_flight_entries: Gauge = Gauge::default(), "processor_in_flight_entries", NONE,
        "Entries read and neither acknowledged nor given up";
    states: Gauge = Gauge::default(), "processor_device_state_size", NONE,
        "Entries whose state is in memory";
    evictions: Counter = Counter::default(), "processor_device_state_evictions", NONE,
        "States given up to make room";
    notices: Family<NoticeKind, Counter> = Family::default(), "processor_positions_noticed", NONE,
        "Positions that no state took in, by reason";
    evaluations: Counter = Counter::default(), "processor_race_evaluations", NONE,
        "Entries judged from what is stored";
    changes: Family<ChangeKind, Counter> = Family::default(), "processor_race_changes", NONE,
        "Race records changed, by kind";
    relayed: Counter = Counter::default(), "processor_race_relayed", NONE,
        "Changes of race records told to the live channels";
    race_errors: Counter = Counter::default(), "processor_race_errors", NONE,
        "Entries whose records could not be saved";
    recomputes: Family<RecomputeKind, Counter> = Family::default(), "processor_recompute_requests", NONE,
        "Requests to judge entries anew that were answered, by how";
    recompute_waiting: Gauge = Gauge::default(), "processor_recompute_waiting", NONE,
        "Requests to judge entries anew that are taken and not answered";
    recompute_duration: Histogram = Histogram::new(SECONDS), "processor_recompute_duration", Some(Unit::Seconds),
        "Time from a request being taken to its answer";
    is_judge: Gauge = Gauge::default(), "processor_lease_held", NONE,
        "1 while this instance works for all; 0 while it stands by";
    live_entries: Counter = Counter::default(), "processor_live_entries", NONE,
        "Entries that the live channel read";
    live_fixes: Family<LiveKind, Counter> = Family::default(), "processor_live_fixes", NONE,
        "Entries that the live channel read, by what became of them";
    live_lag_seconds: Level = Level::default(), "processor_live_lag", Some(Unit::Seconds),
        "Age of the entries that the live channel read last";
    live_devices: Gauge = Gauge::default(), "processor_live_devices", NONE,
        "Devices that the live channel shows";
    live_events: Gauge = Gauge::default(), "processor_live_events", NONE,
        "Events whose devices the live channel shows";
    live_delayed_feeds: Gauge = Gauge::default(), "processor_live_delayed_feeds", NONE,
        "Delays that audiences have";
    live_refreshes: Family<LiveRefreshKind, Counter> = Family::default(), "processor_live_refreshes", NONE,
        "Looks of the live channel at the database, by result";
    live_seeds: Counter = Counter::default(), "processor_live_seeds", NONE,
        "Latest positions that the live channel took from storage";
    live_withdrawn: Counter = Counter::default(), "processor_live_withdrawn", NONE,
        "Latest positions that were flagged as faulty and are not shown any more";
    live_race_changes: Counter = Counter::default(), "processor_live_race_changes", NONE,
        "Changes of race records that the live channel read";
    up: Family<PeerKind, Gauge> = Family::default(), "processor_peer_up", NONE,
        "1 while the server answers";
}

impl Metrics {
    /// With a sample for every value of every label: a rate needs the zero before the first.
    pub(crate) fn new() -> Self {
        let metrics = Self::unlabelled();
        ReadKind::preset(&metrics.reads);
        WriteKind::preset(&metrics.writes);
        LossKind::preset(&metrics.lost);
        PeerKind::preset(&metrics.up);
        ChangeKind::preset(&metrics.changes);
        NoticeKind::preset(&metrics.notices);
        StageKind::preset(&metrics.stages);
        RecomputeKind::preset(&metrics.recomputes);
        LiveKind::preset(&metrics.live_fixes);
        LiveRefreshKind::preset(&metrics.live_refreshes);
        metrics
    }

    /// All of them, as text for a scrape.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_operators_rely_on_are_there() {
        let metrics = Metrics::new();
        metrics.reads.get_or_create(&ReadKind { result: ReadResult::ok }).inc();
        metrics.writes.get_or_create(&WriteKind { status: WriteStatus::inserted }).inc_by(3);
        metrics.write_duration.observe(0.01);
        let text = metrics.text();
        for line in [
            "processor_consumer_reads_total{result=\"ok\"} 1",
            "processor_consumer_records_total 0",
            "processor_consumer_lag 0",
            "processor_consumer_lag_seconds 0",
            "processor_decode_errors_total 0",
            "processor_position_writes_total{status=\"inserted\"} 3",
            "processor_position_write_duration_seconds_count 1",
            "processor_acks_total 0",
            "processor_device_state_size 0",
            "processor_device_state_evictions_total 0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn every_metric_is_documented_and_nothing_else_is() {
        let text = include_str!("../../../docs/METRICS.md");
        let documented = text.lines().filter_map(|line| line.strip_prefix("| `processor_"));
        let documented = documented.filter_map(|line| line.split(['`', '{']).next());
        let scraped = Metrics::new().text();
        let told =
            scraped.lines().filter_map(|line| line.strip_prefix("# TYPE processor_")?.split(' ').next());
        let base = |name: &str| name.strip_suffix("_total").unwrap_or(name).to_owned();
        let mut documented: Vec<String> = documented.map(base).collect();
        let mut told: Vec<String> = told.map(str::to_owned).collect();
        documented.sort();
        told.sort();
        assert_eq!(documented, told);
    }
}
