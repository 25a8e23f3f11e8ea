//! Calibrates from the evidence in this repository and prints the table: `cargo run --release --example tune -- ROUNDS`.

use roofmark_facts::catalog::Catalog;
use roofmark_facts::evidence::measurements;
use roofmark_theory::calibrate::{calibrate, evidence};
use roofmark_theory::table::Table;

fn main() {
    let rounds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    let evidence = evidence(Catalog::builtin(), measurements());
    let Some(table) = calibrate(&evidence, Table::shipped(), rounds) else {
        eprintln!("error: the kernel cannot be factored");
        return;
    };
    println!("{}", serde_json::to_string_pretty(&table).unwrap_or_default());
}
