//! What a lane made of a position, and what follows from it once the position is stored, or is not.

use std::ops::BitOrAssign;

/// What a lane made of a position, over all entries that it times; none at all when it times nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles {
    /// It was taken into the state of an entry.
    pub in_order: bool,
    /// The state of an entry is not here; it waits for it.
    pub waiting: bool,
    /// It is not newer than what an entry's state has seen: it was not taken in, and if it is stored and was not
    /// before, the past of the entry has changed.
    pub late: bool,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is stored, and was not before.
    Inserted,
    /// Its device and instant were stored before, with this or something else.
    Known,
    /// It is stored, and nobody can tell since when: the answer to the commit that may have done it was lost.
    Unclear,
    /// It cannot be stored.
    Refused,
}

impl Roles {
    /// It times nobody.
    pub const NOBODY: Self = Self { in_order: false, waiting: false, late: false };
    /// See [`Roles::in_order`].
    pub const IN_ORDER: Self = Self { in_order: true, ..Self::NOBODY };
    /// See [`Roles::waiting`].
    pub const WAITING: Self = Self { waiting: true, ..Self::NOBODY };
    /// See [`Roles::late`].
    pub const LATE: Self = Self { late: true, ..Self::NOBODY };

    /// Whether the row, if it is inserted, may be older than what is saved of an entry.
    pub fn may_change_past(self) -> bool {
        self.waiting || self.late
    }

    /// Whether what the lane knows of the row's entries is not what is stored: a late row was inserted, or one that was
    /// taken in, or is going to be, was not.
    pub fn is_stale(self, fate: Fate) -> bool {
        (self.in_order && fate != Fate::Inserted)
            || (self.late && matches!(fate, Fate::Inserted | Fate::Unclear))
            // One that waits is compared with what is read: one that was refused is not there, nor is one that was stored
            // already and flagged since.
            || (self.waiting && fate != Fate::Inserted)
    }
}

impl BitOrAssign for Roles {
    fn bitor_assign(&mut self, other: Self) {
        self.in_order |= other.in_order;
        self.waiting |= other.waiting;
        self.late |= other.late;
    }
}
