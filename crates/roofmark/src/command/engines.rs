//! `roofmark engines`: which engine runs on which machines, since when, on what evidence.

use crate::catalog::catalog;
use crate::exit::Exit;
use clap::Args;
use roofmark_facts::catalog::Support;
use serde_json::{Value, json};

/// Arguments of `engines`.
#[derive(Debug, Args)]
pub struct EnginesArgs {
    /// Only engines or classes of machines whose name holds this text.
    #[arg(value_name = "TEXT")]
    pub filter: Option<String>,
}

/// Prints the support table.
pub fn run(args: &EnginesArgs, json: bool) -> anyhow::Result<Exit> {
    let rows = rows(args)?;
    if json {
        super::print(&serde_json::to_string_pretty(&document(args)?)?)?;
    } else {
        super::print(&roofmark_report::load::engines(&rows))?;
    }
    Ok(if rows.is_empty() { Exit::Negative } else { Exit::Success })
}

/// The rows with the answers to standing questions.
pub fn document(args: &EnginesArgs) -> anyhow::Result<Value> {
    Ok(json!({ "support": rows(args)?, "answers": catalog()?.answers }))
}

fn rows(args: &EnginesArgs) -> anyhow::Result<Vec<&'static Support>> {
    let wanted = args.filter.as_deref().unwrap_or_default().to_lowercase();
    let holds = |text: &str| text.to_lowercase().contains(&wanted);
    let support = catalog()?.support.iter();
    Ok(support.filter(|row| holds(&row.engine) || holds(&row.machine_class)).collect())
}
