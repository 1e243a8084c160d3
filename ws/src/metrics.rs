//! What the live channel counts. A shard adds up what a tick did and bumps each handle once.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// From a tick that finds everybody ready to one that is a matter for an alarm.
const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CloseKind {
    /// The close code that was sent; 1006 where the connection just broke.
    pub(crate) code: u16,
}

/// How a question to Directus, or about a token, ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ResultKind {
    pub(crate) result: &'static str,
}

/// Why a connection or a subscription was not let in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RefusedKind {
    pub(crate) reason: &'static str,
}

macro_rules! metrics {
    ($($name:ident: $kind:ty = $make:expr, $metric:literal, $unit:expr, $help:literal;)*) => {
        /// All handles. A clone is the same handles.
        #[derive(Debug, Clone)]
        pub struct LiveMetrics { $(pub(crate) $name: $kind,)* }

        impl Default for LiveMetrics {
            fn default() -> Self {
                Self { $($name: $make,)* }
            }
        }

        impl LiveMetrics {
            /// Makes them part of what is scraped.
            pub fn register(&self, registry: &mut Registry) {
                $(
                    let unit: Option<Unit> = $unit;
                    match unit {
                        Some(unit) => registry.register_with_unit($metric, $help, unit, self.$name.clone()),
                        None => registry.register($metric, $help, self.$name.clone()),
                    }
                )*
            }
        }
    };
}

metrics! {
    sessions: Gauge = Gauge::default(), "processor_live_sessions", None,
        "Sessions that are open";
    subscriptions: Gauge = Gauge::default(), "processor_live_subscriptions", None,
        "Subscriptions that are open";
    opened: Counter = Counter::default(), "processor_live_sessions_opened", None,
        "Sessions that were opened";
    closed: Family<CloseKind, Counter> = Family::default(), "processor_live_sessions_closed", None,
        "Sessions that ended, by close code";
    refused: Family<RefusedKind, Counter> = Family::default(), "processor_live_refused", None,
        "Connections and subscriptions that a limit or a rule refused, by reason";
    deliveries: Counter = Counter::default(), "processor_live_deliveries", None,
        "Position frames queued for sessions";
    conflated: Counter = Counter::default(), "processor_live_conflated", None,
        "Position frames that were left out in favour of newer ones, for sessions that were behind";
    dropped: Counter = Counter::default(), "processor_live_dropped", None,
        "Frames that were queued and never written, of sessions that were closed";
    queue: Gauge = Gauge::default(), "processor_live_queue", Some(Unit::Bytes),
        "Bytes that wait for sessions";
    delay: Histogram = Histogram::new(SECONDS), "processor_live_write_delay", Some(Unit::Seconds),
        "Time from a tick's first entry being added to the stream to its frames being written to all ready sessions";
    messages: Counter = Counter::default(), "processor_live_messages", None,
        "Messages of clients";
    revoked: Counter = Counter::default(), "processor_live_revoked", None,
        "Subscriptions that ended because they were no longer allowed";
    auth_attempts: Family<ResultKind, Counter> = Family::default(), "processor_live_auth_attempts", None,
        "Credentials that were looked at, by what was found";
    auth_duration: Histogram = Histogram::new(SECONDS), "processor_live_auth_duration", Some(Unit::Seconds),
        "Time to look at credentials, Directus included where it was asked";
    authz_decisions: Family<ResultKind, Counter> = Family::default(), "processor_live_authz_decisions", None,
        "What Directus said of who may see which event";
    authz_duration: Histogram = Histogram::new(SECONDS), "processor_live_authz_duration", Some(Unit::Seconds),
        "Time that Directus took to say whether an event may be seen";
}

impl LiveMetrics {
    pub(crate) fn refuse(&self, reason: &'static str) {
        self.refused.get_or_create(&RefusedKind { reason }).inc();
    }

    /// Counts so many attempts; none makes the sample visible.
    pub(crate) fn auth_attempt(&self, result: &'static str, by: u64) {
        self.auth_attempts.get_or_create(&ResultKind { result }).inc_by(by);
    }

    /// Counts so many decisions; none makes the sample visible.
    pub(crate) fn authz_decision(&self, result: &'static str, by: u64) {
        self.authz_decisions.get_or_create(&ResultKind { result }).inc_by(by);
    }
}
