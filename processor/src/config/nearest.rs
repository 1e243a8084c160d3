//! Which known name somebody may have meant.

use strsim::damerau_levenshtein;

use super::keys::{Id, Key};

/// Environment names that are not in the table of keys.
pub(crate) const FILE_VARIABLE: &str = "PROCESSOR_CONFIG";

/// Letters that may be wrong in a variable before it counts as somebody else's.
const ENVIRONMENT_TYPOS: usize = 2;

/// The key nearest to a name that is none: by its whole name, by its last part, which may stand in the wrong
/// section, or by its environment name. `None` where nothing is near.
pub(super) fn key(name: &str) -> Option<&'static str> {
    let name = name.trim().to_ascii_lowercase().replace('-', "_");
    let last = last_part(&name);
    let near = Id::ALL.iter().enumerate().map(|(row, id)| {
        let key = id.key();
        let whole = damerau_levenshtein(&name, key.name);
        // In another section: worse than a letter wrong in its own.
        let part = damerau_levenshtein(last, last_part(key.name)) + 2;
        let variable = damerau_levenshtein(last, &key.env.to_ascii_lowercase());
        // Of several equally near, the first of the table.
        (whole.min(part).min(variable), row, key.name)
    });
    let (distance, _, found) = near.min()?;
    (distance <= (name.len() / 2).max(2)).then_some(found)
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// The variable of ours that a variable of the environment was probably meant to be. Only near misses that begin
/// like one of ours: the environment is full of other programs' names.
pub(super) fn variable(name: &str) -> Option<&'static str> {
    let known = || Id::ALL.iter().map(|id| id.key().env).chain([FILE_VARIABLE]);
    if known().any(|own| own == name) {
        return None;
    }
    let prefix = name.split('_').next().unwrap_or_default();
    if !known().any(|own| own.split('_').next() == Some(prefix)) {
        return None;
    }
    let near = known().map(|own| (damerau_levenshtein(name, own), own)).min()?;
    (near.0 <= ENVIRONMENT_TYPOS).then_some(near.1)
}

/// A variable is of a known key, whether in the file's words or the environment's.
impl Key {
    pub(super) fn find(name: &str) -> Option<Id> {
        Id::ALL.iter().copied().find(|id| id.key().name == name || id.key().env == name)
    }
}
