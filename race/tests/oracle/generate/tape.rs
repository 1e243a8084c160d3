//! A tape of choices: what proptest draws and shrinks, read as a course and a fleet. Where it ends it reads 0, the
//! simplest choice.

#[derive(Debug)]
pub(crate) struct Tape<'a> {
    choices: &'a [u32],
    at: usize,
}

impl<'a> Tape<'a> {
    pub(crate) fn new(choices: &'a [u32]) -> Self {
        Self { choices, at: 0 }
    }

    fn next(&mut self) -> u32 {
        self.at += 1;
        self.choices.get(self.at - 1).copied().unwrap_or(0)
    }

    /// A whole number below `n`.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        self.next() % n
    }

    /// True in so many of a hundred.
    pub(crate) fn percent(&mut self, percent: u32) -> bool {
        // High numbers, so that 0 is no.
        self.below(100) >= 100 - percent
    }

    /// A number from `from` to `to` in steps of a 1000th of the way.
    pub(crate) fn range(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * f64::from(self.below(1_001)) / 1_000.0
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u32) as usize]
    }
}
