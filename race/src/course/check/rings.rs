//! Rings and polygons on a plane: crossings, sides, overlaps. Metres, with one millimetre of tolerance.

use crate::course::geometry::LonLat;
use crate::course::validate::plane::{Plane, Xy, between, turn_of};

/// Places nearer than this are one.
const SAME_METERS: f64 = 0.001;

/// A ring without its closing position and without repeated ones.
pub(super) type Ring = Vec<Xy>;

/// A ring's places on a plane.
pub(super) fn ring(points: &[LonLat], plane: &Plane) -> Ring {
    let mut places: Ring = Vec::with_capacity(points.len());
    for place in points.iter().map(|p| plane.xy(*p)) {
        if places.last().is_none_or(|last| between(*last, place) >= SAME_METERS) {
            places.push(place);
        }
    }
    if places.len() > 1 && between(places[0], places[places.len() - 1]) < SAME_METERS {
        places.pop();
    }
    places
}

fn edges(ring: &[Xy]) -> impl Iterator<Item = (Xy, Xy)> + '_ {
    ring.iter().copied().zip(ring.iter().copied().cycle().skip(1))
}

/// Where a ring first meets itself, in the order in which it is drawn.
pub(super) fn meets_itself(ring: &[Xy]) -> Option<Xy> {
    let all: Vec<(Xy, Xy)> = edges(ring).collect();
    let mut by_west: Vec<usize> = (0..all.len()).collect();
    by_west.sort_by(|a, b| west(all[*a]).total_cmp(&west(all[*b])));
    let mut first: Option<((usize, usize), Xy)> = None;
    for (n, &i) in by_west.iter().enumerate() {
        for &j in &by_west[n + 1..] {
            if west(all[j]) > east(all[i]) {
                break;
            }
            let (low, high) = (i.min(j), i.max(j));
            let place = if high == low + 1 {
                folds(all[low].0, all[low].1, all[high].1)
            } else if low == 0 && high == all.len() - 1 {
                folds(all[high].0, all[high].1, all[low].1)
            } else {
                meeting(all[low], all[high])
            };
            if let Some(place) = place
                && first.is_none_or(|(pair, _)| (low, high) < pair)
            {
                first = Some(((low, high), place));
            }
        }
    }
    first.map(|(_, place)| place)
}

fn west((a, b): (Xy, Xy)) -> f64 {
    a[0].min(b[0])
}

fn east((a, b): (Xy, Xy)) -> f64 {
    a[0].max(b[0])
}

/// The corner of two edges that run back over each other.
fn folds(a: Xy, corner: Xy, c: Xy) -> Option<Xy> {
    let ahead = (a[0] - corner[0]) * (c[0] - corner[0]) + (a[1] - corner[1]) * (c[1] - corner[1]);
    let near = to_edge(a, (corner, c)).min(to_edge(c, (a, corner))) < SAME_METERS;
    (ahead > 0.0 && near).then_some(corner)
}

/// Where two edges cross or touch.
fn meeting((a, b): (Xy, Xy), (c, d): (Xy, Xy)) -> Option<Xy> {
    crossing((a, b), (c, d)).or_else(|| {
        let touches = [(a, (c, d)), (b, (c, d)), (c, (a, b)), (d, (a, b))];
        touches.into_iter().find(|(place, edge)| to_edge(*place, *edge) < SAME_METERS).map(|(place, _)| place)
    })
}

/// Where two edges cross, each with an end on either side of the other.
fn crossing((a, b): (Xy, Xy), (c, d): (Xy, Xy)) -> Option<Xy> {
    let (of_c, of_d) = (turn_of(a, b, c), turn_of(a, b, d));
    let (of_a, of_b) = (turn_of(c, d, a), turn_of(c, d, b));
    let apart = |x: f64, y: f64| (x > 0.0 && y < 0.0) || (x < 0.0 && y > 0.0);
    (apart(of_c, of_d) && apart(of_a, of_b)).then(|| {
        let t = of_a / (of_a - of_b);
        [a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])]
    })
}

/// Metres from a place to the nearest point of an edge.
fn to_edge(p: Xy, (a, b): (Xy, Xy)) -> f64 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let length2 = dx * dx + dy * dy;
    let t = if length2 > 0.0 { ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length2 } else { 0.0 };
    let t = t.clamp(0.0, 1.0);
    between(p, [a[0] + t * dx, a[1] + t * dy])
}

/// Where a place is, seen from a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Within it.
    Inside,
    /// On it.
    Edge,
    /// Beyond it.
    Outside,
}

/// Where a place is, seen from a ring.
pub(super) fn side(p: Xy, ring: &[Xy]) -> Side {
    let mut inside = false;
    for (a, b) in edges(ring) {
        if to_edge(p, (a, b)) < SAME_METERS {
            return Side::Edge;
        }
        if (a[1] > p[1]) != (b[1] > p[1]) && p[0] < a[0] + (p[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0]) {
            inside = !inside;
        }
    }
    if inside { Side::Inside } else { Side::Outside }
}

/// Where a place is, seen from a polygon: an outer ring and holes.
pub(super) fn side_of_polygon(p: Xy, polygon: &[Ring]) -> Side {
    let Some((outer, holes)) = polygon.split_first() else { return Side::Outside };
    match side(p, outer) {
        Side::Inside => {
            holes.iter().map(|hole| side(p, hole)).fold(Side::Inside, |so_far, of_hole| match of_hole {
                Side::Inside => Side::Outside,
                Side::Edge => Side::Edge,
                Side::Outside => so_far,
            })
        }
        elsewhere => elsewhere,
    }
}

/// A place of `inner` that is outside `outer`, if there is one.
pub(super) fn reaches_outside(inner: &[Xy], outer: &[Xy]) -> Option<Xy> {
    let beyond = inner.iter().copied().find(|p| side(*p, outer) == Side::Outside);
    beyond.or_else(|| edges(inner).find_map(|edge| edges(outer).find_map(|other| crossing(edge, other))))
}

/// A place that is inside both polygons, or where their edges cross.
pub(super) fn overlap(a: &[Ring], b: &[Ring]) -> Option<Xy> {
    let all = |polygon: &[Ring]| {
        polygon.iter().flat_map(|ring| edges(ring).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let (of_a, of_b) = (all(a), all(b));
    let crossed = of_a.iter().find_map(|edge| of_b.iter().find_map(|other| crossing(*edge, *other)));
    crossed
        .or_else(|| candidates(&of_a).find(|p| inside_both(*p, a, b)))
        .or_else(|| candidates(&of_b).find(|p| inside_both(*p, a, b)))
}

fn inside_both(p: Xy, a: &[Ring], b: &[Ring]) -> bool {
    // A corner of one polygon is on its own edge, so only the other one has to hold it inside.
    let (of_a, of_b) = (side_of_polygon(p, a), side_of_polygon(p, b));
    of_a != Side::Outside && of_b != Side::Outside && (of_a == Side::Inside || of_b == Side::Inside)
}

/// The corners of a polygon, and for one that shares all of them a place inside.
fn candidates(all: &[(Xy, Xy)]) -> impl Iterator<Item = Xy> + '_ {
    let corners = all.iter().map(|(a, _)| *a);
    corners.chain(inside(all))
}

/// A place inside: half way between the two westmost edges at a height between two corners.
fn inside(all: &[(Xy, Xy)]) -> Option<Xy> {
    let mut heights: Vec<f64> = all.iter().map(|(a, _)| a[1]).collect();
    heights.sort_by(f64::total_cmp);
    heights.dedup_by(|a, b| (*a - *b).abs() < SAME_METERS);
    let middle = heights.len() / 2;
    let y = f64::midpoint(*heights.get(middle.checked_sub(1)?)?, *heights.get(middle)?);
    let mut crossings: Vec<f64> = all
        .iter()
        .filter(|(a, b)| (a[1] > y) != (b[1] > y))
        .map(|(a, b)| a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]))
        .collect();
    crossings.sort_by(f64::total_cmp);
    Some([f64::midpoint(*crossings.first()?, *crossings.get(1)?), y])
}
