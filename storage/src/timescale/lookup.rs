//! Which keys are stored already: a look into the index for each run of a device's fixes.

use std::collections::BTreeMap;

use race::position::Position;
use race::time::Timestamp;
use tokio_postgres::{Client, Statement};

use super::failure::Failure;
use super::instant::{Bound, Stored};
use super::offer::day;

/// Fixes of a device further apart than this are looked up apart. A wider run would find rows that nobody asked
/// for; a narrower one would look more often than there are devices.
const MAX_GAP_MICROS: i64 = 15_000_000;

/// OFFSET keeps the planner from turning the looks into a join. The ends of all runs keep chunks out.
pub(super) const SELECT: &str = "\
    SELECT r.n, p.ts FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY \
                          AS r (device_id, first, last, n) \
    CROSS JOIN LATERAL (SELECT ts FROM positions WHERE device_id = r.device_id AND ts BETWEEN r.first AND r.last \
                        AND ts BETWEEN $4 AND $5 OFFSET 0) p";

/// Those of `part`, given by key, whose key is stored; by key as well.
pub(super) async fn stored(
    client: &Client,
    select: &Statement,
    rows: &[Position],
    part: &[usize],
) -> Result<Vec<usize>, Failure> {
    // A query for each day, so that a late fix does not make every run be looked for in every chunk.
    let mut days: BTreeMap<i64, Vec<&[usize]>> = BTreeMap::new();
    for run in part.chunk_by(|&a, &b| follows(&rows[a], &rows[b])) {
        days.entry(day(&rows[run[0]])).or_default().push(run);
    }
    let mut stored = Vec::new();
    for runs in days.values() {
        let ends = |run: &&[usize]| (rows[run[0]].ts, rows[run[run.len() - 1]].ts);
        let devices: Vec<&str> = runs.iter().map(|run| &*rows[run[0]].device_id).collect();
        let (firsts, lasts): (Vec<Timestamp>, Vec<Timestamp>) = runs.iter().map(ends).unzip();
        let (Some(&first), Some(&last)) = (firsts.iter().min(), lasts.iter().max()) else { continue };
        let bounds = |ends: Vec<Timestamp>| ends.into_iter().map(Bound::of).collect::<Vec<_>>();
        let (firsts, lasts) = (bounds(firsts), bounds(lasts));
        let ends = (Bound::of(first), Bound::of(last));
        for found in client.query(select, &[&devices, &firsts, &lasts, &ends.0, &ends.1]).await? {
            let (n, Stored(ts)) = (found.try_get::<_, i64>(0)?, found.try_get(1)?);
            let run = usize::try_from(n - 1).ok().and_then(|n| runs.get(n));
            let run = run.ok_or_else(|| Failure::broken("a run was found that was not asked for"))?;
            if let Ok(at) = run.binary_search_by_key(&ts, |&row| rows[row].ts) {
                stored.push(run[at]);
            }
        }
    }
    stored.sort_unstable_by(|&a, &b| super::offer::by_key(&rows[a], &rows[b]));
    Ok(stored)
}

fn follows(a: &Position, b: &Position) -> bool {
    a.device_id == b.device_id && b.ts.micros().saturating_sub(a.ts.micros()) <= MAX_GAP_MICROS
}
