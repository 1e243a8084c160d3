//! A straight piece of a track in a feature's plane, and where along it things happen.

use smallvec::SmallVec;

/// A movement in metres in a feature's plane, with the fraction of it, 0 to 1, as its clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Where it begins.
    pub from: [f64; 2],
    /// Where it ends.
    pub to: [f64; 2],
}

/// A stretch of a line: fractions 0 to 1, `start <= end`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Where it begins.
    pub start: f64,
    /// Where it ends.
    pub end: f64,
}

/// Stretches of one line: nearly always none or one.
pub type Spans = SmallVec<[Span; 4]>;

impl Line {
    /// From one point to another.
    pub const fn new(from: [f64; 2], to: [f64; 2]) -> Self {
        Self { from, to }
    }

    /// The point at a fraction.
    pub fn at(&self, t: f64) -> [f64; 2] {
        // Ends exactly on the last fix, which `from + (to - from)` may miss by an ulp.
        if t >= 1.0 {
            return self.to;
        }
        [self.from[0] + (self.to[0] - self.from[0]) * t, self.from[1] + (self.to[1] - self.from[1]) * t]
    }

    /// Its length in metres.
    pub fn length_m(&self) -> f64 {
        let [dx, dy] = self.direction();
        (dx * dx + dy * dy).sqrt()
    }

    fn direction(&self) -> [f64; 2] {
        [self.to[0] - self.from[0], self.to[1] - self.from[1]]
    }

    /// The fraction, 0 to 1, closest to a point.
    pub fn closest_to(&self, point: [f64; 2]) -> f64 {
        let [dx, dy] = self.direction();
        let length2 = dx * dx + dy * dy;
        if length2 == 0.0 {
            return 0.0;
        }
        let t = ((point[0] - self.from[0]) * dx + (point[1] - self.from[1]) * dy) / length2;
        t.clamp(0.0, 1.0)
    }

    /// Where it is within `radius` metres of a point.
    pub fn within_disc(&self, centre: [f64; 2], radius: f64) -> Option<Span> {
        let [dx, dy] = self.direction();
        let (fx, fy) = (self.from[0] - centre[0], self.from[1] - centre[1]);
        let a = dx * dx + dy * dy;
        let c = fx * fx + fy * fy - radius * radius;
        if a == 0.0 {
            return (c <= 0.0).then_some(Span { start: 0.0, end: 1.0 });
        }
        let b = fx * dx + fy * dy;
        let discriminant = b * b - a * c;
        if discriminant < 0.0 {
            return None;
        }
        let root = discriminant.sqrt();
        clip((-b - root) / a, (-b + root) / a)
    }

    /// Where it is within `radius` metres of the piece from `a` to `b`: one stretch, because that shape is convex.
    pub fn within_capsule(&self, a: [f64; 2], b: [f64; 2], radius: f64) -> Option<Span> {
        [self.within_disc(a, radius), self.within_disc(b, radius), self.within_strip(a, b, radius)]
            .into_iter()
            .flatten()
            .reduce(|one, other| Span { start: one.start.min(other.start), end: one.end.max(other.end) })
    }

    /// Where it is beside the piece, between its ends and no farther than `radius` metres.
    fn within_strip(&self, a: [f64; 2], b: [f64; 2], radius: f64) -> Option<Span> {
        let (ux, uy) = (b[0] - a[0], b[1] - a[1]);
        let length = (ux * ux + uy * uy).sqrt();
        if length == 0.0 {
            return None;
        }
        let (ux, uy) = (ux / length, uy / length);
        let frame = |p: [f64; 2]| {
            let (x, y) = (p[0] - a[0], p[1] - a[1]);
            (x * ux + y * uy, y * ux - x * uy)
        };
        let (from, to) = (frame(self.from), frame(self.to));
        let one = between(from.0, to.0, 0.0, length)?;
        let other = between(from.1, to.1, -radius, radius)?;
        let (start, end) = (one.start.max(other.start), one.end.min(other.end));
        (start <= end).then_some(Span { start, end })
    }

    /// The fraction at which it meets the piece from `a` to `b`, when the two are not parallel.
    pub fn meets(&self, a: [f64; 2], b: [f64; 2]) -> Option<f64> {
        let [dx, dy] = self.direction();
        let (ex, ey) = (b[0] - a[0], b[1] - a[1]);
        let determinant = dx * ey - dy * ex;
        if determinant == 0.0 {
            return None;
        }
        let (wx, wy) = (a[0] - self.from[0], a[1] - self.from[1]);
        let t = (wx * ey - wy * ex) / determinant;
        let s = (wx * dy - wy * dx) / determinant;
        ((0.0..=1.0).contains(&t) && (0.0..=1.0).contains(&s)).then_some(t)
    }
}

/// Where a number that goes linearly from `from` to `to` is between `low` and `high`.
fn between(from: f64, to: f64, low: f64, high: f64) -> Option<Span> {
    let rise = to - from;
    if rise == 0.0 {
        return (low <= from && from <= high).then_some(Span { start: 0.0, end: 1.0 });
    }
    let (one, other) = ((low - from) / rise, (high - from) / rise);
    clip(one.min(other), one.max(other))
}

fn clip(start: f64, end: f64) -> Option<Span> {
    (start <= 1.0 && end >= 0.0).then(|| Span { start: start.max(0.0), end: end.min(1.0) })
}

/// Joins stretches that overlap or touch; the result is in order.
pub fn union(mut spans: Spans) -> Spans {
    // Equal beginnings are one stretch in whichever order they come.
    spans.sort_unstable_by(|a, b| a.start.total_cmp(&b.start));
    spans.dedup_by(|next, last| {
        let joins = next.start <= last.end;
        if joins {
            last.end = last.end.max(next.end);
        }
        joins
    });
    spans
}

/// Whether stretches in order are all of the line.
pub(super) fn is_whole(spans: &[Span]) -> bool {
    matches!(spans, [Span { start, end }] if *start <= 0.0 && *end >= 1.0)
}

/// The parts of `spans` that are in none of `holes`, both in order and without overlaps; touching ends leave nothing.
pub fn without(spans: &[Span], holes: &[Span]) -> Spans {
    let mut left = Spans::new();
    for span in spans {
        let mut start = span.start;
        for hole in holes.iter().filter(|hole| hole.end > span.start && hole.start < span.end) {
            if hole.start > start {
                left.push(Span { start, end: hole.start });
            }
            start = start.max(hole.end);
        }
        if start < span.end {
            left.push(Span { start, end: span.end });
        }
    }
    left
}

/// Metres from a point to the piece from `a` to `b`.
pub fn distance_to_piece(point: [f64; 2], a: [f64; 2], b: [f64; 2]) -> f64 {
    let nearest = Line::new(a, b);
    let [x, y] = nearest.at(nearest.closest_to(point));
    let (dx, dy) = (point[0] - x, point[1] - y);
    (dx * dx + dy * dy).sqrt()
}
