//! Stored rows to a line: whose fixes they are, which are set aside, and the movements between the rest.

use race::course::tables::{EntryDevice, Event, Tables};
use race::position::Position;
use uuid::Uuid;

use crate::doubt;
use crate::ground::metres;

/// One stored row of `positions`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) position: Position,
    pub(crate) faulty: bool,
}

/// A used fix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fix {
    pub(crate) us: i64,
    pub(crate) lat: f64,
    pub(crate) lon: f64,
    /// The device's, hundredths of km/h; 0 is unknown.
    pub(crate) ckmh: i64,
}

/// Between two consecutive used fixes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Movement {
    pub(crate) weak: bool,
    pub(crate) cm: i64,
    pub(crate) metres: f64,
    /// Implied, hundredths of km/h.
    pub(crate) ckmh: i64,
}

/// How many fixes were used, faulty, without fix, outside the event, spikes.
pub(crate) type Counts = [u64; 5];

#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    pub(crate) fixes: Vec<Fix>,
    pub(crate) movements: Vec<Movement>,
    pub(crate) counts: Counts,
}

pub(crate) fn div_half_away(numerator: i128, denominator: i128) -> i64 {
    let half = if numerator < 0 { -denominator } else { denominator } / 2;
    i64::try_from((numerator + half) / denominator).unwrap()
}

/// Hundredths of km/h.
fn implied(a: &Fix, b: &Fix) -> (i64, i64) {
    let cm = (metres((a.lat, a.lon), (b.lat, b.lon)) * 100.0).round() as i64;
    (cm, div_half_away(i128::from(cm) * 3_600_000, i128::from(b.us - a.us)))
}

fn covers(row: &EntryDevice, us: i64) -> bool {
    row.valid_from.is_none_or(|t| t.micros() <= us) && row.valid_to.is_none_or(|t| us < t.micros())
}

/// The IMEI that times an entry at an instant.
pub(crate) fn timing_device(tables: &Tables, entry: Uuid, us: i64) -> Option<&str> {
    tables
        .entry_devices
        .iter()
        .filter(|row| row.entry_id == entry && covers(row, us))
        .map(|row| {
            let imei = tables.devices.iter().find(|d| d.id == row.device_id).unwrap().imei.as_str();
            (row.assigned_user_id.is_some(), !row.timing, imei)
        })
        .min()
        .map(|(_, _, imei)| imei)
}

impl Line {
    pub(crate) fn new(tables: &Tables, event: &Event, entry: Uuid, rows: &[Row]) -> Self {
        let mut rows: Vec<&Row> = rows
            .iter()
            .filter(|r| {
                timing_device(tables, entry, r.position.ts.micros()) == Some(r.position.device_id.as_ref())
            })
            .collect();
        rows.sort_by_key(|r| r.position.ts);
        let margin_us = (event.margin_seconds * 1e6).round() as i64;
        let mut counts = [0; 5];
        let mut kept: Vec<Fix> = Vec::new();
        for row in rows {
            let p = &row.position;
            let us = p.ts.micros();
            if row.faulty {
                counts[1] += 1;
            } else if p.satellites == 0 || (p.latitude == 0.0 && p.longitude == 0.0) {
                counts[2] += 1;
            } else if event.starts_at.is_some_and(|t| us < t.micros() - margin_us)
                || event.ends_at.is_some_and(|t| us > t.micros() + margin_us)
            {
                counts[3] += 1;
            } else {
                let ckmh = (f64::from(p.speed) * 10.0).round() as i64 * 10;
                kept.push(Fix { us, lat: p.latitude, lon: p.longitude, ckmh });
            }
        }
        let spike = spikes(event, &kept);
        counts[4] = spike.iter().filter(|s| **s).count() as u64;
        let fixes: Vec<Fix> = kept.iter().zip(&spike).filter(|(_, s)| !**s).map(|(f, _)| *f).collect();
        counts[0] = fixes.len() as u64;
        let gap_us = (event.max_gap_seconds * 1e6).round() as i64;
        let movements = fixes
            .windows(2)
            .map(|w| {
                let (cm, ckmh) = implied(&w[0], &w[1]);
                let weak = w[1].us - w[0].us > gap_us || too_fast(event, &w[0], &w[1]);
                let metres = metres((w[0].lat, w[0].lon), (w[1].lat, w[1].lon));
                Movement { weak, cm, metres, ckmh }
            })
            .collect();
        Self { fixes, movements, counts }
    }

    /// The movement that a place on the line belongs to; a fix belongs to the one that ends there.
    pub(crate) fn movement_at(&self, p: f64) -> usize {
        (p.ceil() as usize).saturating_sub(1)
    }

    /// Epoch milliseconds, rounded half away from zero.
    pub(crate) fn ms(&self, p: f64) -> i64 {
        let m = self.movement_at(p);
        let from = self.fixes[m].us;
        let Some(to) = self.fixes.get(m + 1) else { return div_half_away(i128::from(from), 1_000) };
        let us = (p - m as f64) * (to.us - from) as f64;
        div_half_away(i128::from(from + us.round() as i64), 1_000)
    }

    /// Epoch microseconds, with fractions.
    pub(crate) fn us(&self, p: f64) -> f64 {
        let m = self.movement_at(p);
        let from = self.fixes[m].us;
        self.fixes.get(m + 1).map_or(from as f64, |to| from as f64 + (p - m as f64) * (to.us - from) as f64)
    }

    /// Epoch milliseconds of the last used fix.
    pub(crate) fn end_ms(&self) -> Option<i64> {
        self.fixes.last().map(|f| div_half_away(i128::from(f.us), 1_000))
    }

    pub(crate) fn weak_at(&self, p: f64) -> bool {
        self.movements.get(self.movement_at(p)).is_some_and(|m| m.weak)
    }
}

fn too_fast(event: &Event, a: &Fix, b: &Fix) -> bool {
    let (_, ckmh) = implied(a, b);
    let limit = (event.max_plausible_kmh * 100.0).round() as i64;
    doubt::faster("plausible speed", ckmh, limit, 4_000_000 / (b.us - a.us).max(1) + 1)
}

fn spikes(event: &Event, fixes: &[Fix]) -> Vec<bool> {
    let mut aside = vec![false; fixes.len()];
    // Where no fix can be a spike, none waits to be one.
    if fixes.len() < 2 || event.spike_fixes == 0 {
        return aside;
    }
    let last = fixes.len() - 1;
    for from in 1..last {
        for to in from..last.min(from + event.spike_fixes as usize) {
            if too_fast(event, &fixes[from - 1], &fixes[from])
                && too_fast(event, &fixes[to], &fixes[to + 1])
                && !too_fast(event, &fixes[from - 1], &fixes[to + 1])
            {
                aside[from..=to].fill(true);
            }
        }
    }
    if too_fast(event, &fixes[0], &fixes[1]) {
        aside[0] = true;
    }
    if too_fast(event, &fixes[last - 1], &fixes[last]) {
        aside[last] = true;
    }
    aside
}
