//! Track files one after another, with a progress bar when a person is watching.

use indicatif::{ProgressBar, ProgressStyle};
use pipeline::batch::{RawBatch, Reject};
use pipeline::source::{Source, TrackFile};

/// A source that reads files one after another.
pub(crate) struct Playlist {
    files: std::vec::IntoIter<TrackFile>,
    current: Option<TrackFile>,
    noted: usize,
    done_bytes: u64,
    bar: ProgressBar,
}

impl Playlist {
    pub(crate) fn new(files: Vec<TrackFile>) -> Self {
        // Drawn on stderr, and only where that is a terminal.
        let bar = ProgressBar::new(files.iter().map(|file| file.progress().total_bytes()).sum());
        let style =
            ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} eta {eta} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let mut files = files.into_iter();
        let current = files.next();
        Self { files, current, noted: 0, done_bytes: 0, bar }
    }

    fn tell_notes(&mut self) {
        let Some(current) = &self.current else { return };
        for note in &current.notes()[self.noted..] {
            self.bar.suspend(|| eprintln!("note: {note}"));
        }
        self.noted = current.notes().len();
    }
}

impl Source for Playlist {
    fn next(&mut self) -> Option<Result<RawBatch, Reject>> {
        loop {
            let current = self.current.as_mut()?;
            let next = current.next();
            let progress = current.progress();
            self.tell_notes();
            if next.is_some() {
                self.bar.set_position(self.done_bytes + progress.read_bytes());
                return next;
            }
            self.done_bytes += progress.total_bytes();
            self.bar.set_position(self.done_bytes);
            self.current = self.files.next();
            self.noted = 0;
            if self.current.is_none() {
                self.bar.finish_and_clear();
            }
        }
    }
}
