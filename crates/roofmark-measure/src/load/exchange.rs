//! One response, from its first byte to its last: bytes and their times in, a [`RequestRecord`] out.
//!
//! Does no I/O. Each read of the socket is time-stamped before it comes here, and all events that it
//! completes carry that time.

use super::chunk::{Chunk, Pattern, scan};
use super::http::{Body, BodyEnd, Head, head};
use super::limits::{BODY_CAP, HEAD_CAP, STREAM_CAP, TOKEN_CAP};
use super::sse::{Framer, Framing};
use super::usage::{self, Counts};
use roofmark_facts::load_record::{Failure, RequestRecord, TokenArrival, TokenSource, Trouble};
use roofmark_facts::units::Seconds;

/// Nanoseconds since the start of the cell.
pub type Nanos = u64;

/// Whether a response goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// More bytes are needed.
    More,
    /// The response is complete.
    Done,
}

/// A response that is being read.
#[derive(Debug)]
pub struct Exchange {
    phase: Phase,
    /// Head, or body of an error, as far as it came.
    kept: Vec<u8>,
    stream: Stream,
    /// Connection may be used again, as the head said.
    keep_alive: bool,
    /// Time of the last complete event.
    pub progress: Nanos,
    first_byte: Option<Nanos>,
}

#[derive(Debug)]
enum Phase {
    Head,
    Stream(Body, Framer),
    Error(Body, Head),
    Done,
}

/// What the events of a stream add up to.
#[derive(Debug, Default)]
struct Stream {
    sent: Nanos,
    asked: u32,
    first: Option<Nanos>,
    first_answer: Option<Nanos>,
    last: Option<Nanos>,
    chunks: u32,
    reasoning_chunks: u32,
    text_bytes: u64,
    body_bytes: u64,
    arrivals: Vec<TokenArrival>,
    /// Tokens that stand in the arrivals, where each chunk came with a count.
    counted: u64,
    counts_run: bool,
    /// Chunks and tokens of this read.
    read: (u32, u32),
    counts: Counts,
    listed: u64,
    lists_run: bool,
    finish: Option<String>,
    end_mark: bool,
    remarks: Vec<Trouble>,
    error: Option<String>,
    text: Option<Vec<u8>>,
    pattern: Pattern,
}

impl Exchange {
    /// Awaits a response to a request sent at `sent` that asked for `asked` tokens; with `keep_text`
    /// the answer is kept for [`Self::take_text`].
    #[must_use]
    pub fn new(sent: Nanos, asked: u32, keep_text: bool) -> Self {
        let stream = Stream {
            sent,
            asked,
            counts_run: true,
            lists_run: true,
            text: keep_text.then(Vec::new),
            ..Stream::default()
        };
        Self {
            phase: Phase::Head,
            kept: Vec::new(),
            stream,
            keep_alive: false,
            progress: sent,
            first_byte: None,
        }
    }

    /// A byte of the response has come.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.first_byte.is_some()
    }

    /// The connection can take another request.
    #[must_use]
    pub fn reusable(&self) -> bool {
        self.keep_alive && matches!(self.phase, Phase::Done)
    }

    /// The stream's end mark or reason to finish has come; what follows is framing.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.stream.end_mark
    }

    /// Non-empty chunks so far.
    #[must_use]
    pub fn chunks(&self) -> u32 {
        self.stream.chunks
    }

    /// Time of the first token.
    #[must_use]
    pub fn first(&self) -> Option<Nanos> {
        self.stream.first
    }

    /// Takes bytes that were read at `at`.
    pub fn feed(&mut self, bytes: &[u8], at: Nanos) -> Result<Step, Failure> {
        self.first_byte.get_or_insert(at);
        let result = match self.phase {
            Phase::Head => self.feed_head(bytes, at),
            _ => self.feed_body(bytes, at),
        };
        self.stream.end_read(at);
        result
    }

    /// The server closed the connection.
    pub fn close(&mut self, at: Nanos) -> Result<Step, Failure> {
        match &mut self.phase {
            Phase::Stream(body, framer) => {
                let (stream, progress) = (&mut self.stream, &mut self.progress);
                if !body.may_close() && !stream.end_mark {
                    return Err(failure(Trouble::Truncated, None));
                }
                framer
                    .finish(&mut |event| stream.event(event, at, progress))
                    .map_err(|kind| failure(kind, stream.error.as_deref()))?;
                self.stream.end_read(at);
                self.finish()
            }
            Phase::Error(..) => Err(self.status_failure()),
            Phase::Head if self.first_byte.is_some() => {
                Err(failure(Trouble::BadHttp, Some("closed in the head")))
            }
            Phase::Head => Err(failure(Trouble::Unreachable, Some("closed without an answer"))),
            Phase::Done => Ok(Step::Done),
        }
    }

    fn feed_head(&mut self, bytes: &[u8], at: Nanos) -> Result<Step, Failure> {
        self.kept.extend_from_slice(bytes);
        let Some((found, length)) = head(&self.kept).map_err(|kind| failure(kind, None))? else {
            return if self.kept.len() > HEAD_CAP + bytes.len() {
                Err(failure(Trouble::BadHttp, Some("head over its cap")))
            } else {
                Ok(Step::More)
            };
        };
        self.progress = at;
        self.keep_alive = found.keep_alive;
        let rest = self.kept.split_off(length);
        self.kept.clear();
        self.phase = body_phase(found)?;
        self.feed_body(&rest, at)
    }

    fn feed_body(&mut self, bytes: &[u8], at: Nanos) -> Result<Step, Failure> {
        match &mut self.phase {
            Phase::Stream(body, framer) => {
                let (stream, progress) = (&mut self.stream, &mut self.progress);
                stream.count_bytes(bytes.len()).map_err(|kind| failure(kind, None))?;
                body.feed(bytes, |data| framer.feed(data, &mut |event| stream.event(event, at, progress)))
                    .map_err(|kind| failure(kind, stream.error.as_deref()))?;
                if !body.is_done() {
                    return Ok(Step::More);
                }
                framer
                    .finish(&mut |event| stream.event(event, at, progress))
                    .map_err(|kind| failure(kind, stream.error.as_deref()))?;
                self.finish()
            }
            Phase::Error(body, _) => {
                let kept = &mut self.kept;
                let fed = body.feed(bytes, |data| {
                    kept.extend_from_slice(data);
                    if kept.len() > BODY_CAP { Err(Trouble::BodyTooLong) } else { Ok(()) }
                });
                fed.map_err(|kind| failure(kind, None))?;
                if body.is_done() { Err(self.status_failure()) } else { Ok(Step::More) }
            }
            _ => Ok(Step::Done),
        }
    }

    fn finish(&mut self) -> Result<Step, Failure> {
        self.phase = Phase::Done;
        let stream = &mut self.stream;
        if !stream.end_mark {
            if stream.finish.is_none() {
                return Err(failure(Trouble::Truncated, Some("no end mark and no reason to finish")));
            }
            stream.remark(Trouble::NoDone);
        }
        match stream.first {
            None => Err(failure(Trouble::NoTokens, None)),
            Some(_) => Ok(Step::Done),
        }
    }

    fn status_failure(&mut self) -> Failure {
        let Phase::Error(_, head) = &self.phase else { return failure(Trouble::BadHttp, None) };
        let kind = match head.status {
            200..=299 if head.encoded => Trouble::Compressed,
            200..=299 => Trouble::ContentType,
            300..=399 => Trouble::Redirect,
            401 | 403 => Trouble::Unauthorized,
            404 => Trouble::NotFound,
            429 => Trouble::RateLimited,
            400..=499 => Trouble::Rejected,
            500..=599 => Trouble::ServerError,
            _ => Trouble::BadHttp,
        };
        let said = error_text(&self.kept);
        failure(
            kind,
            Some(&format!("status {}{}{said}", head.status, if said.is_empty() { "" } else { ": " })),
        )
    }

    /// Fills in what the response said; times become seconds since the start of the cell.
    pub fn write(&mut self, record: &mut RequestRecord) {
        let stream = &mut self.stream;
        record.first_byte = self.first_byte.map(seconds);
        record.first = stream.first.map(seconds);
        record.first_answer = stream.first_answer.map(seconds);
        record.last = stream.last.map(seconds);
        record.chunks = stream.chunks;
        record.reasoning_chunks = stream.reasoning_chunks;
        record.text_bytes = stream.text_bytes;
        record.prompt_tokens = stream.counts.prompt;
        record.cached_tokens = stream.counts.cached;
        record.reasoning_tokens = stream.counts.reasoning;
        record.drafted = stream.counts.drafted;
        record.accepted = stream.counts.accepted;
        record.server_prefill = stream.counts.prefill;
        record.server_decode = stream.counts.decode;
        record.finish = stream.finish.take();
        record.remarks.append(&mut stream.remarks);
        record.arrivals = std::mem::take(&mut stream.arrivals);
        stream.write_tokens(record);
    }

    /// The answer's text, where it was kept.
    pub fn take_text(&mut self) -> Option<String> {
        self.stream.text.take().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Stream {
    fn count_bytes(&mut self, count: usize) -> Result<(), Trouble> {
        self.body_bytes += count as u64;
        if self.body_bytes > STREAM_CAP + u64::from(self.asked) * TOKEN_CAP {
            return Err(Trouble::Endless);
        }
        Ok(())
    }

    fn remark(&mut self, kind: Trouble) {
        if !self.remarks.contains(&kind) {
            self.remarks.push(kind);
        }
    }

    #[inline]
    fn event(&mut self, event: &[u8], at: Nanos, progress: &mut Nanos) -> Result<(), Trouble> {
        *progress = at;
        if let Some(content) = self.pattern.text(event) {
            if std::str::from_utf8(content).is_err() {
                self.remark(Trouble::InvalidUtf8);
            }
            return self.take(&Chunk { content, ..Chunk::default() }, event, at);
        }
        if event.trim_ascii() == b"[DONE]" {
            self.end_mark = true;
            return Ok(());
        }
        if event.is_empty() {
            return Ok(());
        }
        if std::str::from_utf8(event).is_err() {
            self.remark(Trouble::InvalidUtf8);
        }
        let chunk = scan(event).map_err(|_| Trouble::BadJson)?;
        if let Some(error) = chunk.error {
            self.error = Some(error_text(error));
            return Err(Trouble::ErrorInStream);
        }
        self.pattern.keep(event, &chunk);
        self.take(&chunk, event, at)
    }

    #[inline]
    fn take(&mut self, chunk: &Chunk<'_>, event: &[u8], at: Nanos) -> Result<(), Trouble> {
        let counted = self.take_counts(chunk, event);
        if let Some(listed) = chunk.listed {
            self.listed += u64::from(listed);
        }
        if let Some(finish) = chunk.finish {
            self.finish = Some(shorten(&String::from_utf8_lossy(finish)));
        }
        let answer = !chunk.content.is_empty() || chunk.tool;
        if answer || !chunk.reasoning.is_empty() {
            self.token(chunk, counted, answer, at);
        }
        self.end_mark |= chunk.done;
        // Twice what was asked for, and some, is no tokenizer's doing.
        let cap = self.asked.saturating_mul(2).saturating_add(256);
        if self.chunks > cap { Err(Trouble::Endless) } else { Ok(()) }
    }

    #[inline]
    fn token(&mut self, chunk: &Chunk<'_>, counted: Option<u64>, answer: bool, at: Nanos) {
        self.first.get_or_insert(at);
        self.last = Some(at);
        self.chunks += 1;
        self.reasoning_chunks += u32::from(!chunk.reasoning.is_empty());
        self.text_bytes += (chunk.content.len() + chunk.reasoning.len()) as u64;
        if answer {
            self.first_answer.get_or_insert(at);
        }
        self.read.0 += 1;
        self.lists_run &= chunk.listed.is_some();
        let tokens = match (counted, chunk.listed) {
            (Some(output), _) => output.saturating_sub(self.counted),
            (None, Some(listed)) => u64::from(listed),
            (None, None) => 0,
        };
        self.counts_run &= tokens > 0;
        self.counted += tokens;
        self.read.1 += u32::try_from(tokens).unwrap_or(u32::MAX);
        if let Some(text) = &mut self.text {
            keep_text(text, chunk.content);
        }
    }

    /// Takes over counts and returns the output tokens so far, where the event says them.
    #[inline]
    fn take_counts(&mut self, chunk: &Chunk<'_>, event: &[u8]) -> Option<u64> {
        let from_usage = chunk.usage.map(usage::usage);
        let from_timings = chunk.timings.map(usage::timings);
        let from_last = chunk.done.then(|| usage::ollama(event));
        let mut output = None;
        for counts in [from_timings, from_last, from_usage].into_iter().flatten() {
            match counts {
                Ok(counts) if counts.output >= self.counts.output || counts.output.is_none() => {
                    output = counts.output.or(output);
                    self.counts.update(&counts);
                }
                _ => self.remark(Trouble::BadUsage),
            }
        }
        output
    }

    fn end_read(&mut self, at: Nanos) {
        let (chunks, tokens) = std::mem::take(&mut self.read);
        if chunks == 0 {
            return;
        }
        let micros = u32::try_from((at - self.sent) / 1000).unwrap_or(u32::MAX);
        self.arrivals.push(TokenArrival(micros, if self.counts_run { tokens } else { chunks }));
    }

    fn write_tokens(&mut self, record: &mut RequestRecord) {
        let bad = record.remarks.contains(&Trouble::BadUsage);
        let server = self.counts.output.filter(|output| *output > 0 && !bad);
        let listed = (self.lists_run && self.listed > 0).then_some(self.listed);
        (record.output_tokens, record.token_source) = match (server, listed) {
            (Some(output), _) => (Some(output as f64), Some(TokenSource::Server)),
            (None, Some(listed)) => (Some(listed as f64), Some(TokenSource::Listed)),
            (None, None) => (None, Some(TokenSource::Unknown)),
        };
        // One chunk a token is believed only where the server's own count says so; its end token has no text.
        let chunks = u64::from(self.chunks);
        let one_each = server.is_some_and(|output| output == chunks || output == chunks + 1);
        let counts_run = self.counts_run && self.chunks > 0 && !bad;
        if self.counts_run && !counts_run {
            record.arrivals.iter_mut().for_each(|arrival| arrival.1 = 1);
        }
        record.arrivals_are_tokens = counts_run || (!self.counts_run && one_each);
    }
}

fn body_phase(found: Head) -> Result<Phase, Failure> {
    let framing = match found.content_type.as_str() {
        "text/event-stream" => Some(Framing::ServerSent),
        "application/x-ndjson" | "application/jsonlines" => Some(Framing::Lines),
        _ => None,
    };
    let streams = found.status == 200 && !found.encoded;
    match framing {
        Some(framing) if streams => Ok(Phase::Stream(Body::new(found.body), Framer::new(framing))),
        // What cannot be read is not waited for.
        _ if found.encoded || found.body == BodyEnd::Length(0) => {
            let mut ended = Exchange::new(0, 0, false);
            ended.phase = Phase::Error(Body::new(BodyEnd::Length(0)), found);
            Err(ended.status_failure())
        }
        _ => Ok(Phase::Error(Body::new(found.body), found)),
    }
}

fn keep_text(text: &mut Vec<u8>, content: &[u8]) {
    let quoted = [b"\"".as_slice(), content, b"\""].concat();
    match serde_json::from_slice::<String>(&quoted) {
        Ok(part) => text.extend_from_slice(part.as_bytes()),
        Err(_) => text.extend_from_slice(content),
    }
}

/// A failure with a detail that is safe to print.
#[must_use]
pub fn failure(kind: Trouble, detail: Option<&str>) -> Failure {
    Failure { kind, detail: shorten(detail.unwrap_or_default()) }
}

/// The message in an error body of any form.
fn error_text(body: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else {
        return shorten(&String::from_utf8_lossy(&body[..body.len().min(400)]));
    };
    let error = value.get("error").unwrap_or(&value);
    let message = error.get("message").or_else(|| error.get("detail")).unwrap_or(error);
    shorten(&message.as_str().map_or_else(|| message.to_string(), str::to_owned))
}

/// At most 160 characters, control characters as spaces.
fn shorten(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() || is_direction(c) { ' ' } else { c });
    let short: String = clean.take(160).collect();
    short.trim().to_owned()
}

/// Characters that turn the direction of text, which would garble a terminal's line.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Nanoseconds as seconds.
#[must_use]
pub fn seconds(nanos: Nanos) -> Seconds {
    Seconds(nanos as f64 / 1e9)
}
