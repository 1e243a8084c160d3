//! Speed limit zones made ready: what is over their limit, and where they are.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::geometry::Geometry;
use super::tables::{SpeedLimitZone, Tables, Waypoint};
use crate::earth;
use crate::num::{cm, round_to};

/// A zone, ready.
#[derive(Debug, Clone, PartialEq)]
pub struct ZonePlan {
    /// The row.
    pub row: SpeedLimitZone,
    /// The limit in hundredths of km/h.
    pub limit_ckmh: i64,
    /// Hundredths of km/h above which a speed is over it: the limit with its tolerances.
    pub over_ckmh: i64,
    /// Where it holds.
    pub place: ZonePlace,
}

/// Where a zone holds.
#[derive(Debug, Clone, PartialEq)]
pub enum ZonePlace {
    /// Inside its polygon.
    Polygon,
    /// From the circle around a DZ on.
    Stretch {
        /// The waypoint that it begins at.
        dz: Box<Waypoint>,
        /// The waypoint that it ends at, cancelled or not.
        fz: Option<Box<Waypoint>>,
        /// Its circles overlap: nothing is enforced.
        is_empty: bool,
    },
}

impl ZonePlan {
    /// A row made ready; nothing for one that holds nowhere: without a polygon or a DZ, or with a cancelled DZ.
    fn new(row: &SpeedLimitZone, waypoints: &BTreeMap<Uuid, &Waypoint>) -> Option<Self> {
        let waypoint = |id: Option<Uuid>| waypoints.get(&id?).map(|&row| Box::new(row.clone()));
        let place = if row.geometry.is_some() {
            ZonePlace::Polygon
        } else {
            let dz = waypoint(row.dz_waypoint_id).filter(|dz| !dz.cancelled)?;
            let fz = waypoint(row.fz_waypoint_id);
            let at = |waypoint: &Waypoint| match waypoint.location {
                Geometry::Point(point) => Some(earth::ecef(point.lat, point.lon)),
                Geometry::LineString(_) | Geometry::Polygon(_) => None,
            };
            let apart_m = at(&dz)
                .zip(fz.as_deref().filter(|fz| !fz.cancelled).and_then(at))
                .map(|(dz, fz)| earth::distance_m(dz, fz));
            let is_empty = apart_m.is_some_and(|apart_m| cm(apart_m) <= cm(2.0 * row.buffer_meters));
            ZonePlace::Stretch { dz, fz, is_empty }
        };
        let limit_ckmh = round_to(row.limit_kmh, 100.0);
        let tolerance = row.tolerance_kmh + row.limit_kmh * row.tolerance_percent / 100.0;
        Some(Self { limit_ckmh, over_ckmh: limit_ckmh + round_to(tolerance, 100.0), place, row: row.clone() })
    }

    /// Whether its DZ is there at any time.
    pub fn always_begins(&self) -> bool {
        match &self.place {
            ZonePlace::Polygon => true,
            ZonePlace::Stretch { dz, .. } => dz.valid_from.is_none() && dz.valid_to.is_none(),
        }
    }

    /// The zones of some segments, by segment in that order, the lowest limit first.
    pub fn of_segments(tables: &Tables, segments: &[Uuid]) -> Vec<Self> {
        let waypoints = tables.waypoints.iter().map(|row| (row.id, row)).collect();
        let mut zones: Vec<(usize, Self)> = tables
            .speed_limit_zones
            .iter()
            .filter_map(|row| {
                let segment = segments.iter().position(|id| *id == row.segment_id)?;
                Some((segment, Self::new(row, &waypoints)?))
            })
            .collect();
        zones.sort_by_key(|(segment, zone)| (*segment, zone.limit_ckmh, zone.row.id));
        zones.into_iter().map(|(_, zone)| zone).collect()
    }
}
