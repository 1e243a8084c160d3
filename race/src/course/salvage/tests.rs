#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

use serde_json::json;

use super::*;
use crate::course::keep::{is_flawed, keep_sound};

fn id(n: u128) -> Value {
    json!(Uuid::from_u128(n))
}

fn two_events() -> Value {
    let formula = |n, min: f64, max: Value| {
        json!({"id": id(n), "event_id": id(1), "belongs_to_type": "event", "belongs_to_id": id(1),
            "type": "missed_waypoint", "operator": "flat", "penalty": 60, "offence_min": min, "offence_max": max})
    };
    json!({
        "events": [{"id": id(1), "name": "one"}, {"id": id(2), "name": "two"}],
        "entries": [{"id": id(11), "event_id": id(1), "race_number": 1}, {"id": id(12), "event_id": id(2), "race_number": 1}],
        "stages": [{"id": id(21), "event_id": id(1), "name": "a"}, {"id": id(22), "event_id": id(2), "name": "b"}],
        "geofences": [{"id": id(31), "event_id": id(1), "name": "g", "kind": "area",
            "geometry": {"type": "Point", "coordinates": [30.0, 0.0]}, "radius_meters": 50}],
        "segments": [{"id": id(41), "stage_id": id(21), "type": "special-stage", "start_mode": "rolling",
            "entry_geofence_id": id(31), "exit_geofence_id": id(31)}],
        "waypoints": [{"id": id(51), "segment_id": id(41), "number": 1, "tolerance_meters": 30,
            "location": {"type": "Point", "coordinates": [30.0, 0.01]}}],
        "penalty_formulas": [formula(61, 0.0, json!(2)), formula(62, 2.0, Value::Null)],
    })
}

fn left_out(document: &Value) -> (Tables, Vec<(String, Option<Uuid>)>) {
    let tables = salvage(&document.to_string()).unwrap();
    let told = tables.left_out.iter().map(|out| (format!("{}", out.problem), out.event_id)).collect();
    (tables, told)
}

#[test]
fn nothing_is_left_out_of_a_course_without_problems() {
    let text = two_events().to_string();
    assert_eq!(salvage(&text).unwrap(), parse(&text).unwrap());
}

#[test]
fn a_wrong_bracket_takes_its_table_with_it_and_nothing_else() {
    let mut document = two_events();
    document["penalty_formulas"][0]["offence_max"] = json!(-1);
    let (tables, told) = left_out(&document);
    assert_eq!(tables.penalty_formulas.len(), 1, "the rest of the table begins above 0, which it may");
    assert_eq!((tables.entries.len(), tables.segments.len()), (2, 1));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].0.starts_with("penalty_formulas[0]") && told[0].1 == Some(Uuid::from_u128(1)),
        "{told:?}"
    );
}

#[test]
fn what_refers_to_a_row_that_is_left_out_goes_with_it() {
    let mut document = two_events();
    document["geofences"][0]["radius_meters"] = json!(-50);
    let (tables, told) = left_out(&document);
    assert_eq!((tables.geofences.len(), tables.segments.len(), tables.waypoints.len()), (0, 0, 0));
    assert_eq!((tables.entries.len(), tables.stages.len()), (2, 2));
    assert!(told.iter().all(|(_, event)| *event == Some(Uuid::from_u128(1))), "{told:?}");
}

#[test]
fn rows_that_cannot_be_read_at_all_are_left_out_by_their_own_number() {
    let mut document = two_events();
    document["entries"].as_array_mut().unwrap().insert(0, json!({"id": "what", "race_number": "x"}));
    document["entries"]
        .as_array_mut()
        .unwrap()
        .push(json!({"id": id(13), "event_id": id(77), "race_number": 9}));
    let (tables, told) = left_out(&document);
    assert_eq!(tables.entries.len(), 2);
    assert!(told.iter().any(|(text, event)| text.starts_with("entries[0]") && event.is_none()), "{told:?}");
    assert!(told.iter().any(|(text, _)| text.starts_with("entries[3]")), "{told:?}");
}

#[test]
fn a_polygon_that_crosses_itself_is_left_out() {
    let mut document = two_events();
    document["speed_limit_zones"] = json!([{"id": id(71), "segment_id": id(41), "limit_kmh": 30, "geometry":
        {"type": "Polygon", "coordinates": [[[30.0, 0.1], [30.01, 0.11], [30.01, 0.1], [30.0, 0.11], [30.0, 0.1]]]}}]);
    let (tables, told) = left_out(&document);
    assert_eq!((tables.speed_limit_zones.len(), told.len()), (0, 1), "{told:?}");
}

#[test]
fn a_document_that_is_none_is_an_error() {
    assert!(salvage("{").is_err());
    assert!(salvage(r#"{"unknown": []}"#).is_err());
}

#[test]
fn an_event_that_was_sound_stays_as_it_was_and_the_others_change() {
    let sound = salvage(&two_events().to_string()).unwrap();
    let mut document = two_events();
    document["geofences"][0]["radius_meters"] = json!(-50);
    document["events"][1]["name"] = json!("renamed");
    let kept = keep_sound(&sound, salvage(&document.to_string()).unwrap());
    assert_eq!((&kept.geofences, &kept.segments), (&sound.geofences, &sound.segments));
    assert_eq!(kept.events[1].name, "renamed");
    assert!(!is_flawed(&kept, Uuid::from_u128(1)) && kept.left_out.iter().all(|out| out.before_in_force));
    // Edited again while it is wrong: still as it was when it was sound.
    let again = keep_sound(&kept, salvage(&document.to_string()).unwrap());
    assert_eq!(again, kept);
    // And mended: as it is now.
    assert_eq!(keep_sound(&kept, sound.clone()), sound);
    // An event that is not known to have been sound is judged by what is left of it.
    let first = salvage(&document.to_string()).unwrap();
    assert!(is_flawed(&first, Uuid::from_u128(1)) && !is_flawed(&first, Uuid::from_u128(2)));
    assert_eq!(keep_sound(&first, salvage(&document.to_string()).unwrap()), first);
}
