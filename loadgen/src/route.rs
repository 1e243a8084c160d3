//! A road: straight pieces between points of the ground, measured along.

use race::earth::{Ecef, along, distance_m};

use crate::shape::{Meeting, Shape, to_piece_m};

/// A road of straight pieces.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    points: Vec<Ecef>,
    /// Metres from the beginning to each point.
    at_m: Vec<f64>,
}

/// A place on a road at which it meets a boundary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Met {
    /// Metres along the road.
    pub at_m: f64,
    /// How, see [`Meeting`].
    pub meeting: Meeting,
}

/// A stretch of road inside an area. An end without a meeting is the road's own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inside {
    /// Where it comes in.
    pub enter: Option<Met>,
    /// Where it leaves.
    pub exit: Option<Met>,
}

impl Route {
    /// A road through these points; points that repeat the one before are left out.
    pub fn new(points: impl IntoIterator<Item = Ecef>) -> Self {
        let mut route = Self { points: Vec::new(), at_m: Vec::new() };
        points.into_iter().for_each(|point| route.push(point));
        route
    }

    /// Leads on to a point, where it is another than the last.
    pub fn push(&mut self, point: Ecef) {
        let at_m = self.points.last().map_or(0.0, |last| self.length_m() + distance_m(*last, point));
        if self.points.is_empty() || at_m > self.length_m() {
            self.points.push(point);
            self.at_m.push(at_m);
        }
    }

    /// The last point; none of a road that has none.
    pub fn end(&self) -> Option<Ecef> {
        self.points.last().copied()
    }

    /// Metres.
    pub fn length_m(&self) -> f64 {
        self.at_m.last().copied().unwrap_or(0.0)
    }

    /// The points, with their metres along the road.
    pub fn points(&self) -> impl Iterator<Item = (f64, Ecef)> {
        self.at_m.iter().copied().zip(self.points.iter().copied())
    }

    /// The piece that holds a place, and how far along it that is.
    fn piece(&self, at_m: f64) -> (Ecef, Ecef, f64) {
        let last = self.points.len() - 1;
        let end = self.at_m.partition_point(|m| *m < at_m).clamp(1.min(last), last);
        let begin = end.saturating_sub(1);
        let length = self.at_m[end] - self.at_m[begin];
        let fraction = if length > 0.0 { ((at_m - self.at_m[begin]) / length).clamp(0.0, 1.0) } else { 0.0 };
        (self.points[begin], self.points[end], fraction)
    }

    /// The point so many metres along; beyond an end, the end.
    pub fn point(&self, at_m: f64) -> Ecef {
        let (a, b, t) = self.piece(at_m);
        along(a, b, t)
    }

    /// The ends of the piece of road at a place.
    pub fn heading(&self, at_m: f64) -> [Ecef; 2] {
        let (a, b, _) = self.piece(at_m);
        [a, b]
    }

    /// The road as far as a place.
    pub fn until(&self, at_m: f64) -> Self {
        let before = self.points().filter(|(m, _)| *m < at_m).map(|(_, point)| point);
        Self::new(before.chain([self.point(at_m)]))
    }

    /// Where the road meets the boundary of a shape, in order.
    pub fn meetings(&self, shape: &Shape) -> Vec<Met> {
        let pieces = self.points.windows(2).zip(self.at_m.windows(2));
        pieces
            .flat_map(|(p, m)| {
                let met = shape.meetings(p[0], p[1]).into_iter();
                met.map(|meeting| Met { at_m: m[0] + (m[1] - m[0]) * meeting.fraction, meeting })
            })
            .collect()
    }

    /// The stretches inside an area. Those between which the road is never farther out than `hysteresis_m` are one.
    pub fn inside(&self, shape: &Shape, hysteresis_m: f64) -> Vec<Inside> {
        let mut within = self.points.first().is_some_and(|p| shape.contains(*p));
        let mut stretches: Vec<Inside> = Vec::new();
        if within {
            stretches.push(Inside { enter: None, exit: None });
        }
        for met in self.meetings(shape) {
            if within {
                if let Some(open) = stretches.last_mut() {
                    open.exit = Some(met);
                }
            } else {
                let again = stretches
                    .last()
                    .and_then(|s| s.exit)
                    .is_some_and(|exit| self.farthest_m(shape, exit.at_m, met.at_m) <= hysteresis_m);
                match stretches.last_mut().filter(|_| again) {
                    Some(open) => open.exit = None,
                    None => stretches.push(Inside { enter: Some(met), exit: None }),
                }
            }
            within = !within;
        }
        // A stay that is left by less than the hysteresis has not ended.
        if let Some(open) = stretches.last_mut()
            && let Some(exit) = open.exit
            && self.farthest_m(shape, exit.at_m, self.length_m()) <= hysteresis_m
        {
            open.exit = None;
        }
        stretches
    }

    /// The most that the road is away from a shape's boundary between two places; it is farthest at a point of the road.
    pub fn farthest_m(&self, shape: &Shape, from_m: f64, to_m: f64) -> f64 {
        let within = self.points().filter(|(m, _)| (from_m..=to_m).contains(m)).map(|(_, p)| p);
        let ends = [self.point(from_m), self.point(to_m)];
        within.chain(ends).map(|p| shape.boundary_m(p)).fold(0.0, f64::max)
    }

    /// How near the road comes to the middle of a shape between two places, in metres.
    pub fn nearest_m(&self, shape: &Shape, from_m: f64, to_m: f64) -> f64 {
        let cut = [self.point(from_m)]
            .into_iter()
            .chain(self.points().filter(|(m, _)| *m > from_m && *m < to_m).map(|(_, p)| p))
            .chain([self.point(to_m)]);
        let flat: Vec<[f64; 2]> = cut.map(|p| shape.plane().project(p)).collect();
        flat.windows(2).map(|w| to_piece_m([0.0, 0.0], w[0], w[1])).fold(f64::INFINITY, f64::min)
    }
}
