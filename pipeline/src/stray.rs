//! Positions of days that hardly any other is of: what a tracker with a broken clock sends, or an archive that is read
//! again. Each such day may be a chunk that the table has to make or open first, so they are committed apart, and the
//! positions of today do not wait for them. Of two different rows for one (device, instant), one of which comes among
//! strays and the other does not, the one that is committed first stays, as between two instances.

use std::collections::HashMap;

use race::course::Course;
use race::position::Position;

use crate::batch::{EvaluatedBatch, Roles, Rows, StreamId};
use crate::limits::USUAL_DAYS;

const DAY_MICROS: i64 = 86_400_000_000;

fn day(position: &Position) -> i64 {
    position.ts.micros().div_euclid(DAY_MICROS)
}

/// Takes the strays out of a decoded batch, with their ids; none of a batch that spans no more than
/// [`USUAL_DAYS`]: else those of all but the days that most are of.
pub(crate) fn take(positions: &mut Vec<Position>, ids: &mut Vec<StreamId>) -> Option<Rows> {
    let mut days: Vec<i64> = Vec::with_capacity(USUAL_DAYS + 1);
    for position in positions.iter() {
        let day = day(position);
        if days.last() != Some(&day) && !days.contains(&day) {
            days.push(day);
            if days.len() > USUAL_DAYS {
                break;
            }
        }
    }
    if days.len() <= USUAL_DAYS || ids.len() != positions.len() {
        return None;
    }
    let mut counts: HashMap<i64, usize> = HashMap::new();
    for position in positions.iter() {
        *counts.entry(day(position)).or_default() += 1;
    }
    let mut usual: Vec<(usize, i64)> = counts.into_iter().map(|(day, count)| (count, day)).collect();
    // Of days with as many the latest: it is the likelier to be today.
    usual.sort_unstable_by(|a, b| b.cmp(a));
    usual.truncate(USUAL_DAYS);
    let mut strays = Rows::default();
    let mut kept = (Vec::with_capacity(positions.len()), Vec::with_capacity(ids.len()));
    for (position, id) in positions.drain(..).zip(ids.drain(..)) {
        // Whatever else comes with it: what is of today does not wait behind an archive.
        let is_fresh = position.ts.micros().abs_diff(id.time().micros()) <= DAY_MICROS.unsigned_abs();
        let is_usual = is_fresh || usual.iter().any(|(_, usual)| *usual == day(&position));
        let (to, to_ids) =
            if is_usual { (&mut kept.0, &mut kept.1) } else { (&mut strays.positions, &mut strays.ids) };
        to.push(position);
        to_ids.push(id);
    }
    (*positions, *ids) = kept;
    Some(strays)
}

/// Makes a batch of strays for a writer. No lane has seen them: for every entry that they time they are late, so that
/// its past is looked at anew once they are stored.
pub(crate) fn evaluate(course: &Course, mut rows: Rows) -> EvaluatedBatch {
    let role = |position: &Position| {
        let uses = course.roster.uses(&position.device_id).unwrap_or_default();
        let times_somebody = uses.iter().any(|place| place.covers(position.ts));
        if times_somebody { Roles::LATE } else { Roles::NOBODY }
    };
    rows.roles = rows.positions.iter().map(role).collect();
    EvaluatedBatch { rows, parts: Vec::new() }
}

#[cfg(test)]
mod tests {
    use race::time::Timestamp;

    use super::*;

    fn batch(days: impl Iterator<Item = i64>) -> (Vec<Position>, Vec<StreamId>) {
        let position = |day: i64| Position {
            device_id: "a".into(),
            ts: Timestamp::from_micros(day * DAY_MICROS + 5),
            latitude: 0.0,
            longitude: 0.0,
            altitude: 0.0,
            angle: 0.0,
            speed: 0.0,
            satellites: 0,
            priority: 0,
            codec: "8",
            attributes: None,
        };
        let positions: Vec<Position> = days.map(position).collect();
        let ids = (0..positions.len() as u64).map(|seq| StreamId { ms: 1, seq }).collect();
        (positions, ids)
    }

    #[test]
    fn a_batch_of_few_days_is_left_alone() {
        let (mut positions, mut ids) = batch((0..400).map(|n| n % i64::try_from(USUAL_DAYS).unwrap()));
        assert!(take(&mut positions, &mut ids).is_none());
        assert_eq!(positions.len(), 400);
    }

    #[test]
    fn what_is_of_today_is_no_stray_however_few_it_is() {
        let (mut positions, mut ids) = batch((0..200).map(|n| if n == 77 { 0 } else { 10_000 + n / 10 }));
        let strays = take(&mut positions, &mut ids).unwrap();
        assert!(positions.iter().any(|position| day(position) == 0));
        assert!(!strays.positions.is_empty());
    }

    #[test]
    fn the_days_that_most_are_of_stay_in_their_order_with_their_ids() {
        let (mut positions, mut ids) = batch((0..300).map(|n| if n % 3 == 0 { -n } else { 20_000 }));
        let strays = take(&mut positions, &mut ids).unwrap();
        assert_eq!(positions.len() + strays.positions.len(), 300);
        assert_eq!(positions.iter().filter(|position| day(position) == 20_000).count(), 200);
        assert_eq!(strays.positions.len(), 100 - (USUAL_DAYS - 1));
        assert!(ids.is_sorted() && strays.ids.is_sorted());
        assert_eq!((ids.len(), strays.ids.len()), (positions.len(), strays.positions.len()));
    }
}
