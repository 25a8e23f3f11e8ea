//! `roofmark engines`: which engine runs on which machines, since when, on what evidence.

use crate::catalog::catalog;
use crate::exit::Exit;
use clap::Args;
use roofmark_facts::catalog::Support;
use roofmark_report::load as report;
use serde_json::{Value, json};

/// Arguments of `engines`.
#[derive(Debug, Args)]
pub struct EnginesArgs {
    /// Show the evidence for engines or classes of machines whose name holds this text.
    #[arg(value_name = "TEXT")]
    pub filter: Option<String>,
}

/// Prints the support table.
pub fn run(args: &EnginesArgs, json: bool) -> anyhow::Result<Exit> {
    let rows = rows(args)?;
    if json {
        super::print(&serde_json::to_string_pretty(&document(args)?)?)?;
    } else {
        let text = if args.filter.is_none() {
            report::engine_table(&rows)
        } else {
            let answers: Vec<_> =
                catalog()?.answers.iter().filter(|answer| holds(args, &answer.question)).collect();
            report::engine_evidence(&rows, &answers)
        };
        super::print(&text)?;
    }
    Ok(if rows.is_empty() { Exit::Negative } else { Exit::Success })
}

/// The rows with the answers to standing questions.
pub fn document(args: &EnginesArgs) -> anyhow::Result<Value> {
    Ok(json!({ "support": rows(args)?, "answers": catalog()?.answers }))
}

fn rows(args: &EnginesArgs) -> anyhow::Result<Vec<&'static Support>> {
    let fits = |row: &&Support| holds(args, &row.engine) || holds(args, &row.machine_class);
    Ok(catalog()?.support.iter().filter(fits).collect())
}

fn holds(args: &EnginesArgs, text: &str) -> bool {
    text.to_lowercase().contains(&args.filter.as_deref().unwrap_or_default().to_lowercase())
}
