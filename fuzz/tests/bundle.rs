//! Any bytes for a bundle: read whole or refused, and one changed byte is always refused.

use roofmark_fuzz::{Change, changed};
use roofmark_ledger::bundle::{read, write};
use roofmark_ledger::key::Signer;

#[test]
fn bundle() {
    let seed = write(&[], "roofmark", &Signer::from_seed(&[7; 32])).expect("a bundle");
    assert!(read(seed.as_bytes()).is_ok());
    bolero::check!().with_type::<Change>().for_each(move |change| {
        let bytes = changed(seed.as_bytes(), change);
        let same = bytes == seed.as_bytes();
        assert_eq!(read(bytes.as_slice()).is_ok(), same, "{}", String::from_utf8_lossy(&bytes));
    });
}
