//! A batch put in order: sorted by (device, ts), repeats set aside, split where it spans too many days.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use race::position::Position;
use race::time::Timestamp;

/// Days that one transaction touches at most. Each day is a chunk, and a chunk costs several of the server's
/// locks: 64 a connection unless an operator changed `max_locks_per_transaction`.
pub(super) const MAX_DAYS: usize = 32;
const DAY_MICROS: i64 = 86_400_000_000;

/// A batch in order. Rows are named by their index in the batch.
#[derive(Debug)]
pub(super) struct Offer<'a> {
    pub(super) rows: &'a [Position],
    /// The first row offered of each key, by key.
    pub(super) firsts: Vec<usize>,
    /// Every other row, with the first of its key, by key.
    pub(super) repeats: Vec<Repeat>,
}

/// A row whose key came earlier in the same batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repeat {
    pub(super) row: usize,
    pub(super) first: usize,
}

/// What rows are sorted by, beside each other in memory.
#[derive(Debug, Clone, Copy)]
struct Key {
    /// The first bytes of the device's name, and zeros: where two differ, their names differ the same way.
    device: u128,
    ts: Timestamp,
    row: usize,
}

impl Key {
    fn of(row: usize, position: &Position) -> Self {
        let name = position.device_id.as_bytes();
        let mut first = [0; size_of::<u128>()];
        let len = name.len().min(first.len());
        first[..len].copy_from_slice(&name[..len]);
        Self { device: u128::from_be_bytes(first), ts: position.ts, row }
    }
}

/// Rows of one device mostly share its text.
fn by_device(a: &Position, b: &Position) -> Ordering {
    if Arc::ptr_eq(&a.device_id, &b.device_id) { Ordering::Equal } else { a.device_id.cmp(&b.device_id) }
}

/// By device and instant: neighbours of the index land on one page, and two writers lock rows in one order.
pub(super) fn by_key(a: &Position, b: &Position) -> Ordering {
    by_device(a, b).then(a.ts.cmp(&b.ts))
}

impl<'a> Offer<'a> {
    pub(super) fn new(rows: &'a [Position]) -> Self {
        let mut order: Vec<Key> =
            rows.iter().enumerate().map(|(row, position)| Key::of(row, position)).collect();
        // The index decides between equal keys: the first offered stays first.
        order.sort_unstable_by(|a, b| {
            let devices = a.device.cmp(&b.device);
            let devices = devices.then_with(|| by_device(&rows[a.row], &rows[b.row]));
            devices.then(a.ts.cmp(&b.ts)).then(a.row.cmp(&b.row))
        });
        let mut firsts: Vec<usize> = Vec::with_capacity(rows.len());
        let mut repeats = Vec::new();
        for Key { row, .. } in order {
            match firsts.last() {
                Some(&first) if by_key(&rows[first], &rows[row]).is_eq() => {
                    repeats.push(Repeat { row, first });
                }
                _ => firsts.push(row),
            }
        }
        Self { rows, firsts, repeats }
    }

    /// The firsts in parts of at most [`MAX_DAYS`] days each, every part by key.
    pub(super) fn parts(&self) -> Vec<Vec<usize>> {
        let days = self.days(&self.firsts);
        if days.len() <= MAX_DAYS {
            return if self.firsts.is_empty() { Vec::new() } else { vec![self.firsts.clone()] };
        }
        let days: Vec<i64> = days.into_iter().collect();
        let mut parts = vec![Vec::new(); days.len().div_ceil(MAX_DAYS)];
        for &row in &self.firsts {
            let day = days.partition_point(|&other| other < day(&self.rows[row]));
            parts[day / MAX_DAYS].push(row);
        }
        parts
    }

    /// A part as two: by days when there are several, else by keys. `None` for a single row.
    pub(super) fn halves(&self, part: &[usize]) -> Option<[Vec<usize>; 2]> {
        if part.len() < 2 {
            return None;
        }
        let days = self.days(part);
        let (early, late) = match days.iter().nth(days.len() / 2) {
            Some(&middle) if days.len() > 1 => part.iter().partition(|&&row| day(&self.rows[row]) < middle),
            _ => {
                let (early, late) = part.split_at(part.len() / 2);
                (early.to_vec(), late.to_vec())
            }
        };
        Some([early, late])
    }

    fn days(&self, part: &[usize]) -> BTreeSet<i64> {
        let mut days = BTreeSet::new();
        let mut last = None;
        for day in part.iter().map(|&row| day(&self.rows[row])) {
            if last.replace(day) != Some(day) {
                days.insert(day);
            }
        }
        days
    }
}

/// The day of a fix, UTC, counted from 1970: the chunk that it lands in.
pub(super) fn day(row: &Position) -> i64 {
    row.ts.micros().div_euclid(DAY_MICROS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_come_by_key_however_names_begin(
            names in prop::collection::vec(("[ab\0]{0,2}|1234567890123456[ab]{0,2}", 0_i64..3), 0..40),
        ) {
            let rows: Vec<Position> = names.iter().map(|(name, day)| row(name, *day)).collect();
            let mut expected: Vec<usize> = (0..rows.len()).collect();
            expected.sort_by(|&a, &b| by_key(&rows[a], &rows[b]));
            let firsts = expected.chunk_by(|&a, &b| by_key(&rows[a], &rows[b]).is_eq()).map(|run| run[0]);
            prop_assert_eq!(Offer::new(&rows).firsts, firsts.collect::<Vec<_>>());
        }
    }

    fn row(device: &str, day: i64) -> Position {
        Position {
            device_id: device.into(),
            ts: Timestamp::from_micros(day * DAY_MICROS - 1),
            latitude: 0.0,
            longitude: 0.0,
            altitude: 0.0,
            angle: 0.0,
            speed: 0.0,
            satellites: 0,
            priority: 0,
            codec: "8",
            attributes: None,
        }
    }

    #[test]
    fn the_first_offered_of_a_key_comes_first() {
        let rows = [row("b", 1), row("a", 2), row("b", 1), row("a", 1), row("b", 1)];
        let offer = Offer::new(&rows);
        assert_eq!(offer.firsts, [3, 1, 0]);
        assert_eq!(offer.repeats, [Repeat { row: 2, first: 0 }, Repeat { row: 4, first: 0 }]);
        assert_eq!(offer.parts(), [[3, 1, 0]]);
        assert!(Offer::new(&[]).parts().is_empty());
    }

    #[test]
    fn parts_span_few_days_and_lose_no_row() {
        let rows: Vec<Position> = (-50..50).flat_map(|day| [row("a", day), row("b", -day)]).collect();
        let offer = Offer::new(&rows);
        let parts = offer.parts();
        assert_eq!(parts.len(), 4);
        assert!(parts.iter().all(|part| offer.days(part).len() <= MAX_DAYS));
        assert!(parts.iter().all(|part| part.is_sorted_by(|&a, &b| by_key(&rows[a], &rows[b]).is_lt())));
        let mut all: Vec<usize> = parts.concat();
        all.sort_unstable();
        assert_eq!(all, (0..rows.len()).collect::<Vec<_>>());
    }

    #[test]
    fn halves_part_days_before_keys() {
        let rows = [row("a", 1), row("a", 2), row("a", 3), row("b", 1)];
        let offer = Offer::new(&rows);
        assert_eq!(offer.halves(&[0, 1, 2, 3]), Some([vec![0, 3], vec![1, 2]]));
        assert_eq!(offer.halves(&[0, 3]), Some([vec![0], vec![3]]));
        assert_eq!(offer.halves(&[0]), None);
    }
}
