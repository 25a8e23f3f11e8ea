//! `roofmark key`: the key that signs records, and the keys of others.

use crate::exit::Exit;
use crate::ledger;
use anyhow::Result;
use clap::Args;
use roofmark_ledger::key::{KnownKeys, PublicKey};

/// Arguments of `key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// Trust this public key (64 hexadecimal digits).
    #[arg(long, value_name = "KEY")]
    pub trust: Option<String>,
    /// Name of the key to trust.
    #[arg(long, requires = "trust", default_value = "unnamed")]
    pub name: String,
}

/// Shows or trusts.
pub fn run(args: &KeyArgs, json: bool) -> Result<Exit> {
    let signer = ledger::signer()?;
    if let Some(key) = &args.trust {
        let key = PublicKey::try_from(key.clone())
            .map_err(|reason| anyhow::anyhow!("failed to trust: {reason}"))?;
        KnownKeys::trust(&ledger::folder()?.join("known_keys"), key, &args.name).map_err(ledger::shown)?;
    }
    let own = signer.public();
    let known = ledger::known_keys()?;
    let others: Vec<_> = known.all().iter().filter(|(key, _)| *key != own).collect();
    if json {
        let known: Vec<_> = others
            .iter()
            .map(|(key, name)| serde_json::json!({ "key": key, "fingerprint": key.fingerprint(), "name": name }))
            .collect();
        let document = serde_json::json!({ "key": own, "fingerprint": own.fingerprint(), "known": known });
        super::print(&serde_json::to_string_pretty(&document)?)?;
        return Ok(Exit::Success);
    }
    let mut text = format!("{own}\nfingerprint {}\n", own.fingerprint());
    for (key, name) in others {
        text += &format!("knows {} {name}\n", key.fingerprint());
    }
    super::print(&text)?;
    Ok(Exit::Success)
}
