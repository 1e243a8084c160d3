//! The session in a `Cookie` header, as far as it matters here: when to ask again whether it is still good.

use std::time::{Duration, SystemTime};

use crate::auth::{SESSION_COOKIE, jwt};

/// When a session is asked about again whose own time cannot be read: Directus may sign its cookies as it likes.
const UNKNOWN_AGAIN: Duration = Duration::from_secs(15 * 60);

/// A cookie's own time may lie this far ahead and is believed.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The values of the session cookies in a header, in their order.
pub(crate) fn sessions(header: &str) -> impl Iterator<Item = &str> {
    header.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (name.trim() == SESSION_COOKIE).then(|| value.trim().trim_matches('"'))
    })
}

/// When to ask again. Of several cookies of the name the earliest counts: which one Directus takes is its own affair, and a
/// forged one beside the good one shall put nothing off.
pub(crate) fn expires_at(header: &str, now: SystemTime) -> SystemTime {
    sessions(header)
        .map(|value| match jwt::unverified(value).and_then(|claims| claims.expires_at) {
            Some(at) => at.min(now + LONGEST),
            None => now + UNKNOWN_AGAIN,
        })
        .min()
        .unwrap_or(now + UNKNOWN_AGAIN)
}
