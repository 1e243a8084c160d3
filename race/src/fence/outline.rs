//! A line beside the outline of a polygon: the few edges it may meet, and where it is inside.

use smallvec::SmallVec;

use super::line::{Line, Spans, union, without};
use super::polygon::{Edge, Polygon};

/// Edges kept without an allocation: what a movement of a second meets of most outlines.
const KEPT_EDGES: usize = 12;

/// The part of a polygon that matters to one line.
#[derive(Debug)]
pub(super) struct Outline<'a> {
    polygon: &'a Polygon,
    /// Edges that may be within reach.
    edges: SmallVec<[Edge; KEPT_EDGES]>,
    /// Where the true shape, without rounding, holds the line.
    pub(super) inside: Spans,
}

impl<'a> Outline<'a> {
    /// What may be within `reach_m` of a line.
    pub(super) fn new(polygon: &'a Polygon, line: &Line, reach_m: f64) -> Self {
        let mut outline = Self { polygon, edges: SmallVec::new(), inside: Spans::new() };
        let window = polygon.window(line, reach_m);
        if polygon.may_meet(&window) {
            polygon.each_edge(&window, |edge| outline.edges.push(*edge));
            outline.inside = inside(polygon, &outline.edges, line);
        }
        outline
    }

    /// Where the line is inside, or no farther than `margin_m` from the boundary.
    pub(super) fn near(&self, line: &Line, margin_m: f64) -> Spans {
        if self.edges.is_empty() || super::line::is_whole(&self.inside) {
            return self.inside.clone();
        }
        let mut spans = self.beside(line, margin_m);
        spans.extend_from_slice(&self.inside);
        union(spans)
    }

    /// Where the line is inside and farther than `buffer_m` from the boundary.
    pub(super) fn well_inside(&self, line: &Line, buffer_m: f64) -> Spans {
        if self.inside.is_empty() || self.edges.is_empty() {
            return self.inside.clone();
        }
        without(&self.inside, &union(self.beside(line, buffer_m)))
    }

    /// Where the line is no farther than `margin_m` from an edge, edge by edge.
    fn beside(&self, line: &Line, margin_m: f64) -> Spans {
        let window = self.polygon.window(line, margin_m);
        let edges = self.edges.iter().filter(|edge| edge.may_meet(&window));
        edges.filter_map(|edge| line.within_capsule(edge.a, edge.b, margin_m)).collect()
    }
}

/// Where the polygon holds the line, whose crossings are with these edges.
fn inside(polygon: &Polygon, edges: &[Edge], line: &Line) -> Spans {
    let mut cuts: SmallVec<[f64; 8]> = edges.iter().filter_map(|edge| line.meets(edge.a, edge.b)).collect();
    cuts.extend([0.0, 1.0]);
    cuts.sort_unstable_by(f64::total_cmp);
    let spans = cuts
        .windows(2)
        .filter(|cut| polygon.holds(line.at(cut[0].midpoint(cut[1]))))
        .map(|cut| super::line::Span { start: cut[0], end: cut[1] })
        .collect();
    union(spans)
}
