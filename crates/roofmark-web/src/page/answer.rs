//! How a page is sent: whole where its result is there at once; else its head and form first, and the result in the
//! same answer as soon as it is known. So a reader sees the page at once, without a script and without a shift.

use super::{View, end, start, status};
use crate::program::Refused;
use crate::serve::Site;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Longest wait for a result before the head goes out alone.
const SOON: Duration = Duration::from_millis(60);

/// Marks an answer that is sent in pieces: compressing it would hold them back.
#[derive(Clone, Copy)]
pub struct InPieces;

/// A piece of a page; the last one knows how the question went.
struct Piece {
    text: String,
    status: StatusCode,
}

/// Builds a page on a thread for work that blocks.
pub async fn show(
    site: Arc<Site>,
    query: Vec<(String, String)>,
    build: impl for<'a> FnOnce(&'a Site, &'a [(String, String)]) -> View<'a> + Send + 'static,
) -> Response {
    let (sender, mut pieces) = channel(2);
    let working = tokio::spawn(async move {
        site.run(move |site| {
            write(site, build(site, &query), &sender);
            Ok(())
        })
        .await
    });
    let Some(head) = pieces.recv().await else {
        // Nothing was written: the server is busy, or the work ended in a panic.
        let refused = match working.await {
            Ok(Err(refused)) => refused,
            _ => Refused { status: 500, text: "the answer failed: please report this".into() },
        };
        return (status(&refused), format!("{refused}\n")).into_response();
    };
    match tokio::time::timeout(SOON, pieces.recv()).await {
        Ok(Some(rest)) => page(rest.status, Body::from(head.text + &rest.text)),
        Ok(None) => page(StatusCode::INTERNAL_SERVER_ERROR, Body::from(head.text)),
        Err(_) => {
            let body = Body::from_stream(Pieces { head: Some(head.text), rest: pieces });
            let mut page = page(StatusCode::OK, body);
            page.extensions_mut().insert(InPieces);
            page
        }
    }
}

fn write(site: &Site, view: View<'_>, to: &Sender<Piece>) {
    let head = Piece { text: start(site, &view).0, status: StatusCode::OK };
    let _ = to.blocking_send(head);
    let result = (view.result)();
    let status = result.as_ref().err().map_or(StatusCode::OK, status);
    let _ = to.blocking_send(Piece { text: end(site, &result).0, status });
}

/// A page with its type.
pub fn page(status: StatusCode, body: impl Into<Body>) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], body.into()).into_response()
}

struct Pieces {
    head: Option<String>,
    rest: Receiver<Piece>,
}

impl futures_core::Stream for Pieces {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(head.into())));
        }
        let piece = ready!(self.rest.poll_recv(context));
        Poll::Ready(piece.map(|piece| Ok(piece.text.into())))
    }
}
