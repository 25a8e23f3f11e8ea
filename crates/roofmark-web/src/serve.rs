//! The server: binding, routes, limits, shutdown.

use crate::door::Door;
use crate::guard::{Clients, guard};
use crate::ledgers::Ledgers;
use crate::program::{Pairs, Program, Refused};
use crate::{api, assets, lab, live, page};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Extensions, HeaderMap, StatusCode, Version};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum_server::Server;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use maud::Markup;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate};
use tower_http::timeout::TimeoutLayer;

/// Time that an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time for a client to send the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// Time for a bundle to arrive and be taken in.
const BUNDLE: Duration = Duration::from_secs(120);
/// Time that a question waits for a free thread.
const QUEUE: Duration = Duration::from_secs(20);
/// Results that are remembered: some 10 MB.
const MOST_REMEMBERED: usize = 128;
/// Largest body of a text.
const LARGEST_TEXT: usize = 4 << 20;

/// How to serve.
pub struct Options {
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// Names under which the page is reached, beside addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Certificate and key; plain HTTP without.
    pub tls: Option<Tls>,
    /// A proxy stands in front and names the clients.
    pub proxied: bool,
    /// Takes in bundles of known keys, and changes nothing for readers.
    pub lab: bool,
}

/// Files of a certificate.
pub struct Tls {
    /// Chain of certificates, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

/// Why nothing is served. Completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be bound.
    #[error("bind {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificate or key cannot be used.
    #[error("use the certificate or key in {path}: {reason}", path = path.display())]
    Certificate {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The server stopped.
    #[error("serve: {0}")]
    Stopped(#[from] std::io::Error),
    /// No random bytes for the token.
    #[error("make a token: {0}")]
    Token(String),
}

/// What the routes share.
pub struct Site {
    pub program: Arc<dyn Program>,
    pub ledgers: Ledgers,
    pub clients: Clients,
    pub hosts: Vec<String>,
    pub token: String,
    pub lab: bool,
    pub proxied: bool,
    /// What others have measured.
    evidence: OnceLock<page::machines::Evidence>,
    /// Results that depend on the question and the day alone.
    results: Mutex<HashMap<String, Markup>>,
    /// Threads that may work on questions at once.
    threads: Semaphore,
    pub listeners: Semaphore,
}

impl Site {
    /// What others have measured, by machine and model of the catalog.
    pub fn evidence(&self) -> &page::machines::Evidence {
        self.evidence.get_or_init(|| page::machines::index(self.program.catalog()))
    }

    /// The result of a question that depends on nothing but itself and the day, worked out once.
    pub fn remembered(
        &self,
        view: &str,
        question: &Pairs,
        work: impl FnOnce() -> Result<Markup, Refused>,
    ) -> Result<Markup, Refused> {
        let day = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400);
        let key = format!("{day} {view} {}", page::query_string(question));
        let results = || self.results.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = results().get(&key).cloned() {
            return Ok(known);
        }
        let result = work()?;
        let mut results = results();
        if results.len() >= MOST_REMEMBERED {
            results.clear();
        }
        results.insert(key, result.clone());
        Ok(result)
    }

    /// Runs `work`, which blocks, on a thread for that.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Site) -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        let busy = |_| Refused::failed("the server is busy: try again");
        let permit = tokio::time::timeout(QUEUE, self.threads.acquire()).await.map_err(busy)?;
        let permit = permit.map_err(|_| Refused::failed("the server is closing"))?;
        let site = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&site)).await;
        drop(permit);
        done.unwrap_or_else(|_| {
            Err(Refused { status: 500, text: "the answer failed: please report this".into() })
        })
    }
}

/// A server that is bound and not yet running.
pub struct Bound {
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    site: Arc<Site>,
    address: SocketAddr,
}

/// Reads the certificate and binds the address.
///
/// # Errors
/// [`Error::Certificate`], [`Error::Bind`], [`Error::Token`].
pub fn serve(program: Arc<dyn Program>, options: Options) -> Result<Bound, Error> {
    let tls = options.tls.as_ref().map(certificate).transpose()?;
    let failed = |source| Error::Bind { address: options.address, source };
    let listener = TcpListener::bind(options.address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let threads = std::thread::available_parallelism().map_or(4, usize::from) * 2;
    let site = Site {
        program,
        ledgers: Ledgers::default(),
        clients: Clients::default(),
        hosts: options.hosts,
        token: token()?,
        lab: options.lab,
        proxied: options.proxied,
        threads: Semaphore::new(threads),
        listeners: Semaphore::new(64),
        evidence: OnceLock::new(),
        results: Mutex::default(),
    };
    Ok(Bound { listener, tls, site: Arc::new(site), address })
}

fn token() -> Result<String, Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Token(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Bound {
    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address to open.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        match self.site.hosts.first() {
            Some(name) => format!("{scheme}://{name}:{}/", self.address.port()),
            None => format!("{scheme}://{}/", self.address),
        }
    }

    /// What has to be named to change something.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.site.token
    }

    /// Serves until `stop` is done.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let done = runtime.block_on(self.serve(stop));
        runtime.shutdown_timeout(Duration::from_secs(2));
        done
    }

    async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
        let handle = axum_server::Handle::new();
        let stopping = handle.clone();
        tokio::spawn(async move {
            stop.await;
            stopping.graceful_shutdown(Some(Duration::from_millis(500)));
        });
        // The first reader finds the predictor ready.
        let site = self.site.clone();
        let warm = |site: &Site| {
            page::machines::warm(site);
            page::advise::warm(site);
            page::cost::warm(site);
            Ok(())
        };
        tokio::spawn(async move { site.run(warm).await });
        let proxied = self.site.proxied;
        let routes = routes(self.site).into_make_service_with_connect_info::<SocketAddr>();
        let server = limited(axum_server::from_tcp(self.listener)?.handle(handle));
        match self.tls {
            None => server.acceptor(Door::new(false, proxied)).serve(routes).await?,
            Some(tls) => {
                let tls = RustlsAcceptor::new(tls).acceptor(Door::new(true, proxied));
                server.acceptor(tls).serve(routes).await?;
            }
        }
        Ok(())
    }
}

/// A client that sends its head slowly is not waited for. HTTP/1 alone: its limits are known.
fn limited(server: Server<SocketAddr>) -> Server<SocketAddr> {
    let mut server = server.http1_only().first_request_timeout(HEAD);
    server.http_builder().http1().header_read_timeout(HEAD);
    server
}

fn certificate(tls: &Tls) -> Result<RustlsConfig, Error> {
    // Another part of the program may have chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let refused = |path: &PathBuf, reason: String| Error::Certificate { path: path.clone(), reason };
    let chain = CertificateDer::pem_file_iter(&tls.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refused(&tls.certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(refused(&tls.certificate, "it holds no certificate in PEM form".into()));
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| refused(&tls.key, error.to_string()))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| refused(&tls.certificate, format!("with the key {}: {error}", tls.key.display())))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(RustlsConfig::from_config(Arc::new(config)))
}

/// Whether an answer is sent in one piece.
fn whole(_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions) -> bool {
    extensions.get::<page::answer::InPieces>().is_none()
}

/// All routes behind the guard.
fn routes(site: Arc<Site>) -> Router {
    let pages = Router::new()
        .route("/", get(page::home))
        .route("/machines", get(page::machines::page))
        .route("/explorer", get(page::explorer::page))
        .route("/results", get(page::results::page))
        .route("/results/{record}", get(page::record::page))
        .route("/compare", get(page::compare::page))
        .route("/trend", get(page::trend::page))
        .route("/check", get(page::check::page).post(page::check::judge))
        .route("/advise", get(page::advise::page))
        .route("/cost", get(page::cost::page))
        .route("/live", get(page::live::page))
        .route("/lab", get(page::lab::page))
        .fallback(page::missing);
    let quick = pages
        .nest("/api", api::routes())
        .layer(DefaultBodyLimit::max(LARGEST_TEXT))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, PATIENCE))
        .layer(CompressionLayer::new().compress_when(DefaultPredicate::new().and(whole)));
    let bundles = Router::new()
        .route(lab::SUBMIT_PATH, post(lab::take))
        .layer(DefaultBodyLimit::max(lab::LARGEST))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, BUNDLE));
    Router::new()
        .merge(quick)
        .merge(bundles)
        .route("/api/live", get(live::events))
        .route("/assets/{name}", get(assets::asset))
        .layer(CatchPanicLayer::new())
        .layer(from_fn_with_state(site.clone(), guard))
        .with_state(site)
}
