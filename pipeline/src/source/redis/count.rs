//! How many entries to ask for.

use crate::limits::{FIRST_ENTRY_BYTES, READ_COUNT_MAX, READ_REPLY_BYTES};

/// Follows the size of recent entries, so that a reply has about [`READ_REPLY_BYTES`] at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    entry_bytes: usize,
}

impl Default for Count {
    fn default() -> Self {
        Self { entry_bytes: FIRST_ENTRY_BYTES }
    }
}

impl Count {
    /// How many to ask for now.
    pub(super) fn entries(self) -> usize {
        (READ_REPLY_BYTES / self.entry_bytes.max(1)).clamp(1, READ_COUNT_MAX)
    }

    /// Takes in a reply. Larger entries count at once, smaller ones by and by.
    pub(super) fn saw(&mut self, entries: usize, reply_bytes: usize) {
        let Some(mean) = reply_bytes.checked_div(entries) else { return };
        self.entry_bytes = mean.max(self.entry_bytes / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinks_at_once_and_grows_by_and_by() {
        let mut count = Count::default();
        assert_eq!(count.entries(), READ_REPLY_BYTES / FIRST_ENTRY_BYTES);
        for _ in 0..10 {
            count.saw(100, 100 * 400);
        }
        assert_eq!(count.entries(), READ_COUNT_MAX);
        count.saw(1, 16 << 20);
        assert_eq!(count.entries(), 1);
        count.saw(1, 400);
        assert_eq!(count.entries(), 1);
        count.saw(0, 5);
        count.saw(5, 0);
        assert!(count.entries() >= 1);
        for _ in 0..20 {
            count.saw(1, 400);
        }
        assert_eq!(count.entries(), READ_COUNT_MAX);
    }
}
