//! Prints every row of the evidence with its prediction, its source left out, as comma-separated values.

use roofmark_facts::catalog::Catalog;
use roofmark_facts::evidence::measurements;
use roofmark_theory::calibrate::evidence;
use roofmark_theory::kernel::Kind;
use roofmark_theory::model::{PhaseModel, kind, tokens};
use roofmark_theory::table::Table;
use std::collections::BTreeSet;

fn main() {
    let evidence = evidence(Catalog::builtin(), measurements());
    println!("id,rate,predicted,residual,deviation");
    for phase in [Kind::Decode, Kind::Prefill] {
        let Some(model) = PhaseModel::new(phase, Table::shipped().phase(phase), &evidence) else { continue };
        let sources: BTreeSet<&str> = evidence.iter().map(|row| row.source.as_str()).collect();
        for source in sources {
            let Some(posterior) = model.without(&[source]) else { continue };
            for row in evidence.iter().filter(|row| row.source == source && kind(row.job.phase) == phase) {
                let Some(found) = model.predict(&row.job, Some(&posterior)) else { continue };
                let rate = tokens(&row.job) / found.log_seconds.exp();
                let residual = row.log_seconds() - found.log_seconds;
                println!("{},{},{rate},{residual},{}", row.id, row.rate, found.deviation);
            }
        }
    }
}
