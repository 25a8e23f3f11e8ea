//! One event of a stream: the few fields that matter, borrowed from its bytes, without a tree.
//!
//! Reads the forms of OpenAI (chat and completions), llama.cpp, vLLM, SGLang, Ollama and what follows
//! them. The structure of the JSON is checked; values that are not needed are passed over.

use super::limits::DEPTH_CAP;
use memchr::memchr2;

/// What one event says. Texts are as JSON writes them, without their quotes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Text of the answer.
    pub content: &'a [u8],
    /// Text of the reasoning.
    pub reasoning: &'a [u8],
    /// A piece of a tool call.
    pub tool: bool,
    /// Why the server stopped.
    pub finish: Option<&'a [u8]>,
    /// Tokens that the event lists by identity or log probability.
    pub listed: Option<u32>,
    /// The usage object.
    pub usage: Option<&'a [u8]>,
    /// llama.cpp's timings object.
    pub timings: Option<&'a [u8]>,
    /// An error of any form.
    pub error: Option<&'a [u8]>,
    /// Ollama's last line, whose counts lie in the event itself.
    pub done: bool,
}

/// The last event that held text and nothing else that matters. Most servers write the next one in the same bytes but
/// for its text, so it need not be read again.
#[derive(Debug, Default)]
pub struct Pattern {
    /// Up to the quote that begins the text, that included.
    before: Vec<u8>,
    /// From the quote that ends the text.
    after: Vec<u8>,
}

impl Pattern {
    /// The text of an event that is the kept one but for its text. What stands around the text decides what the event
    /// means, and a text without quotes and escapes cannot end early.
    #[inline]
    #[must_use]
    pub fn text<'a>(&self, event: &'a [u8]) -> Option<&'a [u8]> {
        if self.before.is_empty() {
            return None;
        }
        let text = event.strip_prefix(self.before.as_slice())?.strip_suffix(self.after.as_slice())?;
        memchr2(b'"', b'\\', text).is_none().then_some(text)
    }

    /// Keeps what stands around the text of `event`, where `chunk` has nothing but text.
    pub fn keep(&mut self, event: &[u8], chunk: &Chunk<'_>) {
        let text = chunk.content;
        if text.is_empty() || *chunk != (Chunk { content: text, ..Chunk::default() }) {
            return;
        }
        let from = (text.as_ptr() as usize).wrapping_sub(event.as_ptr() as usize);
        let (Some(before), Some(after)) = (event.get(..from), event.get(from + text.len()..)) else { return };
        self.before.clear();
        self.before.extend_from_slice(before);
        self.after.clear();
        self.after.extend_from_slice(after);
    }
}

/// An event that is not one JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson;

/// Reads one event.
pub fn scan(bytes: &[u8]) -> Result<Chunk<'_>, NotJson> {
    let mut chunk = Chunk::default();
    let mut scanner = Scanner { bytes, at: 0 };
    let mut object_is_error = false;
    scanner.object(|scanner, key| {
        match key {
            b"choices" => choices(scanner, &mut chunk)?,
            b"message" => message(scanner, &mut chunk)?,
            b"usage" => chunk.usage = scanner.present()?.or(chunk.usage),
            b"timings" => chunk.timings = scanner.present()?,
            b"error" => chunk.error = scanner.present()?,
            b"object" => object_is_error = scanner.skip()? == b"\"error\"",
            b"response" => chunk.content = scanner.text()?,
            b"thinking" => chunk.reasoning = scanner.text()?,
            b"done" => chunk.done = scanner.skip()? == b"true",
            b"done_reason" => chunk.finish = scanner.optional_text()?,
            _ => drop(scanner.skip()?),
        }
        Ok(())
    })?;
    scanner.end()?;
    if object_is_error && chunk.error.is_none() {
        chunk.error = Some(bytes);
    }
    Ok(chunk)
}

/// Ollama's message, or vLLM's error message (a string).
fn message<'a>(scanner: &mut Scanner<'a>, chunk: &mut Chunk<'a>) -> Result<(), NotJson> {
    if scanner.peek() == Some(b'{') { delta(scanner, chunk) } else { scanner.skip().map(drop) }
}

fn choices<'a>(scanner: &mut Scanner<'a>, chunk: &mut Chunk<'a>) -> Result<(), NotJson> {
    let mut first = true;
    scanner.array(|scanner| {
        if !first || scanner.peek() != Some(b'{') {
            return scanner.skip().map(drop);
        }
        first = false;
        scanner.object(|scanner, key| {
            match key {
                b"delta" if scanner.peek() == Some(b'{') => delta(scanner, chunk)?,
                b"text" => chunk.content = scanner.text()?,
                b"finish_reason" => chunk.finish = scanner.optional_text()?,
                b"token_ids" => chunk.listed = scanner.count_items()?.or(chunk.listed),
                b"logprobs" => chunk.listed = logprobs(scanner)?.or(chunk.listed),
                _ => drop(scanner.skip()?),
            }
            Ok(())
        })
    })
}

fn delta<'a>(scanner: &mut Scanner<'a>, chunk: &mut Chunk<'a>) -> Result<(), NotJson> {
    scanner.object(|scanner, key| {
        match key {
            b"content" => chunk.content = scanner.text()?,
            b"reasoning_content" | b"reasoning" | b"thinking" => {
                let text = scanner.text()?;
                if !text.is_empty() {
                    chunk.reasoning = text;
                }
            }
            b"tool_calls" => {
                let calls = scanner.skip()?;
                chunk.tool = calls != b"null" && calls != b"[]";
            }
            _ => drop(scanner.skip()?),
        }
        Ok(())
    })
}

/// Chat lists log probabilities under `content`, completions under `tokens`.
fn logprobs(scanner: &mut Scanner<'_>) -> Result<Option<u32>, NotJson> {
    if scanner.peek() != Some(b'{') {
        return scanner.skip().map(|_| None);
    }
    let mut count = None;
    scanner.object(|scanner, key| {
        match key {
            b"content" | b"tokens" => count = scanner.count_items()?.or(count),
            _ => drop(scanner.skip()?),
        }
        Ok(())
    })?;
    Ok(count)
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    #[inline]
    fn take(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.peek() != Some(byte) {
            return Err(NotJson);
        }
        self.at += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<(), NotJson> {
        if self.peek().is_none() { Ok(()) } else { Err(NotJson) }
    }

    /// Passes a string and returns what is between its quotes.
    #[inline]
    fn string(&mut self) -> Result<&'a [u8], NotJson> {
        self.take(b'"')?;
        let from = self.at;
        loop {
            let step = memchr2(b'"', b'\\', &self.bytes[self.at..]).ok_or(NotJson)?;
            self.at += step;
            if self.bytes[self.at] == b'"' {
                self.at += 1;
                return Ok(&self.bytes[from..self.at - 1]);
            }
            self.at += 2;
            if self.at > self.bytes.len() {
                return Err(NotJson);
            }
        }
    }

    /// A string's text; anything else (null) is empty.
    #[inline]
    fn text(&mut self) -> Result<&'a [u8], NotJson> {
        Ok(self.optional_text()?.unwrap_or_default())
    }

    #[inline]
    fn optional_text(&mut self) -> Result<Option<&'a [u8]>, NotJson> {
        if self.peek() == Some(b'"') { self.string().map(Some) } else { self.skip().map(|_| None) }
    }

    /// A value that is not null.
    fn present(&mut self) -> Result<Option<&'a [u8]>, NotJson> {
        let value = self.skip()?;
        Ok((value != b"null").then_some(value))
    }

    fn count_items(&mut self) -> Result<Option<u32>, NotJson> {
        if self.peek() != Some(b'[') {
            return self.skip().map(|_| None);
        }
        let mut count = 0;
        self.array(|scanner| {
            count += 1;
            scanner.skip().map(drop)
        })?;
        Ok(Some(count))
    }

    #[inline]
    fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a [u8]) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.take(b'{')?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.peek();
            let key = self.string()?;
            self.take(b':')?;
            member(self, key)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(NotJson),
            }
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn array(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), NotJson>) -> Result<(), NotJson> {
        self.take(b'[')?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            item(self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(NotJson),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Passes any value and returns its bytes.
    fn skip(&mut self) -> Result<&'a [u8], NotJson> {
        let first = self.peek().ok_or(NotJson)?;
        let from = self.at;
        match first {
            b'"' => drop(self.string()?),
            b'{' | b'[' => self.skip_nested()?,
            b',' | b':' | b'}' | b']' => return Err(NotJson),
            _ => self.skip_bare(),
        }
        Ok(&self.bytes[from..self.at])
    }

    /// Numbers and literals: what a number is worth is judged by who reads it.
    fn skip_bare(&mut self) {
        while let Some(byte) = self.bytes.get(self.at) {
            if matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | b'"' | b':' | b'{' | b'[') {
                break;
            }
            self.at += 1;
        }
    }

    fn skip_nested(&mut self) -> Result<(), NotJson> {
        let mut open = [0_u8; DEPTH_CAP];
        let mut depth = 0;
        loop {
            match self.peek().ok_or(NotJson)? {
                b'"' => drop(self.string()?),
                byte @ (b'{' | b'[') => {
                    *open.get_mut(depth).ok_or(NotJson)? = byte;
                    depth += 1;
                    self.at += 1;
                }
                byte @ (b'}' | b']') => {
                    // The closing bracket lies two places after its opening one in ASCII.
                    if open[depth - 1] + 2 != byte {
                        return Err(NotJson);
                    }
                    depth -= 1;
                    self.at += 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                b',' | b':' => self.at += 1,
                _ => self.skip_bare(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn chat_chunks_of_the_servers() {
        let text = br#"{"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" \"hi\"\n"},"logprobs":null,"finish_reason":null}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#;
        let chunk = scan(text).unwrap();
        assert_eq!(chunk.content, br#" \"hi\"\n"#);
        assert_eq!(chunk.usage.unwrap(), br#"{"prompt_tokens":5,"completion_tokens":2}"#);
        assert_eq!((chunk.finish, chunk.error), (None, None));
    }

    #[test]
    fn role_only_and_empty_chunks_have_no_text() {
        for text in [
            r#"{"choices":[{"delta":{"role":"assistant"}}]}"#,
            r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"choices":[{"delta":{"content":null}}],"usage":null}"#,
            r#"{"choices":[],"usage":{"completion_tokens":3}}"#,
        ] {
            let chunk = scan(text.as_bytes()).unwrap();
            assert!(chunk.content.is_empty() && chunk.reasoning.is_empty() && !chunk.tool, "{text}");
        }
    }

    #[test]
    fn reasoning_has_three_names() {
        for name in ["reasoning_content", "reasoning", "thinking"] {
            let text = format!(r#"{{"choices":[{{"delta":{{"{name}":"hm","content":null}}}}]}}"#);
            assert_eq!(scan(text.as_bytes()).unwrap().reasoning, b"hm");
        }
    }

    #[test]
    fn lists_are_counted() {
        let chat = br#"{"choices":[{"delta":{"content":"abc"},"logprobs":{"content":[{"token":"a","top_logprobs":[]},{"token":"bc"}]}}]}"#;
        assert_eq!(scan(chat).unwrap().listed, Some(2));
        let ids = br#"{"choices":[{"text":"abc","token_ids":[1,2,3],"finish_reason":"length"}]}"#;
        let chunk = scan(ids).unwrap();
        assert_eq!((chunk.listed, chunk.finish), (Some(3), Some(b"length".as_slice())));
    }

    #[test]
    fn ollama_lines() {
        let line = br#"{"model":"m","message":{"role":"assistant","content":"x"},"done":false}"#;
        assert_eq!(scan(line).unwrap().content, b"x");
        let last = br#"{"model":"m","response":"","done":true,"done_reason":"stop","eval_count":12}"#;
        let chunk = scan(last).unwrap();
        assert!(chunk.done && chunk.finish == Some(b"stop"));
    }

    #[test]
    fn errors_have_several_forms() {
        for text in [
            r#"{"error":{"message":"boom","code":500}}"#,
            r#"{"error":"boom"}"#,
            r#"{"object":"error","message":"boom","code":400}"#,
        ] {
            assert!(scan(text.as_bytes()).unwrap().error.is_some(), "{text}");
        }
        assert!(scan(br#"{"error":null,"choices":[]}"#).unwrap().error.is_none());
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in
            ["", "{", "[]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":\"\\", "{\"a\":[}", "{} x", "nope"]
        {
            assert_eq!(scan(text.as_bytes()), Err(NotJson), "{text}");
        }
        let deep = format!("{{\"a\":{}", "[".repeat(10_000));
        assert_eq!(scan(deep.as_bytes()), Err(NotJson));
    }

    proptest! {
        #[test]
        fn agrees_with_a_full_parser(content in ".{0,40}", extra in ".{0,20}", count in 0_u32..9) {
            let value = serde_json::json!({
                "x": {"y": [extra, {"choices": null}], "n": -1.5e3},
                "choices": [{"logprobs": {"content": vec![1; count as usize]}, "delta": {"z": [], "content": content}}],
            });
            let bytes = serde_json::to_vec(&value).unwrap();
            let chunk = scan(&bytes).unwrap();
            let quoted = [b"\"", chunk.content, b"\""].concat();
            prop_assert_eq!(serde_json::from_slice::<String>(&quoted).unwrap(), content);
            prop_assert_eq!(chunk.listed, Some(count));
        }

        #[test]
        fn a_pattern_reads_what_a_scan_reads(
            events in prop::collection::vec(("[a-z\"\\\\é]{0,6}", 0_u32..6), 1..12),
        ) {
            let mut pattern = Pattern::default();
            for (text, kind) in events {
                let text = serde_json::to_string(&text).unwrap();
                let event = match kind {
                    0 => format!(r#"{{"choices":[{{"delta":{{"content":{text}}},"finish_reason":"stop"}}]}}"#),
                    1 => format!(r#"{{"choices":[{{"delta":{{"reasoning":{text}}}}}]}}"#),
                    2 => format!(r#"{{"choices":[{{"delta":{{"content":{text}}}}}],"usage":{{"completion_tokens":3}}}}"#),
                    _ => format!(r#"{{"choices":[{{"delta":{{"content":{text}}},"finish_reason":null}}]}}"#),
                };
                let scanned = scan(event.as_bytes()).unwrap();
                if let Some(text) = pattern.text(event.as_bytes()) {
                    prop_assert_eq!(&Chunk { content: text, ..Chunk::default() }, &scanned);
                }
                pattern.keep(event.as_bytes(), &scanned);
            }
        }

        #[test]
        fn any_bytes_end_somehow(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = scan(&bytes);
        }

        #[test]
        fn near_json_ends_somehow(text in r#"[{}\[\]",:\\a0 ]{0,60}"#) {
            let _ = scan(text.as_bytes());
        }
    }
}
