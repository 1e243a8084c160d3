use super::*;

fn rows(operator: Operator, brackets: &[(f64, Option<f64>, f64)]) -> Formulas {
    let rows = brackets.iter().enumerate().map(|(n, &(offence_min, offence_max, penalty))| PenaltyFormula {
        id: Uuid::from_u128(n as u128 + 1),
        event_id: Uuid::nil(),
        belongs_to_type: BelongsTo::Event,
        belongs_to_id: Uuid::nil(),
        class_id: None,
        kind: None,
        evaluator: "speeding_peak".to_owned(),
        offence_min,
        offence_max,
        operator,
        base: 0.0,
        penalty,
        counts_for: vec![],
        retroactive: false,
        enabled: true,
        valid_from: None,
        valid_to: None,
    });
    Formulas::of_event(&Tables { penalty_formulas: rows.collect(), ..Tables::default() }, Uuid::nil())
}

fn seconds(formulas: &Formulas, measure: Measure) -> Option<f64> {
    let scopes = [(BelongsTo::Event, Uuid::nil())];
    let table =
        formulas.closest("speeding_peak", None, None, &scopes, Timestamp::from_micros(0)).expect("a table");
    #[allow(clippy::cast_precision_loss)]
    table.assess(measure).map(|a| a.penalty_ms as f64 / 1000.0)
}

const MARGINAL: [(f64, Option<f64>, f64); 2] = [(0.0, Some(20.0), 10.0), (20.0, None, 20.0)];

#[test]
fn ten_seconds_up_to_twenty_over_twenty_beyond_for_27_over() {
    assert_eq!(seconds(&rows(Operator::Progressive, &MARGINAL), Measure::whole(27)), Some(340.0));
    assert_eq!(seconds(&rows(Operator::PerUnit, &MARGINAL), Measure::whole(27)), Some(540.0));
    assert_eq!(seconds(&rows(Operator::Flat, &MARGINAL), Measure::whole(27)), Some(20.0));
}

#[test]
fn a_bracket_ends_at_its_maximum_and_begins_above_its_minimum() {
    let flat = rows(Operator::Flat, &MARGINAL);
    assert_eq!(seconds(&flat, Measure::whole(20)), Some(10.0));
    assert_eq!(seconds(&flat, Measure::ratio(2001, 100)), Some(20.0));
    assert_eq!(seconds(&flat, Measure::whole(0)), None);
}

#[test]
fn fractions_are_exact_and_rounded_once_half_away_from_zero() {
    let table = rows(Operator::PerUnit, &[(0.0, None, 0.0005)]);
    assert_eq!(seconds(&table, Measure::whole(1)), Some(0.001));
    let thirds = rows(Operator::PerUnit, &[(0.0, None, 1.0)]);
    assert_eq!(seconds(&thirds, Measure::ratio(1, 3)), Some(0.333));
}

#[test]
fn a_measure_is_told_to_the_hundredth_and_seconds_to_the_millisecond() {
    let told =
        [(27, 1, 27.0), (100, 3, 33.33), (1_505, 10, 150.5), (68_392, 1_000, 68.392), (3, 1_000, 0.003)];
    for (numerator, denominator, rounded) in told {
        assert_eq!(Measure::ratio(numerator, denominator).rounded(), rounded);
    }
}

#[test]
fn the_closest_scope_wins_then_class_then_kind() {
    let mut tables = Tables::default();
    let base = rows(Operator::Flat, &[(0.0, None, 1.0)]).tables.into_values().next().unwrap().remove(0);
    let (class, segment) = (Uuid::from_u128(7), Uuid::from_u128(8));
    let row = |n: u128, penalty, f: &dyn Fn(&mut PenaltyFormula)| {
        let mut row = PenaltyFormula { id: Uuid::from_u128(n), penalty, ..base.clone() };
        f(&mut row);
        row
    };
    tables.penalty_formulas = vec![
        row(1, 1.0, &|_| {}),
        row(2, 2.0, &|r| r.kind = Some("WPM".to_owned())),
        row(3, 3.0, &|r| r.class_id = Some(class)),
        row(4, 4.0, &|r| {
            r.belongs_to_type = BelongsTo::Segment;
            r.belongs_to_id = segment;
        }),
    ];
    let formulas = Formulas::of_event(&tables, Uuid::nil());
    let penalty = |class, kind, scopes: &[(BelongsTo, Uuid)]| {
        formulas
            .closest("speeding_peak", class, kind, scopes, Timestamp::from_micros(0))
            .map(|t| t.rows[0].penalty)
    };
    let event = [(BelongsTo::Event, Uuid::nil())];
    assert_eq!(penalty(None, None, &event), Some(1.0));
    assert_eq!(penalty(None, Some("WPM"), &event), Some(2.0));
    assert_eq!(penalty(Some(class), Some("WPM"), &event), Some(3.0), "a class before a kind");
    assert_eq!(penalty(Some(class), Some("WPM"), &[(BelongsTo::Segment, segment), event[0]]), Some(4.0));
    assert_eq!(penalty(None, None, &[]), None);
}
