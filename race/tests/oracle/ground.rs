//! Ground: an azimuthal equidistant plane around a place, by geodesics of the `geo` crate, and shapes on it.

use geo::{Bearing, Destination, Distance, Geodesic, Point};

use crate::doubt;

/// Metres east and north.
pub(crate) type Xy = [f64; 2];

/// A plane around a place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plane(Point);

/// Geodesic metres between two places, degrees.
pub(crate) fn metres(from: (f64, f64), to: (f64, f64)) -> f64 {
    Geodesic.distance(Point::new(from.1, from.0), Point::new(to.1, to.0))
}

impl Plane {
    pub(crate) fn at(lat: f64, lon: f64) -> Self {
        Self(Point::new(lon, lat))
    }

    pub(crate) fn xy(&self, lat: f64, lon: f64) -> Xy {
        let place = Point::new(lon, lat);
        let distance = Geodesic.distance(self.0, place);
        let (sin, cos) = Geodesic.bearing(self.0, place).to_radians().sin_cos();
        [distance * sin, distance * cos]
    }

    pub(crate) fn lat_lon(&self, [x, y]: Xy) -> (f64, f64) {
        let place = Geodesic.destination(self.0, x.atan2(y).to_degrees(), x.hypot(y));
        (place.y(), place.x())
    }
}

pub(crate) fn lerp(a: Xy, b: Xy, u: f64) -> Xy {
    [a[0] + (b[0] - a[0]) * u, a[1] + (b[1] - a[1]) * u]
}

pub(crate) fn between(a: Xy, b: Xy) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// Twice the area that `p` spans with `a`-`b`, positive to the left of it.
pub(crate) fn left_of(a: Xy, b: Xy, p: Xy) -> f64 {
    (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
}

/// Metres from `p` to the piece `a`-`b`.
pub(crate) fn to_piece(p: Xy, a: Xy, b: Xy) -> f64 {
    let length2 = (b[0] - a[0]).powi(2) + (b[1] - a[1]).powi(2);
    let along = (p[0] - a[0]) * (b[0] - a[0]) + (p[1] - a[1]) * (b[1] - a[1]);
    let u = if length2 > 0.0 { (along / length2).clamp(0.0, 1.0) } else { 0.0 };
    between(p, lerp(a, b, u))
}

/// Where the movement `a`-`b` meets the piece `c`-`d`, as a part of the movement.
pub(crate) fn meets(a: Xy, b: Xy, c: Xy, d: Xy) -> Option<f64> {
    let (from, to) = (left_of(c, d, a), left_of(c, d, b));
    if (from > 0.0) == (to > 0.0) || from == to {
        return None;
    }
    let u = from / (from - to);
    let (one, other) = (left_of(a, b, c), left_of(a, b, d));
    ((one > 0.0) != (other > 0.0)).then_some(u)
}

/// A closed set of the plane.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// Around the plane's middle, metres.
    Circle(f64),
    /// Rings, even-odd, without the repeated first point.
    Polygon(Vec<Vec<Xy>>),
}

impl Shape {
    fn edges(rings: &[Vec<Xy>]) -> impl Iterator<Item = (Xy, Xy)> {
        rings.iter().flat_map(|ring| (0..ring.len()).map(|n| (ring[n], ring[(n + 1) % ring.len()])))
    }

    pub(crate) fn holds(&self, p: Xy) -> bool {
        match self {
            Self::Circle(radius) => p[0].hypot(p[1]) <= *radius,
            Self::Polygon(rings) => {
                Self::edges(rings)
                    .filter(|(a, b)| {
                        (a[1] > p[1]) != (b[1] > p[1])
                            && p[0] < a[0] + (p[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
                    })
                    .count()
                    % 2
                    == 1
            }
        }
    }

    /// Metres to the boundary, on either side.
    pub(crate) fn to_boundary(&self, p: Xy) -> f64 {
        match self {
            Self::Circle(radius) => (p[0].hypot(p[1]) - radius).abs(),
            Self::Polygon(rings) => {
                Self::edges(rings).map(|(a, b)| to_piece(p, a, b)).fold(f64::INFINITY, f64::min)
            }
        }
    }

    /// Metres outside; 0 inside.
    pub(crate) fn outside(&self, p: Xy) -> f64 {
        if self.holds(p) { 0.0 } else { self.to_boundary(p) }
    }

    /// The parts of the movement `a`-`b` that are in the set, ascending.
    pub(crate) fn parts(&self, a: Xy, b: Xy) -> Vec<(f64, f64)> {
        let mut cuts = vec![0.0, 1.0];
        match self {
            Self::Circle(radius) => {
                let d = [b[0] - a[0], b[1] - a[1]];
                let (q2, q1) = (d[0] * d[0] + d[1] * d[1], a[0] * d[0] + a[1] * d[1]);
                if q2 > 0.0 {
                    let nearest = to_piece([0.0, 0.0], a, b);
                    if (nearest - radius).abs() < 0.02 {
                        doubt::always("a line that grazes a circle", nearest);
                    }
                    let root = q1 * q1 - q2 * (a[0] * a[0] + a[1] * a[1] - radius * radius);
                    if root > 0.0 {
                        cuts.push((-q1 - root.sqrt()) / q2);
                        cuts.push((-q1 + root.sqrt()) / q2);
                    }
                }
            }
            Self::Polygon(rings) => {
                let to_fix = self.to_boundary(a).min(self.to_boundary(b));
                if to_fix < 0.02 {
                    doubt::always("a fix on a boundary", to_fix);
                }
                for (c, d) in Self::edges(rings) {
                    if to_piece(c, a, b) < 0.02 {
                        doubt::always("a line that grazes a corner", to_piece(c, a, b));
                    }
                    cuts.extend(meets(a, b, c, d));
                }
            }
        }
        cuts.retain(|u| (0.0..=1.0).contains(u));
        cuts.sort_by(f64::total_cmp);
        let mut parts: Vec<(f64, f64)> = Vec::new();
        for pair in cuts.windows(2) {
            if pair[0] == pair[1] || !self.holds(lerp(a, b, f64::midpoint(pair[0], pair[1]))) {
                continue;
            }
            match parts.last_mut() {
                Some(last) if last.1 == pair[0] => last.1 = pair[1],
                _ => parts.push((pair[0], pair[1])),
            }
        }
        parts
    }
}
