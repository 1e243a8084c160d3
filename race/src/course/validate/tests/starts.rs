//! Start orders: the one change that breaks each rule, and the row and field that must be named.

use serde_json::{Value, json};

use super::id;
use super::rules::{fine, one};

const PARAMS: &str = "start_order_strategy_params";

#[track_caller]
fn refused(strategy: &str, params: &Value, says: &str) {
    let columns = json!({"start_order_strategy": strategy, PARAMS: params});
    one(("stages", 1), columns, (1, PARAMS), says);
}

#[test]
fn strategies_and_their_parameters_mean_something() {
    one(
        ("stages", 1),
        json!({"start_order_strategy": "by_weight"}),
        (1, "start_order_strategy"),
        "inverse_of",
    );
    one(("stages", 0), json!({PARAMS: {"tier": []}}), (0, PARAMS), "unknown field `tier`");
    refused("manual", &json!([5, 6]), "");
    refused("manual", &json!({"order": "5, 6"}), "");
    refused("manual", &json!({"order": [5, 6, 5]}), "order: number 5 is listed twice");
    refused("inverse_top_n_then_natural", &json!({}), "n: is required");
    refused("inverse_top_n_then_natural", &json!({"n": -1}), "n: is -1");
    refused("inverse_top_n_then_natural", &json!({"n": 1.5}), "");
    for factor in [json!(0), json!(-1), json!(1e-9), json!(1_001)] {
        refused("previous_stage_clean_result", &json!({"input_factor": factor}), "input_factor: is");
    }
    for (tiers, says) in [
        (json!([{"upto": 10}]), "seconds"),
        (json!([{"seconds": -1}]), "tiers[0].seconds: is -1"),
        (json!([{"seconds": 1e9}]), "tiers[0].seconds: is 1000000000"),
        (json!([{"seconds": 60, "group": 0}]), "tiers[0].group: is 0"),
        (json!([{"seconds": 60, "upto": 0}]), "tiers[0].upto: is 0, allowed is 1"),
        (
            json!([{"seconds": 60, "upto": 5}, {"seconds": 60, "upto": 5}]),
            "tiers[1].upto: is 5, allowed is 6",
        ),
        (json!([{"seconds": 60}, {"seconds": 30}]), "tiers[1]: the tier before it has no end"),
        (json!([{"seconds": 60, "every": 2}]), "unknown field `every`"),
    ] {
        refused("manual", &json!({"tiers": tiers}), says);
    }
    let starts = "entry_segment_starts";
    one((starts, 0), json!({"start_position": 0}), (0, "start_position"), "allowed is 1");
    one((starts, 0), json!({"start_position": i64::MAX}), (0, "start_position"), "100000");
}

#[test]
fn what_may_be_said_of_a_start_order() {
    for (strategy, params) in [
        (Value::Null, Value::Null),
        (
            json!("manual"),
            json!({"order": [6, 5, 99], "tiers": [{"upto": 1, "seconds": 0.5, "group": 2}, {"seconds": 1}]}),
        ),
        (json!("previous_stage_clean_result"), json!({"input_factor": 0.5})),
        (json!("inverse_top_n_then_natural"), json!({"n": 0})),
        (json!("inverse_of_overall"), json!({})),
    ] {
        fine(("stages", 1), json!({"start_order_strategy": strategy, PARAMS: params}));
    }
    fine(
        ("stages", 1),
        json!({"start_order_strategy": "inverse_of_overall", "start_order_input_stage_id": null}),
    );
    one(
        ("stages", 1),
        json!({"start_order_strategy": "inverse_of_overall", "start_order_input_stage_id": id(6, 2)}),
        (1, "start_order_input_stage_id"),
        "itself",
    );
}
