//! The two databases agree on every batch.

use proptest::prelude::*;
use race::position::Position;
use storage::Positions as _;
use storage::sqlite::SqliteStore;

use crate::fixture::{AT, Database, fix, track};

prop_compose! {
    /// Few devices, few instants, few sayings, so that keys meet. Attributes are as jsonb prints them: SQLite
    /// keeps their text.
    fn position()(
        device in 0_u8..3, second in -3_i64..6, speed in 0_u8..3, satellites in 0_i16..2, zero in any::<bool>(),
        codec in prop::sample::select(vec!["8", "8E", "ndjson"]),
        attributes in prop::option::of((0_u8..2).prop_map(|n| format!("{{\"1\": {n}}}").into_boxed_str())),
    ) -> Position {
        let altitude = if zero { 0.0 } else { -0.0 };
        Position { speed: speed.into(), altitude, satellites, codec, attributes, ..fix(&format!("device {device}"), second) }
    }
}

#[test]
fn first_wins_as_in_the_embedded_database() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (database, kept) = runtime.block_on(Database::stored());
    let config = ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() };
    let batches = prop::collection::vec(prop::collection::vec(position(), 0..12), 1..6);
    proptest!(config, |(batches in batches, anew in any::<bool>())| {
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let sqlite = SqliteStore::open(folder.path().join("race.db")).unwrap();
            let empty = "TRUNCATE positions; TRUNCATE position_conflicts";
            database.client.batch_execute(empty).await.unwrap();
            // A writer that remembers keys of emptied tables, or one that remembers nothing.
            let postgres = if anew { database.store().await } else { kept.clone() };
            for batch in batches {
                let here = postgres.commit_positions(batch.clone(), AT).await.unwrap();
                assert_eq!(here, sqlite.commit_positions(batch, AT).await.unwrap());
            }
            for device in ["device 0", "device 1", "device 2"] {
                let stored = sqlite.read_positions(device.into(), fix("", -9).ts, None, 100).await.unwrap();
                assert_eq!(track(&postgres, device).await, stored);
            }
        });
    });
    drop((kept, database));
}
