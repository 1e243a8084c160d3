//! A bound on calls in flight, and on those that wait to be.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// A call is begun with at least this part of its time left.
const WORTH_BEGINNING: u32 = 10;

/// How many calls of a kind there may be at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    /// Calls that Directus has not answered yet.
    pub(crate) in_flight: usize,
    /// Calls that wait for their turn; one more is refused at once.
    pub(crate) waiting: usize,
    /// How long one may wait for its turn where nobody waits for its answer. `None`: within the call's own time limit.
    pub(crate) turn_within: Option<Duration>,
}

/// Why a call was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Too many wait already.
    Full,
    /// Its turn did not come in time.
    Late,
}

pub(crate) struct Gate {
    places: Semaphore,
    turns: Semaphore,
    turn_within: Option<Duration>,
}

/// The right to make a call, given back when dropped.
pub(crate) struct Turn<'a> {
    _turn: SemaphorePermit<'a>,
    _place: SemaphorePermit<'a>,
    /// When the call is to be over.
    pub(crate) until: Instant,
}

impl Gate {
    pub(crate) fn new(bound: Bound) -> Self {
        // The library's own limit lies far above what is useful here.
        let permits = |number: usize| Semaphore::new(number.min(Semaphore::MAX_PERMITS));
        let in_flight = bound.in_flight.max(1);
        Self {
            places: permits(in_flight.saturating_add(bound.waiting)),
            turns: permits(in_flight),
            turn_within: bound.turn_within,
        }
    }

    /// Waits for the turn of a call that may take `limit`.
    pub(crate) async fn enter(&self, limit: Duration) -> Result<Turn<'_>, Closed> {
        let place = self.places.try_acquire().map_err(|_| Closed::Full)?;
        let begun = Instant::now();
        let turn = timeout_at(begun + self.turn_within.unwrap_or(limit), self.turns.acquire()).await;
        // Neither is ever closed, so the inner error does not happen.
        let turn = turn.map_err(|_| Closed::Late)?.map_err(|_| Closed::Late)?;
        let now = Instant::now();
        let until = if self.turn_within.is_some() { now } else { begun } + limit;
        // Where a Directus hangs, those who waited longest would only send what they give up at once.
        if until.saturating_duration_since(now) < limit / WORTH_BEGINNING {
            return Err(Closed::Late);
        }
        Ok(Turn { _turn: turn, _place: place, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_works_one_waits_and_a_third_is_refused() {
        let gate = Gate::new(Bound { in_flight: 1, waiting: 1, turn_within: None });
        let limit = Duration::from_secs(5);
        let first = gate.enter(limit).await.ok().unwrap();
        let begun = Instant::now();
        let waits = gate.enter(limit);
        tokio::pin!(waits);
        assert!(tokio::time::timeout(Duration::from_secs(1), &mut waits).await.is_err(), "it waits");
        assert_eq!(gate.enter(limit).await.err(), Some(Closed::Full));
        drop(first);
        let second = waits.await.ok().unwrap();
        assert_eq!(second.until, begun + limit, "waiting is part of the time");
        assert_eq!(gate.enter(limit).await.err(), Some(Closed::Late));
        drop(second);
        assert!(gate.enter(limit).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn where_nobody_waits_a_call_has_its_whole_time_once_its_turn_came() {
        let gate = Gate::new(Bound { in_flight: 1, waiting: 1, turn_within: Some(Duration::from_secs(60)) });
        let limit = Duration::from_secs(5);
        let first = gate.enter(limit).await.ok().unwrap();
        let waits = gate.enter(limit);
        tokio::pin!(waits);
        assert!(tokio::time::timeout(Duration::from_secs(30), &mut waits).await.is_err(), "it waits");
        drop(first);
        assert_eq!(waits.await.ok().unwrap().until, Instant::now() + limit);
    }
}
