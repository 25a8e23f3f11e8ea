//! What stands between the network and the routes: hosts, origins, rates, sizes, and the headers of every answer.

use crate::serve::Site;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Longest address, query included.
const LONGEST_ADDRESS: usize = 8 << 10;
/// Requests that one client may make at once, and each second on average.
const BURST: f64 = 1_500.0;
const PER_SECOND: f64 = 500.0;
/// Clients that are remembered.
const MOST_CLIENTS: usize = 10_000;

/// What a page may load and do: only what comes from here, no script or style in the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Checks a request and sets the headers of its answer.
pub async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&site, &request) {
        Some((status, text)) => (status, format!("{text}\n")).into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // With `no-referrer` a browser would call the origin of its own forms "null".
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn refusal(site: &Site, request: &Request) -> Option<(StatusCode, String)> {
    if !site.clients.admits(client(site, request)) {
        return Some((StatusCode::TOO_MANY_REQUESTS, "too many requests: wait a second".into()));
    }
    if request.uri().to_string().len() > LONGEST_ADDRESS {
        return Some((
            StatusCode::URI_TOO_LONG,
            format!("the address is longer than {LONGEST_ADDRESS} bytes"),
        ));
    }
    let host = host(request.headers(), request.uri());
    if !host.as_deref().is_some_and(|host| is_ours(host, &site.hosts)) {
        let text = "this host name is not served here; `roofmark serve --host NAME` allows one";
        return Some((StatusCode::MISDIRECTED_REQUEST, text.into()));
    }
    if is_foreign(request, host.as_deref().unwrap_or_default()) {
        return Some((StatusCode::FORBIDDEN, "requests from other sites are refused".into()));
    }
    None
}

fn client(site: &Site, request: &Request) -> Option<IpAddr> {
    let forwarded = site.proxied.then(|| request.headers().get("x-forwarded-for")).flatten();
    let last = forwarded.and_then(|value| value.to_str().ok()).and_then(|text| text.rsplit(',').next());
    last.and_then(|text| text.trim().parse().ok()).or_else(|| {
        request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())
    })
}

fn host(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    // Two hosts in one request are an attack.
    if headers.get_all(header::HOST).iter().count() > 1 {
        return None;
    }
    let named = headers.get(header::HOST).and_then(|value| value.to_str().ok()).map(str::to_owned);
    named.or_else(|| uri.authority().map(ToString::to_string))
}

/// A name that resolves to this machine may be anybody's, so names have to be known. An address in digits cannot be
/// rebound.
fn is_ours(host: &str, known: &[String]) -> bool {
    let name = without_port(host);
    let digits = name.trim_start_matches('[').trim_end_matches(']');
    digits.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || known.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

/// A page of another site that calls the interface, or changes something.
fn is_foreign(request: &Request, host: &str) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads && !request.uri().path().starts_with("/api/") {
        return false;
    }
    let origin = request.headers().get(header::ORIGIN).map(|value| value.to_str().unwrap_or("null"));
    let same =
        |origin: &str| origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host));
    let site = request.headers().get("sec-fetch-site").and_then(|value| value.to_str().ok());
    origin.is_some_and(|origin| !same(origin)) || site == Some("cross-site")
}

/// How much each client may still ask.
#[derive(Default)]
pub struct Clients {
    left: Mutex<HashMap<IpAddr, (f64, Instant)>>,
}

impl Clients {
    fn admits(&self, client: Option<IpAddr>) -> bool {
        let Some(client) = client else { return true };
        let now = Instant::now();
        let mut clients = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MOST_CLIENTS {
            clients.retain(|_, (left, since)| *left + since.elapsed().as_secs_f64() * PER_SECOND < BURST);
        }
        if clients.len() >= MOST_CLIENTS && !clients.contains_key(&client) {
            return false;
        }
        let (left, since) = clients.entry(client).or_insert((BURST, now));
        *left = (*left + now.duration_since(*since).as_secs_f64() * PER_SECOND).min(BURST);
        *since = now;
        *left -= 1.0;
        if *left < 0.0 {
            *left = 0.0;
            return false;
        }
        true
    }
}

/// Whether `headers` carry the token of this server.
pub fn has_token(site: &Site, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
    same_bytes(given.as_bytes(), site.token.as_bytes())
}

/// Compares without ending at the first difference.
fn same_bytes(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |found, (a, b)| found | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_and_addresses_are_served() {
        let known = vec!["lab.example".to_owned()];
        for (host, ours) in [
            ("127.0.0.1:8080", true),
            ("[::1]:8080", true),
            ("localhost", true),
            ("LAB.example:443", true),
            ("lab.example.evil.test", false),
            ("evil.test:8080", false),
            ("localhost.evil.test", false),
            ("", false),
        ] {
            assert_eq!(is_ours(host, &known), ours, "{host}");
        }
    }

    #[test]
    fn a_client_that_asks_too_much_has_to_wait() {
        let clients = Clients::default();
        let one = Some(IpAddr::from([192, 0, 2, 1]));
        let admitted = (0..4000).filter(|_| clients.admits(one)).count();
        assert!((1_500..3_000).contains(&admitted), "{admitted}");
        assert!(clients.admits(Some(IpAddr::from([192, 0, 2, 2]))));
    }

    #[test]
    fn tokens_are_compared_whole() {
        assert!(same_bytes(b"abc", b"abc"));
        assert!(!same_bytes(b"abc", b"abd"));
        assert!(!same_bytes(b"", b"abc"));
    }
}
