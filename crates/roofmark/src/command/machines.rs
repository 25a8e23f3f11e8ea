//! `roofmark machines`: the catalog of machines.

use crate::catalog::catalog;
use crate::exit::Exit;
use crate::pick;
use clap::Args;
use roofmark_facts::catalog::Price;
use roofmark_facts::machine::Machine;
use roofmark_report::catalog as report;
use serde_json::json;

/// Arguments of `machines`.
#[derive(Debug, Args)]
pub struct MachinesArgs {
    /// A machine to explain, in any usual spelling.
    #[arg(value_name = "NAME")]
    pub machine: Option<String>,
    /// Only machines whose name or class holds this text.
    #[arg(long, conflicts_with = "machine")]
    pub filter: Option<String>,
}

/// Lists or explains.
pub fn run(args: &MachinesArgs, json: bool) -> anyhow::Result<Exit> {
    match &args.machine {
        Some(name) => explain(pick::machine(name)?, json)?,
        None => list(args.filter.as_deref(), json)?,
    }
    Ok(Exit::Success)
}

fn list(filter: Option<&str>, json: bool) -> anyhow::Result<()> {
    let wanted = filter.unwrap_or_default().to_lowercase();
    let holds = |machine: &&Machine| machine.slug.contains(&wanted) || machine.class.contains(&wanted);
    let machines: Vec<&Machine> = catalog()?.machines.iter().filter(holds).collect();
    if json {
        return super::print(&serde_json::to_string_pretty(&json!({ "machines": machines }))?);
    }
    super::print(&report::machines(&machines))
}

fn explain(machine: &Machine, json: bool) -> anyhow::Result<()> {
    let prices: Vec<&Price> =
        catalog()?.prices.iter().filter(|price| price.machine == machine.slug).collect();
    if json {
        return super::print(&serde_json::to_string_pretty(
            &json!({ "machine": machine, "prices": prices }),
        )?);
    }
    super::print(&report::machine(machine, &prices))
}
