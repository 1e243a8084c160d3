//! The numbered files: those built in, or those of a folder.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use crate::statements;

/// The folder of the business tables, below that of the other files, and the prefix of their recorded names.
const STANDALONE: &str = "standalone/";

macro_rules! built_in {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!(concat!("../", $name)))),*] };
}

const BUILT_IN: &[(&str, &str)] = built_in![
    "001_processor_extensions.sql",
    "002_processor_positions.sql",
    "003_processor_state.sql",
    "004_processor_policy.sql",
    "005_processor_record_history.sql",
    "006_live_delays.sql",
    "standalone/001_event_tables.sql",
    "standalone/002_course_tables.sql",
    "standalone/003_race_records.sql",
    "standalone/004_penalties_without_formula.sql",
    "standalone/005_crossing_overrides.sql",
];

/// One file.
#[derive(Debug)]
pub(crate) struct Script {
    /// The name it is recorded under: `NNN_name.sql`, with `standalone/` before it where it stands there.
    pub(crate) name: String,
    /// Its text.
    pub(crate) sql: Cow<'static, str>,
    /// The sha256 of its bytes in lower-case hexadecimal digits.
    pub(crate) checksum: String,
}

/// The files in the order in which they are applied: standalone ones, when asked for, after the others.
pub(crate) fn load(folder: Option<&Path>, standalone: bool) -> Result<Vec<Script>> {
    let mut files = match folder {
        None => BUILT_IN.iter().map(|&(name, sql)| (name.to_owned(), Cow::Borrowed(sql))).collect(),
        Some(folder) => read_folder(folder, standalone)?,
    };
    files.retain(|(name, _)| standalone || !name.starts_with(STANDALONE));
    order(files)
}

fn read_folder(folder: &Path, standalone: bool) -> Result<Vec<(String, Cow<'static, str>)>> {
    let mut files = read_flat(folder, "").with_context(|| format!("DB_INIT_DIR {}", folder.display()))?;
    ensure!(!files.is_empty(), "DB_INIT_DIR {} holds no NNN_name.sql: is it mounted?", folder.display());
    if standalone {
        let below = folder.join(STANDALONE);
        files.extend(read_flat(&below, STANDALONE).with_context(|| below.display().to_string())?);
    }
    Ok(files)
}

fn read_flat(folder: &Path, prefix: &str) -> Result<Vec<(String, Cow<'static, str>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".sql") || !entry.path().is_file() {
            continue;
        }
        let bytes = fs::read(entry.path()).with_context(|| format!("{prefix}{name}"))?;
        let Ok(sql) = String::from_utf8(bytes) else { bail!("{prefix}{name} is not UTF-8") };
        files.push((format!("{prefix}{name}"), Cow::Owned(sql)));
    }
    Ok(files)
}

/// Sorts by folder and number, and refuses what cannot be applied before anything is.
fn order(files: Vec<(String, Cow<'static, str>)>) -> Result<Vec<Script>> {
    let mut ordered: BTreeMap<(bool, u16), Script> = BTreeMap::new();
    for (name, sql) in files {
        let base = name.strip_prefix(STANDALONE).unwrap_or(&name);
        let Some(number) = number(base) else {
            bail!("{name} is not named NNN_name.sql, so its place is unknown");
        };
        if let Some((line, words)) = statements::transaction_control(&sql) {
            bail!("{name}, line {line}: {words} would end the transaction that the file is applied in");
        }
        let key = (base.len() != name.len(), number);
        let script = Script { checksum: checksum(sql.as_bytes()), name, sql };
        if let Some(other) = ordered.get(&key) {
            let mut names = [other.name.as_str(), script.name.as_str()];
            names.sort_unstable();
            bail!("{} and {} have the same number", names[0], names[1]);
        }
        ordered.insert(key, script);
    }
    Ok(ordered.into_values().collect())
}

/// The number of `NNN_name.sql`.
fn number(name: &str) -> Option<u16> {
    let (digits, rest) = name.split_once('_')?;
    let named = rest.strip_suffix(".sql").is_some_and(|name| !name.is_empty());
    let three = digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
    if named && three { digits.parse().ok() } else { None }
}

fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_in_is_what_the_folder_holds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let built_in = load(None, true).unwrap();
        let read = load(Some(folder), true).unwrap();
        let names = |scripts: &[Script]| scripts.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&built_in), names(&read));
        assert!(built_in.iter().zip(&read).all(|(a, b)| a.checksum == b.checksum));
        assert!(load(None, false).unwrap().iter().all(|s| !s.name.starts_with(STANDALONE)));
    }

    #[test]
    fn names() {
        assert_eq!(number("001_a.sql"), Some(1));
        assert_eq!(number("999_a_b.sql"), Some(999));
        for wrong in ["1_a.sql", "0001_a.sql", "001.sql", "001_.sql", "+01_a.sql", "a.sql", "001_a.SQL"] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_checksum_is_sha256() {
        assert_eq!(checksum(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
