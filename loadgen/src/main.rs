//! Simulated fleets that know the truth: make a race day, send it, and check what became of it.

mod commands;
mod tell;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::tell::tell;

/// What the program ends with, beside 0: everything good.
mod exit {
    /// Something was lost, stored twice, or is not what happened.
    pub(crate) const WRONG: u8 = 1;
    /// It could not be done: the command line, the course, the broker, or the rate. Clap ends with the same.
    pub(crate) const UNABLE: u8 = 2;
}

/// Simulated fleets that know the truth
///
/// `simulate` makes a race day: a course, what trackers send on it, and what really happened. `send` plays it to a
/// broker, `verify` compares a store with the truth. Same options, same bytes, on every machine.
///
/// Exit codes: 0 good, 1 something is lost, stored twice or wrong, 2 it could not be done.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Simulate(commands::simulate::SimulateArgs),
    Send(commands::send::SendArgs),
    Verify(commands::verify::VerifyArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Simulate(args) => commands::simulate::run(&args),
        Command::Send(args) => commands::send::run(&args),
        Command::Verify(args) => commands::verify::run(&args),
    };
    result.unwrap_or_else(|error| {
        tell!("error: {error:#}");
        ExitCode::from(exit::UNABLE)
    })
}
