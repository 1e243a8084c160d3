//! Which way a batch goes to the table: plain COPY, or COPY of what a look into the index did not find.
//!
//! Plain COPY is the fastest, but fails as a whole on one duplicate and leaves what it wrote as dead rows. So
//! after a failure batches are looked up first until a run of them met no duplicate, and each further failure
//! asks for a longer run. With one duplicate in 10 000 rows every third batch of 4 096 would fail; this way less
//! than one in a hundred does.
//!
//! Looking up is one descent into the index for each run of a device's fixes, and what is left goes by COPY. The
//! other way, COPY into a temporary table and INSERT … ON CONFLICT, writes rows one by one. Both against ready-made
//! COPY of rows without duplicates, 10 000 a batch, on two cores (`examples/copy_speed.rs`):
//!
//! | duplicates | looked up, unique key only | looked up, three indexes | INSERT, unique key only | INSERT, three |
//! |---|---|---|---|---|
//! | 0.01 % | 0.87 | 0.91 | 0.52 | 0.69 |
//! | 1 % | 0.80 | 0.91 | 0.49 | 0.63 |
//! | 5 % | 0.70 | 0.81 | 0.45 | 0.58 |
//!
//! INSERT is kept for the batch that another writer gets in the way of between the look and the COPY, because it
//! always gets through.

/// Clean batches that must have been looked up before plain COPY is tried again: at first, and at most.
const FIRST_RUN: u32 = 16;
const LONGEST_RUN: u32 = 512;
/// Plain COPYs in a row after which an earlier failure is forgotten.
const FORGIVEN_AFTER: u32 = 1_024;

/// See the module. It outlives a connection.
#[derive(Debug)]
pub(super) struct PathChoice {
    /// Clean batches still asked for; 0 is plain COPY.
    asked: u32,
    /// What the next failure asks for.
    run: u32,
    plain: u32,
}

impl Default for PathChoice {
    fn default() -> Self {
        Self { asked: 0, run: FIRST_RUN, plain: 0 }
    }
}

impl PathChoice {
    pub(super) fn is_plain(&self) -> bool {
        self.asked == 0
    }

    /// A plain COPY met a stored row.
    pub(super) fn plain_failed(&mut self) {
        self.asked = self.run;
        self.run = (self.run * 2).min(LONGEST_RUN);
        self.plain = 0;
    }

    pub(super) fn plain_went_through(&mut self) {
        self.plain = self.plain.saturating_add(1);
        if self.plain >= FORGIVEN_AFTER {
            self.run = FIRST_RUN;
        }
    }

    /// A batch was looked up first, and so many of its rows were stored already.
    pub(super) fn looked_first(&mut self, duplicates: usize) {
        self.asked = if duplicates == 0 {
            self.asked.saturating_sub(1)
        } else {
            // The run begins anew; it was the longest one asked for since the last plain COPY.
            self.asked.max(self.run / 2)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_asks_for_a_run_of_clean_batches() {
        let mut path = PathChoice::default();
        assert!(path.is_plain());
        path.plain_failed();
        for _ in 0..10 {
            path.looked_first(0);
        }
        path.looked_first(3);
        for _ in 0..FIRST_RUN {
            assert!(!path.is_plain());
            path.looked_first(0);
        }
        assert!(path.is_plain());
        path.plain_failed();
        assert_eq!(path.asked, 2 * FIRST_RUN, "the second failure asks for more");
    }

    #[test]
    fn failures_long_ago_are_forgiven() {
        let mut path = PathChoice::default();
        for _ in 0..10 {
            path.plain_failed();
        }
        assert_eq!(path.asked, LONGEST_RUN);
        for _ in 0..FORGIVEN_AFTER {
            path.plain_went_through();
        }
        path.plain_failed();
        assert_eq!(path.asked, FIRST_RUN);
    }
}
