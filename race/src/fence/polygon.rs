//! Polygons whose edges are found by where they are: a movement is a few metres long, an outline may have a thousand
//! edges.

use super::line::Line;

/// Metres added to every comparison of boxes, so that rounding never hides an edge; and the part of the coordinates at
/// hand that is added to it, some thousand times what the test of an edge may lose of them.
const SLACK_M: f64 = 0.01;
const SLACK_PART: f64 = 1e-6;

/// Edges to a slab, on average.
const SLAB_EDGES: usize = 2;
/// In how many slabs an edge may stand, on average: what bounds the memory for long edges side by side.
const EDGE_SLABS: usize = 4;

/// A piece of an outline or of a hole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// Where it begins.
    pub a: [f64; 2],
    /// Where it ends.
    pub b: [f64; 2],
}

impl Edge {
    /// Whether a line may come closer to it than `margin_m`: never false for one that does.
    pub(super) fn may_meet(&self, window: &Window) -> bool {
        let Self { a, b } = self;
        a[0].min(b[0]) <= window.high[0]
            && a[0].max(b[0]) >= window.low[0]
            && a[1].min(b[1]) <= window.high[1]
            && a[1].max(b[1]) >= window.low[1]
    }
}

/// The box around a line and a margin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    low: [f64; 2],
    high: [f64; 2],
}

/// Rings, the first the outline and the rest holes, in metres in the feature's plane.
///
/// The edges also stand in horizontal slabs of one height, each in all that it reaches into.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon {
    edges: Vec<Edge>,
    low: [f64; 2],
    high: [f64; 2],
    /// The greatest coordinate, without its sign.
    coordinates_m: f64,
    slabs_per_m: f64,
    /// Where the edges of each slab end in `members`.
    ends: Vec<u32>,
    /// Numbers of edges.
    members: Vec<u32>,
}

impl Polygon {
    /// From rings without the repeated last point.
    pub fn new(rings: &[Vec<[f64; 2]>]) -> Self {
        let edges: Vec<Edge> = rings.iter().flat_map(|ring| edges(ring)).collect();
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for edge in &edges {
            for i in 0..2 {
                low[i] = low[i].min(edge.a[i]);
                high[i] = high[i].max(edge.a[i]);
            }
        }
        let coordinates_m = low.iter().chain(&high).map(|x| x.abs()).fold(0.0, f64::max);
        let mut polygon =
            Self { edges, low, high, coordinates_m, slabs_per_m: 0.0, ends: Vec::new(), members: Vec::new() };
        let mut slabs = polygon.edges.len().div_ceil(SLAB_EDGES).max(1);
        while !polygon.divide(slabs) {
            slabs /= 2;
        }
        polygon
    }

    /// Puts the edges into so many slabs; false where that takes too much memory.
    fn divide(&mut self, slabs: usize) -> bool {
        #[allow(clippy::cast_precision_loss, reason = "a count of edges")]
        let per_m = slabs as f64 / (self.high[1] - self.low[1]);
        // Edges that are all level, or none at all, are one slab.
        self.slabs_per_m = if per_m.is_finite() { per_m } else { 0.0 };
        self.ends = vec![0; slabs];
        let spans: Vec<(usize, usize)> = self.edges.iter().map(|edge| self.slabs_of(edge)).collect();
        let total: usize = spans.iter().map(|(first, last)| last - first + 1).sum();
        if slabs > 1 && total > self.edges.len() * EDGE_SLABS {
            return false;
        }
        let mut by_slab: Vec<Vec<u32>> = vec![Vec::new(); slabs];
        for (number, (first, last)) in (0..).zip(spans) {
            by_slab[first..=last].iter_mut().for_each(|slab| slab.push(number));
        }
        self.members.clear();
        for (end, slab) in self.ends.iter_mut().zip(by_slab) {
            self.members.extend(slab);
            *end = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        }
        true
    }

    /// The slab of a height; that of the nearest one for heights beside the polygon.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates, which is what is wanted"
    )]
    fn slab(&self, y: f64) -> usize {
        (((y - self.low[1]) * self.slabs_per_m) as usize).min(self.ends.len() - 1)
    }

    /// The first and the last slab that an edge reaches into.
    fn slabs_of(&self, Edge { a, b }: &Edge) -> (usize, usize) {
        (self.slab(a[1].min(b[1])), self.slab(a[1].max(b[1])))
    }

    fn members(&self, slab: usize) -> impl Iterator<Item = &Edge> {
        let begin = slab.checked_sub(1).map_or(0, |before| self.ends[before]);
        let members = &self.members[begin as usize..self.ends[slab] as usize];
        members.iter().map(|&edge| &self.edges[edge as usize])
    }

    /// All edges, ring by ring.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Metres from the origin of the plane to the farthest point.
    pub fn extent_m(&self) -> f64 {
        self.edges.iter().map(|Edge { a: [x, y], .. }| (x * x + y * y).sqrt()).fold(0.0, f64::max)
    }

    /// What a line may meet within a margin lies in this box.
    pub(super) fn window(&self, line: &Line, margin_m: f64) -> Window {
        let low = [0, 1].map(|i| line.from[i].min(line.to[i]));
        let high = [0, 1].map(|i| line.from[i].max(line.to[i]));
        let coordinates = low.iter().chain(&high).fold(self.coordinates_m, |most, x| most.max(x.abs()));
        let margin_m = margin_m + SLACK_M + SLACK_PART * coordinates;
        Window { low: low.map(|x| x - margin_m), high: high.map(|x| x + margin_m) }
    }

    /// Whether a line in this window may meet the polygon at all.
    pub(super) fn may_meet(&self, window: &Window) -> bool {
        Edge { a: self.low, b: self.high }.may_meet(window)
    }

    /// Gives every edge that a line in this window may meet, once.
    pub(super) fn each_edge(&self, window: &Window, mut each: impl FnMut(&Edge)) {
        let (first, last) = (self.slab(window.low[1]), self.slab(window.high[1]));
        for slab in first..=last {
            for edge in self.members(slab).filter(|edge| edge.may_meet(window)) {
                // One that reaches into several slabs is taken in the first.
                if slab == first || self.slab(edge.a[1].min(edge.b[1])) == slab {
                    each(edge);
                }
            }
        }
    }

    /// Whether a point is inside, even-odd over all rings, so that a hole is outside. Points on the boundary fall to
    /// either side.
    pub(super) fn holds(&self, [x, y]: [f64; 2]) -> bool {
        self.members(self.slab(y)).fold(false, |inside, Edge { a, b }| {
            let crosses = (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0];
            inside ^ crosses
        })
    }
}

fn edges(ring: &[[f64; 2]]) -> impl Iterator<Item = Edge> {
    let last = ring.last().copied();
    let before = last.into_iter().chain(ring.iter().copied());
    before.zip(ring).map(|(a, &b)| Edge { a, b })
}
