//! A pasted text with its claims marked and judged.

use super::{Pairs, View, framed, show};
use crate::filter::value;
use crate::program::Refused;
use crate::serve::Site;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, PreEscaped, html};
use std::sync::Arc;

const EXAMPLE: &str = "Llama 3.1 70B Q4_K_M runs at 30-45 tok/s on an M5 Max with 128 GB.";

/// `GET /check`: an empty form, or one short claim in the address.
pub async fn page(State(site): State<Arc<Site>>, Query(query): Pairs) -> Response {
    show(site, query, |site, query| {
        let text = value(query, "text").unwrap_or_default().to_owned();
        view(site, text, EXAMPLE)
    })
    .await
}

/// `POST /check`: the text is a field of a form.
pub async fn judge(State(site): State<Arc<Site>>, body: Bytes) -> Response {
    let work = move |site: &Site| {
        let text = field(&body, "text").unwrap_or_default();
        Ok(framed(site, view(site, text, "")))
    };
    let done = site.run(work).await;
    done.unwrap_or_else(|refused| {
        axum::response::IntoResponse::into_response(crate::api::Answer(Err(refused)))
    })
}

/// The value of one field of an encoded form.
fn field(body: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let value = text.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))?;
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let hex = (byte == b'%').then(|| after.get(..2)).flatten();
        let decoded = hex.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match (byte, decoded) {
            (_, Some(decoded)) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn view<'a>(site: &'a Site, text: String, example: &str) -> View<'a> {
    let shown = if text.is_empty() { example } else { &text };
    let form = html! {
        form.ask method="post" action="/check" data-testid="form" data-check="" {
            div.field.wide {
                label for="field-text" { "Text, Markdown, HTML or a table with claims about speed" }
                textarea id="field-text" name="text" rows="8" required { (shown) }
            }
            p.go { button type="submit" { "Check" } }
        }
    };
    View {
        at: "/check",
        title: "Is that number possible?".into(),
        lead: "Paste a text: each claim about the speed of a model is held against physics and against what was measured.",
        form,
        result: Box::new(move || if text.is_empty() { Ok(hint()) } else { result(site, &text) }),
    }
}

fn hint() -> Markup {
    html! { p.note { "The text goes to this server only, and nothing of it is kept." } }
}

fn result(site: &Site, text: &str) -> Result<Markup, Refused> {
    let checked = site.program.check("the text", text.as_bytes())?;
    Ok(judged(&checked))
}

/// The verdicts, as the report crate writes them: escaped there, and tested there.
pub fn judged(checked: &roofmark_facts::claim::Checked) -> Markup {
    html! { div.checked data-testid="checked" { (PreEscaped(roofmark_report::check::fragment(checked))) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_decoded() {
        assert_eq!(field(b"a=1&text=30+tok%2Fs%0A%E2%82%AC", "text").as_deref(), Some("30 tok/s\n\u{20ac}"));
        assert_eq!(field(b"text=100%", "text").as_deref(), Some("100%"));
        assert_eq!(field(b"other=1", "text"), None);
    }
}
