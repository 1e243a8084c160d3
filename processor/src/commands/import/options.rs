//! The options of `import`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use race::course::tables::{Discipline, StartEdge, StartMode, StartPick, WaypointOrder};
use race::time::Timestamp;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};

use super::people::{EntryOption, MissedOption};

/// Make a course file from a roadbook: CSV, OpenRally GPX or plain GPX.
///
/// The waypoints are the points from the start to the finish, in roadbook order. Every option lands as plain data in
/// the course file, where it can be edited. The same source and options give the same bytes.
///
/// Exits with 0 when a course was written, with 1 when the source is wrong, with 2 when the command line is.
#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// The roadbook: GPX, or CSV with the columns number,latitude,longitude,kind,roadbook_km,limit_kmh
    pub(super) source: PathBuf,
    /// Where to write the course file [default: standard output]
    #[arg(short, long, value_name = "COURSE")]
    pub(super) output: Option<PathBuf>,
    /// Overwrite the output if it exists
    #[arg(long)]
    pub(super) force: bool,

    /// Tolerance of waypoints and radius of start, finish and neutralisation circles where the source says none
    #[arg(long, value_name = "METERS", default_value = "90", value_parser = radius)]
    pub(super) radius: f64,
    /// Distance outside a circle before it counts as left
    #[arg(long, value_name = "METERS", default_value = "15", value_parser = metres)]
    pub(super) hysteresis: f64,
    /// The point to start at [default: the first DSS, else the first waypoint]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub(super) start: Option<i64>,
    /// The point to finish at [default: the first ASS after the start, else the last waypoint]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub(super) finish: Option<i64>,
    /// Whether leaving or entering the start circle starts the clock
    #[arg(long, default_value = "exit", value_parser = one_of::<StartEdge>(&["exit", "enter"]))]
    pub(super) start_edge: StartEdge,
    /// Which of several such crossings before the first waypoint counts
    #[arg(long, default_value = "first", value_parser = one_of::<StartPick>(&["first", "last"]))]
    pub(super) start_pick: StartPick,
    /// Who says when the stage begins: the vehicle, or a start list (which a roadbook has not)
    #[arg(long, default_value = "rolling", value_parser = one_of::<StartMode>(&["rolling", "standing"]))]
    pub(super) start_mode: StartMode,
    /// Time after the start before which nothing is a finish
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pub(super) min_seconds: f64,
    /// Points that are cancelled for everyone, such as 25,29,30
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', allow_negative_numbers = true)]
    pub(super) cancel: Vec<i64>,
    /// Kinds that are waypoints, such as WPM,WPS [default: every kind except none and DAN]
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = kind)]
    pub(super) kinds: Option<Vec<String>>,
    /// Whether waypoints may be visited in any order
    #[arg(long, default_value = "free", value_parser = one_of::<WaypointOrder>(&["free", "sequence"]))]
    pub(super) order: WaypointOrder,

    /// Distance from the ends of a speed limit zone within which it is not enforced
    #[arg(long, value_name = "METERS", default_value = "90", value_parser = metres)]
    pub(super) buffer: f64,
    /// Speed above a limit that is no offence yet
    #[arg(long, value_name = "KMH", default_value = "0", value_parser = tolerance)]
    pub(super) tolerance_kmh: f64,

    /// Name of the event [default: the name of the source file]
    #[arg(long, value_name = "NAME")]
    pub(super) event: Option<String>,
    /// Name of the stage
    #[arg(long, value_name = "NAME", default_value = "Stage 1")]
    pub(super) stage: String,
    /// Begin of the event, such as 2026-06-07T06:00:00Z [default: open]
    #[arg(long, value_name = "INSTANT")]
    pub(super) starts_at: Option<Timestamp>,
    /// End of the event [default: open]
    #[arg(long, value_name = "INSTANT")]
    pub(super) ends_at: Option<Timestamp>,
    /// When the stage was closed: from then on who has not finished is dnf [default: still open]
    #[arg(long, value_name = "INSTANT")]
    pub(super) closed_at: Option<Timestamp>,
    /// What kind of competition it is; shown, not judged
    #[arg(long, default_value = "rally",
          value_parser = one_of::<Discipline>(&["rally", "time-trial", "regatta", "trail-run", "hike"]))]
    pub(super) discipline: Discipline,
    /// Who takes part, repeated or separated by commas; the tracker's name is the race number unless given
    #[arg(long, value_name = "NUMBER[=DEVICE][:CLASS]", value_delimiter = ',')]
    pub(super) entry: Vec<EntryOption>,
    /// Penalty for each missed waypoint, of a kind or of every kind; repeated or separated by commas [default: none]
    #[arg(long, value_name = "[KIND=]SECONDS", value_delimiter = ',')]
    pub(super) missed: Vec<MissedOption>,
    /// Speed between two fixes above which the movement is not believed
    #[arg(long, value_name = "KMH", default_value = "250", value_parser = speed)]
    pub(super) max_plausible_kmh: f64,
    /// Time between two fixes above which the line between them is weak evidence
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(super) max_gap_seconds: f64,
}

impl ImportArgs {
    /// Whether points of this kind become waypoints.
    pub(super) fn is_validated(&self, kind: &str) -> bool {
        match &self.kinds {
            Some(kinds) => kinds.iter().any(|own| own == kind),
            None => !kind.is_empty() && kind != "DAN",
        }
    }

    /// The event's name.
    pub(super) fn event_name(&self) -> String {
        self.event.clone().unwrap_or_else(|| {
            self.source
                .file_stem()
                .map_or_else(|| "Event".to_owned(), |stem| stem.to_string_lossy().into_owned())
        })
    }
}

/// One of the words of a column, with the words in the help text.
fn one_of<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: for<'de> Deserialize<'de> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| {
        let text: StrDeserializer<'_, ValueError> = word.as_str().into_deserializer();
        T::deserialize(text)
    })
}

fn within(text: &str, min: f64, max: f64, unit: &str) -> Result<f64, String> {
    let value: f64 = text.trim().parse().map_err(|_| "not a number".to_owned())?;
    if (min..=max).contains(&value) { Ok(value) } else { Err(format!("allowed is {min} to {max} {unit}")) }
}

fn radius(text: &str) -> Result<f64, String> {
    within(text, 0.01, 20_000.0, "m")
}

fn metres(text: &str) -> Result<f64, String> {
    within(text, 0.0, 20_000.0, "m")
}

/// Seconds up to one year.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    within(text, 0.0, 31_536_000.0, "s")
}

fn speed(text: &str) -> Result<f64, String> {
    within(text, 0.01, 10_000.0, "km/h")
}

fn tolerance(text: &str) -> Result<f64, String> {
    within(text, 0.0, 10_000.0, "km/h")
}

fn kind(text: &str) -> Result<String, String> {
    let kind = text.trim().to_uppercase();
    if kind.is_empty() { Err("a kind has a name".to_owned()) } else { Ok(kind) }
}
