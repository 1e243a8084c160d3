//! Reading a course file.

use std::path::Path;

use anyhow::Context as _;
use race::course::{CourseErrors, Tables, parse};

/// Problems told; a file of another kind has one for every row.
const PROBLEMS_TOLD: usize = 50;

/// The checked tables of a course file, or what is wrong with them.
///
/// # Errors
/// The file cannot be read, or is no UTF-8 text.
pub(crate) fn read(path: &Path) -> anyhow::Result<Result<Tables, CourseErrors>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read course {}", path.display()))?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(_) if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) => {
            anyhow::bail!("course {} is UTF-16; save it as UTF-8", path.display())
        }
        Err(e) => anyhow::bail!("course {} is no UTF-8 text: {e}", path.display()),
    };
    Ok(parse(text))
}

/// The problems as lines, as many as a person reads.
pub(crate) fn lines(path: &Path, CourseErrors(problems): &CourseErrors) -> Vec<String> {
    let told = problems.iter().take(PROBLEMS_TOLD);
    let mut lines: Vec<String> =
        told.map(|problem| format!("error: {}: {problem}", path.display())).collect();
    if problems.len() > PROBLEMS_TOLD {
        lines.push(format!("error: {}: and {} more", path.display(), problems.len() - PROBLEMS_TOLD));
    }
    lines
}
