//! The command line.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Race telemetry: from positions to official times and penalties.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Import(Box<commands::import::ImportArgs>),
    Check(commands::check::CheckArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Import(args) => commands::import::run(*args),
        Command::Check(args) => commands::check::run(args),
    };
    outcome.unwrap_or_else(|e| {
        eprintln!("error: {e:#}");
        ExitCode::FAILURE
    })
}
