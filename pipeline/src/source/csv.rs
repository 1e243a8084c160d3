//! Comma-separated tracks: a header row that names the columns, then a fix a line.
//!
//! A record is a line. Quotes are honoured within it, but a quoted field cannot go over its end: a stray quote
//! then costs its own line and never the fixes after it.

use std::fmt;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

use crate::batch::{FIELDS, RawBatch, Reject, SourceName};
use crate::decode::excerpt;
use crate::limits::MAX_RECORD_BYTES;

use super::input::Input;
use super::lines::{Line, Lines};
use super::{Records, Step};

/// How many of [`FIELDS`], from the first, a header must name.
const REQUIRED: usize = 3;

/// Column names repeated in a message.
const NAMES_SHOWN: usize = 20;

/// Reads the records of a CSV file.
pub(super) struct CsvRecords {
    source: SourceName,
    lines: Lines,
    splitter: Splitter,
    header: Option<Header>,
    notes: Vec<String>,
}

/// Which column of the file holds which field.
struct Header {
    columns: [Option<usize>; FIELDS.len()],
    width: usize,
}

impl CsvRecords {
    pub(super) fn new(source: SourceName, input: Input) -> Self {
        Self { source, lines: Lines::new(input), splitter: Splitter::new(), header: None, notes: Vec::new() }
    }

    fn reject(&self, message: String) -> Reject {
        Reject { source: self.source.clone(), line: self.lines.number(), field: "", message, entry: None }
    }

    /// Takes the line read last for the header row.
    fn read_header(&mut self) -> Result<Header, String> {
        let required = FIELDS[..REQUIRED].join(", ");
        let Some(names) = self.splitter.split(self.lines.text()) else {
            return Err(format!("a quote is not closed in the header row; required columns: {required}"));
        };
        let mut header = Header { columns: [None; FIELDS.len()], width: names };
        let mut found = Names::default();
        let mut unread = Names::default();
        let mut doubled = Vec::new();
        for column in 0..names {
            let name = String::from_utf8_lossy(self.splitter.field(column)).trim().to_ascii_lowercase();
            match FIELDS.iter().position(|field| *field == name) {
                Some(field) if header.columns[field].is_some() => {
                    if !doubled.contains(&FIELDS[field]) {
                        doubled.push(FIELDS[field]);
                    }
                }
                Some(field) => header.columns[field] = Some(column),
                None => unread.push(&name),
            }
            found.push(&name);
        }
        let missing: Vec<&str> = (0..REQUIRED)
            .filter(|field| header.columns[*field].is_none())
            .map(|field| FIELDS[field])
            .collect();
        if !missing.is_empty() {
            return Err(format!(
                "no header row with the columns {required}, separated by commas: {} missing, found {}",
                missing.join(", "),
                found
            ));
        }
        if !doubled.is_empty() {
            return Err(format!(
                "column {} is there more than once; each of {} may be there once, found {}",
                doubled.join(", "),
                FIELDS.join(", "),
                found
            ));
        }
        if !unread.shown.is_empty() {
            self.notes.push(format!(
                "{}: columns that are not read: {}; read are {}",
                self.source,
                unread,
                FIELDS.join(", ")
            ));
        }
        Ok(header)
    }

    /// Appends the line read last to `batch`.
    fn read_row(&mut self, header: &Header, batch: &mut RawBatch) -> Result<(), String> {
        let line = self.lines.text();
        if let Err(error) = std::str::from_utf8(line) {
            return Err(format!("byte {} is not UTF-8", error.valid_up_to() + 1));
        }
        let Some(fields) = self.splitter.split(line) else {
            return Err("a quote is not closed before the end of the line".into());
        };
        if fields != header.width {
            return Err(format!("has {fields} fields where the header has {}", header.width));
        }
        let row = header.columns.map(|column| column.map_or(&b""[..], |column| self.splitter.field(column)));
        batch.push(self.lines.number(), &row);
        Ok(())
    }
}

impl Records for CsvRecords {
    fn read(&mut self, batch: &mut RawBatch) -> Step {
        loop {
            match self.lines.advance() {
                Line::Text if self.lines.text().trim_ascii().is_empty() => {}
                Line::Text => match self.header.take() {
                    None => match self.read_header() {
                        Ok(header) => self.header = Some(header),
                        Err(message) => return Step::End(Some(self.reject(message))),
                    },
                    Some(header) => {
                        let row = self.read_row(&header, batch);
                        self.header = Some(header);
                        return match row {
                            Ok(()) => Step::Record,
                            Err(message) => Step::Refused(self.reject(message)),
                        };
                    }
                },
                Line::TooLong => {
                    return Step::Refused(
                        self.reject(format!("is longer than the {MAX_RECORD_BYTES} bytes allowed")),
                    );
                }
                Line::End => return Step::End(None),
                Line::Fault(fault) => {
                    let message = format!("{}; this line and what follows is left out", fault.0);
                    return Step::End(Some(self.reject(message)));
                }
            }
        }
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Column names for a message, the first few of them.
#[derive(Default)]
struct Names {
    shown: Vec<String>,
    more: usize,
}

impl Names {
    fn push(&mut self, name: &str) {
        if self.shown.len() < NAMES_SHOWN {
            self.shown.push(excerpt(name.as_bytes()));
        } else {
            self.more += 1;
        }
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown.join(", "))?;
        if self.more > 0 { write!(f, " and {} more", self.more) } else { Ok(()) }
    }
}

/// Splits one line into fields.
struct Splitter {
    parser: Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Splitter {
    fn new() -> Self {
        // Lines come without their end, so that a carriage return inside one is content.
        let parser = ReaderBuilder::new().terminator(Terminator::Any(b'\n')).build();
        Self { parser, text: Vec::new(), ends: vec![0; 64] }
    }

    /// How many fields `line`, which is not empty, has; `None` when it ends inside a quoted one.
    fn split(&mut self, line: &[u8]) -> Option<usize> {
        if self.text.len() < line.len() {
            self.text.resize(line.len(), 0);
        }
        let (mut read, mut written, mut fields) = (0, 0, 0);
        loop {
            let rest = if read < line.len() { &line[read..] } else { b"\n" };
            let (result, taken, put, ended) =
                self.parser.read_record(rest, &mut self.text[written..], &mut self.ends[fields..]);
            let at_end = read >= line.len();
            read += taken;
            written += put;
            fields += ended;
            match result {
                ReadRecordResult::Record => return Some(fields),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2 + 64, 0),
                ReadRecordResult::InputEmpty if !at_end => {}
                ReadRecordResult::InputEmpty | ReadRecordResult::End => {
                    self.parser.reset();
                    return None;
                }
            }
        }
    }

    /// One field of the line split last.
    fn field(&self, field: usize) -> &[u8] {
        let start = if field == 0 { 0 } else { self.ends[field - 1] };
        &self.text[start..self.ends[field]]
    }
}
