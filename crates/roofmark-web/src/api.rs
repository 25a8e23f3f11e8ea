//! The JSON interface: the records that the commands print with `--json`.

use crate::filter::{listing, value};
use crate::guard::has_token;
use crate::openapi;
use crate::program::Refused;
use crate::serve::Site;
use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use roofmark_ledger::Draft;
use roofmark_ledger::query::Listed;
use roofmark_ledger::record::Record;
use roofmark_ledger::{Ledger, query::Name};
use serde_json::{Value, json};
use std::sync::Arc;

/// Most parameters of one question.
const MOST_PARAMETERS: usize = 200;

/// Routes below `/api`.
pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/openapi.json", get(openapi::document))
        .route("/check", post(check))
        .route("/results", get(results))
        .route("/results/{record}", get(result))
        .route("/results/{record}/retract", post(retract))
        .route("/names", get(names))
        .route("/compare", get(compare))
        .route("/trend", get(trend))
        .route("/reproductions", get(crate::lab::reproductions))
        .route("/{operation}", get(operation))
        .fallback(async || Answer(Err(Refused::missing("there is no such address below /api"))))
}

/// A query string, in order.
pub type Pairs = Query<Vec<(String, String)>>;

/// A record, or the reason why there is none, as JSON.
pub struct Answer(pub Result<Value, Refused>);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self.0 {
            Ok(value) => Json(value).into_response(),
            Err(refused) => {
                let status =
                    StatusCode::from_u16(refused.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                (status, Json(json!({ "error": refused.text }))).into_response()
            }
        }
    }
}

async fn operation(State(site): State<Arc<Site>>, Path(name): Path<String>, Query(query): Pairs) -> Answer {
    if query.len() > MOST_PARAMETERS {
        return Answer(Err(Refused::bad(format!("more than {MOST_PARAMETERS} parameters"))));
    }
    Answer(site.run(move |site| site.program.json(&name, &query)).await)
}

async fn check(State(site): State<Arc<Site>>, text: Bytes) -> Answer {
    let work = move |site: &Site| {
        let checked = site.program.check("the text", &text)?;
        Ok(site.program.checked_json(&checked))
    };
    Answer(site.run(work).await)
}

async fn results(State(site): State<Arc<Site>>, Query(query): Pairs) -> Answer {
    let work = move |site: &Site| {
        let wanted = listing(&query)?;
        let found = site.ledgers.with(&site.program, |ledger| {
            Ok(ledger.list(&wanted.filter, wanted.sort, wanted.count, wanted.skip)?)
        })?;
        Ok(json!(found))
    };
    Answer(site.run(work).await)
}

async fn result(State(site): State<Arc<Site>>, Path(wanted): Path<String>) -> Answer {
    let work = move |site: &Site| {
        let (line, record) = site.ledgers.with(&site.program, |ledger| content(ledger, &wanted))?;
        document(&line, &record)
    };
    Answer(site.run(work).await)
}

/// The record that `wanted` names, or the foreign one that it holds.
pub fn content(ledger: &mut Ledger, wanted: &str) -> Result<(Listed, Record), Refused> {
    let line = ledger.find(wanted)?;
    let record = ledger.record(line.sequence)?;
    let inner = record.inner()?;
    Ok((line, inner.unwrap_or(record)))
}

/// A record with its line, as `results show --json` prints it.
fn document(line: &Listed, record: &Record) -> Result<Value, Refused> {
    let body: Value = serde_json::from_str(&record.body)
        .map_err(|error| Refused::failed(format!("failed to read the record: {error}")))?;
    Ok(json!({ "listed": line, "header": record.header, "body": body }))
}

async fn names(State(site): State<Arc<Site>>) -> Answer {
    let work = |site: &Site| site.ledgers.with(&site.program, |ledger| Ok(json!(known_names(ledger)?)));
    Answer(site.run(work).await)
}

/// Names that occur in the ledger, by what they name.
pub fn known_names(ledger: &mut Ledger) -> Result<Vec<(&'static str, Vec<String>)>, Refused> {
    let all = [
        ("machine", Name::Machine),
        ("backend", Name::Backend),
        ("engine", Name::Engine),
        ("model", Name::Model),
        ("quant", Name::Quant),
    ];
    all.into_iter().map(|(text, name)| Ok((text, ledger.names(name)?))).collect()
}

async fn compare(State(site): State<Arc<Site>>, Query(query): Pairs) -> Answer {
    let work = move |site: &Site| {
        let (Some(base), Some(new)) = (value(&query, "base"), value(&query, "new")) else {
            return Err(Refused::bad("compare needs `base` and `new`: two records"));
        };
        let compared = site.ledgers.with(&site.program, |ledger| site.program.compare(ledger, base, new))?;
        Ok(json!(compared))
    };
    Answer(site.run(work).await)
}

async fn trend(State(site): State<Arc<Site>>, Query(query): Pairs) -> Answer {
    let work = move |site: &Site| {
        Ok(json!(site.ledgers.with(&site.program, |ledger| site.program.trend(ledger, &query))?))
    };
    Answer(site.run(work).await)
}

/// Withdraws a record: it stays, and no longer counts. The body is the reason.
async fn retract(
    State(site): State<Arc<Site>>,
    Path(wanted): Path<String>,
    headers: HeaderMap,
    reason: Bytes,
) -> Answer {
    if !has_token(&site, &headers) {
        let text = "this changes the ledger: open the page by the address with its token that `roofmark serve` printed";
        return Answer(Err(Refused { status: 401, text: text.into() }));
    }
    let work = move |site: &Site| {
        let reason = std::str::from_utf8(&reason).unwrap_or_default().trim();
        if reason.is_empty() || reason.len() > 1_000 {
            return Err(Refused::bad("the body is the reason: 1 to 1,000 bytes of text"));
        }
        site.ledgers.with(&site.program, |ledger| {
            let line = ledger.find(&wanted)?;
            let done = ledger.append(&Draft::retraction(line.content, reason)?)?;
            Ok(json!({ "withdrawn": line.content, "by": done.sequence }))
        })
    };
    Answer(site.run(work).await)
}
