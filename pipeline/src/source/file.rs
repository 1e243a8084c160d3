//! A track in a file: its form, its device, its batches.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::batch::{RawBatch, RawForm, Reject, SourceName};
use crate::decode::{DEVICE_ID_ALLOWED, excerpt, is_device_id};
use crate::limits::{BATCH_BYTES, BATCH_RECORDS};

use super::csv::CsvRecords;
use super::gpx::GpxRecords;
use super::input::{Input, Progress};
use super::ndjson::NdjsonRecords;
use super::{Records, Source, Step};

/// Why a track file could not be opened. Each names the path.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not there, may not be read, or is a directory.
    #[error("{}: {error}", name_of(path))]
    Read {
        /// As it was given.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: std::io::Error,
    },
    /// The device named for it, or the file name in its place, cannot be a device id.
    #[error("{}: {} is not {DEVICE_ID_ALLOWED}; name the device with DEVICE=FILE", name_of(path), excerpt(device.as_bytes()))]
    Device {
        /// As it was given.
        path: PathBuf,
        /// What was to be the device.
        device: String,
    },
}

/// The name under which a file's records are told: its path, fit for a terminal.
pub fn name_of(path: &Path) -> SourceName {
    let printable = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    path.display().to_string().chars().map(printable).collect::<String>().into()
}

/// When a batch is closed.
#[derive(Debug, Clone, Copy)]
pub struct BatchSize {
    /// Records after which it is closed; 0 counts as 1.
    pub records: usize,
    /// Bytes after which it is closed even with fewer records.
    pub bytes: usize,
}

impl Default for BatchSize {
    /// [`BATCH_RECORDS`] and [`BATCH_BYTES`].
    fn default() -> Self {
        Self { records: BATCH_RECORDS, bytes: BATCH_BYTES }
    }
}

/// A CSV, GPX or NDJSON file, gzip or not, read as it is pulled.
///
/// The form is told by the name (`.csv`, `.gpx`, `.ndjson`, `.jsonl`, `.json`, each also with `.gz`), else by the
/// first byte of the content; gzip is told by the content alone.
pub struct TrackFile {
    records: Box<dyn Records>,
    batch: RawBatch,
    size: BatchSize,
    progress: Progress,
    /// Whether anything, good or refused, was met.
    met: bool,
    ended: bool,
    last: Option<Reject>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Csv,
    Gpx,
    Ndjson,
}

impl TrackFile {
    /// Opens a track. `device` is the device of all its records; without it a payload's own `device_id` counts,
    /// and where a form or a payload has none, the file's name without its extensions.
    ///
    /// Errors: the file cannot be read or is a directory, or the device is no device id.
    pub fn open(path: impl AsRef<Path>, device: Option<&str>) -> Result<Self, OpenError> {
        Self::open_with(path, device, BatchSize::default())
    }

    /// As [`TrackFile::open`], with batches of another size.
    ///
    /// Errors: as [`TrackFile::open`].
    pub fn open_with(
        path: impl AsRef<Path>,
        device: Option<&str>,
        size: BatchSize,
    ) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let read_error = |error| OpenError::Read { path: path.to_owned(), error };
        let (input, progress) = Input::open(path).map_err(read_error)?;
        let source = name_of(path);
        let (stem, extension) = stem_and_extension(path);
        let form = match extension.as_str() {
            "csv" => Form::Csv,
            "gpx" => Form::Gpx,
            "ndjson" | "jsonl" | "json" => Form::Ndjson,
            _ => match input.first_byte() {
                Some(b'<') => Form::Gpx,
                Some(b'{') => Form::Ndjson,
                _ => Form::Csv,
            },
        };
        let own = match form {
            Form::Csv | Form::Gpx => Some(device.unwrap_or(&stem)),
            Form::Ndjson => device,
        };
        if let Some(device) = own.filter(|device| !is_device_id(device)) {
            return Err(OpenError::Device { path: path.to_owned(), device: device.to_owned() });
        }
        let (codec, raw_form) = match form {
            Form::Csv => ("csv", RawForm::Fields),
            Form::Gpx => ("gpx", RawForm::Fields),
            Form::Ndjson => ("ndjson", RawForm::Json),
        };
        let mut batch = RawBatch::new(source.clone(), codec, raw_form, own.map(Arc::from));
        let records: Box<dyn Records> = match form {
            Form::Csv => Box::new(CsvRecords::new(source, input)),
            Form::Gpx => Box::new(GpxRecords::new(source, input)),
            Form::Ndjson => {
                batch.fallback_device = Some(stem.into());
                Box::new(NdjsonRecords::new(source, input))
            }
        };
        Ok(Self { records, batch, size, progress, met: false, ended: false, last: None })
    }

    /// How far the file has been read; a clone of it may be watched from another thread.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// The records gathered so far; an empty batch like it takes its place.
    fn take_batch(&mut self) -> RawBatch {
        let full = &self.batch;
        let mut empty = RawBatch::new(full.source.clone(), full.codec, full.form, full.device.clone());
        empty.fallback_device.clone_from(&full.fallback_device);
        // The next batch will be about as large.
        empty.bytes.reserve(full.bytes.len());
        empty.ends.reserve(full.ends.len());
        empty.lines.reserve(full.lines.len());
        std::mem::replace(&mut self.batch, empty)
    }
}

impl Source for TrackFile {
    fn next(&mut self) -> Option<Result<RawBatch, Reject>> {
        while !self.ended {
            match self.records.read(&mut self.batch) {
                Step::Record => {
                    self.met = true;
                    if self.batch.len() >= self.size.records || self.batch.bytes.len() >= self.size.bytes {
                        return Some(Ok(self.take_batch()));
                    }
                }
                Step::Refused(reject) => {
                    self.met = true;
                    return Some(Err(reject));
                }
                Step::End(reject) => {
                    self.ended = true;
                    let nothing = !self.met && reject.is_none();
                    self.last = if nothing { Some(self.no_fixes()) } else { reject };
                }
            }
        }
        if self.batch.is_empty() { self.last.take().map(Err) } else { Some(Ok(self.take_batch())) }
    }

    fn notes(&self) -> &[String] {
        self.records.notes()
    }
}

impl TrackFile {
    fn no_fixes(&self) -> Reject {
        Reject {
            source: self.batch.source.clone(),
            line: 0,
            field: "",
            message: "no fixes".into(),
            entry: None,
        }
    }
}

/// The file's name without `.gz` and one more extension, and that extension in lower case.
fn stem_and_extension(path: &Path) -> (String, String) {
    let lower = |path: &Path| path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    let mut name = PathBuf::from(path.file_name().unwrap_or_default());
    if lower(&name).as_deref() == Some("gz") {
        name.set_extension("");
    }
    let extension = lower(&name).unwrap_or_default();
    (name.file_stem().unwrap_or_default().to_string_lossy().into_owned(), extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_gives_stem_and_form() {
        for (path, stem, extension) in [
            ("a/356307.csv", "356307", "csv"),
            ("a/356307.CSV.GZ", "356307", "csv"),
            ("car.12.gpx.gz", "car.12", "gpx"),
            ("track", "track", ""),
            ("track.gz", "track", ""),
        ] {
            assert_eq!(
                stem_and_extension(Path::new(path)),
                (stem.to_owned(), extension.to_owned()),
                "{path}"
            );
        }
    }

    #[test]
    fn what_cannot_be_opened_names_its_path() {
        let missing = TrackFile::open("no/such/track.csv", None).err().unwrap().to_string();
        assert!(missing.starts_with("no/such/track.csv: "), "{missing}");
        let directory = TrackFile::open("src", None).err().unwrap().to_string();
        assert_eq!(directory, "src: is a directory");
        let device = TrackFile::open("Cargo.toml", Some("a\u{7}")).err().unwrap().to_string();
        assert!(
            device.starts_with(r#"Cargo.toml: "a\u{7}" is not a device id of 1 to 64 characters"#),
            "{device}"
        );
    }
}
