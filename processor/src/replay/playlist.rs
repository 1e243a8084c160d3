//! Track files one after another, with a progress bar when a person is watching.

use std::path::PathBuf;
use std::str::FromStr;

use indicatif::{ProgressBar, ProgressStyle};
use pipeline::batch::{RawBatch, Reject};
use pipeline::source::{BatchSize, OpenError, Source, TrackFile};

use crate::tell::line;

/// `DEVICE=TRACK`, or a bare track, also one with `=` in its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrackArgument {
    device: Option<String>,
    path: PathBuf,
}

impl FromStr for TrackArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (device, path) = match text.split_once('=') {
            Some((device, _)) if device.contains(['/', '\\']) => (None, text),
            Some(_) if PathBuf::from(text).exists() => (None, text),
            Some((device, path)) => (Some(device.to_owned()), path),
            None => (None, text),
        };
        if path.is_empty() {
            return Err("names no track; write DEVICE=TRACK or TRACK".to_owned());
        }
        if device.as_ref().is_some_and(String::is_empty) {
            return Err("names no device before the =; write DEVICE=TRACK or TRACK".to_owned());
        }
        Ok(Self { device, path: PathBuf::from(path) })
    }
}

/// A source that reads files one after another, each opened when its turn comes: there may be more than the system
/// lets a process hold open.
pub(crate) struct Playlist {
    waiting: std::vec::IntoIter<TrackArgument>,
    current: Option<TrackFile>,
    size: BatchSize,
    noted: usize,
    done_bytes: u64,
    bar: ProgressBar,
}

impl Playlist {
    pub(crate) fn new(tracks: Vec<TrackArgument>, batch_records: usize) -> Self {
        let bytes = |track: &TrackArgument| std::fs::metadata(&track.path).map_or(0, |file| file.len());
        // Drawn on stderr, and only where that is a terminal.
        let bar = ProgressBar::new(tracks.iter().map(bytes).sum());
        let style =
            ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} eta {eta} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self {
            waiting: tracks.into_iter(),
            current: None,
            size: BatchSize { records: batch_records, ..BatchSize::default() },
            noted: 0,
            done_bytes: 0,
            bar,
        }
    }

    fn open(&self, track: &TrackArgument) -> Result<TrackFile, Reject> {
        TrackFile::open_with(&track.path, track.device.as_deref(), self.size).map_err(|error| {
            let message = match &error {
                OpenError::Read { error, .. } => error.to_string(),
                OpenError::Device { .. } => error.to_string(),
            };
            Reject {
                source: pipeline::source::name_of(&track.path),
                line: 0,
                field: "",
                message,
                entry: None,
            }
        })
    }

    fn tell_notes(&mut self) {
        let Some(current) = &self.current else { return };
        for note in &current.notes()[self.noted..] {
            self.bar.suspend(|| line(format_args!("note: {note}")));
        }
        self.noted = current.notes().len();
    }
}

impl Source for Playlist {
    fn next(&mut self) -> Option<Result<RawBatch, Reject>> {
        loop {
            let Some(current) = &mut self.current else {
                let Some(track) = self.waiting.next() else {
                    self.bar.finish_and_clear();
                    return None;
                };
                match self.open(&track) {
                    Ok(file) => self.current = Some(file),
                    Err(reject) => return Some(Err(reject)),
                }
                self.noted = 0;
                continue;
            };
            let next = current.next();
            let progress = current.progress();
            self.tell_notes();
            if next.is_some() {
                self.bar.set_position(self.done_bytes + progress.read_bytes());
                return next;
            }
            self.done_bytes += progress.total_bytes();
            self.bar.set_position(self.done_bytes);
            self.current = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_what_stands_before_the_equals_sign() {
        let parsed = |text: &str| {
            text.parse::<TrackArgument>()
                .map(|t| (t.device.unwrap_or_default(), t.path.display().to_string()))
        };
        let of = |device: &str, path: &str| Ok((device.to_owned(), path.to_owned()));
        assert_eq!(parsed("5=a/b.csv"), of("5", "a/b.csv"));
        assert_eq!(parsed("b.csv"), of("", "b.csv"));
        assert_eq!(parsed("./a=b.csv"), of("", "./a=b.csv"));
        assert_eq!(parsed("5=a=b.csv"), of("5", "a=b.csv"));
        assert!(parsed("5=").is_err() && parsed("=b.csv").is_err() && parsed("").is_err());
    }
}
