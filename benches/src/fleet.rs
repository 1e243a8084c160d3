//! Trackers, and what they send.

use std::fmt::Write as _;

pub(crate) fn imei(device: usize) -> String {
    format!("35630704{device:07}")
}

/// What the stream holds of a fix: the `second`-th of a device at `ts`, RFC 3339. The number of the fix varies the rest.
pub(crate) fn payload(
    imei: &str,
    ts: &str,
    (latitude, longitude): (f64, f64),
    second: usize,
    fix: usize,
) -> String {
    let mut payload = format!(
        r#"{{"device_id":"{imei}","timestamp":"{ts}","latitude":{latitude:.7},"longitude":{longitude:.7},"altitude":{},"angle":{},"speed":{},"satellites":{},"priority":0,"attributes":{{"#,
        100 + second % 40,
        86 + fix % 9,
        60 + fix % 7,
        9 + fix % 6,
    );
    attributes(&mut payload, fix);
    payload += "}}";
    payload
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
