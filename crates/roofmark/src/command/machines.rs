//! `roofmark machines`: the catalog of machines.

use crate::catalog::catalog;
use crate::exit::Exit;
use crate::pick;
use clap::Args;
use roofmark_facts::catalog::Price;
use roofmark_facts::machine::Machine;
use roofmark_report::catalog as report;
use serde_json::{Value, json};

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
    let text = match &args.machine {
        _ if json => serde_json::to_string_pretty(&document(args)?)?,
        Some(name) => {
            let machine = pick::machine(name)?;
            report::machine(machine, &prices(machine)?)
        }
        None => report::machines(&list(args.filter.as_deref())?),
    };
    super::print(&text)?;
    Ok(Exit::Success)
}

/// The list, or the machine with its prices.
pub fn document(args: &MachinesArgs) -> anyhow::Result<Value> {
    let Some(name) = &args.machine else {
        return Ok(json!({ "machines": list(args.filter.as_deref())? }));
    };
    let machine = pick::machine(name)?;
    Ok(json!({ "machine": machine, "prices": prices(machine)? }))
}

fn list(filter: Option<&str>) -> anyhow::Result<Vec<&'static Machine>> {
    let wanted = filter.unwrap_or_default().to_lowercase();
    let holds = |machine: &&Machine| machine.slug.contains(&wanted) || machine.class.contains(&wanted);
    Ok(catalog()?.machines.iter().filter(holds).collect())
}

fn prices(machine: &Machine) -> anyhow::Result<Vec<&'static Price>> {
    Ok(catalog()?.prices.iter().filter(|price| price.machine == machine.slug).collect())
}
