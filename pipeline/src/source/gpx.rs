//! GPX tracks: every `trkpt` of a file, as it is read.
//!
//! Only the elements matter that make a fix; names are compared without their namespace prefix, because devices
//! write speed and course with whatever prefix they like. Nothing is expanded but the five entities of XML and
//! character references.

mod point;
mod scanner;

use crate::batch::{RawBatch, Reject, SourceName};
use crate::decode::excerpt;
use crate::limits::{MAX_NESTING, MAX_RECORD_BYTES};

use self::point::{Point, Value};
use self::scanner::{Scanner, Token};
use super::input::Input;
use super::{Records, Step};

/// Reads the track points of a GPX file.
pub(super) struct GpxRecords {
    source: SourceName,
    scanner: Scanner,
    open: Open,
    point: Point,
    /// How many elements were open around the point that is being read.
    point_depth: Option<usize>,
    /// Whether there was a point at all.
    any: bool,
}

/// The names of the elements that are open.
#[derive(Default)]
struct Open {
    names: Vec<u8>,
    starts: Vec<usize>,
}

impl Open {
    fn depth(&self) -> usize {
        self.starts.len()
    }

    fn push(&mut self, name: &[u8]) {
        self.starts.push(self.names.len());
        self.names.extend_from_slice(name);
    }

    fn last(&self) -> Option<&[u8]> {
        self.starts.last().map(|start| &self.names[*start..])
    }

    fn pop(&mut self) {
        if let Some(start) = self.starts.pop() {
            self.names.truncate(start);
        }
    }
}

impl GpxRecords {
    pub(super) fn new(source: SourceName, input: Input) -> Self {
        Self {
            source,
            scanner: Scanner::new(input),
            open: Open::default(),
            point: Point::default(),
            point_depth: None,
            any: false,
        }
    }

    fn reject(&self, line: u64, field: &'static str, message: String) -> Reject {
        Reject { source: self.source.clone(), line, field, message, entry: None }
    }

    /// Ends the source at a place where its XML cannot be followed any further.
    fn broken(&self, line: u64, message: &str) -> Step {
        Step::End(Some(self.reject(line, "", format!("{message}; what follows is left out"))))
    }

    fn too_long(&self) -> String {
        format!("an element is longer than the {MAX_RECORD_BYTES} bytes allowed")
    }

    /// Takes in a tag; `Some` when it completes a record, or ends the source.
    fn tag(&mut self, batch: &mut RawBatch) -> Option<Step> {
        let line = self.scanner.line();
        let tag = self.scanner.content();
        if let Some(rest) = tag.strip_prefix(b"/") {
            let name = rest.trim_ascii_end();
            if self.open.last() != Some(name) {
                let open =
                    self.open.last().map_or("nothing is".into(), |name| format!("{} is", excerpt(name)));
                return Some(
                    self.broken(
                        line,
                        &format!("end of {} where {open} open: not well-formed", excerpt(name)),
                    ),
                );
            }
            return self.end(batch);
        }
        let empty = self.scanner.is_empty_element();
        let tag = tag.strip_suffix(b"/").unwrap_or(tag);
        let name_len = tag.iter().position(|b| b.is_ascii_whitespace() || *b == b'/').unwrap_or(tag.len());
        let name = &tag[..name_len];
        if !name.first().is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b':' | 0x80..)) {
            return Some(self.broken(line, &format!("{} begins no element: not well-formed", excerpt(tag))));
        }
        if self.open.depth() >= MAX_NESTING {
            return Some(self.broken(line, &format!("elements lie more than {MAX_NESTING} deep")));
        }
        let local = local_name(name);
        let mut refused = None;
        if let Some(depth) = self.point_depth {
            let direct = self.open.depth() == depth + 1;
            if self.scanner.is_overlong() {
                self.point.refuse("", self.too_long());
            } else if local == b"trkpt" {
                self.point.refuse("", "holds another trkpt".into());
            } else if let Some(value) = Value::of(local, direct) {
                self.point.open(value, self.open.depth() + 1);
            }
        } else if local == b"trkpt" {
            self.any = true;
            self.point_depth = Some(self.open.depth());
            self.point.begin(line);
            if self.scanner.is_overlong() {
                self.point.refuse("", self.too_long());
            } else {
                self.point.read_attributes(tag, name_len);
            }
        } else if self.scanner.is_overlong() {
            refused = Some(Step::Refused(self.reject(line, "", self.too_long())));
        }
        self.open.push(name);
        let ended = if empty { self.end(batch) } else { None };
        refused.or(ended)
    }

    /// Closes the innermost element.
    fn end(&mut self, batch: &mut RawBatch) -> Option<Step> {
        self.point.close(self.open.depth());
        self.open.pop();
        if self.point_depth != Some(self.open.depth()) {
            return None;
        }
        self.point_depth = None;
        let line = self.point.line();
        Some(match self.point.finish() {
            Ok(fields) => {
                batch.push(line, &fields);
                Step::Record
            }
            Err((field, message)) => Step::Refused(self.reject(line, field, message)),
        })
    }
}

impl Records for GpxRecords {
    fn read(&mut self, batch: &mut RawBatch) -> Step {
        loop {
            let wanted = self.point_depth.is_some() && self.point.wants(self.open.depth());
            match self.scanner.advance(wanted) {
                Ok(Token::Tag) => {
                    if let Some(step) = self.tag(batch) {
                        return step;
                    }
                }
                Ok(Token::Text | Token::Cdata) if !wanted => {}
                Ok(_) if self.scanner.is_overlong() => self.point.refuse("", self.too_long()),
                Ok(Token::Text) => self.point.text(self.scanner.content(), true),
                Ok(Token::Cdata) => self.point.text(self.scanner.content(), false),
                Ok(Token::End) => {
                    let line = self.scanner.line();
                    return match self.open.last() {
                        Some(name) => {
                            let message = format!("the file ends inside {}: not well-formed", excerpt(name));
                            Step::End(Some(self.reject(line, "", message)))
                        }
                        None if !self.any => {
                            Step::End(Some(self.reject(0, "", "no track points (trkpt): no fixes".into())))
                        }
                        None => Step::End(None),
                    };
                }
                Err(message) => return self.broken(self.scanner.reached(), &message),
            }
        }
    }
}

/// A name without its namespace prefix.
fn local_name(name: &[u8]) -> &[u8] {
    match memchr::memrchr(b':', name) {
        Some(colon) => &name[colon + 1..],
        None => name,
    }
}
