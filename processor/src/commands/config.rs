//! `processor config`: what the program is told, and by whom.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use comfy_table::{LineStyle, Table, TableStyle};
use serde_json::{Map, Value, json};

use crate::config::environment::Environment;
use crate::config::keys::Id;
use crate::config::resolved::Resolved;
use crate::config::{ConfigArgs, Settings, markdown};
use crate::exit;
use crate::tell::tell;

const RULED: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Print every setting, where it came from, and what is wrong; secrets are hidden
#[derive(Args)]
pub(crate) struct ConfigCommand {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print the documentation of every key
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

/// Runs the command.
pub(crate) fn run(command: &ConfigCommand) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    if command.markdown {
        out.write_all(markdown::document().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut resolved = Resolved::read(&command.config, &Environment::of_process());
    let settings = Settings::of(&mut resolved);
    if command.json {
        writeln!(out, "{:#}", to_json(&resolved))?;
    } else {
        writeln!(out, "{}", table(&resolved))?;
    }
    for warning in &resolved.warnings {
        tell!("warning: {warning}");
    }
    match settings {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(errors) => {
            for problem in errors.problems() {
                tell!("error: {problem}");
            }
            Ok(ExitCode::from(exit::USAGE))
        }
    }
}

/// By key: the value, where it came from, and the name of its variable. A value that is not set is null.
pub(crate) fn to_json(resolved: &Resolved) -> Value {
    let mut keys = Map::new();
    for &id in Id::ALL {
        let key = id.key();
        let value = resolved.value(id).map_or(Value::Null, crate::config::kind::Value::to_json);
        let from = resolved.source(id).to_string();
        keys.insert(key.name.to_owned(), json!({ "value": value, "from": from, "env": key.env }));
    }
    Value::Object(keys)
}

fn table(resolved: &Resolved) -> Table {
    let mut table = Table::new();
    table.load_style(RULED);
    table.set_header(["Key", "Value", "From", "Environment"]);
    for &id in Id::ALL {
        let key = id.key();
        let value = resolved.value(id).map_or_else(|| "(not set)".to_owned(), ToString::to_string);
        table.add_row([key.name.to_owned(), value, resolved.source(id).to_string(), key.env.to_owned()]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    table
}
