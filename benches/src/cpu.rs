//! What a process used of the processors.

use std::process::Command;

use anyhow::Context as _;

/// How many ticks the kernel counts a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticks(f64);

impl Ticks {
    pub(crate) fn of_kernel() -> anyhow::Result<Self> {
        let asked = Command::new("getconf").arg("CLK_TCK").output().context("getconf")?;
        let ticks = String::from_utf8_lossy(&asked.stdout).trim().parse().context("CLK_TCK is no number")?;
        Ok(Self(ticks))
    }

    /// User and system time of all threads of a process, in seconds.
    pub(crate) fn used_by(self, pid: u32) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
        // The name of the program, which may hold anything, is in parentheses.
        let (_, fields) = stat.rsplit_once(") ").context("a stat file without a name")?;
        let mut fields = fields.split(' ').skip(11);
        let mut ticks = || -> anyhow::Result<f64> {
            fields.next().and_then(|text| text.parse().ok()).context("a stat file without times")
        };
        Ok((ticks()? + ticks()?) / self.0)
    }
}
