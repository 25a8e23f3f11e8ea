//! Any bytes in any form of another tool: rates that are numbers, or an error.

use roofmark_fuzz::{Change, changed};
use roofmark_ledger::import::{Form, read};
use std::path::Path;

fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/roofmark-ledger/tests/it/foreign");
    let files = std::fs::read_dir(folder).expect("the folder of real outputs");
    files.map(|file| std::fs::read(file.expect("a file").path()).expect("its bytes")).collect()
}

#[test]
fn import() {
    let seeds = seeds();
    bolero::check!().with_type::<(u8, u8, Change)>().for_each(move |(seed, form, change)| {
        let bytes = changed(&seeds[usize::from(*seed) % seeds.len()], change);
        let forced = Form::ALL[usize::from(*form) % Form::ALL.len()];
        for form in [None, Some(forced)] {
            let _ = read(form, "fuzz", &bytes);
        }
    });
}
