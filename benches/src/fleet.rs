//! A fleet on its way along a road, as its trackers put it into the stream.

use std::fmt::Write as _;

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

pub(crate) fn imei(device: usize) -> String {
    format!("35630704{device:07}")
}

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
    let (latitude, longitude) = place(east_m, (fix % 7) as f64);
    let mut payload = format!(
        r#"{{"device_id":"{imei}","timestamp":"{ts}","latitude":{latitude:.7},"longitude":{longitude:.7},"altitude":{},"angle":{},"speed":{},"satellites":{},"priority":0,"attributes":{{"#,
        100 + second % 40,
        86 + fix % 9,
        60 + fix % 7,
        9 + fix % 6,
    );
    attributes(&mut payload, fix);
    payload += "}}";
    [("ts", ts), ("device_id", imei), ("codec", "8E".into()), ("payload", payload)]
}

/// What a tracker measures beside its place, in the order in which JavaScript writes keys that are numbers.
fn attributes(payload: &mut String, fix: usize) {
    let (more, most, all) = (fix.is_multiple_of(2), fix.is_multiple_of(5), fix.is_multiple_of(20));
    let mut put = |text: std::fmt::Arguments<'_>| {
        // Writing to a string does not fail.
        let _ = payload.write_fmt(text);
    };
    if most {
        put(format_args!(r#""11":{{"__bigint":"{}"}},"#, 893_550_600_000_000_000_u64 + fix as u64));
    }
    if more {
        put(format_args!(r#""16":{},"#, fix * 17));
    }
    put(format_args!(r#""21":{},"66":{},"67":{},"#, 3 + fix % 3, 12_600 + fix % 300, 4_000 + fix % 120));
    if more {
        put(format_args!(r#""181":{},"182":{},"#, 8 + fix % 9, 5 + fix % 4));
    }
    put(format_args!(r#""239":1,"240":1"#));
    if most {
        put(format_args!(r#","241":27601"#));
    }
    if all {
        put(format_args!(r#","385":{{"__buffer_b64":"EQAAAAAAAAAAAAAAAAAAAAAAAAA="}}"#));
    }
}

/// RFC 3339 of so many milliseconds after the beginning.
fn ts(after_ms: u64) -> String {
    let ms = BEGIN_MS + after_ms;
    let (day, rest) = (7 + ms / DAY_MS - BEGIN_MS / DAY_MS, ms % DAY_MS);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60);
    format!("2026-06-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", rest % 1_000)
}
