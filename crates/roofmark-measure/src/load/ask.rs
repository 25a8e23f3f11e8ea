//! Questions to a server outside of any measurement: one request, one JSON answer.

use super::LoadError;
use super::http::{Body, head};
use super::limits::{BODY_CAP, HEAD_CAP};
use super::target::Target;
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Longest wait for an answer to a question.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer; the body is `null` where it is not JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Value of the `server` header, lower case.
    pub server: String,
    /// The body.
    pub body: Value,
}

/// Puts a question: `None` where no HTTP answer came. With a body it is a POST.
pub type Ask<'a> = dyn Fn(&str, Option<&Value>) -> Option<Answer> + 'a;

/// Asks `target`; `patience` is how long an answer may take.
pub fn ask(
    target: &Target,
    path: &str,
    body: Option<&Value>,
    patience: Duration,
) -> Result<Answer, LoadError> {
    let (status, server, body) = call(target, path, body, patience)?;
    Ok(Answer { status, server, body: serde_json::from_slice(&body).unwrap_or_default() })
}

/// A `GET`: status, the `server` header, and the bytes of the body.
pub fn get(target: &Target, path: &str) -> Result<(u16, String, Vec<u8>), LoadError> {
    call(target, path, None, PATIENCE)
}

fn call(
    target: &Target,
    path: &str,
    body: Option<&Value>,
    patience: Duration,
) -> Result<(u16, String, Vec<u8>), LoadError> {
    let probe = |reason: String| LoadError::Probe { path: path.to_owned(), reason };
    let body = body.map(Value::to_string);
    let request = target.request(path, body.as_deref().map(str::as_bytes));
    let bytes = transfer(target, &request, patience).map_err(|error| probe(error.to_string()))?;
    let (found, length) =
        head(&bytes).map_err(|kind| probe(kind.text().into()))?.ok_or_else(|| probe("no answer".into()))?;
    let mut body = Vec::new();
    let fed = Body::new(found.body).feed(&bytes[length..], |data| {
        body.extend_from_slice(data);
        Ok(())
    });
    fed.map_err(|kind| probe(kind.text().into()))?;
    Ok((found.status, found.server, body))
}

fn transfer(target: &Target, request: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
    let stream = TcpStream::connect_timeout(&target.address, PATIENCE)?;
    stream.set_read_timeout(Some(patience))?;
    match &target.tls {
        None => exchange(stream, request, patience),
        Some((config, name)) => {
            let session =
                rustls::ClientConnection::new(config.clone(), name.clone()).map_err(io::Error::other)?;
            exchange(rustls::StreamOwned::new(session, stream), request, patience)
        }
    }
}

fn exchange(mut stream: impl Read + Write, request: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
    stream.write_all(request)?;
    let begun = Instant::now();
    let mut bytes = Vec::new();
    let mut part = [0; 16 << 10];
    while begun.elapsed() < patience && bytes.len() < BODY_CAP + HEAD_CAP {
        let count = match stream.read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            other => other?,
        };
        bytes.extend_from_slice(&part[..count]);
        if count == 0 || is_complete(&bytes) {
            return Ok(bytes);
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "no complete answer in time"))
}

fn is_complete(bytes: &[u8]) -> bool {
    let Ok(Some((found, length))) = head(bytes) else { return false };
    let mut body = Body::new(found.body);
    body.feed(&bytes[length..], |_| Ok(())).is_err() || body.is_done()
}
