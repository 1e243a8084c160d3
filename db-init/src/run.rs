//! One run of the program, from the files to the last line.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use tokio_postgres::Client;

use crate::cli::Cli;
use crate::guard::{self, Guard};
use crate::scripts::{self, Script};
use crate::server::{self, explain};
use crate::settings::Settings;
use crate::tell::tell;
use crate::{exit, plan, report};
use std::io::Write as _;

/// Does what the command line asks for. What is wrong with the files is found before the server is asked.
pub(crate) async fn run(cli: &Cli, settings: &Settings) -> Result<ExitCode> {
    let scripts = scripts::load(settings.folder.as_deref(), cli.standalone)?;
    let mut client = server::connect(settings).await?;
    if cli.standalone {
        guard::refuse_directus(&client).await?;
    }
    if cli.status {
        return status(&client, &scripts, cli.json).await;
    }
    if cli.dry_run {
        return dry_run(&client, &scripts).await;
    }

    guard::lock(&client).await?;
    let mut guard = Guard::find(&client).await?;
    guard.create(&client).await?;
    let applied = guard.read(&client).await?;
    let steps = plan::steps(&scripts, &applied);
    plan::refuse_changed(&steps)?;
    let (mut new, mut skipped) = (0, 0);
    for step in &steps {
        if step.applied.is_some() {
            skipped += 1;
        } else {
            apply(&mut client, &guard, step.script).await?;
            new += 1;
        }
    }
    writeln!(std::io::stdout().lock(), "db-init complete: {new} applied, {skipped} skipped")?;
    Ok(ExitCode::SUCCESS)
}

/// Applies one file and remembers it, both or neither.
async fn apply(client: &mut Client, guard: &Guard, script: &Script) -> Result<()> {
    let begin = Instant::now();
    let name = &script.name;
    tell!("applying {name}");
    let search_path = server::search_path(client).await?;
    let transaction = client.transaction().await.map_err(|error| explain(&error, None))?;
    if let Err(error) = transaction.batch_execute(&script.sql).await {
        // What the connection says when it is gone is less than what it said before.
        let _ = transaction.rollback().await;
        return Err(explain(&error, Some(&script.sql)))
            .with_context(|| format!("{name}, nothing of it stays"));
    }
    guard.record(&transaction, script).await.with_context(|| format!("{name}, nothing of it stays"))?;
    transaction
        .commit()
        .await
        .map_err(|error| explain(&error, None))
        .with_context(|| format!("{name}, at commit"))?;
    tell!("applied {name} in {} ms", begin.elapsed().as_millis());
    server::restore(client, &search_path).await
}

async fn dry_run(client: &Client, scripts: &[Script]) -> Result<ExitCode> {
    let applied = Guard::find(client).await?.read(client).await?;
    let steps = plan::steps(scripts, &applied);
    plan::refuse_changed(&steps)?;
    let pending: Vec<_> = steps.iter().filter(|step| step.applied.is_none()).collect();
    for step in &pending {
        writeln!(
            std::io::stdout().lock(),
            "would apply {} (sha256 {})",
            step.script.name,
            step.script.checksum
        )?;
    }
    writeln!(
        std::io::stdout().lock(),
        "db-init dry run: {} to apply, {} to skip",
        pending.len(),
        steps.len() - pending.len()
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn status(client: &Client, scripts: &[Script], json: bool) -> Result<ExitCode> {
    let applied = Guard::find(client).await?.read(client).await?;
    let files = report::files(&plan::steps(scripts, &applied), &plan::others(scripts, &applied));
    if json {
        writeln!(std::io::stdout().lock(), "{}", serde_json::to_string_pretty(&files)?)?;
    } else {
        writeln!(std::io::stdout().lock(), "{}", report::table(&files))?;
    }
    let changed = files.iter().any(|file| file.state == report::State::Changed);
    Ok(if changed { ExitCode::from(exit::FAILED) } else { ExitCode::SUCCESS })
}
