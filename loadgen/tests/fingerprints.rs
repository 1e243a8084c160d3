//! Same seed, same bytes: the three files of a race day of each profile, by their sha256.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

mod support;

use loadgen::profile::Profile;
use sha2::{Digest as _, Sha256};
use support::race_day;

/// Of 5 entries with seed 7. A change here is a change of every simulated race day: say why in the commit.
const COMMITTED: [(Profile, &str); 4] = [
    (Profile::Steady, "436f66052e5b2923d1dbb1e52995d39c302dc4df68847418bb9d42d0a6b9f273"),
    (Profile::Ramp, "f5cb4d24e8e7bf46abd2f2bd16670ea66c4d2d197d280f0cd807760bcc8e003c"),
    (Profile::StartHour, "a3f2eca3a238039853f86cae3c9927d9290349ad15e6fe9573a5e9cf02834e5b"),
    (Profile::Backlog, "85411396011587d476d8a80c8cdb342806199e676b11135374176cb2e679cd55"),
];

#[test]
fn every_profile_gives_the_committed_bytes() {
    let found = COMMITTED.map(|(profile, _)| {
        let day = race_day(5, 7, profile);
        let mut hash = Sha256::new();
        for name in ["course.json", "tracks.ndjson", "truth.json"] {
            hash.update(std::fs::read(day.folder.path().join(name)).unwrap());
        }
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        (profile, hex)
    });
    let committed = COMMITTED.map(|(profile, hex)| (profile, hex.to_owned()));
    assert_eq!(found, committed);
}

#[test]
fn another_seed_gives_other_bytes_and_fewer_entries_the_same_drives() {
    let (one, other) = (race_day(5, 7, Profile::Steady), race_day(5, 8, Profile::Steady));
    assert_ne!(one.simulation.truth.entries, other.simulation.truth.entries);
    let fewer = race_day(3, 7, Profile::Steady);
    for (a, b) in fewer.simulation.truth.entries.iter().zip(&one.simulation.truth.entries) {
        assert_eq!((a.entry_id, &a.crossings, &a.episodes), (b.entry_id, &b.crossings, &b.episodes));
    }
}
