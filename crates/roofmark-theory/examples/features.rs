//! Prints the features of every row of the evidence as JSON lines, for work on the form of the model.

use roofmark_facts::catalog::Catalog;
use roofmark_facts::evidence::measurements;
use roofmark_theory::calibrate::evidence;
use roofmark_theory::kernel::Kind;
use roofmark_theory::model::{number_names, samples};
use roofmark_theory::table::Table;

fn main() {
    let evidence = evidence(Catalog::builtin(), measurements());
    for kind in [Kind::Decode, Kind::Prefill] {
        let Some(theta) = Table::shipped().phase(kind).theta(number_names(kind)) else { continue };
        for (index, sample) in samples(kind, &theta, &evidence).0 {
            let row = serde_json::json!({
                "kind": kind, "id": evidence[index].id, "source": sample.source, "y": sample.deviation,
                "g": sample.point.groups, "s": sample.point.shares, "x": sample.point.at,
                "many": sample.point.many, "server": sample.point.server,
            });
            println!("{row}");
        }
    }
}
