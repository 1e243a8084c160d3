//! Device ids, checked and shared between the positions that bear them.

use std::collections::HashSet;
use std::sync::Arc;

use crate::limits::{MAX_DEVICE_ID_CHARS, MAX_DEVICES_INTERNED};

/// What [`is_device_id`] accepts, for messages.
pub(crate) const DEVICE_ID_ALLOWED: &str = "a device id of 1 to 64 characters without control characters";
const _: () = assert!(MAX_DEVICE_ID_CHARS == 64, "DEVICE_ID_ALLOWED tells the limit");

/// Whether `text` can be a device id.
pub(crate) fn is_device_id(text: &str) -> bool {
    // A character has at most four bytes: what is longer need not be counted.
    !text.is_empty()
        && text.len() <= MAX_DEVICE_ID_CHARS * 4
        && text.chars().count() <= MAX_DEVICE_ID_CHARS
        && !text.chars().any(char::is_control)
}

/// The ids seen, so that a million positions of one device share one text.
#[derive(Debug, Default)]
pub(super) struct Devices {
    seen: HashSet<Arc<str>>,
    /// Records of one device come in runs.
    last: Option<Arc<str>>,
}

impl Devices {
    /// The shared text of a device id; `None` when `text` is none.
    pub(super) fn intern(&mut self, text: &str) -> Option<Arc<str>> {
        if let Some(last) = self.last.as_ref().filter(|last| ***last == *text) {
            return Some(Arc::clone(last));
        }
        let shared = match self.seen.get(text) {
            Some(shared) => Arc::clone(shared),
            None if !is_device_id(text) => return None,
            None => {
                if self.seen.len() >= MAX_DEVICES_INTERNED {
                    // Positions keep their own hold on an id; forgetting it here costs a copy at worst.
                    self.seen.clear();
                }
                let shared: Arc<str> = text.into();
                self.seen.insert(Arc::clone(&shared));
                shared
            }
        };
        self.last = Some(Arc::clone(&shared));
        Some(shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_in_characters() {
        assert!(is_device_id("356307042441013"));
        assert!(is_device_id(&"é".repeat(64)));
        for text in ["", "a\nb", "\u{85}", &"é".repeat(65), &"x".repeat(300)] {
            assert!(!is_device_id(text), "{text:?}");
        }
    }

    #[test]
    fn one_text_is_shared_and_the_table_is_bounded() {
        let mut devices = Devices::default();
        let first = devices.intern("a").unwrap();
        assert!(devices.intern("b").is_some());
        assert!(Arc::ptr_eq(&first, &devices.intern("a").unwrap()));
        for n in 0..=MAX_DEVICES_INTERNED {
            assert!(devices.intern(&format!("d{n}")).is_some());
        }
        assert!(devices.seen.len() <= MAX_DEVICES_INTERNED);
    }
}
