//! File handles: each connection takes one, and whoever connects on the live channel must leave enough of them for the
//! broker, the database and the probes.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Handles for everything else: connections to the broker, the database and Directus, files, and who asks for metrics.
const OTHERS: usize = 256;

/// Takes as many handles as the system allows, and says how many of so many connections there may be.
pub(super) fn connections(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!("the limit of open files cannot be raised: {error}");
    }
    let files = getrlimit(Resource::Nofile).current;
    let possible = bounded(wanted, files);
    if possible < wanted {
        tracing::warn!(
            files,
            connections = possible,
            "fewer connections than LIVE_WS_MAX_CONNECTIONS are taken: the limit of open files (ulimit -n) is too low"
        );
    }
    possible
}

/// Of a limit of open files, `None` for none.
fn bounded(wanted: usize, files: Option<u64>) -> usize {
    let files = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    // Where there are few the channel has half.
    wanted.min(files.saturating_sub(OTHERS).max(files / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_handles_for_everything_else() {
        for (files, expected) in [
            (None, 20_000),
            (Some(1_048_576), 20_000),
            (Some(20_256), 20_000),
            (Some(1_024), 768),
            (Some(64), 32),
        ] {
            assert_eq!(bounded(20_000, files), expected, "{files:?}");
        }
    }

    #[test]
    fn all_that_the_system_allows_is_taken() {
        assert!(connections(1) == 1);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
