//! A simulated race day on disk: the course, the tracks in order of sending, and the truth.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use race::course::Tables;
use race::time::Timestamp;

use crate::delivery::Sent;
use crate::simulate::Simulation;
use crate::truth::{FORMAT, Truth};

/// The course that was driven.
pub const COURSE: &str = "course.json";
/// A telemetry payload a line, in order of sending; `sent_at` is not a part of the payload and comes first.
pub const TRACKS: &str = "tracks.ndjson";
/// What really happened.
pub const TRUTH: &str = "truth.json";
/// Bytes that `{"sent_at":"2025-06-07T06:00:00.000Z",` takes: behind it comes the payload, without its brace.
pub const SENT_AT_BYTES: usize = 38;
/// Bytes written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Why a folder cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The system says no.
    #[error("{}: {error}", path.display())]
    Io {
        /// Of what.
        path: PathBuf,
        /// What it says.
        #[source]
        error: io::Error,
    },
    /// The file is there and holds something else.
    #[error("{}: {problem}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl FolderError {
    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), error }
    }

    pub(crate) fn content(path: &Path, problem: &impl ToString) -> Self {
        Self::Content { path: path.to_owned(), problem: problem.to_string() }
    }
}

/// Writes the line of a fix, its newline included.
pub fn line(text: &mut String, sent: &Sent, devices: &[String]) {
    let fix = &sent.fix;
    let (sent_at, ts) = (Timestamp::from_millis(sent.sent_ms), Timestamp::from_millis(fix.ts_ms));
    let device = &devices[sent.device as usize];
    // Writing to a string does not fail.
    let _ = write!(text, r#"{{"sent_at":"{sent_at}","device_id":"{device}","timestamp":"{ts}","#);
    let _ = write!(text, r#""latitude":{},"longitude":{},"#, E7(fix.latitude_e7), E7(fix.longitude_e7));
    let _ = write!(
        text,
        r#""altitude":{},"angle":{},"speed":{},"satellites":{},"priority":0,"#,
        fix.altitude_m, fix.angle, fix.speed_kmh, fix.satellites
    );
    let moves = u8::from(fix.speed_kmh > 0);
    let _ = writeln!(text, r#""attributes":{{"21":4,"66":12650,"239":1,"240":{moves}}}}}"#);
}

/// Units of 1e-7 as a decimal number; no float takes part.
struct E7(i64);

impl std::fmt::Display for E7 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, units) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        if units == 0 {
            return f.write_str("0");
        }
        write!(f, "{sign}{}.{:07}", units / 10_000_000, units % 10_000_000)
    }
}

/// Writes a race day into a folder, which is made where it is not there; `told` is called with each number of lines.
///
/// # Errors
/// The system does not let it.
pub fn write(folder: &Path, simulation: &Simulation, mut told: impl FnMut(u64)) -> Result<(), FolderError> {
    std::fs::create_dir_all(folder).map_err(|error| FolderError::io(folder, error))?;
    let json = |name: &str, text: serde_json::Result<String>| {
        let path = folder.join(name);
        let text = text.map_err(|error| FolderError::content(&path, &error))? + "\n";
        std::fs::write(&path, text).map_err(|error| FolderError::io(&path, error))
    };
    json(COURSE, serde_json::to_string_pretty(&simulation.course))?;
    let path = folder.join(TRACKS);
    let file = File::create(&path).map_err(|error| FolderError::io(&path, error))?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let mut text = String::new();
    for sent in &simulation.sent {
        text.clear();
        line(&mut text, sent, &simulation.devices);
        out.write_all(text.as_bytes()).map_err(|error| FolderError::io(&path, error))?;
        told(1);
    }
    out.flush().map_err(|error| FolderError::io(&path, error))?;
    // Last, so that a folder with a truth is a whole one.
    json(TRUTH, serde_json::to_string(&simulation.truth))
}

/// Reads the course of a folder.
///
/// # Errors
/// It is not there, or no course.
pub fn course(folder: &Path) -> Result<Tables, FolderError> {
    let path = folder.join(COURSE);
    let text = std::fs::read_to_string(&path).map_err(|error| FolderError::io(&path, error))?;
    race::course::parse(&text).map_err(|errors| FolderError::content(&path, &errors))
}

/// Reads the truth of a folder.
///
/// # Errors
/// It is not there, or of another version.
pub fn truth(folder: &Path) -> Result<Truth, FolderError> {
    let path = folder.join(TRUTH);
    let text = std::fs::read_to_string(&path).map_err(|error| FolderError::io(&path, error))?;
    let truth: Truth = serde_json::from_str(&text).map_err(|error| FolderError::content(&path, &error))?;
    if truth.format != FORMAT {
        let problem = format!("is {:?}, and this program reads {FORMAT:?}", truth.format);
        return Err(FolderError::content(&path, &problem));
    }
    Ok(truth)
}
