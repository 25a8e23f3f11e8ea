//! `roofmark serve`: the page.

use crate::exit::Exit;
use crate::ledger::{self, Place};
use crate::open_questions::Lent;
use anyhow::{Context, Result, ensure};
use clap::Args;
use roofmark_web::{Options, Tls, serve};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Port; a free one where it is 0.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Address to listen on. Anything but this machine needs --tls-cert with --tls-key, or --behind-proxy.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    pub bind: IpAddr,
    /// A name under which the page is reached; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,
    /// Certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// A proxy that speaks TLS stands in front, and names the clients in X-Forwarded-For.
    #[arg(long)]
    pub behind_proxy: bool,
    /// Take in bundles from keys that are known (`roofmark key --trust`), and show who reproduced what.
    #[arg(long)]
    pub lab: bool,
}

/// Serves until it is stopped.
pub fn run(args: &ServeArgs, json: bool, place: Place) -> Result<Exit> {
    let tls =
        args.tls_cert.clone().zip(args.tls_key.clone()).map(|(certificate, key)| Tls { certificate, key });
    ensure!(
        args.bind.is_loopback() || tls.is_some() || args.behind_proxy,
        "--bind is {}: give --tls-cert and --tls-key, or --behind-proxy where a proxy speaks TLS",
        args.bind
    );
    crate::catalog::catalog()?;
    // Opening takes in what waits in the spool, and fails now rather than at the first page.
    drop(ledger::open(&place)?);
    let options = Options {
        address: SocketAddr::new(args.bind, args.port),
        hosts: args.host.clone(),
        tls,
        proxied: args.behind_proxy,
        lab: args.lab,
    };
    let bound =
        serve(Arc::new(Lent { place }), options).map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    let (url, token) = (bound.url(), bound.token());
    if json {
        super::print(&serde_json::json!({ "url": url, "token": token }).to_string())?;
    } else {
        super::print(&format!("{url}#token={token}"))?;
        eprintln!("serving until Ctrl-C; the part after # lets this browser withdraw records");
    }
    bound.run(stopped()?).map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    Ok(Exit::Success)
}

/// Done at Ctrl-C or when the system asks the program to end.
fn stopped() -> Result<impl Future<Output = ()> + Send + 'static> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<()>(1);
    ctrlc::set_handler(move || {
        let _ = sender.try_send(());
    })
    .context("failed to listen for Ctrl-C")?;
    Ok(async move {
        receiver.recv().await;
    })
}
