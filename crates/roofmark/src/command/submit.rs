//! `roofmark submit`: a signed bundle to a lab's page.

use super::results::make_bundle;
use crate::exit::Exit;
use crate::ledger::{self, Place};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use roofmark_ledger::query::Filter;
use roofmark_web::{Accepted, SUBMIT_PATH};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// Longest wait for the whole exchange.
const PATIENCE: Duration = Duration::from_secs(120);
/// Longest answer that is read.
const LONGEST: u64 = 1 << 20;

/// Arguments of `submit`.
#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// Address of the lab's page.
    pub url: String,
    /// Records: a place (#12), digits of an identity, or `latest`; all where none is named.
    #[arg(value_name = "RUN")]
    pub records: Vec<String>,
    /// Certificate (PEM) of the authority to trust, where the system does not know it.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// Sends.
pub fn run(args: &SubmitArgs, json: bool, place: &Place) -> Result<Exit> {
    let address = address(&args.url)?;
    let mut ledger = ledger::open(place)?;
    let bundle = make_bundle(&mut ledger, &args.records, &Filter::default())?;
    drop(ledger);
    let sent = agent(args)?.post(&address).content_type("application/x-ndjson").send(bundle.as_bytes());
    let mut answer = sent.with_context(|| format!("failed to send the bundle to {address}"))?;
    let status = answer.status();
    let text = answer.body_mut().with_config().limit(LONGEST).read_to_string();
    let text = text.with_context(|| format!("failed to read the answer of {address}"))?;
    if !status.is_success() {
        let reason = serde_json::from_str::<serde_json::Value>(&text).ok();
        let reason = reason.as_ref().and_then(|answer| answer.get("error")?.as_str()).unwrap_or(&text);
        bail!(
            "failed to submit to {address}: it answers {}: {}",
            status.as_u16(),
            crate::pick::shown_long(reason)
        );
    }
    let accepted: Accepted =
        serde_json::from_str(&text).with_context(|| format!("failed to read the answer of {address}"))?;
    let said = format!("{} records taken in, {} were there already", accepted.added.len(), accepted.known);
    super::print(&if json { serde_json::to_string_pretty(&accepted)? } else { said })?;
    Ok(Exit::Success)
}

/// The address that takes bundles. Plain HTTP only to this machine.
fn address(url: &str) -> Result<String> {
    let base = url.trim_end_matches('/');
    let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    let is_local = local.iter().any(|start| {
        base.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    });
    ensure!(
        base.starts_with("https://") || is_local,
        "the address is `{}`, expected https://… (or http:// on this machine)",
        crate::pick::shown(url)
    );
    Ok(format!("{base}{SUBMIT_PATH}"))
}

fn agent(args: &SubmitArgs) -> Result<ureq::Agent> {
    // Another part of the program may have chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots: Vec<Certificate<'static>> = rustls_native_certs::load_native_certs()
        .certs
        .into_iter()
        .map(|found| Certificate::from_der(&found).to_owned())
        .collect();
    if let Some(path) = &args.ca {
        let bytes = ledger::read_file(path, 1 << 20)?;
        let certificate = Certificate::from_pem(&bytes);
        roots
            .push(certificate.with_context(|| format!("failed to read the certificate {}", path.display()))?);
    }
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .build();
    let config = ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(PATIENCE))
        .build();
    Ok(config.new_agent())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_leave_this_machine_only_encrypted() {
        assert_eq!(address("https://lab.example/").unwrap(), "https://lab.example/api/bundles");
        assert_eq!(address("http://127.0.0.1:8080").unwrap(), "http://127.0.0.1:8080/api/bundles");
        for url in [
            "http://lab.example",
            "ftp://lab.example",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil",
        ] {
            assert!(address(url).is_err(), "{url}");
        }
    }
}
