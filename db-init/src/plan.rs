//! What there is to do: the files beside what the guard table remembers.

use anyhow::{Result, bail};

use crate::guard::Applied;
use crate::scripts::Script;

/// One file and what became of it.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) script: &'a Script,
    /// What the guard table says; nothing: still to be applied.
    pub(crate) applied: Option<&'a Applied>,
}

impl Step<'_> {
    /// The checksum under which the file was applied, where it is not the one that it has now. A row without a
    /// checksum says only that the file was applied.
    pub(crate) fn changed(&self) -> Option<&str> {
        let recorded = self.applied?.checksum.as_deref()?;
        (recorded != self.script.checksum).then_some(recorded)
    }
}

/// The files in order, each with its row.
pub(crate) fn steps<'a>(scripts: &'a [Script], applied: &'a [Applied]) -> Vec<Step<'a>> {
    let row = |script: &Script| applied.iter().find(|row| row.filename == script.name);
    scripts.iter().map(|script| Step { script, applied: row(script) }).collect()
}

/// Rows of files that are not in this set: those of another program, or standalone ones that were not asked for.
pub(crate) fn others<'a>(scripts: &[Script], applied: &'a [Applied]) -> Vec<&'a Applied> {
    applied.iter().filter(|row| scripts.iter().all(|script| script.name != row.filename)).collect()
}

/// Refuses when a file is not what was applied: which of the two the database holds is for a person to find out.
pub(crate) fn refuse_changed(steps: &[Step<'_>]) -> Result<()> {
    let lines: Vec<String> = steps
        .iter()
        .filter_map(|step| {
            let (recorded, applied_at) = (step.changed()?, &step.applied?.applied_at);
            let Script { name, checksum, .. } = step.script;
            Some(format!(
                "{name} was changed after it was applied at {applied_at}: applied sha256 {recorded}, now sha256 {checksum}"
            ))
        })
        .collect();
    if lines.is_empty() { Ok(()) } else { bail!("{}", lines.join("\n")) }
}
