//! The edges that are found by where they are, against every edge of the outline.

use proptest::prelude::*;

use super::*;
use crate::fence::line::{union, without};

type Rings = Vec<Vec<[f64; 2]>>;

fn edges(rings: &Rings) -> impl Iterator<Item = ([f64; 2], [f64; 2])> + '_ {
    rings.iter().flat_map(|ring| (0..ring.len()).map(|n| (ring[(n + ring.len() - 1) % ring.len()], ring[n])))
}

fn holds(rings: &Rings, [x, y]: [f64; 2]) -> bool {
    edges(rings).fold(false, |inside, (a, b)| {
        let crosses = (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0];
        inside ^ crosses
    })
}

fn exact(rings: &Rings, line: &Line) -> Spans {
    let mut cuts: Vec<f64> = edges(rings).filter_map(|(a, b)| line.meets(a, b)).collect();
    cuts.extend([0.0, 1.0]);
    cuts.sort_by(f64::total_cmp);
    let spans = cuts.windows(2).filter(|cut| holds(rings, line.at(cut[0].midpoint(cut[1]))));
    union(spans.map(|cut| Span { start: cut[0], end: cut[1] }).collect())
}

fn near(rings: &Rings, line: &Line, margin_m: f64) -> Spans {
    let capsules = edges(rings).filter_map(|(a, b)| line.within_capsule(a, b, margin_m + HALF_CM_M));
    union(capsules.chain(exact(rings, line)).collect())
}

fn well_inside(rings: &Rings, line: &Line, buffer_m: f64) -> Spans {
    let inside = exact(rings, line);
    if inside.is_empty() || buffer_m <= 0.0 {
        return inside;
    }
    let edge = edges(rings).filter_map(|(a, b)| line.within_capsule(a, b, buffer_m));
    without(&inside, &union(edge.collect()))
}

/// Rings of any form, also such that cross themselves: spread out, and on a grid, where lines run along edges and
/// through corners.
fn rings() -> impl Strategy<Value = Rings> {
    let spread = (-200.0f64..200.0).boxed();
    let grid = (-6i32..6).prop_map(|n| f64::from(n) * 10.0).boxed();
    let of = |coordinate: BoxedStrategy<f64>, most: usize| {
        let point = (coordinate.clone(), coordinate).prop_map(|(x, y)| [x, y]);
        proptest::collection::vec(proptest::collection::vec(point, 3..most), 1..3)
    };
    prop_oneof![of(spread, 80), of(grid, 12), star()]
}

/// One ring of many short edges.
fn star() -> impl Strategy<Value = Rings> {
    proptest::collection::vec(120.0f64..140.0, 50..400).prop_map(|radii| {
        let turn = std::f64::consts::TAU / f64::from(u32::try_from(radii.len()).unwrap_or(u32::MAX));
        let points = (0u32..).zip(&radii).map(|(n, radius)| {
            let angle = turn * f64::from(n);
            [radius * libm::cos(angle), radius * libm::sin(angle)]
        });
        vec![points.collect()]
    })
}

fn line() -> impl Strategy<Value = Line> {
    let place = |x| prop_oneof![x, (-7i32..7).prop_map(|n| f64::from(n) * 10.0)];
    let far = place((-300.0f64..300.0).boxed());
    let step = place((-40.0f64..40.0).boxed());
    ([far.clone(), far], [step.clone(), step]).prop_map(|(from, step)| {
        // A whole number of metres stays one, so that lines on the grid are on it.
        Line::new(from, [from[0] + step[0], from[1] + step[1]])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_edges_that_are_looked_at_decide_as_all_do(
        rings in rings(), line in line(), reach_m in 0.0f64..60.0, part in prop_oneof![Just(1.0), 0.0f64..1.0],
    ) {
        let area = Area::Polygon(Polygon::new(&rings));
        let approach = area.approach(&line, reach_m);
        prop_assert_eq!(approach.exact(), exact(&rings, &line));
        for margin_m in [0.0, reach_m * part] {
            prop_assert_eq!(approach.near(margin_m), near(&rings, &line, margin_m));
            prop_assert_eq!(approach.well_inside(margin_m), well_inside(&rings, &line, margin_m));
        }
    }
}

#[test]
fn an_outline_of_level_edges_is_one_of_no_area() {
    let area = Area::Polygon(Polygon::new(&[vec![[0.0, 5.0], [10.0, 5.0], [20.0, 5.0]]]));
    let line = Line::new([5.0, 0.0], [5.0, 10.0]);
    assert!(area.approach(&line, 1.0).exact().is_empty());
    assert_eq!(area.approach(&line, 1.0).near(1.0).len(), 1);
}
