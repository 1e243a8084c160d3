//! The command line.

use clap::Parser;

/// Applies the numbered SQL that the processor's database needs, each file once.
///
/// Files NNN_name.sql are applied in the order of their numbers, each in one transaction. The table
/// migrations_applied remembers them with their checksums; a file that was applied must not change. Two instances
/// may run at once: the second waits and then finds everything done.
///
/// Environment: DB_HOST (localhost), DB_PORT (5432), DB_USER, DB_PASSWORD, DB_DATABASE, DB_INIT_DIR (a folder
/// instead of the files built in), DB_INIT_TIMEOUT_SECONDS (60: how long to wait for the server to accept
/// connections).
///
/// Exit codes: 0 good, 1 refused or failed, 2 usage.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Say what would be applied and change nothing
    #[arg(long, conflicts_with = "status")]
    pub(crate) dry_run: bool,

    /// List every file and whether it is applied; fails when an applied file was changed
    #[arg(long)]
    pub(crate) status: bool,

    /// With --status: one JSON document instead of a table
    #[arg(long, requires = "status")]
    pub(crate) json: bool,

    /// Apply the business tables of standalone/ too, where no Directus owns them
    #[arg(long)]
    pub(crate) standalone: bool,
}
