//! The course as the business tables have it, whoever made them.

use race::course::tables::{GeofenceKind, Truncation};
use race::course::{self, Tables};
use storage::{Live as _, Records as _, StoreError};

use crate::fixture::{Database, OWN, POSITIONS};
use crate::tables::{STANDALONE, fill, race};

const VISNJAN: &str = include_str!("../../../fixtures/visnjan/course.json");

fn visnjan() -> Tables {
    by_id(course::parse(VISNJAN).unwrap())
}

/// As a database reads it.
fn by_id(mut tables: Tables) -> Tables {
    macro_rules! sort {
        ($($table:ident),*) => { $(tables.$table.sort_by_key(|row| row.id);)* };
    }
    sort!(
        events,
        classes,
        entries,
        devices,
        entry_devices,
        stages,
        segments,
        geofences,
        waypoints,
        speed_limit_zones,
        neutralisations,
        penalty_formulas,
        overrides
    );
    tables
}

#[tokio::test]
async fn a_course_reads_back_equal() {
    let (_database, store) = race(&visnjan()).await;
    assert_eq!(store.load_course().await.unwrap(), visnjan());
    assert_eq!(store.missing_for_race().await.unwrap(), storage::Missing::default());
}

#[tokio::test]
async fn every_column_is_read() {
    // Other values than the defaults, and what no course of the fixtures has.
    let mut tables = visnjan();
    let event = &mut tables.events[0];
    (event.margin_seconds, event.spike_fixes, event.minute_truncation) = (0.1, 4, false);
    event.starts_at = Some("2026-06-07T08:00:00.123456Z".parse().unwrap());
    let entry = tables.entries[0].id;
    let segment = tables.segments[0].id;
    let zone = &mut tables.speed_limit_zones[0];
    (zone.tolerance_percent, zone.min_duration_ms) = (0.3, 7);
    zone.valid_to = Some("2030-01-01T00:00:00Z".parse().unwrap());
    tables.entry_segment_starts = serde_json::from_value(serde_json::json!([{
        "id": "00000000-0000-4000-8000-000000000001", "entry_id": entry, "segment_id": segment,
        "start_position": 3, "target_at": "2026-06-07T08:00:30Z", "manual_override": true
    }]))
    .unwrap();
    tables.overrides = serde_json::from_value(serde_json::json!([{
        "id": "00000000-0000-4000-8000-000000000002", "entry_id": entry, "target": "start",
        "key": {"segment_id": segment, "n": 18_446_744_073_709_551_615_u64, "deep": [1.25, null, "x"]},
        "from": "2026-06-07T08:00:00Z", "to": "2026-06-07T09:00:00Z", "action": "set", "value_ms": -5,
        "reason": "saw it", "created_at": "2026-06-07T10:00:00Z"
    }]))
    .unwrap();
    let (database, store) = race(&tables).await;
    // The server's own time is elsewhere, and floats are cut for people.
    let settings = format!(
        "ALTER DATABASE {0} SET TimeZone = 'Asia/Kolkata'; ALTER DATABASE {0} SET extra_float_digits = 0",
        database.name
    );
    database.client.batch_execute(&settings).await.unwrap();
    assert_eq!(store.load_course().await.unwrap(), tables);
    assert_eq!(database.store().await.load_course().await.unwrap(), tables);
}

#[tokio::test]
async fn columns_and_tables_of_ours_may_be_missing_and_further_ones_are_passed_over() {
    let tables = visnjan();
    let (database, store) = race(&tables).await;
    database
        .client
        .batch_execute(
            "DROP TABLE overrides, neutralisations; \
             ALTER TABLE events DROP margin_seconds, DROP truncation, ADD date_created timestamptz DEFAULT now(), \
                ADD status text DEFAULT 'published', ADD sort integer; \
             ALTER TABLE geofences DROP hysteresis_meters, DROP valid_from, ADD colour text DEFAULT 'red'; \
             ALTER TABLE events ALTER max_gap_seconds DROP NOT NULL; UPDATE events SET max_gap_seconds = NULL; \
             ALTER TABLE waypoints DROP number; \
             ALTER TABLE penalty_formulas DROP CONSTRAINT penalty_formulas_counts_for_check, \
                ALTER counts_for DROP DEFAULT, ALTER counts_for TYPE json; \
             ALTER TABLE stages ALTER closed_at TYPE timestamp; UPDATE stages SET closed_at = '2030-01-01 12:00'",
        )
        .await
        .unwrap();
    let read = store.load_course().await.unwrap();
    let mut expected = tables;
    expected.neutralisations.clear();
    expected.events[0].margin_seconds = 86_400.0;
    expected.events[0].truncation = Truncation::Millisecond;
    expected.events[0].max_gap_seconds = 60.0;
    expected.geofences.iter_mut().for_each(|fence| fence.hysteresis_meters = 15.0);
    expected.stages[0].closed_at = Some("2030-01-01T12:00:00Z".parse().unwrap());
    expected.waypoints.sort_by_key(|waypoint| waypoint.sort_order);
    (1..).zip(&mut expected.waypoints).for_each(|(n, waypoint)| waypoint.number = n);
    expected.waypoints.sort_by_key(|waypoint| waypoint.id);
    assert_eq!(read, expected);
    let missing = store.missing_for_race().await.unwrap();
    assert_eq!(missing, storage::Missing::default(), "what is optional is not missed");
}

#[tokio::test]
async fn geometry_may_be_of_postgis_and_kinds_of_old() {
    let (database, store) = race(&visnjan()).await;
    database
        .client
        .batch_execute(
            "CREATE SCHEMA ground; CREATE EXTENSION postgis SCHEMA ground; \
             ALTER TABLE geofences DROP CONSTRAINT geofences_geometry_check, DROP CONSTRAINT geofences_kind_check, \
                ALTER geometry TYPE ground.geometry USING ground.ST_Transform(ground.ST_GeomFromGeoJSON(geometry), 4326); \
             ALTER TABLE waypoints DROP CONSTRAINT waypoints_location_check, \
                ALTER location TYPE ground.geography USING ground.ST_GeomFromGeoJSON(location)::ground.geography; \
             UPDATE geofences SET kind = 'timing ' || name",
        )
        .await
        .unwrap();
    assert_eq!(store.load_course().await.unwrap(), visnjan());
    let has_both = |kind| visnjan().geofences.iter().any(|fence| fence.kind == kind);
    assert!(has_both(GeofenceKind::Gate) || has_both(GeofenceKind::Area));
    // What is stored in another projection is brought to degrees.
    database
        .client
        .batch_execute("ALTER TABLE geofences ALTER geometry TYPE ground.geometry USING ground.ST_Transform(geometry, 3857)")
        .await
        .unwrap();
    let read = store.load_course().await.unwrap();
    assert_eq!(read.geofences.len(), visnjan().geofences.len());
    assert!(format!("{:?}", read.geofences).contains("lon: 13."), "{:?}", read.geofences);
}

#[tokio::test]
async fn bad_rows_are_named_all_at_once() {
    let tables = visnjan();
    let (database, store) = race(&tables).await;
    database
        .client
        .batch_execute(
            "ALTER TABLE segments DROP CONSTRAINT segments_type_check; UPDATE segments SET type = 'loop'; \
             ALTER TABLE waypoints ALTER tolerance_meters DROP NOT NULL; \
             UPDATE waypoints SET tolerance_meters = NULL WHERE number = 3; \
             UPDATE events SET starts_at = 'infinity'",
        )
        .await
        .unwrap();
    let rest = store.load_course().await.unwrap();
    let said: Vec<String> = rest.left_out.iter().map(|out| out.problem.to_string()).collect();
    let third = tables.waypoints.iter().find(|waypoint| waypoint.number == 3).unwrap().id;
    for part in [
        format!("({}): type: unknown variant `loop`", tables.segments[0].id),
        format!("({third}): missing field `tolerance_meters`"),
        format!("events[0] ({}): starts_at: ", tables.events[0].id),
    ] {
        assert!(said.iter().any(|line| line.contains(&part)), "{part:?} is not in {said:?}");
    }
    // What refers to the event goes with it; what refers to nothing stays.
    assert_eq!((rest.events.len(), rest.entries.len(), rest.segments.len()), (0, 0, 0));
    assert_eq!(rest.devices.len(), tables.devices.len());
}

#[tokio::test]
async fn what_is_missing_for_race_rules_is_named() {
    let database = Database::with(&[POSITIONS, OWN]).await;
    let store = database.store().await;
    let missing = store.missing_for_race().await.unwrap();
    assert!(missing.needed.contains(&"penalty_formulas".to_owned()), "{missing:?}");
    assert!(!missing.needed.contains(&"overrides".to_owned()), "{missing:?}");
    let error = store.load_course().await.unwrap_err();
    assert!(matches!(error, StoreError::Broken { .. }) && error.to_string().contains("events"), "{error}");
    for sql in STANDALONE {
        database.client.batch_execute(sql).await.unwrap();
    }
    fill(&database, &visnjan()).await;
    database
        .client
        .batch_execute(
            "ALTER TABLE entry_crossings DROP fix_before, DROP retracted_at, DROP override_id, DROP set_at; DROP TABLE stage_results, speed_limit_zones",
        )
        .await
        .unwrap();
    let missing = store.missing_for_race().await.unwrap();
    assert_eq!(missing.needed, ["speed_limit_zones", "stage_results", "entry_crossings.retracted_at"]);
    assert_eq!(
        missing.unwritten,
        ["entry_crossings.fix_before", "entry_crossings.override_id", "entry_crossings.set_at"]
    );
}
