//! Files of the page, compiled in: nothing is loaded from elsewhere.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The chart library, uPlot (MIT; its licence stands beside it).
pub const CHARTS: &str = include_str!("../assets/vendor/uPlot.iife.min.js");
/// Its style.
pub const CHARTS_STYLE: &str = include_str!("../assets/vendor/uPlot.min.css");
const CHARTS_LICENCE: &str = include_str!("../assets/vendor/uPlot.LICENSE");
/// The script of the page.
pub const SCRIPT: &str = include_str!("../assets/page.js");
/// Its style.
pub const STYLE: &str = include_str!("../assets/page.css");
const ICON: &str = include_str!("../assets/icon.svg");

/// A file by its name.
pub async fn asset(Path(name): Path<String>) -> Response {
    let (kind, text) = match name.as_str() {
        "page.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "page.css" => ("text/css; charset=utf-8", STYLE),
        "uplot.js" => ("text/javascript; charset=utf-8", CHARTS),
        "uplot.css" => ("text/css; charset=utf-8", CHARTS_STYLE),
        "uplot.license.txt" => ("text/plain; charset=utf-8", CHARTS_LICENCE),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    // Addresses carry the hash of the content, so that a new version has a new address.
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")], text)
        .into_response()
}

/// The address of a file, with the hash of its content.
pub fn address(name: &str, content: &str) -> String {
    let hash: String = hash(content).chars().filter(char::is_ascii_alphanumeric).take(12).collect();
    format!("/assets/{name}?v={hash}")
}

/// SHA-256 in base64, as a content security policy names a script.
pub fn hash(content: &str) -> String {
    STANDARD.encode(Sha256::digest(content.as_bytes()))
}
