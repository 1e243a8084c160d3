//! Metres around a point: a tangent plane on WGS84.
//!
//! Good to a few parts in ten thousand within 20 km, which is what limits and warnings need.

use crate::course::geometry::LonLat;

/// Semi-major axis of WGS84, metres.
const A: f64 = 6_378_137.0;
/// First eccentricity of WGS84, squared.
const E2: f64 = 6.694_379_990_141_32e-3;

/// East and north of an origin, metres.
pub(crate) type Xy = [f64; 2];

/// A tangent plane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plane {
    origin: LonLat,
    metres_per_lon: f64,
    metres_per_lat: f64,
}

impl Plane {
    /// The plane that touches the ellipsoid at `origin`.
    pub(crate) fn around(origin: LonLat) -> Self {
        let phi = origin.lat.to_radians();
        let w2 = 1.0 - E2 * libm::sin(phi) * libm::sin(phi);
        let east_west = A / w2.sqrt();
        let north_south = A * (1.0 - E2) / (w2 * w2.sqrt());
        Self {
            origin,
            metres_per_lon: (east_west * libm::cos(phi)).to_radians(),
            metres_per_lat: north_south.to_radians(),
        }
    }

    /// The plane around the middle of the box that holds all points; `None` without points.
    pub(crate) fn of(points: &[LonLat]) -> Option<Self> {
        let first = *points.first()?;
        let (mut west, mut east, mut south, mut north) = (0.0_f64, 0.0_f64, first.lat, first.lat);
        for p in points {
            let lon = turn(p.lon - first.lon);
            west = west.min(lon);
            east = east.max(lon);
            south = south.min(p.lat);
            north = north.max(p.lat);
        }
        let lon = turn(first.lon + f64::midpoint(west, east));
        Some(Self::around(LonLat::new(lon, f64::midpoint(south, north))))
    }

    /// Where a point is on the plane.
    pub(crate) fn xy(&self, p: LonLat) -> Xy {
        [turn(p.lon - self.origin.lon) * self.metres_per_lon, (p.lat - self.origin.lat) * self.metres_per_lat]
    }

    /// Which point is there.
    pub(crate) fn lon_lat(&self, [x, y]: Xy) -> LonLat {
        LonLat::new(
            turn(self.origin.lon + x / self.metres_per_lon),
            self.origin.lat + y / self.metres_per_lat,
        )
    }
}

/// Metres between two points not far from each other.
pub(crate) fn distance_m(a: LonLat, b: LonLat) -> f64 {
    Plane::of(&[a, b]).map_or(0.0, |plane| between(plane.xy(a), plane.xy(b)))
}

/// Metres between two places of one plane.
pub(crate) fn between(a: Xy, b: Xy) -> f64 {
    libm::hypot(b[0] - a[0], b[1] - a[1])
}

/// Twice the signed area of a triangle: positive when `c` is left of the line from `a` to `b`.
pub(crate) fn turn_of(a: Xy, b: Xy, c: Xy) -> f64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

/// A difference of longitudes the short way round, degrees.
fn turn(lon: f64) -> f64 {
    if lon > 180.0 {
        lon - 360.0
    } else if lon < -180.0 {
        lon + 360.0
    } else {
        lon
    }
}

#[cfg(test)]
mod tests {
    use geo::{Distance, Geodesic, point};

    use super::*;

    proptest::proptest! {
        #[test]
        fn agrees_with_the_geodesic_within_20_km(
            lon in -180.0..180.0, lat in -70.0..70.0, dx in -0.1..0.1, dy in -0.1..0.1,
        ) {
            let (a, b) = (LonLat::new(lon, lat), LonLat::new(turn(lon + dx), lat + dy));
            let exact = Geodesic.distance(point!(x: a.lon, y: a.lat), point!(x: b.lon, y: b.lat));
            let ours = distance_m(a, b);
            proptest::prop_assert!((ours - exact).abs() <= 1e-4 * exact + 1e-6, "{ours} for {exact}");
        }
    }

    #[test]
    fn a_place_is_found_again_across_the_date_line() {
        let plane = Plane::of(&[LonLat::new(179.99, -17.0), LonLat::new(-179.99, -17.0)]).unwrap();
        let there = plane.lon_lat(plane.xy(LonLat::new(-179.995, -17.01)));
        assert!((there.lon + 179.995).abs() < 1e-9 && (there.lat + 17.01).abs() < 1e-9, "{there:?}");
    }
}
