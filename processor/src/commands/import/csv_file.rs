//! Roadbooks as CSV: number, latitude, longitude, kind, roadbook_km, limit_kmh.

use std::io::{BufRead, Read as _};

use csv::StringRecord;

use super::roadbook::{Point, Roadbook, SourceProblem, number_in, numbers_used_twice, place};

const COLUMNS: [&str; 6] = ["number", "latitude", "longitude", "kind", "roadbook_km", "limit_kmh"];

/// A roadbook has some hundred points; what is larger is another file.
const MAX_ROADBOOK_BYTES: u64 = 64 << 20;

/// Reads a CSV roadbook; columns in any order, others are not used.
///
/// # Errors
/// Every cell that cannot be used, with its line.
pub(super) fn read(source: impl BufRead) -> Result<Roadbook, Vec<SourceProblem>> {
    let text = lines_as_one_reads_them(source).map_err(|message| vec![SourceProblem { line: 1, message }])?;
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_slice());
    let header = reader.headers().map_err(|e| vec![problem_of(&e, 1)])?.clone();
    let mut roadbook = Roadbook::default();
    let columns =
        columns(&header, &mut roadbook).map_err(|message| vec![SourceProblem { line: 1, message }])?;
    let mut problems = Vec::new();
    let mut last_km = 0.0;
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(e) => {
                problems.push(problem_of(&e, 1));
                break;
            }
        };
        let line = record.position().map_or(1, csv::Position::line);
        match point(&record, header.len(), &columns, line) {
            Ok((point, km)) => {
                if let Some(km) = km {
                    if km < last_km {
                        roadbook.warn(line, format!("roadbook_km goes back from {last_km} to {km}"));
                    }
                    last_km = km;
                }
                roadbook.points.push(point);
            }
            Err(message) => problems.push(SourceProblem { line, message }),
        }
    }
    problems.extend(numbers_used_twice(&roadbook.points));
    if problems.is_empty() && roadbook.points.is_empty() {
        problems.push(SourceProblem { line: 1, message: "the file has a header and no rows".to_owned() });
    }
    if problems.is_empty() { Ok(roadbook) } else { Err(problems) }
}

/// The text with bare newlines: a reader that meets a carriage return first names the line before.
fn lines_as_one_reads_them(source: impl BufRead) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    source.take(MAX_ROADBOOK_BYTES + 1).read_to_end(&mut text).map_err(|e| e.to_string())?;
    if text.len() as u64 > MAX_ROADBOOK_BYTES {
        return Err(format!("is larger than {MAX_ROADBOOK_BYTES} bytes, which no roadbook is"));
    }
    if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) {
        return Err("is UTF-16; save it as UTF-8".to_owned());
    }
    let mut unix = Vec::with_capacity(text.len());
    for (n, &byte) in text.iter().enumerate() {
        if byte != b'\r' || text.get(n + 1) != Some(&b'\n') {
            unix.push(byte);
        }
    }
    Ok(unix)
}

/// Where each of [`COLUMNS`] is.
fn columns(header: &StringRecord, roadbook: &mut Roadbook) -> Result<[usize; 6], String> {
    let mut places = [0; 6];
    for (place, name) in places.iter_mut().zip(COLUMNS) {
        let mut found = header.iter().enumerate().filter(|(_, cell)| cell.eq_ignore_ascii_case(name));
        *place = found
            .next()
            .map(|(n, _)| n)
            .ok_or_else(|| format!("column {name} is missing; a roadbook has {}", COLUMNS.join(",")))?;
        if found.next().is_some() {
            return Err(format!("column {name} is there twice"));
        }
    }
    for name in header.iter().filter(|cell| !COLUMNS.iter().any(|name| cell.eq_ignore_ascii_case(name))) {
        roadbook.warn(1, format!("column {name:?} is not used"));
    }
    Ok(places)
}

fn point(
    record: &StringRecord,
    width: usize,
    columns: &[usize; 6],
    line: u64,
) -> Result<(Point, Option<f64>), String> {
    if record.len() != width {
        return Err(format!("the row has {} cells, the header has {width}", record.len()));
    }
    let [number, latitude, longitude, kind, km, limit] = columns.map(|n| record.get(n).unwrap_or_default());
    let optional = |text: &str, what, min, max| {
        if text.is_empty() { Ok(None) } else { number_in(text, what, min, max).map(Some) }
    };
    let kind = kind.to_uppercase();
    let point = Point {
        line,
        number: number.parse().map_err(|_| format!("number {number:?} is no whole number"))?,
        at: place(latitude, longitude)?,
        radius_meters: None,
        limit_kmh: optional(limit, "limit_kmh", 0.01, 10_000.0)?,
        opens_zone: kind == "DZ",
        closes_zone: kind == "FZ",
        neutralised_seconds: None,
        ends_neutralisation: false,
        kind,
    };
    Ok((point, optional(km, "roadbook_km", 0.0, 100_000.0)?))
}

fn problem_of(error: &csv::Error, line: u64) -> SourceProblem {
    let line = error.position().map_or(line, csv::Position::line);
    let message = match error.kind() {
        csv::ErrorKind::Utf8 { err, .. } => format!("no UTF-8 text: {err}"),
        _ => error.to_string(),
    };
    SourceProblem { line, message }
}
