//! What a live channel asks for.

use proptest::prelude::*;
use race::position::{DeviceId, Position};
use race::time::Timestamp;
use storage::timescale::PostgresAudience;
use storage::{Audience as _, AudienceRows, EventDelay, EventRole, Positions as _, StoreError};
use uuid::Uuid;

use crate::fixture::{AT, CONFLICTS, Database, OWN, POSITIONS, commit, fix};

const DELAYS: &str = include_str!("../../../db-init/006_live_delays.sql");
const BUSINESS: &str = include_str!("../../../db-init/standalone/001_event_tables.sql");

fn audience(database: &Database) -> PostgresAudience {
    PostgresAudience::new(database.server.config(&database.name))
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

#[tokio::test]
async fn tables_that_are_not_there_are_empty() {
    let database = Database::with(&[]).await;
    assert_eq!(audience(&database).audience().await.unwrap(), AudienceRows::default());
    // Positions are read all the same, where there are any.
    let error = audience(&database).latest_positions(&["a".into()], None).await.unwrap_err();
    assert!(matches!(error, StoreError::Broken { .. }), "{error}");
    // Delays of a platform that has no organization_users.
    let database = Database::with(&[BUSINESS, DELAYS, "DROP TABLE organization_users"]).await;
    database
        .client
        .batch_execute(&format!("INSERT INTO live_delays VALUES ('{}', NULL, 60)", id(1)))
        .await
        .unwrap();
    let rows = audience(&database).audience().await.unwrap();
    let delays = vec![EventDelay { event_id: id(1), role: None, delay_ms: 60_000 }];
    assert_eq!(rows, AudienceRows { delays, ..AudienceRows::default() });
}

#[tokio::test]
async fn members_delays_and_roles_are_those_of_the_business_tables() {
    let database = Database::with(&[BUSINESS, DELAYS]).await;
    let [one, two, org, user] = [id(1), id(2), id(3), id(4)];
    let (entry, other, device, spare) = (id(5), id(6), id(7), id(8));
    database
        .client
        .batch_execute(&format!(
            "INSERT INTO organizations (id, name) VALUES ('{org}', 'Club'); \
             INSERT INTO organization_users (organization_id, user_id, role) VALUES \
                 ('{org}', '{user}', 'marshal'), ('{org}', '{user}', 'viewer'); \
             INSERT INTO events (id, organization_id, name) VALUES ('{one}', '{org}', 'A'), ('{two}', '{org}', 'B'); \
             INSERT INTO devices (id, imei) VALUES ('{device}', '356'), ('{spare}', '357'); \
             INSERT INTO entries (id, event_id, race_number) VALUES ('{entry}', '{one}', 1), ('{other}', '{two}', 1); \
             INSERT INTO entry_devices (entry_id, device_id) VALUES ('{entry}', '{device}'), ('{entry}', '{spare}'), \
                 ('{entry}', '{device}'), ('{other}', '{device}'); \
             INSERT INTO live_delays VALUES ('{one}', 'viewer', 300), ('{one}', NULL, 60), ('{one}', 'marshal', 0)"
        ))
        .await
        .unwrap();
    let audience = audience(&database);
    let rows = audience.audience().await.unwrap();
    let member = |event, device: &str| (event, DeviceId::from(device));
    assert_eq!(rows.members, [member(one, "356"), member(one, "357"), member(two, "356")]);
    let delay =
        |role: Option<&str>, delay_ms| EventDelay { event_id: one, role: role.map(str::to_owned), delay_ms };
    assert_eq!(rows.delays, [delay(None, 60_000), delay(Some("marshal"), 0), delay(Some("viewer"), 300_000)]);
    // Only of events that have a delay.
    let role = |role: &str| EventRole { user_id: user.to_string(), event_id: one, role: role.into() };
    assert_eq!(rows.roles, [role("marshal"), role("viewer")]);

    let twice = format!("INSERT INTO live_delays VALUES ('{one}', NULL, 61)");
    assert!(database.client.batch_execute(&twice).await.is_err(), "one rule for an audience");
    let negative = format!("INSERT INTO live_delays VALUES ('{two}', NULL, -1)");
    assert!(database.client.batch_execute(&negative).await.is_err());

    // A connection that is lost is opened again.
    let lose = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                AND pid <> pg_backend_pid()";
    database.client.batch_execute(lose).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let again = audience.audience().await;
    let again = if again.is_ok() { again } else { audience.audience().await };
    assert_eq!(again.unwrap(), rows);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_away() {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(1).user("test").dbname("test");
    let error = PostgresAudience::new(config).audience().await.unwrap_err();
    assert!(matches!(error, StoreError::Away { .. }), "{error}");
}

#[test]
fn the_latest_are_those_that_a_look_at_every_row_finds() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Every row with when it came in, and whether it is faulty.
    let rows = prop::collection::vec((0_u8..5, 0_i64..60, 0_i64..90, any::<bool>()), 0..60);
    let asked = prop::collection::vec(0_u8..7, 0..8);
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
    let database = runtime.block_on(Database::with(&[POSITIONS, CONFLICTS, OWN]));
    let (store, audience) = (runtime.block_on(database.store()), audience(&database));
    proptest!(config, |(rows in rows, asked in asked, as_of in prop::option::of(0_i64..90))| {
        runtime.block_on(async {
            database.client.batch_execute("TRUNCATE positions").await.unwrap();
            let mut known: Vec<(Position, i64, bool)> = Vec::new();
            for (device, second, stored, faulty) in rows {
                let row = fix(&format!("{device}"), second);
                if known.iter().any(|(known, ..)| (&known.device_id, known.ts) == (&row.device_id, row.ts)) {
                    continue;
                }
                store.commit_positions(vec![row.clone()], fix("", stored).ts).await.unwrap();
                if faulty {
                    let flag = "UPDATE positions SET faulty = true WHERE device_id = $1 AND \
                                ts = to_timestamp($2::float8)";
                    let ts = row.ts.micros() as f64 / 1e6;
                    database.client.execute(flag, &[&&*row.device_id, &ts]).await.unwrap();
                }
                known.push((row, stored, faulty));
            }
            let devices: Vec<DeviceId> = asked.iter().map(|n| format!("{n}").into()).collect();
            let mut found = audience.latest_positions(&devices, as_of.map(|second| fix("", second).ts)).await.unwrap();
            let mut expected: Vec<Position> = Vec::new();
            for device in &devices {
                let rows = known.iter().filter(|(row, stored, faulty)| {
                    let is_known = as_of.is_none_or(|at| *stored <= at && row.ts <= fix("", at).ts);
                    row.device_id == *device && !faulty && is_known
                });
                expected.extend(rows.map(|(row, ..)| row.clone()).max_by_key(|row| row.ts));
            }
            let by = |a: &Position, b: &Position| (&a.device_id, a.ts).cmp(&(&b.device_id, b.ts));
            found.sort_by(by);
            expected.sort_by(by);
            prop_assert_eq!(found, expected);

            let keys: Vec<(DeviceId, Timestamp)> =
                known.iter().map(|(row, ..)| (row.device_id.clone(), row.ts)).chain([("9".into(), AT)]).collect();
            let flagged = audience.flagged(&keys).await.unwrap();
            let expected: Vec<usize> =
                known.iter().enumerate().filter(|(_, (.., faulty))| *faulty).map(|(n, _)| n).collect();
            prop_assert_eq!(flagged, expected);
            Ok(())
        })?;
    });
    drop((store, audience, database));
}

#[tokio::test]
async fn each_device_is_a_look_into_the_index() {
    let (database, store) = Database::stored().await;
    commit(&store, &[fix("0", 0)]).await;
    database.client.batch_execute("ANALYZE positions").await.unwrap();
    for batch in 0..5_i64 {
        let rows: Vec<Position> =
            (0..20_000).map(|n| fix(&format!("{}", n % 200), batch * 100 + n / 200)).collect();
        commit(&store, &rows).await;
    }
    drop(store);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let read = "SELECT coalesce(sum(seq_tup_read), 0)::text, coalesce(sum(idx_tup_fetch), 0)::text \
                FROM pg_stat_user_tables WHERE relname = 'positions'";
    let counts = async || -> (i64, i64) {
        let said = database.rows(read).await;
        let (scanned, fetched) = said[0].split_once('|').unwrap();
        (scanned.parse().unwrap(), fetched.parse().unwrap())
    };
    let before = counts().await;
    let audience = audience(&database);
    let devices: Vec<DeviceId> = (0..200).map(|n| format!("{n}").into()).collect();
    let latest = audience.latest_positions(&devices, None).await.unwrap();
    assert_eq!((latest.len(), latest.iter().filter(|row| row.ts == fix("", 499).ts).count()), (200, 200));
    let earlier = audience.latest_positions(&devices, Some(AT)).await.unwrap();
    assert_eq!(earlier.len(), 200);
    let keys: Vec<(DeviceId, Timestamp)> = devices.iter().map(|d| (d.clone(), fix("", 7).ts)).collect();
    assert!(audience.flagged(&keys).await.unwrap().is_empty());
    // What a session did is counted when it ends.
    drop(audience);
    for _ in 0..50 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let now = counts().await;
        if now.1 > before.1 {
            assert_eq!(now.0, before.0, "the table was scanned");
            assert!(now.1 - before.1 <= 3 * 200 + 10, "{} rows were fetched", now.1 - before.1);
            return;
        }
    }
    panic!("the index was not used");
}
