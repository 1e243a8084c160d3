//! From fixes to a track: what is set aside, and the movements between what remains.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::course::tables::Event;
use crate::earth;
use crate::fence::touch::{Fix, Movement, Odometer};
use crate::num::round_to;
use crate::position::Position;
use crate::time::Timestamp;

/// How an event reads its tracks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrackRules {
    /// The event's window with its margin; null is open.
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    max_plausible_ckmh: i64,
    max_gap_us: i64,
    spike_fixes: usize,
}

impl TrackRules {
    /// From the columns of an event.
    pub fn of(event: &Event) -> Self {
        let margin_us = round_to(event.margin_seconds, 1e6);
        let shifted = |ts: Option<Timestamp>, by: i64| {
            ts.map(|ts| Timestamp::from_micros(ts.micros().saturating_add(by)))
        };
        Self {
            from: shifted(event.starts_at, -margin_us),
            to: shifted(event.ends_at, margin_us),
            max_plausible_ckmh: round_to(event.max_plausible_kmh, 100.0),
            max_gap_us: round_to(event.max_gap_seconds, 1e6),
            spike_fixes: event.spike_fixes as usize,
        }
    }

    fn is_implausible(&self, from: &Fix, to: &Fix) -> bool {
        from.implied_ckmh(to) > self.max_plausible_ckmh
    }
}

/// How many fixes of a track were used, and how many set aside for which reason. They are never deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FixCounts {
    /// Part of the line.
    pub used: u64,
    /// Flagged by an operator.
    pub faulty: u64,
    /// Coordinates of exactly (0, 0), or no satellites.
    pub no_fix: u64,
    /// Outside the event's window and margin.
    pub outside_event: u64,
    /// Implausible against its neighbours, or a first or last fix with an implausible only neighbour.
    pub spike: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Candidate {
    fix: Fix,
    /// The movement into it from the fix before is implausible.
    implausible_into: bool,
}

/// The track of one entry, fed in order of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    rules: TrackRules,
    counts: FixCounts,
    /// Fixes not yet decided, behind as many decided ones as a spike may reach back over.
    window: VecDeque<Candidate>,
    /// How many at the front of `window` are decided.
    decided: usize,
    /// The front of `window` is the first fix of the track.
    front_is_first: bool,
    last_used: Option<Fix>,
    odometer: Odometer,
    latest: Option<Timestamp>,
}

impl Track {
    /// A track without a fix.
    pub fn new(rules: TrackRules) -> Self {
        Self {
            rules,
            counts: FixCounts::default(),
            window: VecDeque::new(),
            decided: 0,
            front_is_first: true,
            last_used: None,
            odometer: Odometer::default(),
            latest: None,
        }
    }

    /// The instant of the latest position, used or not. What comes next must be later.
    pub fn latest(&self) -> Option<Timestamp> {
        self.latest
    }

    /// Whether the end of the track would decide nothing that is not decided now.
    pub fn is_settled(&self) -> bool {
        self.decided == self.window.len()
    }

    /// How many positions it has taken, whatever became of them; without those that were only noted as faulty.
    pub fn seen(&self) -> u64 {
        let FixCounts { used, faulty: _, no_fix, outside_event, spike } = self.counts;
        used + no_fix + outside_event + spike + (self.window.len() - self.decided) as u64
    }

    /// What has become of the fixes so far.
    pub fn counts(&self) -> FixCounts {
        self.counts
    }

    /// Notes fixes that an operator flagged, which never reach the track.
    pub fn note_faulty(&mut self, fixes: u64) {
        self.counts.faulty += fixes;
    }

    /// Takes the next position, later than all before, and adds the movements that are now certain to `out`.
    pub fn push(&mut self, position: &Position, out: &mut Vec<Movement>) {
        debug_assert!(self.latest.is_none_or(|latest| latest < position.ts), "fixes come in order of time");
        self.latest = Some(position.ts);
        if position.is_no_fix() {
            self.counts.no_fix += 1;
            return;
        }
        if self.rules.from.is_some_and(|from| position.ts < from)
            || self.rules.to.is_some_and(|to| position.ts > to)
        {
            self.counts.outside_event += 1;
            return;
        }
        let fix = Fix {
            ts: position.ts,
            at: earth::ecef(position.latitude, position.longitude),
            speed_ckmh: round_to(f64::from(position.speed), 10.0) * 10,
        };
        let implausible_into =
            self.window.back().is_some_and(|before| self.rules.is_implausible(&before.fix, &fix));
        self.window.push_back(Candidate { fix, implausible_into });
        self.settle(false, out);
    }

    /// Decides what only the end of the track can decide, its last fix being the end.
    pub fn finish(mut self, out: &mut Vec<Movement>) -> FixCounts {
        self.settle(true, out);
        self.counts
    }

    fn settle(&mut self, at_end: bool, out: &mut Vec<Movement>) {
        while self.decided < self.window.len() {
            let Some(is_spike) = self.is_spike(self.decided, at_end) else { return };
            if is_spike {
                self.counts.spike += 1;
            } else {
                self.accept(self.window[self.decided].fix, out);
            }
            self.decided += 1;
            // A run that holds the next undecided fix begins at most `spike_fixes` before its neighbour.
            while self.decided > self.rules.spike_fixes.max(1) {
                self.window.pop_front();
                self.decided -= 1;
                self.front_is_first = false;
            }
        }
    }

    /// Whether the fix at `u` goes; `None` while later fixes may still decide it.
    ///
    /// A run of up to `spike_fixes` consecutive fixes goes together when the speeds into and out of it are
    /// implausible and skipping it is plausible. All runs are judged on the same sequence: a spike changes
    /// nobody's neighbours.
    fn is_spike(&self, u: usize, at_end: bool) -> Option<bool> {
        let longest = self.rules.spike_fixes;
        if longest == 0 {
            return Some(false);
        }
        if u == 0 && self.front_is_first {
            return match self.window.get(1) {
                Some(next) => Some(next.implausible_into),
                None => at_end.then_some(false),
            };
        }
        let mut undecided = false;
        for first in (u + 1).saturating_sub(longest).max(1)..=u {
            if !self.window[first].implausible_into {
                continue;
            }
            for after in u + 1..=first + longest {
                match self.window.get(after) {
                    Some(next) if next.implausible_into => {
                        if !self.rules.is_implausible(&self.window[first - 1].fix, &next.fix) {
                            return Some(true);
                        }
                    }
                    Some(_) => {}
                    None => undecided = true,
                }
            }
        }
        let is_last = u + 1 == self.window.len();
        match (undecided, at_end) {
            (false, _) => Some(false),
            (true, true) => Some(is_last && self.window[u].implausible_into),
            (true, false) => None,
        }
    }

    fn accept(&mut self, fix: Fix, out: &mut Vec<Movement>) {
        self.counts.used += 1;
        let movement = match self.last_used {
            None => Movement::beginning(fix),
            Some(from) => {
                let weak = fix.ts.micros() - from.ts.micros() > self.rules.max_gap_us
                    || self.rules.is_implausible(&from, &fix);
                Movement { from, to: fix, weak, before: self.odometer }
            }
        };
        self.odometer = movement.after();
        out.push(movement);
        self.last_used = Some(fix);
    }
}

#[cfg(test)]
mod tests;
