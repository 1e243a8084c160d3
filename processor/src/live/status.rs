//! Whether the live channel serves: what `/readyz/live` says.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// After so long a failure is no longer one that passes by itself.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(crate) struct Status(Mutex<State>);

#[derive(Debug)]
enum State {
    /// Not on, or not yet, or not any more, and why.
    No(&'static str),
    /// It reads the stream.
    Works,
    /// Reading has failed since then; whether it worked before, and why it does not.
    Fails { since: Instant, worked: bool, error: String },
}

impl Default for Status {
    fn default() -> Self {
        Self(Mutex::new(State::No("the live channel is starting")))
    }
}

impl Status {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It does not serve.
    pub(crate) fn is_not(&self, why: &'static str) {
        *self.state() = State::No(why);
    }

    /// The stream can be read, as far as is known: an idle one says nothing for as long as a read waits. After a failure
    /// only a read tells that it is over.
    pub(super) fn begins(&self) {
        let mut state = self.state();
        if matches!(*state, State::No(_)) {
            *state = State::Works;
        }
    }

    /// The stream was read.
    pub(super) fn works(&self) {
        *self.state() = State::Works;
    }

    /// The stream could not be read.
    pub(super) fn fails(&self, error: &str) {
        let mut state = self.state();
        let (since, worked) = match &*state {
            State::Fails { since, worked, .. } => (*since, *worked),
            State::Works => (Instant::now(), true),
            State::No(_) => (Instant::now(), false),
        };
        *state = State::Fails { since, worked, error: error.to_owned() };
    }

    /// What keeps it from serving, if anything does. What it knows it goes on serving while the broker is away for a
    /// moment.
    pub(crate) fn trouble(&self) -> Option<String> {
        match &*self.state() {
            State::No(why) => Some((*why).to_owned()),
            State::Works => None,
            State::Fails { since, worked: true, .. } if since.elapsed() < STUCK_AFTER => None,
            State::Fails { error, .. } => Some(format!("reading the stream: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_passes_is_not_told() {
        let status = Status::default();
        assert!(status.trouble().unwrap().contains("starting"));
        status.fails("away");
        status.begins();
        assert_eq!(status.trouble().unwrap(), "reading the stream: away");
        status.works();
        assert_eq!(status.trouble(), None);
        status.fails("away");
        assert_eq!(status.trouble(), None);
        status.is_not("the live channel has stopped");
        assert!(status.trouble().is_some());
        status.begins();
        assert_eq!(status.trouble(), None);
    }
}
