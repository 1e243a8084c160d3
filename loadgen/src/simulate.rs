//! A race day, made up: who drives what, what their trackers send, and what really happened.

use race::course::Tables;
use race::time::Timestamp;

use crate::delivery::{Network, Sent, deliver};
use crate::drive::drive;
use crate::driver::{Driver, Misdeeds};
use crate::fleet::{STRAY_EVERY, Starter, imei, starters};
use crate::motion::Motion;
use crate::plan::{Plan, PlanError};
use crate::profile::Profile;
use crate::receiver::{Receiver, errors, record};
use crate::road::Road;
use crate::truth::{self, DeviceTruth, EntryTruth, FORMAT, Truth};

/// The first vehicle starts so long after the beginning, in milliseconds.
const WARM_UP_MS: i64 = 120_000;
/// Between two starts, where the course does not say, in milliseconds.
const INTERVAL_MS: i64 = 30_000;
/// Trackers go on after the last vehicle has stopped, in milliseconds.
const AFTER_MS: i64 = 120_000;
/// A stage of a made-up course is closed so long after that, in milliseconds.
const CLOSED_AFTER_MS: i64 = 600_000;
/// Drivers of no entry have numbers from here on.
const STRAY_NUMBERS: u64 = 1_000_000_000;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many entries drive at most; none is all.
    pub entries: Option<usize>,
    /// What everything is drawn from.
    pub seed: u64,
    /// When trackers are switched on.
    pub begin: Timestamp,
    /// How load comes.
    pub profile: Profile,
    /// How trackers err.
    pub receiver: Receiver,
    /// How their network errs.
    pub network: Network,
    /// What goes wrong on purpose.
    pub misdeeds: Misdeeds,
    /// Stages that no person has closed are closed after the last vehicle has stopped.
    pub close_stages: bool,
}

/// A simulated race day.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// The course that was driven, with its entries.
    pub course: Tables,
    /// Every fix on its way, in the order in which the broker gets them.
    pub sent: Vec<Sent>,
    /// The names of the trackers.
    pub devices: Vec<String>,
    /// What really happened.
    pub truth: Truth,
}

/// A vehicle on its road.
struct Driven {
    road: Road,
    motion: Motion,
    /// Its starter; none for one of no entry.
    starter: Option<usize>,
    devices: Vec<String>,
}

/// Drives a course.
///
/// # Errors
/// The course cannot be driven, see [`PlanError`].
pub fn simulate(mut course: Tables, options: &Options) -> Result<Simulation, PlanError> {
    let plan = Plan::new(&course)?;
    let starters = starters(&course, options.entries.unwrap_or(usize::MAX));
    let fleet = launch(&course, &plan, &starters, options);
    let end = fleet.iter().map(|d| d.motion.instant(d.motion.duration_s())).max().unwrap_or(options.begin);
    let end = Timestamp::from_millis(end.micros() / 1_000 + AFTER_MS);
    if options.close_stages {
        let closed_at = end.plus_millis(CLOSED_AFTER_MS).truncated(1_000);
        for stage in &mut course.stages {
            stage.closed_at = stage.closed_at.or(Some(closed_at));
        }
    }
    let plan = Plan::new(&course)?;
    let (mut sent, mut devices, mut of_devices) = (Vec::new(), Vec::new(), Vec::new());
    let blackout = blackout(options, end);
    for (n, driven) in fleet.iter().enumerate() {
        let entry_id = driven.starter.map(|s| starters[s].entry_id);
        for name in &driven.devices {
            let number = devices.len();
            let on = switched_on(options, &driven.motion, n, number);
            let fixes = record(
                &options.receiver,
                &driven.road.route,
                &driven.motion,
                [on, end],
                errors(options.seed, number),
            );
            let device = u32::try_from(number).unwrap_or(u32::MAX);
            sent.extend(deliver(&options.network, device, &fixes, blackout, options.seed));
            devices.push(name.clone());
            of_devices.extend(fixes.first().map(|first| DeviceTruth {
                device_id: name.clone(),
                entry_id,
                first_ms: first.ts_ms,
                steps_ms: fixes.windows(2).map(|two| two[1].ts_ms - two[0].ts_ms).collect(),
            }));
        }
    }
    sent.sort_by_key(|s| (s.sent_ms, s.device, s.fix.ts_ms));
    let entries = fleet.iter().filter_map(|driven| {
        driven.starter.map(|s| entry(&plan, &course, &starters[s], driven, &options.receiver))
    });
    let truth = Truth {
        format: FORMAT.to_owned(),
        seed: options.seed,
        profile: options.profile.as_str().to_owned(),
        period_ms: options.receiver.period_ms,
        noise_bound_m: options.receiver.bound_m(),
        sent: sent.len() as u64,
        entries: entries.collect(),
        devices: of_devices,
    };
    Ok(Simulation { course, sent, devices, truth })
}

/// Every vehicle on its road, those of no entry last.
fn launch(course: &Tables, plan: &Plan, starters: &[Starter], options: &Options) -> Vec<Driven> {
    let of_course = course.stages.iter().find_map(|stage| stage.start_interval_seconds);
    let of_course_ms = of_course.map_or(INTERVAL_MS, |seconds| race::num::round_to(seconds, 1e3));
    let interval_ms = options.profile.interval_ms(of_course_ms);
    let strays = if starters.is_empty() { 0 } else { starters.len() / STRAY_EVERY + 1 };
    let nth = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let mut fleet = Vec::with_capacity(starters.len() + strays);
    for n in 0..starters.len() + strays {
        let starter = starters.get(n);
        // Named by the number and not by the place in the list: who else starts changes nobody's drive.
        let number = starter
            .map_or(STRAY_NUMBERS + n as u64 - starters.len() as u64, |s| s.race_number.unsigned_abs());
        let mut driver = Driver::new(options.seed, number);
        let road = Road::new(plan, &mut driver, options.misdeeds);
        let slot = starter.and_then(|s| s.slot);
        let launch = slot.unwrap_or(options.begin.plus_millis(WARM_UP_MS + nth(n) * interval_ms));
        let motion = drive(&road, &driver, launch);
        let devices = match starter {
            Some(starter) => starter.devices.clone(),
            None => vec![imei(options.seed, 90_000_000 + n)],
        };
        fleet.push(Driven { road, motion, starter: starter.map(|_| n), devices });
    }
    fleet
}

/// When a tracker is switched on: always some time before its vehicle starts.
fn switched_on(options: &Options, motion: &Motion, vehicle: usize, device: usize) -> Timestamp {
    let latest = motion.launch().plus_millis(-WARM_UP_MS / 2);
    let within_minute = i64::try_from((vehicle * 7_919 + device * 104_729) % 60_000).unwrap_or(0);
    match options.profile {
        Profile::Steady | Profile::Backlog => options.begin.min(latest),
        Profile::StartHour => options.begin.plus_millis(within_minute).min(latest),
        Profile::Ramp => latest,
    }
}

/// When nobody has a signal, in epoch milliseconds: from a third of the day on, for half of it, an hour at most.
fn blackout(options: &Options, end: Timestamp) -> Option<[i64; 2]> {
    let length_ms = end.millis_since(options.begin);
    let from = options.begin.micros() / 1_000 + length_ms * 3 / 10;
    (options.profile == Profile::Backlog).then(|| [from, from + (length_ms / 2).min(3_600_000)])
}

fn entry(
    plan: &Plan,
    course: &Tables,
    starter: &Starter,
    driven: &Driven,
    receiver: &Receiver,
) -> EntryTruth {
    let (route, motion) = (&driven.road.route, &driven.motion);
    #[allow(clippy::cast_precision_loss, reason = "a few thousand milliseconds")]
    let period_s = receiver.period_ms as f64 / 1e3;
    let crossings = truth::crossings::of(plan, route, motion, period_s);
    let driven_segments =
        truth::segments::of(plan, course, starter.entry_id, route, motion, &crossings, receiver.bound_m());
    let segments = truth::segments::all(plan, &driven_segments);
    let in_zones = |s| truth::zones::of(plan, s, route, motion, period_s);
    let episodes: Vec<_> = driven_segments.iter().flat_map(in_zones).collect();
    let class_id = course.entries.iter().find(|row| row.id == starter.entry_id).and_then(|row| row.class_id);
    let is_special = |kind| kind == race::course::tables::SegmentType::SpecialStage;
    let mut special = plan.segments.iter().zip(&segments).filter(|(segment, _)| is_special(segment.row.kind));
    let finishes = special.all(|(_, truth)| truth.finished_at.is_some());
    EntryTruth {
        entry_id: starter.entry_id,
        race_number: starter.race_number,
        launched_at: motion.launch(),
        finishes,
        retired: driven.road.retired,
        penalties: truth::expected::penalties(plan, course, class_id, &segments, &episodes),
        crossings: crossings.into_iter().map(|placed| placed.truth).collect(),
        segments,
        episodes,
    }
}
