//! What a course no longer has goes, and nothing else.

use std::sync::Arc;

use race::course::Tables;
use storage::{Cause, Positions as _, Records as _, Store as _};

use crate::fixture::{AT, Scratch};
use crate::positions::fix;
use crate::race_rows::{course, ts};
use crate::race_rows::{records, result};

#[tokio::test]
async fn what_the_course_forgets_is_removed_but_devices_and_positions_stay() {
    let scratch = Scratch::with_course().await;
    scratch.store.commit_positions(vec![fix("a", 1)], ts("2026-06-08T00:00:00Z")).await.unwrap();
    let full = course(1);
    let bare = Tables { events: full.events.clone(), ..Tables::default() };
    scratch.store.save_course(Arc::new(bare.clone()), AT).await.unwrap();
    let left = scratch.store.load_course().await.unwrap();
    assert_eq!(left, Tables { devices: full.devices, ..bare });
    assert_eq!(scratch.rows("SELECT count(*) FROM positions"), ["Integer(1)"]);
}

#[tokio::test]
async fn another_event_is_untouched() {
    let scratch = Scratch::with_course().await;
    let second = course(2);
    scratch.store.save_course(Arc::new(second.clone()), AT).await.unwrap();
    let bare = Tables { events: course(1).events, ..Tables::default() };
    scratch.store.save_course(Arc::new(bare), AT).await.unwrap();
    let left = scratch.store.load_course().await.unwrap();
    assert_eq!(left.events.len(), 2);
    assert_eq!(left.devices.len(), 4);
    assert_eq!(left, Tables { events: left.events.clone(), devices: left.devices.clone(), ..second });
}

#[tokio::test]
async fn records_outlive_the_course_and_are_retracted_with_their_entry() {
    let scratch = Scratch::with_course().await;
    scratch.store.save_records(records(), Cause::Fixes, ts("2026-06-08T00:00:00Z")).await.unwrap();
    scratch.store.save_results(vec![result()], Cause::Fixes, AT).await.unwrap();
    let mut fewer = course(1);
    fewer.segments.clear();
    fewer.geofences.clear();
    fewer.waypoints.clear();
    fewer.speed_limit_zones.clear();
    fewer.neutralisations.clear();
    fewer.penalty_formulas.clear();
    fewer.entry_segment_starts.clear();
    scratch.store.save_course(Arc::new(fewer.clone()), AT).await.unwrap();
    let count = |which: &str| {
        scratch.rows(&format!(
            "SELECT (SELECT count(*) FROM entry_crossings WHERE {which}),
                    (SELECT count(*) FROM entry_penalties WHERE {which}),
                    (SELECT count(*) FROM stage_results WHERE {which})"
        ))
    };
    assert_eq!(count("retracted_at IS NULL"), ["Integer(2) Integer(1) Integer(1)"]);
    fewer.entries.remove(0);
    fewer.entry_devices.remove(0);
    fewer.overrides.clear();
    let changes = scratch.store.save_course(Arc::new(fewer.clone()), AT).await.unwrap();
    assert_eq!(changes.retracted, 4);
    assert_eq!(count("retracted_at IS NOT NULL AND revision = 2"), ["Integer(2) Integer(1) Integer(1)"]);
    let again = scratch.store.save_course(Arc::new(fewer), AT).await.unwrap();
    assert_eq!(again.retracted, 0, "once is enough");
    // The entry comes back, and with it the same rows.
    scratch.store.save_course(Arc::new(course(1)), AT).await.unwrap();
    let changes = scratch.store.save_records(records(), Cause::Fixes, AT).await.unwrap();
    assert_eq!((changes.inserted, changes.revised), (0, 3));
    assert_eq!(scratch.store.save_results(vec![result()], Cause::Fixes, AT).await.unwrap().revised, 1);
    assert_eq!(count("retracted_at IS NULL AND revision = 3"), ["Integer(2) Integer(1) Integer(1)"]);
}
