//! Areas: where along a line one is inside, and the episodes that a track makes of it.

use serde::{Deserialize, Serialize};

use super::line::{Line, Span, union, without};
use super::touch::{Movement, Touch};
use crate::num::cm;
use crate::time::Timestamp;

/// Half a centimetre: what rounds to the boundary is on it.
const HALF_CM_M: f64 = 0.005;

/// Touches of the boundary that last longer than this many metres along the line are a slide along it, not a point.
const SLIDE_M: f64 = 0.1;

/// What one can be inside of, in metres in the feature's plane. The boundary belongs to the inside.
#[derive(Debug, Clone, PartialEq)]
pub enum Area {
    /// A circle around the origin of the plane.
    Circle {
        /// Metres.
        radius_m: f64,
    },
    /// Rings, the first the outline and the rest holes, without the repeated last point.
    Polygon {
        /// The rings.
        rings: Vec<Vec<[f64; 2]>>,
    },
}

impl Area {
    /// Whether a point is inside or, rounded to the centimetre, on the boundary.
    pub fn contains(&self, point: [f64; 2]) -> bool {
        match self {
            Self::Circle { radius_m } => {
                cm((point[0] * point[0] + point[1] * point[1]).sqrt()) <= cm(*radius_m)
            }
            Self::Polygon { rings } => {
                inside_rings(rings, point)
                    || edges(rings).any(|(a, b)| cm(super::line::distance_to_piece(point, a, b)) == 0)
            }
        }
    }

    /// Metres from the origin of the plane to the farthest point.
    pub fn extent_m(&self) -> f64 {
        match self {
            Self::Circle { radius_m } => *radius_m,
            Self::Polygon { rings } => {
                rings.iter().flatten().map(|p| (p[0] * p[0] + p[1] * p[1]).sqrt()).fold(0.0, f64::max)
            }
        }
    }

    /// Where a line is no farther than `margin_m` from the area.
    fn near(&self, line: &Line, margin_m: f64) -> Vec<Span> {
        match self {
            Self::Circle { radius_m } => {
                line.within_disc([0.0, 0.0], radius_m + margin_m + HALF_CM_M).into_iter().collect()
            }
            Self::Polygon { rings } => {
                let mut spans: Vec<Span> = edges(rings)
                    .filter_map(|(a, b)| line.within_capsule(a, b, margin_m + HALF_CM_M))
                    .collect();
                spans.extend(inside_spans(rings, line));
                union(spans)
            }
        }
    }

    /// Where the true shape, without rounding, holds the line.
    fn exact(&self, line: &Line) -> Vec<Span> {
        match self {
            Self::Circle { radius_m } => line.within_disc([0.0, 0.0], *radius_m).into_iter().collect(),
            Self::Polygon { rings } => inside_spans(rings, line),
        }
    }

    /// Where a line is inside and farther than `buffer_m` from the boundary, which does not belong to it.
    pub fn well_inside(&self, line: &Line, buffer_m: f64) -> Vec<Span> {
        match self {
            Self::Circle { radius_m } => line
                .within_disc([0.0, 0.0], radius_m - buffer_m)
                .filter(|_| *radius_m > buffer_m)
                .into_iter()
                .collect(),
            Self::Polygon { rings } => {
                let inside = inside_spans(rings, line);
                if inside.is_empty() || buffer_m <= 0.0 {
                    return inside;
                }
                let edge = edges(rings).filter_map(|(a, b)| line.within_capsule(a, b, buffer_m));
                without(&inside, &union(edge.collect()))
            }
        }
    }

    /// Where a line is inside. What counts as inside is decided on distances rounded to the centimetre; the ends
    /// are where the line meets the true boundary.
    fn inside(&self, line: &Line) -> Vec<Span> {
        let rounded = self.near(line, 0.0);
        if rounded.is_empty() {
            return rounded;
        }
        let exact = self.exact(line);
        // A circle is touched at one point; an outline of straight edges may be followed for a while.
        let slide_m = match self {
            Self::Circle { .. } => f64::INFINITY,
            Self::Polygon { .. } => SLIDE_M,
        };
        let is_slide = |span: Span| (span.end - span.start) * line.length_m() > slide_m;
        let refined = rounded.into_iter().map(|span| refine(span, &exact, is_slide(span)));
        // A boundary within rounding of a fix is touched at the fix.
        let at_fix = |span: Span| span.start <= 0.0 && span.end * line.length_m() <= 2.0 * HALF_CM_M;
        refined.map(|span| if at_fix(span) { Span { end: 0.0, ..span } } else { span }).collect()
    }
}

/// Moves the ends of a stretch found by rounding to where the line meets the true boundary; a bare touch shrinks
/// to its closest point. An end at a fix stays: the fix itself is inside.
fn refine(span: Span, exact: &[Span], is_slide: bool) -> Span {
    let within: Vec<&Span> = exact.iter().filter(|e| e.start <= span.end && e.end >= span.start).collect();
    let (start, end) = match (within.first(), within.last()) {
        (Some(first), Some(last)) => (first.start.max(span.start), last.end.min(span.end)),
        _ if is_slide => (span.start, span.end),
        // A fix that is inside by rounding alone is where the touch is.
        _ if span.start <= 0.0 => (0.0, 0.0),
        _ if span.end >= 1.0 => (1.0, 1.0),
        _ => {
            let middle = span.start.midpoint(span.end);
            (middle, middle)
        }
    };
    Span { start: if span.start <= 0.0 { 0.0 } else { start }, end: if span.end >= 1.0 { 1.0 } else { end } }
}

fn edges(rings: &[Vec<[f64; 2]>]) -> impl Iterator<Item = ([f64; 2], [f64; 2])> {
    rings.iter().flat_map(|ring| {
        let last = ring.last().copied();
        ring.iter()
            .copied()
            .scan(last, |before, point| before.replace(point).map(|previous| (previous, point)))
    })
}

/// Even-odd over all rings, so that a hole is outside. Points on the boundary fall to either side.
fn inside_rings(rings: &[Vec<[f64; 2]>], [x, y]: [f64; 2]) -> bool {
    edges(rings).fold(false, |inside, (a, b)| {
        let crosses = (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0];
        inside ^ crosses
    })
}

fn inside_spans(rings: &[Vec<[f64; 2]>], line: &Line) -> Vec<Span> {
    let mut cuts: Vec<f64> = edges(rings).filter_map(|(a, b)| line.meets(a, b)).collect();
    cuts.extend([0.0, 1.0]);
    cuts.sort_by(f64::total_cmp);
    let spans = cuts
        .windows(2)
        .filter(|cut| inside_rings(rings, line.at(cut[0].midpoint(cut[1]))))
        .map(|cut| Span { start: cut[0], end: cut[1] })
        .collect();
    union(spans)
}

/// One stay in an area: from the first touch until the last one before the line was farther out than the
/// hysteresis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// The first touch; none for a track that begins inside.
    pub enter: Option<Touch>,
    /// The last touch so far.
    pub last: Touch,
    /// When the stay began: the first touch, or the beginning of the track.
    pub since: Timestamp,
    /// The line is outside now, though not yet farther than the hysteresis.
    pub outside: bool,
    /// The line was farther out than the hysteresis: `last` is the exit.
    pub closed: bool,
    /// Some of the stay rests on a line that is not weak.
    pub strong: bool,
}

/// The episodes of one track in one area.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AreaState {
    /// In order of time; all but the last are closed.
    pub episodes: Vec<Episode>,
}

impl AreaState {
    fn open(&mut self) -> Option<&mut Episode> {
        self.episodes.last_mut().filter(|e| !e.closed)
    }

    fn close(&mut self) {
        if let Some(open) = self.open() {
            open.closed = true;
        }
    }

    /// Takes the next movement of the track; `line` is the movement in the area's plane.
    pub fn advance(&mut self, area: &Area, hysteresis_m: f64, line: &Line, movement: &Movement) {
        let near = area.near(line, hysteresis_m);
        let inside = if near.is_empty() { Vec::new() } else { area.inside(line) };
        let mut inside = inside.into_iter().peekable();
        if near.first().is_none_or(|n| n.start > 0.0) {
            self.close();
        }
        for near in near {
            while let Some(span) = inside.next_if(|s| s.start <= near.end) {
                self.touch(span, movement);
            }
            if near.end < 1.0 {
                self.close();
            }
        }
    }

    fn touch(&mut self, span: Span, movement: &Movement) {
        let strong = !movement.weak;
        let outside = span.end < 1.0;
        if let Some(open) = self.open() {
            // A touch at a fix belongs to the movement that ends there.
            if span.end > 0.0 {
                open.last = movement.touch_at(span.end);
            }
            open.outside = outside;
            open.strong |= strong;
            return;
        }
        let first = movement.touch_at(span.start);
        self.episodes.push(Episode {
            since: first.instant,
            enter: (!movement.is_beginning()).then_some(first),
            last: movement.touch_at(span.end),
            outside,
            closed: false,
            strong,
        });
    }
}
