//! A fleet on its way along a road, as its trackers put it into the stream.

use super::fleet::{imei, payload};

/// Vehicles, one fix a second each.
pub(crate) const DEVICES: usize = 1_000;
/// Metres between two vehicles at first, and driven in a second.
const BETWEEN_M: f64 = 60.0;
const DRIVEN_M: f64 = 17.5;
/// 2026-06-07T09:00:00Z; all that fits into a day of fixes lies in June.
const BEGIN_MS: u64 = 1_780_822_800_000;
const DAY_MS: u64 = 86_400_000;
/// Between a fix and its entry.
const UNDER_WAY_MS: u64 = 400;

/// Where the road begins; it leads east.
const ORIGIN: (f64, f64) = (41.3275, 19.8187);
const METRES_PER_DEGREE: (f64, f64) = (111_120.0, 83_440.0);

/// Latitude and longitude of a place beside the road.
pub(crate) fn place(east_m: f64, north_m: f64) -> (f64, f64) {
    (ORIGIN.0 + north_m / METRES_PER_DEGREE.0, ORIGIN.1 + east_m / METRES_PER_DEGREE.1)
}

/// Entries in order, each the number of a fix.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) name: String,
    /// Fix `n` is of device `n % DEVICES` in second `n / DEVICES`.
    pub(crate) fixes: Vec<usize>,
    /// How many of them are no repeats.
    pub(crate) distinct: usize,
}

impl Stream {
    /// Every fix once.
    pub(crate) fn clean(fixes: usize) -> Self {
        Self { name: "telemetry:clean".into(), fixes: (0..fixes).collect(), distinct: fixes }
    }

    /// Every fix once, and behind so many of 10 000 one that was sent before: half of them within the last minute, as
    /// by a tracker that got no answer, half of them any time before.
    pub(crate) fn with_repeats(distinct: usize, per_10_000: u32) -> Self {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = move |bound: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % bound as u64).unwrap_or(0)
        };
        let mut fixes = Vec::with_capacity(distinct + distinct / 10);
        for fix in 0..distinct {
            fixes.push(fix);
            if fix > 0 && below(10_000) < per_10_000 as usize {
                let back = if below(2) == 0 { fix.min(60 * DEVICES) } else { fix };
                fixes.push(fix - 1 - below(back));
            }
        }
        Self { name: format!("telemetry:repeats-{per_10_000}"), fixes, distinct }
    }

    /// The id and the fields of an entry.
    pub(crate) fn entry(&self, n: usize) -> (String, [(&'static str, String); 4]) {
        // A fix a second of each of so many devices: an entry every millisecond, repeats aside.
        let id = format!("{}-0", BEGIN_MS + UNDER_WAY_MS + n as u64);
        (id, fields(self.fixes[n]))
    }
}

fn fields(fix: usize) -> [(&'static str, String); 4] {
    let (device, second) = (fix % DEVICES, fix / DEVICES);
    let (imei, ts) = (imei(device), ts(second as u64 * 1_000 + device as u64 % 1_000));
    let east_m = device as f64 * BETWEEN_M + second as f64 * DRIVEN_M;
    let payload = payload(&imei, &ts, place(east_m, (fix % 7) as f64), second, fix);
    [("ts", ts), ("device_id", imei), ("codec", "8E".into()), ("payload", payload)]
}

/// RFC 3339 of so many milliseconds after the beginning.
fn ts(after_ms: u64) -> String {
    let ms = BEGIN_MS + after_ms;
    let (day, rest) = (7 + ms / DAY_MS - BEGIN_MS / DAY_MS, ms % DAY_MS);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60);
    format!("2026-06-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", rest % 1_000)
}
