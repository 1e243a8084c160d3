//! The ground: WGS84, earth-centred points and the local tangent plane of a feature.
//!
//! A fix is turned into an earth-centred point once; from there every feature's plane is two dot products away,
//! and neither the poles nor the 180th meridian is a special case. Sine and cosine come from `libm`, so that all
//! machines compute the same bits.

/// Semi-major axis of WGS84 in metres (NIMA TR8350.2).
const A_M: f64 = 6_378_137.0;
/// Flattening of WGS84 (NIMA TR8350.2).
const F: f64 = 1.0 / 298.257_223_563;
/// First eccentricity squared.
const E2: f64 = F * (2.0 - F);
/// The smallest radius of curvature of WGS84, in metres: a bound for how far a chord dips below the ground.
const MIN_CURVATURE_M: f64 = A_M * (1.0 - E2);

/// An earth-centred, earth-fixed point in metres.
pub type Ecef = [f64; 3];

/// The point on the ellipsoid at a latitude and longitude in degrees; heights are not used by any rule.
pub fn ecef(latitude: f64, longitude: f64) -> Ecef {
    let (sin_lat, cos_lat) = libm::sincos(latitude.to_radians());
    let (sin_lon, cos_lon) = libm::sincos(longitude.to_radians());
    let n = A_M / (1.0 - E2 * sin_lat * sin_lat).sqrt();
    [n * cos_lat * cos_lon, n * cos_lat * sin_lon, n * (1.0 - E2) * sin_lat]
}

/// Latitude and longitude in degrees of a point on, or a few metres below, the ellipsoid.
pub fn lat_lon(point: Ecef) -> (f64, f64) {
    let [x, y, z] = point;
    let p = libm::hypot(x, y);
    (libm::atan2(z, (1.0 - E2) * p).to_degrees(), libm::atan2(y, x).to_degrees())
}

/// Metres between two points along the chord: shorter than the geodesic by less than 1e-6 of it within 20 km.
pub fn distance_m(a: Ecef, b: Ecef) -> f64 {
    let [dx, dy, dz] = [b[0] - a[0], b[1] - a[1], b[2] - a[2]];
    (dx * dx + dy * dy + dz * dz).sqrt()
}

/// The point at the fraction `t` of the chord from `a` to `b`.
pub fn along(a: Ecef, b: Ecef, t: f64) -> Ecef {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

/// How far, in metres, a chord of this length dips below the ground at its middle.
pub fn sag_m(chord_m: f64) -> f64 {
    let half = chord_m / 2.0;
    if half >= MIN_CURVATURE_M {
        return MIN_CURVATURE_M;
    }
    MIN_CURVATURE_M - (MIN_CURVATURE_M * MIN_CURVATURE_M - half * half).sqrt()
}

/// The plane that touches the ellipsoid at a feature: metres east and north of its origin.
///
/// Distances in it differ from the geodesic by less than 1e-4 of it within 20 km of the origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plane {
    origin: Ecef,
    east: [f64; 3],
    north: [f64; 3],
}

impl Plane {
    /// The plane that touches at a latitude and longitude in degrees.
    pub fn at(latitude: f64, longitude: f64) -> Self {
        let (sin_lat, cos_lat) = libm::sincos(latitude.to_radians());
        let (sin_lon, cos_lon) = libm::sincos(longitude.to_radians());
        Self {
            origin: ecef(latitude, longitude),
            east: [-sin_lon, cos_lon, 0.0],
            north: [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
        }
    }

    /// Metres east and north of the origin.
    pub fn project(&self, point: Ecef) -> [f64; 2] {
        let d = [point[0] - self.origin[0], point[1] - self.origin[1], point[2] - self.origin[2]];
        [
            self.east[0] * d[0] + self.east[1] * d[1],
            self.north[0] * d[0] + self.north[1] * d[1] + self.north[2] * d[2],
        ]
    }

    /// Latitude and longitude in degrees of the ground above or below a point of the plane, for points within
    /// 20 km of the origin: the inverse of projecting, to less than a micrometre.
    pub fn unproject(&self, [x, y]: [f64; 2]) -> (f64, f64) {
        let mut target = [x, y];
        let mut result = lat_lon(self.lift(target));
        for _ in 0..4 {
            let [px, py] = self.project(ecef(result.0, result.1));
            target = [target[0] + x - px, target[1] + y - py];
            result = lat_lon(self.lift(target));
        }
        result
    }

    fn lift(&self, [x, y]: [f64; 2]) -> Ecef {
        [0, 1, 2].map(|i| self.origin[i] + self.east[i] * x + self.north[i] * y)
    }
}

#[cfg(test)]
mod tests {
    use geo::{Destination, Distance, Geodesic, Point};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn plane_distances_agree_with_the_geodesic(
            lat in -89.5f64..89.5, lon in -180.0f64..180.0, bearing in 0.0f64..360.0, metres in 1.0f64..20_000.0,
        ) {
            let origin = Point::new(lon, lat);
            let far = Geodesic.destination(origin, bearing, metres);
            let [x, y] = Plane::at(lat, lon).project(ecef(far.y(), far.x()));
            prop_assert!((libm::hypot(x, y) / metres - 1.0).abs() < 1e-4);
            let chord = distance_m(ecef(lat, lon), ecef(far.y(), far.x()));
            prop_assert!((chord / metres - 1.0).abs() < 1e-5);
        }

        #[test]
        fn distances_between_points_of_the_plane_agree_with_the_geodesic(
            lat in -89.0f64..89.0, lon in -180.0f64..180.0,
            a in (0.0f64..360.0, 1.0f64..10_000.0), b in (0.0f64..360.0, 1.0f64..10_000.0),
        ) {
            let origin = Point::new(lon, lat);
            let (a, b) = (Geodesic.destination(origin, a.0, a.1), Geodesic.destination(origin, b.0, b.1));
            let geodesic = Geodesic.distance(a, b);
            let plane = Plane::at(lat, lon);
            let (pa, pb) = (plane.project(ecef(a.y(), a.x())), plane.project(ecef(b.y(), b.x())));
            prop_assert!((libm::hypot(pb[0] - pa[0], pb[1] - pa[1]) - geodesic).abs() <= 1e-4 * geodesic + 1e-6);
        }

        #[test]
        fn unprojecting_inverts_projecting(
            lat in -89.0f64..89.0, lon in -180.0f64..180.0, x in -20_000.0f64..20_000.0, y in -20_000.0f64..20_000.0,
        ) {
            let plane = Plane::at(lat, lon);
            let (lat, lon) = plane.unproject([x, y]);
            let [px, py] = plane.project(ecef(lat, lon));
            prop_assert!((px - x).abs() < 1e-6 && (py - y).abs() < 1e-6, "{px} {py}");
        }
    }

    #[test]
    fn latitude_and_longitude_come_back() {
        for (lat, lon) in [(0.0, 0.0), (45.5, 13.7), (-89.9, 179.99), (6.25, -76.1), (90.0, 0.0)] {
            let (back_lat, back_lon) = lat_lon(ecef(lat, lon));
            assert!((back_lat - lat).abs() < 1e-12 && (back_lon - lon).abs() < 1e-12, "{lat} {lon}");
        }
    }
}
