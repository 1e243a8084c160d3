//! Areas: where along a line one is inside, and the episodes that a track makes of it.

use serde::{Deserialize, Serialize};

use super::line::{Line, Span, Spans, distance_to_piece, is_whole};
use super::outline::Outline;
use super::polygon::{Edge, Polygon};
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
    /// An outline with holes.
    Polygon(Polygon),
}

impl Area {
    /// Whether a point is inside or, rounded to the centimetre, on the boundary.
    pub fn contains(&self, point: [f64; 2]) -> bool {
        match self {
            Self::Circle { radius_m } => {
                cm((point[0] * point[0] + point[1] * point[1]).sqrt()) <= cm(*radius_m)
            }
            Self::Polygon(polygon) => {
                let on = |edge: &Edge| cm(distance_to_piece(point, edge.a, edge.b)) == 0;
                polygon.holds(point) || polygon.edges().iter().any(on)
            }
        }
    }

    /// Metres from the origin of the plane to the farthest point.
    pub fn extent_m(&self) -> f64 {
        match self {
            Self::Circle { radius_m } => *radius_m,
            Self::Polygon(polygon) => polygon.extent_m(),
        }
    }

    /// A line as it runs by, to be asked for what is no farther than `reach_m` from the boundary.
    pub fn approach<'a>(&'a self, line: &'a Line, reach_m: f64) -> Approach<'a> {
        let by = match self {
            Self::Circle { radius_m } => By::Circle { radius_m: *radius_m },
            Self::Polygon(polygon) => By::Polygon(Outline::new(polygon, line, reach_m + HALF_CM_M)),
        };
        Approach { line, by }
    }
}

/// A line as it runs by an area.
#[derive(Debug)]
pub struct Approach<'a> {
    line: &'a Line,
    by: By<'a>,
}

#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "lives on the stack for one movement: a box would cost an allocation each"
)]
enum By<'a> {
    Circle { radius_m: f64 },
    Polygon(Outline<'a>),
}

impl Approach<'_> {
    /// Where the line is no farther than `margin_m` from the area.
    fn near(&self, margin_m: f64) -> Spans {
        match &self.by {
            By::Circle { radius_m } => {
                self.line.within_disc([0.0, 0.0], radius_m + margin_m + HALF_CM_M).into_iter().collect()
            }
            By::Polygon(outline) => outline.near(self.line, margin_m + HALF_CM_M),
        }
    }

    /// Where the true shape, without rounding, holds the line.
    fn exact(&self) -> Spans {
        match &self.by {
            By::Circle { radius_m } => self.line.within_disc([0.0, 0.0], *radius_m).into_iter().collect(),
            By::Polygon(outline) => outline.inside.clone(),
        }
    }

    /// Where the line is inside and farther than `buffer_m` from the boundary, which does not belong to it.
    pub fn well_inside(&self, buffer_m: f64) -> Spans {
        match &self.by {
            By::Circle { radius_m } => self
                .line
                .within_disc([0.0, 0.0], radius_m - buffer_m)
                .filter(|_| *radius_m > buffer_m)
                .into_iter()
                .collect(),
            By::Polygon(outline) if buffer_m <= 0.0 => outline.inside.clone(),
            By::Polygon(outline) => outline.well_inside(self.line, buffer_m),
        }
    }

    /// Where the line is inside. What counts as inside is decided on distances rounded to the centimetre; the ends
    /// are where the line meets the true boundary.
    fn inside(&self) -> Spans {
        let rounded = self.near(0.0);
        if rounded.is_empty() || is_whole(&rounded) {
            return rounded;
        }
        let exact = self.exact();
        // A circle is touched at one point; an outline of straight edges may be followed for a while.
        let slide_m = match self.by {
            By::Circle { .. } => f64::INFINITY,
            By::Polygon(_) => SLIDE_M,
        };
        let length_m = self.line.length_m();
        let is_slide = |span: Span| (span.end - span.start) * length_m > slide_m;
        let refined = rounded.into_iter().map(|span| refine(span, &exact, is_slide(span)));
        // A boundary within rounding of a fix is touched at the fix; a line that stays inside touches nothing, however
        // short it is.
        let at_fix =
            |span: Span| span.start <= 0.0 && span.end < 1.0 && span.end * length_m <= 2.0 * HALF_CM_M;
        refined.map(|span| if at_fix(span) { Span { end: 0.0, ..span } } else { span }).collect()
    }
}

/// Moves the ends of a stretch found by rounding to where the line meets the true boundary; a bare touch shrinks
/// to its closest point. An end at a fix stays: the fix itself is inside.
fn refine(span: Span, exact: &[Span], is_slide: bool) -> Span {
    let mut within = exact.iter().filter(|e| e.start <= span.end && e.end >= span.start);
    let first = within.next();
    let (start, end) = match (first, within.next_back().or(first)) {
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
        self.follow(&area.approach(line, hysteresis_m), hysteresis_m, movement);
    }

    /// Takes the next movement of the track, which runs by the area like this.
    pub(super) fn follow(&mut self, approach: &Approach<'_>, hysteresis_m: f64, movement: &Movement) {
        let inside = approach.inside();
        if inside.is_empty() && self.open().is_none() {
            // How far outside matters only to who was inside.
            return;
        }
        let near = approach.near(hysteresis_m);
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

#[cfg(test)]
mod tests;
