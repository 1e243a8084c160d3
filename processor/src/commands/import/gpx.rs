//! Roadbooks as GPX 1.1: plain waypoints, or with OpenRally's extensions.

mod openrally;
mod reader;
mod wpt;

use std::io::BufRead;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use super::roadbook::{Roadbook, SourceProblem, place};
use openrally::{Tag, Units};
use reader::LineCount;
use wpt::Wpt;

/// Deeper nesting is no roadbook, and would cost memory for nothing.
const MAX_DEPTH: usize = 64;

/// Reads the `wpt` elements of a GPX file in the order of the file.
///
/// Nothing is expanded: a document type is refused, and of entities only the five of XML are known.
///
/// # Errors
/// The first thing that cannot be read, with its line; or everything that cannot be used.
pub(super) fn read(source: impl BufRead) -> Result<Roadbook, Vec<SourceProblem>> {
    let mut reader = NsReader::from_reader(LineCount::new(source));
    reader.config_mut().expand_empty_elements = true;
    let mut document = Document::default();
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let line = reader.get_ref().line();
        let at = |message: String| vec![SourceProblem { line, message }];
        let event = reader.read_event_into(&mut buffer);
        match event.map_err(|e| at(e.to_string()))? {
            Event::Start(start) => {
                let (namespace, name) = reader.resolver().resolve_element(start.name());
                let element = Element::new(&namespace, name.as_ref()).map_err(at)?;
                document.start(element, &start, line).map_err(at)?;
            }
            Event::End(_) => document.end().map_err(at)?,
            Event::Text(text) => document.text(&text.xml10_content()),
            Event::CData(text) => document.text(&text.xml10_content()),
            Event::GeneralRef(entity) => document.text(&resolve(&entity).map_err(at)?),
            Event::DocType(_) => return Err(at("a document type is not read".to_owned())),
            Event::Eof if document.path.is_empty() => break,
            Event::Eof => return Err(at("the file ends inside an element".to_owned())),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    wpt::roadbook(&document.wpts, document.units, document.is_openrally)
}

/// The character that a reference stands for.
fn resolve(entity: &BytesRef<'_>) -> Result<String, String> {
    let name = entity.xml10_content();
    match entity.resolve_char_ref() {
        Ok(Some(character)) => Ok(character.to_string()),
        Ok(None) => quick_xml::escape::resolve_xml_entity(&name)
            .map(ToOwned::to_owned)
            .ok_or_else(|| format!("entity &{name}; is not known and not expanded")),
        Err(e) => Err(e.to_string()),
    }
}

/// An element by what it means here.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Element {
    Gpx(String),
    OpenRally(String),
    Other,
}

impl Element {
    fn new(namespace: &ResolveResult<'_>, name: &str) -> Result<Self, String> {
        match namespace {
            ResolveResult::Bound(namespace) if namespace.0.contains("openrally.org/") => {
                Ok(Self::OpenRally(name.to_ascii_lowercase()))
            }
            ResolveResult::Bound(namespace) if namespace.0.contains("topografix.com/GPX/") => {
                Ok(Self::Gpx(name.to_owned()))
            }
            ResolveResult::Bound(_) => Ok(Self::Other),
            ResolveResult::Unbound => Ok(Self::Gpx(name.to_owned())),
            ResolveResult::Unknown(prefix) => Err(format!("the prefix {prefix:?} is not declared")),
        }
    }

    fn is_gpx(&self, name: &str) -> bool {
        matches!(self, Self::Gpx(own) if own == name)
    }
}

/// What has been read so far.
#[derive(Default)]
struct Document {
    path: Vec<Element>,
    wpts: Vec<Wpt>,
    units: Units,
    is_openrally: bool,
    /// The text of the element at this depth, where it is wanted.
    capture: Option<(usize, String)>,
}

impl Document {
    fn in_wpt(&self) -> bool {
        self.path.get(1).is_some_and(|element| element.is_gpx("wpt"))
    }

    fn start(&mut self, element: Element, start: &BytesStart<'_>, line: u64) -> Result<(), String> {
        let depth = self.path.len();
        if depth >= MAX_DEPTH {
            return Err(format!("elements are nested more than {MAX_DEPTH} deep"));
        }
        if depth == 0 && !element.is_gpx("gpx") {
            let name = start.name();
            return Err(format!("no GPX: the document is a <{}>", name.as_ref()));
        }
        let is_text = match &element {
            Element::Gpx(name) if depth == 1 && name == "wpt" => {
                let attributes = attributes(start)?;
                let find =
                    |name| attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.trim());
                let (Some(lat), Some(lon)) = (find("lat"), find("lon")) else {
                    return Err("a wpt needs lat and lon".to_owned());
                };
                self.wpts.push(Wpt::new(line, place(lat, lon)?));
                false
            }
            Element::Gpx(name) => {
                depth == 2 && self.in_wpt() && matches!(name.as_str(), "name" | "type" | "sym")
            }
            Element::OpenRally(name) => {
                self.is_openrally = true;
                let in_wpt = self.in_wpt();
                if let Some(wpt) = self.wpts.last_mut().filter(|_| in_wpt) {
                    wpt.tags.push(Tag::new(name, &attributes(start)?, line)?);
                }
                true
            }
            Element::Other => false,
        };
        if is_text && self.capture.is_none() {
            self.capture = Some((depth, String::new()));
        }
        self.path.push(element);
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some((_, captured)) = &mut self.capture {
            captured.push_str(text);
        }
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(element) = self.path.pop() else { return Ok(()) };
        let Some((_, text)) = self.capture.take_if(|(depth, _)| *depth == self.path.len()) else {
            return Ok(());
        };
        let text = text.trim();
        let in_wpt = self.in_wpt();
        match (&element, self.wpts.last_mut()) {
            (Element::OpenRally(name), _) if name == "units" && !in_wpt => self.units = text.parse()?,
            (Element::OpenRally(name), Some(wpt)) if in_wpt => {
                if let Some(tag) = wpt.tags.iter_mut().rfind(|tag| tag.name == *name) {
                    text.clone_into(&mut tag.text);
                }
            }
            (Element::Gpx(name), Some(wpt)) if in_wpt => wpt.set(name, text),
            _ => {}
        }
        Ok(())
    }
}

/// Local names and values of an element's attributes.
fn attributes(start: &BytesStart<'_>) -> Result<Vec<(String, String)>, String> {
    start
        .attributes()
        .map(|attribute| {
            let attribute = attribute.map_err(|e| e.to_string())?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|e| e.to_string())?;
            Ok((attribute.key.local_name().as_ref().to_owned(), value.into_owned()))
        })
        .collect()
}
