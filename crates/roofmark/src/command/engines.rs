//! `roofmark engines`: which engine runs on which machines, since when, on what evidence.

use crate::catalog::catalog;
use crate::exit::Exit;
use clap::Args;
use roofmark_report::load as report;
use serde_json::json;

/// Arguments of `engines`.
#[derive(Debug, Args)]
pub struct EnginesArgs {
    /// Show the evidence for engines or classes of machines whose name holds this text.
    #[arg(value_name = "TEXT")]
    pub filter: Option<String>,
}

/// Prints the support table.
pub fn run(args: &EnginesArgs, json: bool) -> anyhow::Result<Exit> {
    let wanted = args.filter.as_deref().unwrap_or_default().to_lowercase();
    let holds = |text: &str| text.to_lowercase().contains(&wanted);
    let catalog = catalog()?;
    let rows: Vec<_> =
        catalog.support.iter().filter(|row| holds(&row.engine) || holds(&row.machine_class)).collect();
    if json {
        super::print(&serde_json::to_string_pretty(
            &json!({ "support": rows, "answers": catalog.answers }),
        )?)?;
    } else {
        let text = if args.filter.is_none() {
            report::engine_table(&rows)
        } else {
            let answers: Vec<_> = catalog.answers.iter().filter(|answer| holds(&answer.question)).collect();
            report::engine_evidence(&rows, &answers)
        };
        super::print(&text)?;
    }
    Ok(if rows.is_empty() { Exit::Negative } else { Exit::Success })
}
