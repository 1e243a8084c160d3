//! What a person reads: results, explanations and start lists, as tables, JSON, CSV and paper.

pub(crate) mod board;
pub(crate) mod csv;
pub(crate) mod explain;
pub(crate) mod html;
pub(crate) mod notes;
pub(crate) mod overall;
pub(crate) mod page;
pub(crate) mod pick;
pub(crate) mod reason;
pub(crate) mod source;
pub(crate) mod start_list;
pub(crate) mod starts;
pub(crate) mod words;

use clap::ValueEnum;

/// The command line asks for what is not there, or cannot be: the program ends with [`crate::exit::USAGE`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// How something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a terminal
    Table,
    /// One JSON document
    Json,
    /// A spreadsheet: RFC 4180, units in the column names
    Csv,
    /// One page of HTML that needs nothing else and prints on A4
    Html,
}
