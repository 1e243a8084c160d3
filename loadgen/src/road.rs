//! The road that one vehicle takes through a course: by its places, around those that are left out.

use race::course::LonLat;
use race::earth::{Ecef, Plane, distance_m, ecef};

use crate::driver::{Driver, KMH, Misdeeds};
use crate::plan::{Plan, SegmentPlan, WaypointPlan, ZoneForm};
use crate::route::{Inside, Route};
use crate::shape::Shape;

/// A gate is approached and left straight for so long: far beyond any hysteresis.
const GATE_RUN_M: f64 = 60.0;
/// Pieces of road are about so long.
const PIECE_M: f64 = 350.0;
/// A road bends no nearer to what somebody is judged by.
const CLEAR_M: f64 = 80.0;
/// A place that is left out is passed so much farther away than would count, at least and at most.
const DETOUR_M: (f64, f64) = (40.0, 110.0);
/// Who keeps to a limit stays so far below it, for speedometers and receivers are not exact.
const BELOW_LIMIT_KMH: f64 = 8.0;
/// By how much a limit is broken on purpose, at least and at most.
const OVER_LIMIT_KMH: (f64, f64) = (12.0, 35.0);

/// Where and how long a vehicle stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    /// Metres along the road.
    pub at_m: f64,
    /// How long.
    pub seconds: f64,
}

/// A stretch that is driven no faster than this.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cap {
    /// Metres along the road.
    pub from_m: f64,
    /// Metres along the road.
    pub to_m: f64,
    /// m/s.
    pub mps: f64,
}

/// The road of one vehicle.
#[derive(Debug, Clone)]
pub struct Road {
    /// Where it leads.
    pub route: Route,
    /// Limits that are kept, or broken by so much.
    pub caps: Vec<Cap>,
    /// In order.
    pub stops: Vec<Stop>,
    /// For each segment of the plan, where on the road it is driven.
    pub segments: Vec<[f64; 2]>,
    /// It ends where the vehicle gives up.
    pub retired: bool,
}

struct Builder<'a> {
    plan: &'a Plan,
    driver: &'a mut Driver,
    misdeeds: Misdeeds,
    route: Route,
    stops: Vec<Stop>,
}

impl Road {
    /// The road of a driver.
    pub fn new(plan: &Plan, driver: &mut Driver, misdeeds: Misdeeds) -> Self {
        let route = Route::new([]);
        let mut builder = Builder { plan, driver, misdeeds, route, stops: Vec::new() };
        let mut segments = Vec::with_capacity(plan.segments.len());
        for (n, segment) in plan.segments.iter().enumerate() {
            let from_m = builder.route.length_m();
            builder.segment(segment, n + 1 == plan.segments.len());
            segments.push([from_m, builder.route.length_m()]);
        }
        builder.finish(segments)
    }
}

impl Builder<'_> {
    fn segment(&mut self, segment: &SegmentPlan, is_last: bool) {
        if let Some(entry) = segment.entry {
            self.geofence(entry);
        }
        for (n, waypoint) in segment.waypoints.iter().enumerate() {
            let within = [segment.entry, segment.exit]
                .into_iter()
                .flatten()
                .any(|g| self.plan.geofences[g].shape.contains(ecef(waypoint.at.lat, waypoint.at.lon)));
            if within {
                // The geofence itself validates it.
                continue;
            }
            let next = segment.waypoints.get(n + 1).map(|w| w.at);
            self.waypoint(waypoint, next);
        }
        if let Some(exit) = segment.exit {
            self.geofence(exit);
            if !is_last {
                let seconds = self.driver.random.between(20.0, 60.0);
                self.stops.push(Stop { at_m: self.route.length_m(), seconds });
            }
        }
    }

    /// To a geofence: into an area, through a gate.
    fn geofence(&mut self, number: usize) {
        let shape = &self.plan.geofences[number].shape;
        let plane = *shape.plane();
        let place = |at: [f64; 2]| {
            let (lat, lon) = plane.unproject(at);
            ecef(lat, lon)
        };
        let Some([from, to]) = shape.gate() else {
            if self.route.end().is_none_or(|end| !shape.contains(end)) {
                self.lead_to(place([0.0, 0.0]));
            }
            return;
        };
        let part = self.driver.random.between(0.3, 0.7);
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let length = (dx * dx + dy * dy).sqrt();
        // To the right of the line as drawn.
        let (rx, ry) = (dy / length, -dx / length);
        let at = |metres: f64| place([from[0] + dx * part + rx * metres, from[1] + dy * part + ry * metres]);
        let before = at(-GATE_RUN_M);
        self.lead_to(before);
        self.route.push(at(GATE_RUN_M));
    }

    /// By a waypoint, or around it.
    fn waypoint(&mut self, waypoint: &WaypointPlan, next: Option<LonLat>) {
        let plane = Plane::at(waypoint.at.lat, waypoint.at.lon);
        let tolerance_m = waypoint.row.tolerance_meters;
        let leaves_out = self.driver.random.chance(self.misdeeds.missed_waypoint);
        let extra_m = self.driver.random.between(DETOUR_M.0, DETOUR_M.1);
        let side = if self.driver.random.chance(0.5) { 1.0 } else { -1.0 };
        let sway_m = (tolerance_m / 3.0).min(12.0);
        let sway = [(); 2].map(|()| self.driver.random.between(-sway_m, sway_m));
        let (from, to) = (self.route.end(), next.map(|n| ecef(n.lat, n.lon)));
        let mut offset = sway;
        if let (true, false, Some(from), Some(to)) = (leaves_out, waypoint.of_zone, from, to) {
            let (a, b) = (plane.project(from), plane.project(to));
            let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
            let length = (dx * dx + dy * dy).sqrt();
            let far_m = tolerance_m + extra_m;
            let has_room = |p: [f64; 2]| p[0] * p[0] + p[1] * p[1] > 6.25 * far_m * far_m;
            if length > 0.0 && has_room(a) && has_room(b) {
                offset = [-dy / length * far_m * side, dx / length * far_m * side];
            }
        }
        let (lat, lon) = plane.unproject(offset);
        self.lead_to(ecef(lat, lon));
    }

    /// A road that bends a little, to a point.
    fn lead_to(&mut self, target: Ecef) {
        if let Some(begin) = self.route.end() {
            let length_m = distance_m(begin, target);
            let mut done_m = PIECE_M;
            while done_m < length_m - PIECE_M / 2.0 {
                let straight = race::earth::along(begin, target, done_m / length_m);
                let (lat, lon) = race::earth::lat_lon(straight);
                let off = [(); 2].map(|()| self.driver.random.between(-18.0, 18.0));
                let (lat, lon) = Plane::at(lat, lon).unproject(off);
                let bend = ecef(lat, lon);
                if self.is_clear(bend) {
                    self.route.push(bend);
                }
                done_m += PIECE_M;
            }
        }
        self.route.push(target);
    }

    fn is_clear(&self, point: Ecef) -> bool {
        let waypoints = self.plan.segments.iter().flat_map(|s| &s.waypoints).map(|w| &w.shape);
        self.plan.boundaries().chain(waypoints).all(|shape| shape.boundary_m(point) > CLEAR_M)
    }

    /// A place between two parts of the road at which nobody is judged.
    fn clear_place(&mut self, from: f64, to: f64) -> Option<f64> {
        let length_m = self.route.length_m();
        let mut tries = (0..32).map(|_| self.driver.random.between(from, to) * length_m);
        let places: Vec<f64> = tries.by_ref().collect();
        places.into_iter().find(|at_m| self.is_clear(self.route.point(*at_m)))
    }

    fn finish(mut self, segments: Vec<[f64; 2]>) -> Road {
        let caps = self.caps(&segments);
        if self.driver.random.chance(self.misdeeds.stop)
            && let Some(at_m) = self.clear_place(0.1, 0.9)
        {
            let seconds = self.driver.random.between(5.0, 40.0);
            self.stops.push(Stop { at_m, seconds });
        }
        let gives_up = self.driver.random.chance(self.misdeeds.retirement);
        let end_m = self.clear_place(0.15, 0.95).filter(|_| gives_up);
        let route = end_m.map_or_else(|| self.route.clone(), |end_m| self.route.until(end_m));
        let length_m = route.length_m();
        self.stops.retain(|stop| stop.at_m < length_m);
        self.stops.sort_by(|a, b| a.at_m.total_cmp(&b.at_m));
        Road { route, caps, stops: self.stops, segments, retired: end_m.is_some() }
    }

    /// What is driven in the zones.
    fn caps(&mut self, segments: &[[f64; 2]]) -> Vec<Cap> {
        let mut caps = Vec::new();
        for (segment, span) in self.plan.segments.iter().zip(segments) {
            for zone in &segment.zones {
                let over_kmh = self.driver.random.between(OVER_LIMIT_KMH.0, OVER_LIMIT_KMH.1);
                let breaks = self.driver.random.chance(self.misdeeds.overspeed);
                let tolerance =
                    zone.row.tolerance_kmh + zone.row.limit_kmh * zone.row.tolerance_percent / 100.0;
                let kmh = if breaks {
                    zone.row.limit_kmh + tolerance + over_kmh
                } else {
                    (zone.row.limit_kmh - BELOW_LIMIT_KMH).max(zone.row.limit_kmh / 2.0)
                };
                for [from_m, to_m] in stretches(&self.route, &zone.form, *span) {
                    caps.push(Cap { from_m, to_m, mps: kmh * KMH });
                }
            }
        }
        caps
    }
}

/// Where the road runs through a zone, from before the boundary until behind it.
fn stretches(route: &Route, form: &ZoneForm, [from_m, to_m]: [f64; 2]) -> Vec<[f64; 2]> {
    let begin = |stay: &Inside| stay.enter.map_or(0.0, |met| met.at_m);
    let end = |stay: &Inside| stay.exit.map_or(route.length_m(), |met| met.at_m);
    let stays = |shape: &Shape| {
        let within = move |stay: &Inside| end(stay) > from_m && begin(stay) < to_m;
        route.inside(shape, 0.0).into_iter().filter(within).collect::<Vec<_>>()
    };
    match form {
        ZoneForm::Polygon(shape) => stays(shape).iter().map(|s| [begin(s), end(s)]).collect(),
        ZoneForm::Stretch { begin: dz, end: fz } => {
            let Some(first) = stays(dz).first().copied() else { return Vec::new() };
            let over = fz.as_ref().and_then(|fz| stays(fz).into_iter().find(|s| begin(s) > begin(&first)));
            vec![[begin(&first), over.as_ref().map_or(to_m, end)]]
        }
    }
}
