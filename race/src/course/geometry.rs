//! The GeoJSON geometries a course uses (RFC 7946): longitude first, degrees WGS84.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point on the ground, degrees WGS84.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LonLat {
    /// Longitude, -180 to 180.
    pub lon: f64,
    /// Latitude, -90 to 90.
    pub lat: f64,
}

impl LonLat {
    /// A point from longitude and latitude, in GeoJSON's order.
    pub const fn new(lon: f64, lat: f64) -> Self {
        Self { lon, lat }
    }
}

impl Serialize for LonLat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [self.lon, self.lat].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LonLat {
    /// `[lon, lat]`, a further number being an altitude that is not used.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let numbers = Vec::<f64>::deserialize(deserializer)?;
        let [lon, lat] =
            numbers.get(..2).and_then(|two| <[f64; 2]>::try_from(two).ok()).ok_or_else(|| {
                D::Error::custom(format!(
                    "a position is [longitude, latitude], found {} number(s)",
                    numbers.len()
                ))
            })?;
        if !(-180.0..=180.0).contains(&lon) {
            return Err(D::Error::custom(format!("longitude {lon} is outside -180 to 180")));
        }
        if !(-90.0..=90.0).contains(&lat) {
            return Err(D::Error::custom(format!("latitude {lat} is outside -90 to 90")));
        }
        Ok(Self { lon, lat })
    }
}

/// A GeoJSON geometry of the types that a course uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "coordinates")]
pub enum Geometry {
    /// A place; with a radius, a circle.
    Point(LonLat),
    /// A gate has two points.
    LineString(Vec<LonLat>),
    /// An outer ring and holes, each closed.
    Polygon(Vec<Vec<LonLat>>),
}

impl Geometry {
    /// The GeoJSON name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Point(_) => "Point",
            Self::LineString(_) => "LineString",
            Self::Polygon(_) => "Polygon",
        }
    }
}
