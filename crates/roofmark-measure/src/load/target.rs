//! Where requests go: the address, its TLS, its key. A key never shows in `Debug` or in a record.

use super::LoadError;
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

/// A secret that prints as dots.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes a key; refuses what would break out of a header line.
    pub fn new(key: &str) -> Result<Self, LoadError> {
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            return Err(LoadError::Key);
        }
        Ok(Self(key.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("•••")
    }
}

/// A server.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it listens, resolved once.
    pub address: SocketAddr,
    host: String,
    /// Path before `/v1`, without a slash at its end.
    base: String,
    /// Encryption, with the name that its certificate must carry.
    pub tls: Option<(Arc<rustls::ClientConfig>, rustls::pki_types::ServerName<'static>)>,
    key: Option<Secret>,
}

impl Target {
    /// Parses `http://host:port/base` (a `/v1` at its end is dropped) and resolves the host.
    /// `roots` are additional certificates to trust, PEM.
    pub fn new(url: &str, key: Option<Secret>, roots: Option<&[u8]>) -> Result<Self, LoadError> {
        let bad = |reason: &str| LoadError::Url { url: url.to_owned(), reason: reason.to_owned() };
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(bad("the scheme is neither http nor https")),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(bad("user names and passwords do not belong in an address"));
        }
        if authority.is_empty() || !url.bytes().all(|byte| (0x21..0x7f).contains(&byte)) || path.contains('?')
        {
            return Err(bad("not of the form http://host:port"));
        }
        let (name, port) =
            split_port(authority, if tls { 443 } else { 80 }).ok_or_else(|| bad("not a port"))?;
        let mut found = (name, port)
            .to_socket_addrs()
            .map_err(|source| LoadError::Resolve { host: name.to_owned(), source })?;
        let address = found.next().ok_or_else(|| bad("the host has no address"))?;
        let base = path.trim_end_matches('/').trim_end_matches("v1").trim_end_matches('/');
        let base = if base.is_empty() { String::new() } else { format!("/{base}") };
        let tls = if tls { Some(tls_for(name, roots)?) } else { None };
        Ok(Self { address, host: authority.to_owned(), base, tls, key })
    }

    /// The bytes of a request; `body` makes it a POST of JSON.
    #[must_use]
    pub fn request(&self, path: &str, body: Option<&[u8]>) -> Vec<u8> {
        let method = if body.is_some() { "POST" } else { "GET" };
        let key =
            self.key.as_ref().map_or(String::new(), |key| format!("authorization: Bearer {}\r\n", key.0));
        let length = body.map_or(String::new(), |body| {
            format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len())
        });
        let head = format!(
            "{method} {}{path} HTTP/1.1\r\nhost: {}\r\naccept-encoding: identity\r\n{key}{length}\r\n",
            self.base, self.host
        );
        [head.as_bytes(), body.unwrap_or_default()].concat()
    }
}

fn split_port(authority: &str, default: u16) -> Option<(&str, u16)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (name, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((name, port.parse().ok()?)),
            None => Some((name, default)),
        };
    }
    match authority.rsplit_once(':') {
        Some((name, port)) => Some((name, port.parse().ok()?)),
        None => Some((authority, default)),
    }
}

fn tls_for(
    name: &str,
    roots: Option<&[u8]>,
) -> Result<(Arc<rustls::ClientConfig>, rustls::pki_types::ServerName<'static>), LoadError> {
    use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
    let bad = |reason: String| LoadError::Tls { reason };
    let mut store = rustls::RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in CertificateDer::pem_slice_iter(roots.unwrap_or_default()) {
        store
            .add(certificate.map_err(|error| bad(error.to_string()))?)
            .map_err(|error| bad(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(error.to_string()))?
        .with_root_certificates(store)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).map_err(|error| bad(error.to_string()))?;
    Ok((Arc::new(config), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_write_them() {
        for (url, path) in [
            ("http://127.0.0.1:8080", "/x"),
            ("127.0.0.1:8080/", "/x"),
            ("http://127.0.0.1:8080/v1", "/x"),
            ("http://127.0.0.1:8080/api/v1/", "/api/x"),
            ("http://[::1]:8080", "/x"),
        ] {
            let target = Target::new(url, None, None).unwrap();
            let request = String::from_utf8(target.request("/x", None)).unwrap();
            assert!(request.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{url}: {request}");
            assert_eq!(target.address.port(), 8080);
        }
        for url in ["ftp://a", "http://", "http://a b", "http://127.0.0.1:99999", "http://u:p@127.0.0.1"] {
            assert!(Target::new(url, None, None).is_err(), "{url}");
        }
    }

    #[test]
    fn a_key_goes_into_the_header_only() {
        let key = Secret::new("sk-123\n").unwrap();
        let target = Target::new("http://127.0.0.1:1", Some(key), None).unwrap();
        assert!(!format!("{target:?}").contains("sk-123"));
        let request = String::from_utf8(target.request("/x", Some(b"{}"))).unwrap();
        assert!(request.contains("authorization: Bearer sk-123\r\n"));
        assert!(Secret::new("a\r\nx: y").is_err());
    }
}
