//! HTTP/1.1, as much as a client of one server needs: the head of a response and the three ways a
//! body can end. Redirects are not followed and compression is not accepted.

use super::limits::HEAD_CAP;
use memchr::memmem;
use roofmark_facts::load_record::Trouble;

/// Head of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Status code.
    pub status: u16,
    /// How the body ends.
    pub body: BodyEnd,
    /// The connection can be used again.
    pub keep_alive: bool,
    /// Media type, lower case, without parameters.
    pub content_type: String,
    /// A content encoding other than `identity`.
    pub encoded: bool,
    /// Value of `server`.
    pub server: String,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// Chunked transfer encoding.
    Chunked,
    /// That many bytes.
    Length(u64),
    /// The connection closes.
    Close,
}

/// Parses a head that `bytes` begin with; `None` if more is needed. Also returns its length.
/// Interim responses (1xx) are passed over.
pub fn head(bytes: &[u8]) -> Result<Option<(Head, usize)>, Trouble> {
    let mut passed = 0;
    loop {
        let Some((head, length)) = one_head(&bytes[passed..])? else { return Ok(None) };
        passed += length;
        if head.status >= 200 || head.status == 101 {
            return Ok(Some((head, passed)));
        }
    }
}

fn one_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, Trouble> {
    let ended = memmem::find(bytes, b"\r\n\r\n").or_else(|| memmem::find(bytes, b"\n\n"));
    if ended.unwrap_or(bytes.len()) > HEAD_CAP {
        return Err(Trouble::BadHttp);
    }
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => Ok(Some((read_head(&response)?, length))),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => Err(Trouble::BadHttp),
    }
}

fn read_head(response: &httparse::Response<'_, '_>) -> Result<Head, Trouble> {
    let status = response.code.ok_or(Trouble::BadHttp)?;
    let value = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value).trim().to_ascii_lowercase())
    };
    let chunked = value("transfer-encoding").is_some_and(|coding| coding.ends_with("chunked"));
    let length = match value("content-length") {
        Some(text) if !chunked => Some(text.parse::<u64>().map_err(|_| Trouble::BadHttp)?),
        _ => None,
    };
    let body = match length {
        _ if chunked => BodyEnd::Chunked,
        Some(length) => BodyEnd::Length(length),
        None if status == 204 || status == 304 => BodyEnd::Length(0),
        None => BodyEnd::Close,
    };
    let connection = value("connection").unwrap_or_default();
    let keeps = if response.version == Some(1) { connection != "close" } else { connection == "keep-alive" };
    let content_type = value("content-type").unwrap_or_default();
    Ok(Head {
        status,
        body,
        keep_alive: keeps && body != BodyEnd::Close,
        content_type: content_type.split(';').next().unwrap_or_default().trim().to_owned(),
        encoded: value("content-encoding").is_some_and(|coding| coding != "identity" && !coding.is_empty()),
        server: value("server").unwrap_or_default(),
    })
}

/// Takes the framing off a body.
#[derive(Debug)]
pub struct Body {
    state: BodyState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyState {
    Size {
        value: u64,
        digits: u8,
    },
    /// The size is read, its line goes on.
    SizeEnd(u64),
    Data(u64),
    DataEnd,
    Trailer {
        empty: bool,
    },
    Length(u64),
    Close,
    Done,
}

impl Body {
    /// A body at its start.
    #[must_use]
    pub fn new(end: BodyEnd) -> Self {
        let state = match end {
            BodyEnd::Chunked => BodyState::Size { value: 0, digits: 0 },
            BodyEnd::Length(0) => BodyState::Done,
            BodyEnd::Length(length) => BodyState::Length(length),
            BodyEnd::Close => BodyState::Close,
        };
        Self { state }
    }

    /// The body has come to its end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == BodyState::Done
    }

    /// A closed connection is a proper end.
    #[must_use]
    pub fn may_close(&self) -> bool {
        matches!(self.state, BodyState::Done | BodyState::Close)
    }

    /// Takes the next bytes and calls `data` with what they hold of the body. Bytes after the end are ignored.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut data: impl FnMut(&[u8]) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let mut rest = bytes;
        while !rest.is_empty() && self.state != BodyState::Done {
            match self.state {
                BodyState::Data(left) | BodyState::Length(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let (part, after) = rest.split_at(take);
                    self.state = self.after_data(left - take as u64);
                    rest = after;
                    data(part)?;
                }
                BodyState::Close => {
                    data(rest)?;
                    rest = b"";
                }
                state => {
                    let whole = size_line(state, rest);
                    let (state, length) = match whole {
                        Some((size, length)) => (BodyState::Data(size), length),
                        None => (self.after_byte(rest[0])?, 1),
                    };
                    self.state = state;
                    rest = &rest[length..];
                }
            }
        }
        Ok(())
    }

    fn after_data(&self, left: u64) -> BodyState {
        match self.state {
            BodyState::Data(_) if left == 0 => BodyState::DataEnd,
            BodyState::Data(_) => BodyState::Data(left),
            _ if left == 0 => BodyState::Done,
            _ => BodyState::Length(left),
        }
    }

    fn after_byte(&self, byte: u8) -> Result<BodyState, Trouble> {
        Ok(match (self.state, byte) {
            (BodyState::Size { value, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = (byte as char).to_digit(16).ok_or(Trouble::BadHttp)?;
                if digits >= 15 {
                    return Err(Trouble::BadHttp);
                }
                BodyState::Size { value: value << 4 | u64::from(digit), digits: digits + 1 }
            }
            (BodyState::Size { digits: 0, .. }, _) => return Err(Trouble::BadHttp),
            (BodyState::Size { value: 0, .. }, b'\n') => BodyState::Trailer { empty: true },
            (BodyState::Size { value, .. }, b'\n') => BodyState::Data(value),
            (BodyState::Size { value, .. }, b'\r' | b';' | b' ') => BodyState::SizeEnd(value),
            (BodyState::Size { .. }, _) => return Err(Trouble::BadHttp),
            (BodyState::SizeEnd(0), b'\n') => BodyState::Trailer { empty: true },
            (BodyState::SizeEnd(value), b'\n') => BodyState::Data(value),
            (state @ BodyState::SizeEnd(_), _) => state,
            (BodyState::DataEnd, b'\r') => BodyState::DataEnd,
            (BodyState::DataEnd, b'\n') => BodyState::Size { value: 0, digits: 0 },
            (BodyState::Trailer { empty: true }, b'\n') => BodyState::Done,
            (BodyState::Trailer { empty }, b'\r') => BodyState::Trailer { empty },
            (BodyState::Trailer { .. }, b'\n') => BodyState::Trailer { empty: true },
            (BodyState::Trailer { .. }, _) => BodyState::Trailer { empty: false },
            _ => return Err(Trouble::BadHttp),
        })
    }
}

/// The size of the next chunk and the length of what says it, where that lies whole in `bytes` and in its plain form.
fn size_line(state: BodyState, bytes: &[u8]) -> Option<(u64, usize)> {
    let line = match state {
        BodyState::DataEnd => bytes.strip_prefix(b"\r\n")?,
        BodyState::Size { value: 0, digits: 0 } => bytes,
        _ => return None,
    };
    let digits = line.iter().take(16).position(|byte| *byte == b'\r')?;
    if line.get(digits + 1) != Some(&b'\n') || digits == 0 {
        return None;
    }
    let size = line[..digits].iter().try_fold(0_u64, |size, byte| {
        (*byte as char).to_digit(16).map(|digit| size << 4 | u64::from(digit))
    })?;
    (size > 0).then_some((size, bytes.len() - line.len() + digits + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Head {
        head(text.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn heads() {
        let found = parse(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        assert_eq!((found.status, found.body, found.keep_alive), (200, BodyEnd::Chunked, true));
        assert_eq!(found.content_type, "text/event-stream");
        let found = parse("HTTP/1.0 200 OK\r\n\r\n");
        assert_eq!((found.body, found.keep_alive), (BodyEnd::Close, false));
        assert!(parse("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n").encoded);
        let found = parse("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(found.status, 404);
    }

    #[test]
    fn bad_heads() {
        assert_eq!(head(b"SSH-2.0-OpenSSH\r\n\r\n"), Err(Trouble::BadHttp));
        assert_eq!(head(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), Err(Trouble::BadHttp));
        let endless = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &vec![b'a'; HEAD_CAP]].concat();
        assert_eq!(head(&endless), Err(Trouble::BadHttp));
        assert_eq!(head(b"HTTP/1.1 200 OK\r\nX"), Ok(None));
    }

    fn decode(end: BodyEnd, bytes: &[u8], step: usize) -> Result<(Vec<u8>, bool), Trouble> {
        let mut body = Body::new(end);
        let mut found = Vec::new();
        for part in bytes.chunks(step) {
            body.feed(part, |data| {
                found.extend_from_slice(data);
                Ok(())
            })?;
        }
        Ok((found, body.is_done()))
    }

    #[test]
    fn bodies_in_any_cut() {
        for step in [1, 2, 3, 1000] {
            let chunked = b"4\r\nabcd\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n";
            assert_eq!(
                decode(BodyEnd::Chunked, chunked, step).unwrap(),
                (b"abcdabcdefghijklmnopqrstuvwxyz".to_vec(), true)
            );
            assert_eq!(decode(BodyEnd::Length(3), b"abcdef", step).unwrap(), (b"abc".to_vec(), true));
            assert_eq!(decode(BodyEnd::Close, b"abc", step).unwrap(), (b"abc".to_vec(), false));
            let trailer = b"1\r\na\r\n0\r\nX-T: 1\r\n\r\n";
            assert_eq!(decode(BodyEnd::Chunked, trailer, step).unwrap(), (b"a".to_vec(), true));
        }
    }

    #[test]
    fn bad_chunks_are_refused() {
        for text in ["\r\n", "xyz\r\n", "ffffffffffffffffff\r\n", "1\r\nab"] {
            assert_eq!(decode(BodyEnd::Chunked, text.as_bytes(), 1), Err(Trouble::BadHttp), "{text:?}");
        }
    }
}
