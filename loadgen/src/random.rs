//! Numbers that are the same in every run and on every machine: a stream cipher's, turned into floats here.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};

/// What numbers are drawn for. Each use has a stream of its own, so that one more draw for one of them moves no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Purpose {
    Course,
    Driver,
    Route,
    Receiver,
    Delivery,
}

/// A stream of numbers that belongs to a seed, a purpose and a number, such as an entry's.
#[derive(Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream.
    pub fn new(seed: u64, purpose: Purpose, number: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
        key[16..24].copy_from_slice(&number.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// From 0 until before 1, in steps of 2^-53.
    #[allow(clippy::cast_precision_loss, reason = "53 bits are kept")]
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From `low` until before `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Whether something with this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A whole number from `low` to `high`, both included.
    pub fn whole(&mut self, low: u64, high: u64) -> u64 {
        let span = u128::from(high - low) + 1;
        let drawn = (u128::from(self.0.next_u64()) * span) >> 64;
        low + u64::try_from(drawn).unwrap_or(0)
    }

    /// Near to normal with mean 0 and deviation 1, within -6 to 6: a sum, because logarithms differ between machines.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_purpose_and_number_and_come_again() {
        let first = |seed, purpose, number| Random::new(seed, purpose, number).unit().to_bits();
        let one = first(7, Purpose::Driver, 3);
        assert_eq!(one, first(7, Purpose::Driver, 3));
        for other in [first(8, Purpose::Driver, 3), first(7, Purpose::Route, 3), first(7, Purpose::Driver, 4)]
        {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn numbers_keep_to_their_range_and_spread_over_it() {
        let mut random = Random::new(1, Purpose::Course, 0);
        let wholes: Vec<u64> = (0..1_000).map(|_| random.whole(3, 5)).collect();
        assert!([3, 4, 5].iter().all(|n| wholes.contains(n)) && wholes.iter().all(|n| (3..=5).contains(n)));
        let normals: Vec<f64> = (0..10_000).map(|_| random.normal()).collect();
        let mean = normals.iter().sum::<f64>() / 1e4;
        let variance = normals.iter().map(|n| n * n).sum::<f64>() / 1e4;
        assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
