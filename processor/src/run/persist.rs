//! One batch, committed whatever it takes: tried again while the database is away, divided when it is refused.

use std::collections::VecDeque;
use std::sync::Arc;

use storage::{Live, PositionWrite, RowOutcome, StoreError, Touch};
use tokio::time::sleep;

use super::backoff::Backoff;
use super::events::{COMMITTING, Events};
use super::metrics::Peer;

/// Times that a connected server may fail a batch, or a single row, in ways that pass by themselves, before one half of
/// it is tried, or the row is given up: a row may be what makes it fail.
const ATTEMPTS: u32 = 8;
/// The same for a part of a batch: patience was shown with the whole of it.
const PART_ATTEMPTS: u32 = 2;
/// Times that a single row must fail although others go through, before it is given up: once may be a coincidence.
const PROOFS: u32 = 3;

/// Commits batches under a lease.
pub(super) struct Persist<S> {
    store: S,
    events: Arc<Events>,
}

/// Another instance has taken over: nothing more is committed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another instance has taken over the lease")]
pub(super) struct TakenOver;

/// What became of a row; `Err` says why it cannot be stored.
pub(super) type Outcome = Result<RowOutcome, String>;

/// What became of a batch.
pub(super) struct Stored {
    /// One a row.
    pub(super) outcomes: Vec<Outcome>,
    /// It was offered more than once. A connection that breaks may take the answer to a commit with it, so rows that
    /// are duplicates may have been inserted by this very batch.
    pub(super) offered_again: bool,
}

/// A part of a batch, by the numbers of its rows.
struct Part {
    rows: Vec<usize>,
    attempts: u32,
    /// Times that others went through while it, a single row, did not.
    proofs: u32,
}

impl<S: Live> Persist<S> {
    pub(super) fn new(store: S, events: Arc<Events>) -> Self {
        Self { store, events }
    }

    /// Commits a batch.
    ///
    /// Where the database goes on refusing, the batch is halved, and each half for itself, down to single rows: in
    /// all at most twice as many transactions as there are rows, or four times when it says that it may pass. A row
    /// that the data itself makes impossible is given up. One that fails in another way is given up only if one
    /// that is only tried goes through at the same instant: otherwise it is the server that is broken, and it is waited
    /// for, as it is while it has no room.
    pub(super) async fn commit(&self, write: &PositionWrite) -> Result<Stored, TakenOver> {
        let mut outcomes: Vec<Outcome> = vec![Err(String::new()); write.rows.len()];
        let mut parts = VecDeque::from([Part { rows: Vec::new(), attempts: 0, proofs: 0 }]);
        let (mut backoff, mut whole) = (Backoff::default(), true);
        let mut offered_again = false;
        while let Some(mut part) = parts.pop_front() {
            let result = if whole {
                self.store.write(write).await
            } else {
                self.store.write(&write_of(write, &part.rows)).await
            };
            let error = match result {
                Ok(committed) => {
                    backoff.reset();
                    self.events.unstuck(COMMITTING);
                    self.events.peer_up(Peer::postgres);
                    if whole {
                        let outcomes = committed.rows.into_iter().map(Ok).collect();
                        return Ok(Stored { outcomes, offered_again });
                    }
                    for (&row, outcome) in part.rows.iter().zip(committed.rows) {
                        outcomes[row] = Ok(outcome);
                    }
                    continue;
                }
                Err(StoreError::Fenced { .. }) => return Err(TakenOver),
                Err(error) => error,
            };
            offered_again = true;
            if matches!(error, StoreError::Away { .. }) {
                self.events.peer_down(Peer::postgres, &error);
                sleep(backoff.next()).await;
                parts.push_front(part);
                continue;
            }
            let rows = if whole { write.rows.len() } else { part.rows.len() };
            part.attempts += 1;
            self.events.write_failed(rows, part.attempts, &error);
            let refused = matches!(error, StoreError::Refused { .. });
            let attempts = if whole || rows == 1 { ATTEMPTS } else { PART_ATTEMPTS };
            if !refused && part.attempts < attempts {
                sleep(backoff.next()).await;
                // The others first: one of them may go through, which ends the waiting.
                parts.push_back(part);
                continue;
            }
            if whole {
                part.rows = (0..write.rows.len()).collect();
                whole = false;
            }
            match part.rows.as_slice() {
                [] => {}
                [row] if refused => outcomes[*row] = Err(error.to_string()),
                [row] => {
                    let is_full = matches!(error, StoreError::Unable { .. });
                    let others_go = !is_full && self.others_go(write, *row).await;
                    if others_go && part.proofs + 1 >= PROOFS {
                        outcomes[*row] = Err(error.to_string());
                        continue;
                    }
                    let (attempts, proofs) = if others_go { (ATTEMPTS - 1, part.proofs + 1) } else { (0, 0) };
                    if !others_go {
                        self.events.peer_down(Peer::postgres, &error);
                    }
                    sleep(backoff.next()).await;
                    parts.push_back(Part { rows: part.rows, attempts, proofs });
                }
                rows => {
                    let (early, late) = rows.split_at(rows.len() / 2);
                    let [early, late] =
                        [early, late].map(|half| Part { rows: half.to_vec(), attempts: 0, proofs: 0 });
                    if refused {
                        // In their order, so that of two rows for one instant the first one stays.
                        parts.push_front(late);
                        parts.push_front(early);
                    } else {
                        parts.extend([early, late]);
                    }
                }
            }
        }
        Ok(Stored { outcomes, offered_again })
    }

    /// Whether a row of another device goes through now, at the instant of one that does not.
    async fn others_go(&self, write: &PositionWrite, row: usize) -> bool {
        self.store.rehearse(write.rows[row].ts).await.is_ok()
    }
}

/// Some rows of a batch, with what is said of them.
fn write_of(write: &PositionWrite, rows: &[usize]) -> PositionWrite {
    let touches = write.touches.iter().filter_map(|touch| {
        let row = rows.binary_search(&touch.row).ok()?;
        Some(Touch { row, entry_id: touch.entry_id })
    });
    PositionWrite {
        rows: rows.iter().map(|&row| write.rows[row].clone()).collect(),
        touches: touches.collect(),
        ingested_at: write.ingested_at,
        fence: write.fence,
    }
}
