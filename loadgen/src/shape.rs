//! Where a straight piece of road meets a feature: closed forms, written apart from those of the judge.

use race::course::tables::{Geofence, GeofenceKind};
use race::course::{Geometry, LonLat};
use race::earth::{Ecef, Plane, ecef};

/// A feature in metres in the plane that touches the ground at it.
#[derive(Debug, Clone)]
pub struct Shape {
    plane: Plane,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Circle { radius_m: f64 },
    Polygon { rings: Vec<Vec<[f64; 2]>> },
    Gate { from: [f64; 2], to: [f64; 2] },
}

/// A piece of road meets a boundary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Meeting {
    /// How far along the piece, from 0 to 1.
    pub fraction: f64,
    /// The cosine of the angle between the road and the boundary's normal, 0 to 1: how squarely it is met.
    pub squareness: f64,
    /// Of a gate: from its left to its right as drawn.
    pub forward: bool,
}

impl Shape {
    /// A circle.
    pub fn circle(centre: LonLat, radius_m: f64) -> Self {
        Self { plane: Plane::at(centre.lat, centre.lon), form: Form::Circle { radius_m } }
    }

    /// An outline with holes; none for rings without a point.
    pub fn polygon(rings: &[Vec<LonLat>]) -> Option<Self> {
        let middle = middle(rings.first()?)?;
        let plane = Plane::at(middle.lat, middle.lon);
        let flat = |ring: &Vec<LonLat>| ring.iter().map(|p| plane.project(ecef(p.lat, p.lon))).collect();
        Some(Self { plane, form: Form::Polygon { rings: rings.iter().map(flat).collect() } })
    }

    /// A geofence; none where its geometry does not go with its kind, which a checked course does not have.
    pub fn of_geofence(row: &Geofence) -> Option<Self> {
        match (row.kind, &row.geometry) {
            (GeofenceKind::Area, Geometry::Point(at)) => Some(Self::circle(*at, row.radius_meters?)),
            (GeofenceKind::Area, Geometry::Polygon(rings)) => Self::polygon(rings),
            (GeofenceKind::Gate, Geometry::LineString(points)) => {
                let [from, to] = points.as_slice() else { return None };
                let middle = middle(points)?;
                let plane = Plane::at(middle.lat, middle.lon);
                let flat = |p: &LonLat| plane.project(ecef(p.lat, p.lon));
                Some(Self { plane, form: Form::Gate { from: flat(from), to: flat(to) } })
            }
            _ => None,
        }
    }

    /// The plane it lies in.
    pub fn plane(&self) -> &Plane {
        &self.plane
    }

    /// Whether it is a gate.
    pub fn is_gate(&self) -> bool {
        matches!(self.form, Form::Gate { .. })
    }

    /// The ends of a gate, in its plane.
    pub fn gate(&self) -> Option<[[f64; 2]; 2]> {
        match self.form {
            Form::Gate { from, to } => Some([from, to]),
            _ => None,
        }
    }

    /// Whether a point is inside; nothing is inside a gate.
    pub fn contains(&self, point: Ecef) -> bool {
        let p = self.plane.project(point);
        match &self.form {
            Form::Circle { radius_m } => dot(p, p) <= radius_m * radius_m,
            Form::Polygon { rings } => {
                let crossed = rings.iter().flat_map(|ring| ring.windows(2)).filter(|e| {
                    let [a, b] = [e[0], e[1]];
                    (a[1] > p[1]) != (b[1] > p[1])
                        && p[0] < (b[0] - a[0]) * (p[1] - a[1]) / (b[1] - a[1]) + a[0]
                });
                crossed.count() % 2 == 1
            }
            Form::Gate { .. } => false,
        }
    }

    /// Metres from a point to the boundary, on either side of it.
    pub fn boundary_m(&self, point: Ecef) -> f64 {
        let p = self.plane.project(point);
        match &self.form {
            Form::Circle { radius_m } => (dot(p, p).sqrt() - radius_m).abs(),
            Form::Polygon { rings } => rings
                .iter()
                .flat_map(|ring| ring.windows(2))
                .map(|e| to_piece_m(p, e[0], e[1]))
                .fold(f64::INFINITY, f64::min),
            Form::Gate { from, to } => to_piece_m(p, *from, *to),
        }
    }

    /// Where the straight piece from `a` to `b` meets the boundary, in order. The end of a piece belongs to it, its
    /// beginning to the piece before.
    pub fn meetings(&self, a: Ecef, b: Ecef) -> Vec<Meeting> {
        let (a, b) = (self.plane.project(a), self.plane.project(b));
        let d = sub(b, a);
        let length = dot(d, d).sqrt();
        if length <= 0.0 {
            return Vec::new();
        }
        let mut met: Vec<Meeting> = match &self.form {
            Form::Circle { radius_m } => on_circle(a, d, *radius_m)
                .map(|fraction| {
                    let p = [a[0] + d[0] * fraction, a[1] + d[1] * fraction];
                    let squareness = (dot(p, d) / (radius_m * length)).abs().min(1.0);
                    Meeting { fraction, squareness, forward: true }
                })
                .collect(),
            Form::Polygon { rings } => rings
                .iter()
                .flat_map(|ring| ring.windows(2))
                .filter_map(|e| on_piece(a, d, length, e[0], e[1]))
                .collect(),
            Form::Gate { from, to } => on_piece(a, d, length, *from, *to).into_iter().collect(),
        };
        met.retain(|m| m.fraction > 0.0 && m.fraction <= 1.0);
        met.sort_by(|m, n| m.fraction.total_cmp(&n.fraction));
        met
    }
}

/// The two fractions at which the line `a + d t` meets a circle around the origin.
fn on_circle(a: [f64; 2], d: [f64; 2], radius_m: f64) -> impl Iterator<Item = f64> {
    let (dd, ad) = (dot(d, d), dot(a, d));
    let root = ad * ad - dd * (dot(a, a) - radius_m * radius_m);
    let half = (root > 0.0).then(|| root.sqrt());
    half.into_iter().flat_map(move |half| [(-ad - half) / dd, (-ad + half) / dd])
}

/// Where the line `a + d t` meets the piece from `p` to `q`.
fn on_piece(a: [f64; 2], d: [f64; 2], length: f64, p: [f64; 2], q: [f64; 2]) -> Option<Meeting> {
    let e = sub(q, p);
    let across = cross(d, e);
    if across == 0.0 {
        return None;
    }
    let ap = sub(p, a);
    let (fraction, along) = (cross(ap, e) / across, cross(ap, d) / across);
    // Half open, so that a corner of an outline is met once.
    (0.0..1.0).contains(&along).then(|| Meeting {
        fraction,
        squareness: (across / (length * dot(e, e).sqrt())).abs().min(1.0),
        // To the right of a line drawn northwards is east.
        forward: across > 0.0,
    })
}

/// Metres from `p` to the piece from `a` to `b`.
pub(crate) fn to_piece_m(p: [f64; 2], a: [f64; 2], b: [f64; 2]) -> f64 {
    let (d, ap) = (sub(b, a), sub(p, a));
    let dd = dot(d, d);
    let t = if dd > 0.0 { (dot(ap, d) / dd).clamp(0.0, 1.0) } else { 0.0 };
    let off = [ap[0] - d[0] * t, ap[1] - d[1] * t];
    dot(off, off).sqrt()
}

/// The mean of some points, good enough for what is small.
#[allow(clippy::cast_precision_loss, reason = "rings are short")]
pub(crate) fn middle(points: &[LonLat]) -> Option<LonLat> {
    let first = points.first()?;
    // A ring ends where it begins.
    let open = if points.len() > 3 && points.last() == Some(first) { &points[1..] } else { points };
    let n = open.len() as f64;
    Some(LonLat::new(
        open.iter().map(|p| p.lon).sum::<f64>() / n,
        open.iter().map(|p| p.lat).sum::<f64>() / n,
    ))
}

fn sub(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] - b[0], a[1] - b[1]]
}

fn dot(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

fn cross(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[1] - a[1] * b[0]
}
