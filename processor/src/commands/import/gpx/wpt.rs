//! A `wpt` as read, and the point it becomes.

use std::collections::BTreeSet;

use race::course::LonLat;

use super::openrally::{Tag, Units};
use crate::commands::import::roadbook::{Point, Roadbook, SourceProblem, number_in, numbers_used_twice};

/// Kinds up to this rank are waypoints of their own, of which a point should have one.
const LAST_OWN_KIND: u8 = 9;

/// A `wpt` element.
#[derive(Debug)]
pub(super) struct Wpt {
    line: u64,
    at: LonLat,
    name: String,
    kind: String,
    symbol: String,
    pub(super) tags: Vec<Tag>,
}

impl Wpt {
    /// A point at a line.
    pub(super) fn new(line: u64, at: LonLat) -> Self {
        Self { line, at, name: String::new(), kind: String::new(), symbol: String::new(), tags: Vec::new() }
    }

    /// Keeps the text of one of GPX's own elements.
    pub(super) fn set(&mut self, element: &str, text: &str) {
        match element {
            "name" => text.clone_into(&mut self.name),
            "type" => text.clone_into(&mut self.kind),
            "sym" => text.clone_into(&mut self.symbol),
            _ => {}
        }
    }

    /// The tag that says what the point is.
    fn main_tag(&self) -> Option<&Tag> {
        self.tags.iter().filter(|tag| tag.kind().is_some()).min_by_key(|tag| tag.kind())
    }

    /// The number in the point's name, if it is one.
    fn own_number(&self) -> Option<i64> {
        let label = self.main_tag().and_then(|tag| tag.label.as_deref()).and_then(|text| text.parse().ok());
        label.or_else(|| self.name.parse().ok())
    }

    fn has(&self, kind: &str) -> bool {
        self.tags.iter().any(|tag| tag.kind().is_some_and(|(_, own)| own == kind))
    }

    /// The number in the text of the first tag with that name.
    fn number(&self, names: &[&str], min: f64, max: f64) -> Result<Option<f64>, SourceProblem> {
        let tag = self.tags.iter().find(|tag| names.contains(&tag.name.as_str()) && !tag.text.is_empty());
        tag.map(|tag| {
            number_in(&tag.text, &tag.name, min, max)
                .map_err(|message| SourceProblem { line: tag.line, message })
        })
        .transpose()
    }

    fn point(&self, number: i64, units: Units, is_openrally: bool) -> Result<Point, SourceProblem> {
        let main = self.main_tag();
        let kind = match (main.and_then(Tag::kind), is_openrally) {
            (Some((_, kind)), _) => kind.to_owned(),
            (None, true) => String::new(),
            (None, false) if self.kind.is_empty() => self.symbol.to_uppercase(),
            (None, false) => self.kind.to_uppercase(),
        };
        let clear = main.and_then(|tag| tag.clear).or_else(|| self.tags.iter().find_map(|tag| tag.clear));
        // Both forms are in use: the speed inside <dz>, or beside it.
        let inside = self.number(&["dz", "startofzone"], 0.01, 6_000.0)?;
        let beside = self.number(&["speed"], 0.01, 6_000.0)?;
        Ok(Point {
            line: self.line,
            number,
            at: self.at,
            radius_meters: clear.map(|clear| units.metres(clear)),
            limit_kmh: inside.or(beside).map(|speed| units.kmh(speed)),
            opens_zone: self.has("DZ") || kind == "DZ",
            closes_zone: self.has("FZ") || kind == "FZ",
            neutralised_seconds: self.number(&["neutralization", "sn"], 0.0, 31_536_000.0)?,
            ends_neutralisation: self.has("FN"),
            kind,
        })
    }

    fn warn(&self, number: i64, roadbook: &mut Roadbook) {
        let own: Vec<&str> = self
            .tags
            .iter()
            .filter_map(Tag::kind)
            .filter(|(rank, _)| *rank <= LAST_OWN_KIND)
            .map(|(_, kind)| kind)
            .collect();
        if own.len() > 1
            && let Some((_, taken)) = self.main_tag().and_then(Tag::kind)
        {
            roadbook.warn(self.line, format!("point {number} is {}; taken as {taken}", own.join(" and ")));
        }
    }
}

/// The points of a file: numbered by their names where those are numbers, else by what numbers are left.
pub(super) fn roadbook(
    wpts: &[Wpt],
    units: Units,
    is_openrally: bool,
) -> Result<Roadbook, Vec<SourceProblem>> {
    if wpts.is_empty() {
        let message = "no wpt is in the file; routes and tracks are not read".to_owned();
        return Err(vec![SourceProblem { line: 1, message }]);
    }
    let named: BTreeSet<i64> = wpts.iter().filter_map(Wpt::own_number).collect();
    let mut free = (1..).filter(|number| !named.contains(number));
    let mut roadbook = Roadbook::default();
    let mut problems = Vec::new();
    for wpt in wpts {
        let Some(number) = wpt.own_number().or_else(|| free.next()) else { continue };
        match wpt.point(number, units, is_openrally) {
            Ok(point) => roadbook.points.push(point),
            Err(problem) => problems.push(problem),
        }
        wpt.warn(number, &mut roadbook);
    }
    // Most tools write names alone: in a file that tells no kinds every point is a waypoint.
    if !is_openrally && roadbook.points.iter().all(|point| point.kind.is_empty()) {
        for point in &mut roadbook.points {
            "WP".clone_into(&mut point.kind);
        }
    }
    problems.extend(numbers_used_twice(&roadbook.points));
    if problems.is_empty() { Ok(roadbook) } else { Err(problems) }
}
