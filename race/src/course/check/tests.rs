//! Each finding on a course that has otherwise none.

use serde_json::{Value, json};

use super::check;
use crate::course::parse;
use crate::course::validate::tests::{course, id};

/// The codes found after a change, with the labels of the rows.
fn found(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut course = course();
    clean(&mut course);
    change(&mut course);
    let tables = parse(&course.to_string()).unwrap();
    check(&tables)
        .iter()
        .map(|f| {
            format!("{} {}", f.code, f.rows.iter().map(|r| r.label.as_str()).collect::<Vec<_>>().join(", "))
        })
        .collect()
}

/// Fills in what the smallest valid course leaves out.
fn clean(course: &mut Value) {
    course["segments"][0]["exit_geofence_id"] = json!(id(8, 1));
    course["segments"][2]["exit_geofence_id"] = json!(id(8, 3));
    course["entry_devices"]
        .as_array_mut()
        .unwrap()
        .push(json!({"id": id(5, 3), "entry_id": id(3, 3), "device_id": id(4, 2), "timing": true}));
    let formula = json!({"id": id(12, 9), "event_id": id(1, 2), "belongs_to_type": "event",
        "belongs_to_id": id(1, 2), "type": "missed_waypoint", "operator": "per_unit", "penalty": 900});
    course["penalty_formulas"].as_array_mut().unwrap().push(formula);
}

fn point(lon: f64, lat: f64) -> Value {
    json!({"type": "Point", "coordinates": [lon, lat]})
}

#[test]
fn a_course_as_meant_gives_no_finding() {
    assert!(found(|_| {}).is_empty());
}

#[test]
fn waypoints_that_stand_for_two_things() {
    // 0.001 degrees of longitude at 41 degrees north are 84 m.
    let near = found(|c| c["waypoints"][1]["location"] = point(19.051, 41.0));
    assert_eq!(near, ["waypoint-circles-overlap 1 WPM, 2 DZ"]);
    assert!(found(|c| c["waypoints"][1]["location"] = point(19.0522, 41.0)).is_empty(), "185 m apart");
    let cancelled = found(|c| {
        c["waypoints"][1]["location"] = point(19.051, 41.0);
        c["waypoints"][0]["cancelled"] = json!(true);
    });
    assert!(cancelled.is_empty(), "{cancelled:?}");
    assert_eq!(found(|c| c["waypoints"][0]["number"] = json!(2)), ["waypoint-number-twice 2 WPM, 2 DZ"]);
    let twice = found(|c| {
        c["waypoints"][0]["location"] = point(19.0, 41.0);
        c["geofences"][1] = json!({"id": id(8, 2), "event_id": id(1, 1), "name": "finish", "kind": "area",
            "geometry": {"type": "Polygon", "coordinates": [[[18.9, 40.95], [19.1, 40.95], [19.0, 41.05], [18.9, 40.95]]]}});
    });
    assert_eq!(twice, ["waypoint-in-two-geofences 1 WPM, start, finish"]);
}

#[test]
fn zones_that_do_not_begin_end_or_enforce() {
    let zone = |columns: Value| {
        found(|c| {
            let row = c["speed_limit_zones"][0].as_object_mut().unwrap();
            row.extend(columns.as_object().unwrap().clone());
        })
    };
    let points = ["zone-point-without-zone 2 DZ", "zone-point-without-zone 3 FZ"];
    assert_eq!(zone(json!({"fz_waypoint_id": null})), [points[1], "zone-without-end 2, 2 DZ"]);
    assert_eq!(
        zone(json!({"dz_waypoint_id": null, "fz_waypoint_id": null, "name": "stray"})),
        ["limit-outside-zone stray", points[0], points[1]]
    );
    assert_eq!(
        zone(json!({"dz_waypoint_id": id(9, 3), "fz_waypoint_id": id(9, 2)})),
        ["zone-reversed 3-2, 3 FZ"]
    );
    assert_eq!(zone(json!({"buffer_meters": 0})), ["zone-without-buffer 2-3"]);
    // The two ends are 4.2 km apart.
    assert_eq!(zone(json!({"buffer_meters": 2110})), ["zone-shorter-than-buffers 2-3"]);
    assert!(zone(json!({"buffer_meters": 2090})).is_empty());
}

#[test]
fn polygons_that_cross_themselves_or_each_other() {
    let rings = |rings: Value| {
        let mut messages = Vec::new();
        let codes = found(|c| {
            c["geofences"][2]["geometry"] = json!({"type": "Polygon", "coordinates": rings});
            messages = check(&parse(&c.to_string()).unwrap()).into_iter().map(|f| f.message).collect();
        });
        (codes, messages)
    };
    let square = json!([[18.0, 40.0], [18.1, 40.0], [18.1, 40.1], [18.0, 40.1], [18.0, 40.0]]);
    let (codes, messages) =
        rings(json!([[[18.0, 40.0], [18.1, 40.1], [18.1, 40.0], [18.0, 40.1], [18.0, 40.0]]]));
    assert_eq!(codes, ["ring-crosses-itself elsewhere"]);
    assert!(messages[0].contains("40.050000, 18.050000"), "{messages:?}");
    let spike = json!([[18.0, 40.0], [18.1, 40.0], [18.1, 40.1], [18.1, 40.05], [18.0, 40.1], [18.0, 40.0]]);
    assert_eq!(rings(json!([spike])).0, ["ring-crosses-itself elsewhere"]);
    let hole = |lon: f64| json!([[lon, 40.02], [lon + 0.02, 40.02], [lon + 0.02, 40.04], [lon, 40.02]]);
    assert!(rings(json!([square, hole(18.02)])).0.is_empty());
    assert_eq!(rings(json!([square, hole(18.09)])).0, ["hole-outside-ring elsewhere"]);

    let zones = |lon: f64| {
        let other = json!([[lon, 41.2], [lon + 0.01, 41.2], [lon + 0.01, 41.21], [lon, 41.21], [lon, 41.2]]);
        found(|c| {
            c["speed_limit_zones"]
                .as_array_mut()
                .unwrap()
                .push(json!({"id": id(10, 3), "segment_id": id(7, 2),
                "limit_kmh": 40, "name": "b", "geometry": {"type": "Polygon", "coordinates": [other]}}));
        })
    };
    assert_eq!(zones(19.205), ["zones-overlap , b"]);
    assert_eq!(zones(19.2), ["zones-overlap , b"], "the same square");
    assert!(zones(19.21).is_empty(), "a common border is no overlap");
}

#[test]
fn what_leaves_somebody_untimed() {
    assert_eq!(
        found(|c| {
            c["segments"][1]["start_mode"] = json!("standing");
            c["entry_segment_starts"] = json!([]);
        }),
        ["standing-start-without-list SS1 segment 2"]
    );
    let nobody = found(|c| {
        c["entries"].as_array_mut().unwrap().pop();
        c["entry_devices"].as_array_mut().unwrap().pop();
    });
    assert_eq!(nobody, ["event-without-entries Other"]);
    assert_eq!(
        found(|c| c["segments"][0]["exit_geofence_id"] = Value::Null),
        ["segment-without-geofence SS1 segment 1"]
    );
    let untracked = found(|c| drop(c["entry_devices"].as_array_mut().unwrap().pop()));
    assert_eq!(untracked, ["entry-without-device no. 5"]);
    let second = |from: &str| {
        found(|c| {
            c["entry_devices"].as_array_mut().unwrap().push(json!({"id": id(5, 4), "entry_id": id(3, 1),
                "device_id": id(4, 2), "timing": true, "valid_from": from}));
            c["entry_devices"][1]["valid_to"] = json!("2026-06-07T10:00:00Z");
        })
    };
    assert_eq!(second("2026-06-07T11:00:00Z"), ["two-timing-devices no. 5"]);
    assert!(second("2026-06-07T12:00:00Z").is_empty());
    assert_eq!(second("2026-06-07T09:00:00Z"), ["device-shared no. 6, no. 5", "two-timing-devices no. 5"]);
}

#[test]
fn start_orders_that_cannot_be_proposed_as_meant() {
    let stage = |n: usize, strategy: &str, params: Value, interval: Value| {
        found(|c| {
            c["stages"][n]["start_order_strategy"] = json!(strategy);
            c["stages"][n]["start_order_strategy_params"] = params;
            c["stages"][n]["start_interval_seconds"] = interval;
        })
    };
    let (tiers, none) = (json!({"tiers": [{"seconds": 60}]}), Value::Null);
    assert!(stage(1, "inverse_of_overall", none.clone(), json!(60)).is_empty());
    assert!(stage(1, "inverse_of_overall", tiers, none.clone()).is_empty());
    assert_eq!(stage(1, "inverse_of_overall", none.clone(), none.clone()), ["start-order-without-times SS2"]);
    assert_eq!(stage(0, "previous_stage_clean_result", none, json!(60)), ["start-order-without-input SS1"]);
    assert!(stage(0, "manual", json!({"order": [6, 5]}), json!(60)).is_empty());
    assert_eq!(stage(0, "manual", json!({"order": [6, 7]}), json!(60)), ["start-order-not-entered SS1"]);
}

#[test]
fn a_parc_ferme_that_nobody_is_seen_to_leave() {
    let parc_ferme = |geofence: Value| {
        found(|c| {
            c["segments"][2]["type"] = json!("parc-ferme");
            c["segments"][2]["exit_geofence_id"] = Value::Null;
            c["segments"][2]["entry_geofence_id"] = geofence;
        })
    };
    assert_eq!(parc_ferme(Value::Null), ["segment-without-geofence SS1 segment 1"]);
    assert!(parc_ferme(json!(id(8, 3))).is_empty());
    let gate = found(|c| {
        c["segments"][0]["type"] = json!("parc-ferme");
        c["segments"][0]["entry_geofence_id"] = json!(id(8, 2));
    });
    assert_eq!(gate, ["parc-ferme-gate SS1 segment 1"]);
}

#[test]
fn formulas_and_kinds_that_miss_each_other() {
    assert_eq!(
        found(|c| c["penalty_formulas"][4]["kind"] = json!("WPS")),
        ["formula-kind-unused missed_waypoint WPS", "kind-without-formula 4 WPM"]
    );
    assert!(found(|c| c["penalty_formulas"][4]["kind"] = json!("WPM")).is_empty());
}
