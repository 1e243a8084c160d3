//! Official times, penalties and places from the positions of a field.

mod commands;
mod config;
mod course_file;
mod judging;
mod live;
mod recompute;
mod replay;
mod run;
mod show;
mod store_url;
mod table;
mod tell;

use crate::tell::tell;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What the program ends with, beside 0: everything good.
mod exit {
    /// Data errors: something could not be used; what was good is kept.
    pub(crate) const DATA: u8 = 1;
    /// Usage: the command line itself or the configuration is wrong. Clap ends with the same.
    pub(crate) const USAGE: u8 = 2;
    /// Whoever was asked has not answered in time: it may still be done.
    pub(crate) const NO_ANSWER: u8 = 3;
}

/// Official times, penalties and places from the positions of a field.
///
/// Exit codes: 0 good, 1 data errors (what was good is kept), 2 usage, 3 no answer in time.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(Box<commands::run::RunCommand>),
    Replay(commands::replay::ReplayArgs),
    Import(Box<commands::import::ImportArgs>),
    Check(commands::check::CheckArgs),
    Results(commands::results::ResultsArgs),
    Explain(commands::explain::ExplainArgs),
    StartList(commands::start_list::StartListArgs),
    Recompute(commands::recompute::RecomputeArgs),
    Dlq(commands::dlq::DlqArgs),
    Config(Box<commands::config::ConfigCommand>),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => commands::run::run(&args),
        Command::Replay(args) => commands::replay::run(&args),
        Command::Import(args) => commands::import::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Results(args) => commands::results::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::StartList(args) => commands::start_list::run(&args),
        Command::Recompute(args) => commands::recompute::run(&args),
        Command::Dlq(args) => commands::dlq::run(&args),
        Command::Config(args) => commands::config::run(&args),
    };
    result.unwrap_or_else(|error| {
        // Whoever read the output has had enough of it, as `head` has: not all was printed, and there is nobody to tell.
        // Errors of connections are errors of their own, of which this is only the cause.
        let output = error.downcast_ref::<std::io::Error>();
        if output.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) {
            return ExitCode::from(exit::DATA);
        }
        tell!("error: {error:#}");
        ExitCode::from(if error.is::<show::Usage>() { exit::USAGE } else { exit::DATA })
    })
}
