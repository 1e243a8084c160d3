//! Processes and users, as far as servers need them.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Whom a server runs as.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// Somebody other than root, when we are root (as files in `folder`, which we made, tell): servers refuse root.
    pub(crate) fn unprivileged(folder: &Path) -> io::Result<Option<Account>> {
        if folder.metadata()?.uid() != 0 {
            return Ok(None);
        }
        let users = std::fs::read_to_string("/etc/passwd")?;
        let find = |name: &str| {
            users.lines().find_map(|line| {
                let mut fields = line.split(':');
                let (user, _password) = (fields.next()?, fields.next()?);
                let account =
                    Account { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? };
                (user == name).then_some(account)
            })
        };
        find("postgres")
            .or_else(|| find("nobody"))
            .map(Some)
            .ok_or_else(|| io::Error::other("/etc/passwd has neither postgres nor nobody"))
    }

    pub(crate) fn own(self, path: &Path) -> io::Result<()> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
    }
}

/// A command that runs as `account`, without our input and environment.
pub(crate) fn command(program: &Path, account: Option<Account>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).current_dir("/").env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin");
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    // A signal from the terminal is for the tests; they stop the server in order.
    command.process_group(0);
    command
}

/// A port of the loopback address that nobody listens on now.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Sends `signal` to all of `pids` at once. Those that are gone already are no error.
pub(crate) fn signal(signal: &str, pids: &[u32]) -> io::Result<()> {
    Command::new("kill")
        .arg(format!("-{signal}"))
        .args(pids.iter().map(u32::to_string))
        .stderr(Stdio::null())
        .status()
        .map(|_| ())
}

/// The direct children of `parent`. Without /proc there are none to see.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let Ok(folder) = std::fs::read_dir("/proc") else { return Vec::new() };
    folder
        .filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // pid (name, which may hold anything) state parent …
            let of: u32 = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            (of == parent).then_some(pid)
        })
        .collect()
}

/// Whether a process still holds what it had: one that is dead and not yet waited for does not.
pub(crate) fn lives(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}
