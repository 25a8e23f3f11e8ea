//! Framing of a stream: bytes of a body to events, for server-sent events and for JSON lines.
//!
//! An event that lies whole in the bytes at hand is handed on without being copied.

use super::limits::{EVENT_CAP, LINE_CAP};
use memchr::memchr;
use roofmark_facts::load_record::Trouble;

/// How events are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `data:` lines, an empty line ends an event.
    ServerSent,
    /// Each line is an event.
    Lines,
}

/// Cuts a stream into events.
#[derive(Debug)]
pub struct Framer {
    framing: Framing,
    /// Beginning of a line whose end has not come.
    line: Vec<u8>,
    /// Data of an event whose end has not come.
    data: Vec<u8>,
    has_data: bool,
}

impl Framer {
    /// A framer at the start of a body.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self { framing, line: Vec::new(), data: Vec::new(), has_data: false }
    }

    /// Takes the next bytes of the body and calls `event` with the data of each event that they complete.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        event: &mut impl FnMut(&[u8]) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let mut rest = bytes;
        if !self.line.is_empty() {
            let Some(end) = memchr(b'\n', rest) else { return self.keep(rest) };
            self.keep(&rest[..end])?;
            rest = &rest[end + 1..];
            let mut line = std::mem::take(&mut self.line);
            self.line(without_cr(&line), rest, event)?;
            line.clear();
            self.line = line;
        }
        while let Some(end) = memchr(b'\n', rest) {
            if end > LINE_CAP {
                return Err(Trouble::LineTooLong);
            }
            let line = without_cr(&rest[..end]);
            rest = &rest[end + 1..];
            self.line(line, rest, event)?;
        }
        self.keep(rest)
    }

    /// The body is over: an event without its empty line counts too.
    pub fn finish(&mut self, event: &mut impl FnMut(&[u8]) -> Result<(), Trouble>) -> Result<(), Trouble> {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.line(without_cr(&line), b"", event)?;
        }
        self.end_event(event)
    }

    fn keep(&mut self, part: &[u8]) -> Result<(), Trouble> {
        if self.line.len() + part.len() > LINE_CAP {
            return Err(Trouble::LineTooLong);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    #[inline]
    fn line(
        &mut self,
        line: &[u8],
        rest: &[u8],
        event: &mut impl FnMut(&[u8]) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        if self.framing == Framing::Lines {
            return if line.trim_ascii().is_empty() { Ok(()) } else { event(line) };
        }
        if line.is_empty() {
            return self.end_event(event);
        }
        // llama-server has sent errors in a field of that name.
        let Some(value) = line.strip_prefix(b"data:").or_else(|| line.strip_prefix(b"error:")) else {
            return Ok(());
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let whole = !self.has_data && (rest.first() == Some(&b'\n') || rest.starts_with(b"\r\n"));
        if whole { event(value) } else { self.keep_data(value) }
    }

    fn keep_data(&mut self, value: &[u8]) -> Result<(), Trouble> {
        if self.data.len() + value.len() >= EVENT_CAP {
            return Err(Trouble::EventTooLong);
        }
        if self.has_data {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
        self.has_data = true;
        Ok(())
    }

    fn end_event(&mut self, event: &mut impl FnMut(&[u8]) -> Result<(), Trouble>) -> Result<(), Trouble> {
        if !self.has_data {
            return Ok(());
        }
        self.has_data = false;
        let mut data = std::mem::take(&mut self.data);
        let result = event(&data);
        data.clear();
        self.data = data;
        result
    }
}

#[inline]
fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events(framing: Framing, parts: &[&[u8]]) -> Result<Vec<String>, Trouble> {
        let mut found = Vec::new();
        let mut keep = |data: &[u8]| {
            found.push(String::from_utf8_lossy(data).into_owned());
            Ok(())
        };
        let mut framer = Framer::new(framing);
        for part in parts {
            framer.feed(part, &mut keep)?;
        }
        framer.finish(&mut keep)?;
        Ok(found)
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(events(Framing::ServerSent, &[text.as_bytes()]).unwrap(), expected, "whole");
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(events(Framing::ServerSent, &bytes).unwrap(), expected, "byte by byte");
    }

    #[test]
    fn events_are_the_same_in_any_line_ending() {
        check("data: a\n\ndata:b\n\n", &["a", "b"]);
        check("data: a\r\n\r\ndata:b\r\n\r\n", &["a", "b"]);
    }

    #[test]
    fn comments_and_other_fields_are_no_events() {
        check(": ping\n\nevent: x\nid: 7\ndata: a\n\n:\n\n", &["a"]);
    }

    #[test]
    fn data_lines_join_and_a_missing_end_counts() {
        check("data: {\ndata: }\n\ndata: last", &["{\n}", "last"]);
        check("data: a", &["a"]);
    }

    #[test]
    fn lines_are_events() {
        assert_eq!(events(Framing::Lines, &[b"{1}\n{2}\r\n", b"\n{3", b"}"]).unwrap(), ["{1}", "{2}", "{3}"]);
    }

    #[test]
    fn caps_hold() {
        let long = vec![b'x'; LINE_CAP + 1];
        assert_eq!(events(Framing::ServerSent, &[&long]), Err(Trouble::LineTooLong));
        let line = [b"data: ".as_slice(), &vec![b'x'; LINE_CAP - 16], b"\n"].concat();
        let parts: Vec<&[u8]> = std::iter::repeat_n(line.as_slice(), 5).collect();
        assert_eq!(events(Framing::ServerSent, &parts), Err(Trouble::EventTooLong));
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(text in "(data: ?[a-c]{0,3}(\r\n|\n)|: x\n|\n|\r\n){0,12}", cuts in prop::collection::vec(0_usize..60, 0..6)) {
            let whole = events(Framing::ServerSent, &[text.as_bytes()]).unwrap();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let mut parts = Vec::new();
            let mut from = 0;
            for cut in cuts {
                parts.push(&text.as_bytes()[from..cut]);
                from = cut;
            }
            parts.push(&text.as_bytes()[from..]);
            prop_assert_eq!(events(Framing::ServerSent, &parts).unwrap(), whole);
        }

        #[test]
        fn any_bytes_end_somehow(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = events(Framing::ServerSent, &[&bytes]);
            let _ = events(Framing::Lines, &[&bytes]);
        }
    }
}
