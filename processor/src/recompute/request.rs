//! A request: whose tracks, and why.

use pipeline::batch::EntryKey;
use pipeline::broker::Message;
use race::course::Course;
use race::course::plan::EntryPlan;
use race::time::Timestamp;
use storage::Cause;
use uuid::Uuid;

/// What a request may give as its reason.
pub(crate) const REASONS: [Cause; 5] =
    [Cause::FaultyFlag, Cause::LateData, Cause::FormulaChanged, Cause::GeometryChanged, Cause::Manual];
/// Of a value that is refused, so much is repeated.
const TOLD_CHARS: usize = 100;

/// Whose tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Of whoever is timed by this device: its IMEI, or the id of its row.
    Device(String),
    /// Of one entry.
    Entry(Uuid),
    /// Of all entries of a stage's event.
    Stage(Uuid),
    /// Of all entries of an event.
    Event(Uuid),
}

/// A request that can be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// Whose tracks.
    pub(crate) scope: Scope,
    /// Only of entries that a device times at or after this instant.
    pub(crate) from: Option<Timestamp>,
    /// Only of entries that a device times at or before this instant.
    pub(crate) to: Option<Timestamp>,
    /// One of [`REASONS`].
    pub(crate) reason: Cause,
    /// Who asks; told in the log.
    pub(crate) requested_by: Option<String>,
}

impl Request {
    /// Reads an entry of the stream. An empty field is as good as none.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn read(message: &Message) -> Result<Self, String> {
        let field = |name: &str| message.field(name).map(str::trim).filter(|value| !value.is_empty());
        let given: Vec<(&str, &str)> = ["device_id", "entry_id", "stage_id", "event_id"]
            .into_iter()
            .filter_map(|name| Some((name, field(name)?)))
            .collect();
        let scope = match given.as_slice() {
            [("device_id", device)] => Scope::Device((*device).to_owned()),
            [(name, id)] => {
                let id = uuid(name, id)?;
                match *name {
                    "entry_id" => Scope::Entry(id),
                    "stage_id" => Scope::Stage(id),
                    _ => Scope::Event(id),
                }
            }
            [] => return Err("none of device_id, entry_id, stage_id and event_id is given".to_owned()),
            several => {
                let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
                return Err(format!("one of {} is to be given, not all", names.join(", ")));
            }
        };
        let instant = |name| field(name).map(|text| instant(name, text)).transpose();
        let (from, to) = (instant("from")?, instant("to")?);
        if from.is_some() && to.is_some() && from > to {
            return Err("from is after to".to_owned());
        }
        let words = || REASONS.map(Cause::as_str).join(", ");
        let reason =
            field("reason").ok_or_else(|| format!("there is no reason; it is one of {}", words()))?;
        let known = Cause::from_word(reason).filter(|cause| REASONS.contains(cause));
        let reason =
            known.ok_or_else(|| format!("{:?} is no reason; it is one of {}", told(reason), words()))?;
        let requested_by = field("requested_by").map(told);
        Ok(Self { scope, from, to, reason, requested_by })
    }

    /// The entry of the stream.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let (name, value) = match &self.scope {
            Scope::Device(device) => ("device_id", device.clone()),
            Scope::Entry(id) => ("entry_id", id.to_string()),
            Scope::Stage(id) => ("stage_id", id.to_string()),
            Scope::Event(id) => ("event_id", id.to_string()),
        };
        let mut fields = vec![(name, value), ("reason", self.reason.as_str().to_owned())];
        fields.extend(self.from.map(|from| ("from", from.to_string())));
        fields.extend(self.to.map(|to| ("to", to.to_string())));
        fields.extend(self.requested_by.clone().map(|by| ("requested_by", by)));
        fields
    }

    /// The entries whose tracks are meant, in order.
    ///
    /// # Errors
    /// What it names is not in the course, in words.
    pub(crate) fn entries(&self, course: &Course) -> Result<Vec<EntryKey>, String> {
        let all = |event: usize| (0..course.events[event].entries.len()).map(move |n| (event, n));
        let mut entries: Vec<EntryKey> = match &self.scope {
            Scope::Event(id) => {
                let event = course.events.iter().position(|event| event.row.id == *id);
                all(event.ok_or_else(|| unknown("event", id))?).collect()
            }
            Scope::Stage(id) => {
                let of = |event: &race::course::plan::EventPlan| {
                    event.stages.iter().any(|stage| stage.row.id == *id)
                };
                all(course.events.iter().position(of).ok_or_else(|| unknown("stage", id))?).collect()
            }
            Scope::Entry(id) => {
                let found = (0..course.events.len()).flat_map(all);
                let mut found =
                    found.filter(|(event, n)| course.events[*event].entries[*n].row.id == *id).take(1);
                vec![found.next().ok_or_else(|| unknown("entry", id))?]
            }
            Scope::Device(device) => {
                let rows = &course.tables.devices;
                let row = rows
                    .iter()
                    .find(|row| row.imei == *device || row.id.to_string() == device.to_lowercase());
                let row = row.ok_or_else(|| unknown("device", &told(device)))?;
                let timed = (0..course.events.len()).flat_map(all);
                let by_it = |(event, n): &EntryKey| {
                    course.events[*event].entries[*n].spans.iter().any(|span| *span.device == *row.imei)
                };
                timed.filter(by_it).collect()
            }
        };
        if self.from.is_some() || self.to.is_some() {
            entries.retain(|(event, n)| self.meets(&course.events[*event].entries[*n]));
        }
        Ok(entries)
    }

    /// Whether an entry is timed within the interval, by the device where one is named.
    fn meets(&self, entry: &EntryPlan) -> bool {
        entry.spans.iter().any(|span| {
            let begins = span.from.is_none_or(|from| self.to.is_none_or(|to| from <= to));
            let ends = span.to.is_none_or(|to| self.from.is_none_or(|from| from < to));
            begins && ends
        })
    }
}

fn unknown(what: &str, id: &dyn std::fmt::Display) -> String {
    format!("there is no {what} {id} in the course")
}

fn uuid(name: &str, text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| format!("{name} is no uuid: {:?}", told(text)))
}

fn instant(name: &str, text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|error| format!("{name} is no instant: {:?}: {error}", told(text)))
}

/// The beginning of a text that somebody sent.
fn told(text: &str) -> String {
    text.chars().take(TOLD_CHARS).collect()
}
