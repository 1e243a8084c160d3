//! What every source is read into: points in roadbook order.

use std::collections::BTreeMap;

use race::course::LonLat;

/// Something about a line of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceProblem {
    /// From 1.
    pub(super) line: u64,
    pub(super) message: String,
}

/// One point of a roadbook.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    /// Line of the source, from 1.
    pub(super) line: u64,
    /// Unique in the roadbook.
    pub(super) number: i64,
    pub(super) at: LonLat,
    /// Upper case; empty where the point is only described.
    pub(super) kind: String,
    /// Where the source says within how many metres the point is validated.
    pub(super) radius_meters: Option<f64>,
    pub(super) limit_kmh: Option<f64>,
    /// Whether a speed limit zone begins here.
    pub(super) opens_zone: bool,
    /// Whether a speed limit zone ends here.
    pub(super) closes_zone: bool,
    /// The allowance, where a neutralisation begins here.
    pub(super) neutralised_seconds: Option<f64>,
    /// Whether a neutralisation ends here.
    pub(super) ends_neutralisation: bool,
}

/// Points in roadbook order, and what was odd about them.
#[derive(Debug, Default)]
pub(super) struct Roadbook {
    pub(super) points: Vec<Point>,
    pub(super) warnings: Vec<SourceProblem>,
}

impl Roadbook {
    /// Adds a warning about a line.
    pub(super) fn warn(&mut self, line: u64, message: impl Into<String>) {
        self.warnings.push(SourceProblem { line, message: message.into() });
    }

    /// The place of the point with this number.
    pub(super) fn position(&self, number: i64) -> Option<usize> {
        self.points.iter().position(|point| point.number == number)
    }
}

/// Every number that a second point has, at the line of that point.
pub(super) fn numbers_used_twice(points: &[Point]) -> Vec<SourceProblem> {
    let mut lines: BTreeMap<i64, u64> = BTreeMap::new();
    let mut problems = Vec::new();
    for point in points {
        if let Some(first) = lines.get(&point.number) {
            let message = format!("number {} is used before, in line {first}", point.number);
            problems.push(SourceProblem { line: point.line, message });
        } else {
            lines.insert(point.number, point.line);
        }
    }
    problems
}

/// A finite number in a range.
pub(super) fn number_in(text: &str, what: &str, min: f64, max: f64) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("{what} {text:?} is no number"))?;
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{what} {text} is outside {min} to {max}"))
    }
}

/// A place from its two texts.
pub(super) fn place(latitude: &str, longitude: &str) -> Result<LonLat, String> {
    let lat = number_in(latitude, "latitude", -90.0, 90.0)?;
    let lon = number_in(longitude, "longitude", -180.0, 180.0)?;
    Ok(LonLat::new(lon, lat))
}
