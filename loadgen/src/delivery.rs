//! How fixes get to the broker: late, in bursts, twice, and out of order.

use crate::random::{Purpose, Random};
use crate::receiver::Fix;

/// How a fleet's network errs; probabilities from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Network {
    /// Of a tracker, to lose its signal once on the way.
    pub loss: f64,
    /// Of a fix, to be sent twice.
    pub duplicate: f64,
    /// Of a fix, to be overtaken by others.
    pub reorder: f64,
}

impl Default for Network {
    fn default() -> Self {
        Self { loss: 0.3, duplicate: 0.02, reorder: 0.03 }
    }
}

/// A fix on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sent {
    /// When the broker gets it.
    pub sent_ms: i64,
    /// The number of its tracker.
    pub device: u32,
    /// What is sent.
    pub fix: Fix,
}

/// Milliseconds between two fixes of a backlog that is made up for.
const BURST_STEP_MS: i64 = 20;
/// Most signals come back within minutes, the others within an hour, in milliseconds.
const SHORT_LOSS_MS: (u64, u64) = (60_000, 300_000);
const LONG_LOSS_MS: (u64, u64) = (300_000, 3_600_000);

/// When each fix of a tracker is sent, in no order. `blackout` is when nobody has a signal.
pub fn deliver(
    network: &Network,
    device: u32,
    fixes: &[Fix],
    blackout: Option<[i64; 2]>,
    seed: u64,
) -> Vec<Sent> {
    let mut random = Random::new(seed, Purpose::Delivery, u64::from(device));
    let own = own_loss(network, fixes, &mut random);
    let losses = [blackout, own];
    let mut waiting = [0_i64; 2];
    let mut sent = Vec::with_capacity(fixes.len());
    for fix in fixes {
        let way_ms = i64::try_from(random.whole(150, 700)).unwrap_or(0);
        let mut sent_ms = fix.ts_ms + way_ms;
        for (loss, waiting) in losses.iter().zip(&mut waiting) {
            if let Some([from, to]) = loss
                && (*from..*to).contains(&sent_ms)
            {
                // From then on one after another, the oldest first.
                sent_ms = to + way_ms + *waiting * BURST_STEP_MS;
                *waiting += 1;
            }
        }
        if random.chance(network.reorder) {
            sent_ms += i64::try_from(random.whole(1_000, 15_000)).unwrap_or(0);
        }
        sent.push(Sent { sent_ms, device, fix: *fix });
        if random.chance(network.duplicate) {
            let after_ms = i64::try_from(random.whole(500, 90_000)).unwrap_or(0);
            sent.push(Sent { sent_ms: sent_ms + after_ms, device, fix: *fix });
        }
    }
    sent
}

fn own_loss(network: &Network, fixes: &[Fix], random: &mut Random) -> Option<[i64; 2]> {
    let (first, last) = (fixes.first()?.ts_ms, fixes.last()?.ts_ms);
    let (happens, is_long) = (random.chance(network.loss), random.chance(0.2));
    let (low, high) = if is_long { LONG_LOSS_MS } else { SHORT_LOSS_MS };
    let length = i64::try_from(random.whole(low, high)).unwrap_or(0);
    let begin = first + i64::try_from(random.whole(0, last.abs_diff(first))).unwrap_or(0);
    happens.then_some([begin, begin + length])
}
