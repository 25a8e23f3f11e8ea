//! A lab's page: it takes bundles in, from keys that it knows, and shows who reproduced what.

use crate::api::Answer;
use crate::program::Refused;
use crate::serve::Site;
use axum::body::Bytes;
use axum::extract::State;
use roofmark_ledger::bundle::{self, Bundle};
use roofmark_ledger::query::Reproduction;
use roofmark_ledger::{Draft, Ledger};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

/// Where bundles go.
pub const SUBMIT_PATH: &str = "/api/bundles";
/// Largest bundle that is taken over the network.
pub const LARGEST: usize = 64 << 20;
/// Configurations that are shown.
const SHOWN: i64 = 200;

/// What became of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Places of new records.
    pub added: Vec<i64>,
    /// Records that were there already.
    pub known: usize,
}

/// Takes a bundle in: all of it or nothing.
pub async fn take(State(site): State<Arc<Site>>, body: Bytes) -> Answer {
    if !site.lab {
        let text = "this page takes no bundles: it was not started with `roofmark serve --lab`";
        return Answer(Err(Refused { status: 403, text: text.into() }));
    }
    let work = move |site: &Site| {
        let bundle = bundle::read(body.as_ref())?;
        known(site, &bundle)?;
        let taken = site.ledgers.with(&site.program, |ledger| add(ledger, &bundle))?;
        Ok(json!(taken))
    };
    Answer(site.run(work).await)
}

/// The maker of the bundle and the signers of its records are known, and no record is wrong in itself.
fn known(site: &Site, bundle: &Bundle) -> Result<(), Refused> {
    let keys = site.program.known_keys()?;
    let signers = bundle.records.iter().map(|record| record.sealed.signer);
    if let Some(stranger) = signers.chain([bundle.maker]).find(|signer| keys.name(signer).is_none()) {
        let text = format!("failed to take the bundle: key {} is not known here", stranger.fingerprint());
        return Err(Refused { status: 403, text });
    }
    for record in &bundle.records {
        if let Some(problem) = site.program.problems(record).into_iter().next() {
            let text = format!("failed to take the bundle: record {}: {problem}", record.content.short());
            return Err(Refused { status: 422, text });
        }
    }
    Ok(())
}

fn add(ledger: &mut Ledger, bundle: &Bundle) -> Result<Accepted, Refused> {
    let mut drafts = Vec::new();
    for record in &bundle.records {
        if ledger.find(&record.content.to_string()).is_err() {
            drafts.push(Draft::foreign(&record.sealed));
        }
    }
    let known = bundle.records.len() - drafts.len();
    let added = ledger.append_all(&drafts)?.iter().map(|one| one.sequence).collect();
    Ok(Accepted { added, known })
}

/// Who reproduced what, as JSON.
pub async fn reproductions(State(site): State<Arc<Site>>) -> Answer {
    Answer(site.run(|site| Ok(json!(reproduced(site)?))).await)
}

/// Configurations that several keys have measured.
pub fn reproduced(site: &Site) -> Result<Vec<Reproduction>, Refused> {
    site.ledgers.with(&site.program, |ledger| Ok(ledger.reproductions(SHOWN)?))
}
