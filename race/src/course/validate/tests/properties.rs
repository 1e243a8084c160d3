//! Whatever a file says, reading it ends with tables or with problems.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{course, id};
use crate::course::parse;

/// A JSON value of the kinds a hand-written file goes wrong with.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-400.0..400.0).prop_map(Value::from),
        "[a-zA-Z0-9:. -]{0,12}".prop_map(Value::from),
        (1u32..14, 0u32..5).prop_map(|(table, n)| json!(id(table, n))),
        Just(json!("2026-06-07T08:00:00Z")),
        Just(json!("9999-12-30T22:00:00Z")),
        Just(json!("-009999-01-02T02:00:00Z")),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec(("[a-z_]{1,8}", inner.clone()), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
            (prop_oneof!["Point", "LineString", "Polygon"], inner)
                .prop_map(|(kind, coordinates)| json!({"type": kind, "coordinates": coordinates})),
        ]
    })
}

proptest! {
    #[test]
    fn reading_any_text_never_panics(text in ".{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn reading_any_json_never_panics(value in value()) {
        let _ = parse(&value.to_string());
    }

    /// Columns of a right course replaced by anything: deeper than random documents get.
    #[test]
    fn reading_a_spoilt_course_never_panics(changes in proptest::collection::vec((any::<u32>(), value()), 1..6)) {
        let mut course = course();
        for (place, value) in changes {
            let place = place as usize;
            let tables = course.as_object_mut().unwrap();
            let table = tables.values_mut().nth(place % 14).unwrap().as_array_mut().unwrap();
            let rows = table.len();
            let row = table[place / 14 % rows].as_object_mut().unwrap();
            let columns = row.len();
            *row.values_mut().nth(place / 140 % columns).unwrap() = value;
        }
        if let Err(errors) = parse(&course.to_string()) {
            prop_assert!(!errors.0.is_empty());
            prop_assert!(errors.0.is_sorted());
        }
    }

    /// Any polygon, gate and radius of plausible numbers.
    #[test]
    fn reading_any_shape_never_panics(
        ring in proptest::collection::vec((-180.0..=180.0, -90.0..=90.0), 0..8),
        radius in any::<f64>(),
    ) {
        let ring: Vec<Value> = ring.into_iter().map(|(lon, lat)| json!([lon, lat])).collect();
        let mut course = course();
        course["geofences"][1]["geometry"] = json!({"type": "LineString", "coordinates": ring});
        course["geofences"][2]["geometry"] = json!({"type": "Polygon", "coordinates": [ring]});
        course["geofences"][0]["radius_meters"] = json!(radius);
        let _ = parse(&course.to_string());
    }
}
