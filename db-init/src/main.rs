//! Applies the numbered SQL that the processor's database needs, each file once.

mod cli;
mod guard;
mod plan;
mod report;
mod run;
mod scripts;
mod server;
mod settings;
mod statements;
mod tell;

use std::process::ExitCode;

use crate::tell::tell;
use clap::Parser as _;

/// What the program ends with, beside 0: everything good.
mod exit {
    /// Something was refused or failed; no file is applied in part.
    pub(crate) const FAILED: u8 = 1;
    /// The command line or the environment is wrong. Clap ends with the same.
    pub(crate) const USAGE: u8 = 2;
}

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let settings = match settings::Settings::from_environment() {
        Ok(settings) => settings,
        Err(error) => return fail(&error, exit::USAGE),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into(), exit::FAILED),
    };
    let result = runtime.block_on(run::run(&cli, &settings));
    // A name that is still being looked up must not delay the end.
    runtime.shutdown_background();
    result.unwrap_or_else(|error| fail(&error, exit::FAILED))
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    tell!("error: {error:#}");
    ExitCode::from(code)
}
