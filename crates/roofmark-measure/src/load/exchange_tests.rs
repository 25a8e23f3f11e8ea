//! Tests of one response: each form a server may send, in several cuts.

use super::exchange::{Exchange, Step};
use roofmark_facts::load_record::{Failure, RequestRecord, TokenArrival, TokenSource, Trouble};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

fn read(text: &[u8], cut: usize, asked: u32) -> (RequestRecord, Option<Failure>) {
    let mut exchange = Exchange::new(0, asked, true);
    let mut at = 0;
    let mut failure = None;
    for part in text.chunks(cut) {
        at += 1000;
        match exchange.feed(part, at) {
            Ok(Step::More) => {}
            Ok(Step::Done) => break,
            Err(found) => {
                failure = Some(found);
                break;
            }
        }
    }
    if failure.is_none() {
        failure = exchange.close(at).err();
    }
    let mut record = RequestRecord::default();
    exchange.write(&mut record);
    (record, failure)
}

fn tokens(body: &str) -> RequestRecord {
    let text = format!("{HEAD}{body}");
    let (whole, failure) = read(text.as_bytes(), usize::MAX, 100);
    assert_eq!(failure, None);
    let (bytewise, failure) = read(text.as_bytes(), 1, 100);
    assert_eq!(failure, None);
    assert_eq!(
        (whole.output_tokens, whole.chunks, &whole.remarks),
        (bytewise.output_tokens, bytewise.chunks, &bytewise.remarks)
    );
    bytewise
}

fn fails(text: &str) -> Trouble {
    fails_bytes(text.as_bytes())
}

fn fails_bytes(text: &[u8]) -> Trouble {
    let (_, failure) = read(text, usize::MAX, 10);
    failure.expect("a failure").kind
}

fn delta(text: &str, usage: &str) -> String {
    format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}],\"usage\":{usage}}}\n\n")
}

#[test]
fn usage_in_each_chunk_counts_the_tokens_of_each_arrival() {
    let body = [
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n".to_owned(),
        delta("abc", r#"{"completion_tokens":3}"#),
        delta("defghij", r#"{"completion_tokens":10}"#),
        "data: {\"choices\":[],\"usage\":{\"completion_tokens\":10,\"prompt_tokens\":7}}\n\ndata: [DONE]\n\n"
            .to_owned(),
    ]
    .concat();
    let record = tokens(&body);
    assert_eq!((record.output_tokens, record.token_source), (Some(10.0), Some(TokenSource::Server)));
    assert!(record.arrivals_are_tokens);
    assert_eq!(record.arrivals.iter().map(|arrival| arrival.1).collect::<Vec<_>>(), [3, 7]);
}

#[test]
fn usage_at_the_end_only() {
    let last = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}],\"usage\":{\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
    let two_each = format!("{}{}{last}", delta("a b", "null"), delta("c d", "null"));
    let record = tokens(&two_each);
    assert_eq!((record.output_tokens, record.chunks, record.arrivals_are_tokens), (Some(4.0), 2, false));
    let one_each = format!("{}{last}", delta("a", "null").repeat(4));
    assert!(tokens(&one_each).arrivals_are_tokens);
}

#[test]
fn no_usage_is_never_a_count_of_chunks() {
    let record = tokens(&format!("{}data: [DONE]\n\n", delta("a", "null").repeat(4)));
    assert_eq!(
        (record.output_tokens, record.token_source, record.chunks),
        (None, Some(TokenSource::Unknown), 4)
    );
    assert!(!record.arrivals_are_tokens);
}

#[test]
fn role_empty_and_comments_are_no_first_token() {
    let text = format!(
        "{HEAD}: ping\n\ndata: {{\"choices\":[{{\"delta\":{{\"role\":\"assistant\"}}}}]}}\n\n{}{}data: [DONE]\n\n",
        delta("", "null"),
        delta("a", "null")
    );
    let first = text.find("\"content\":\"a\"").expect("the token");
    let (record, _) = read(text.as_bytes(), 1, 10);
    assert!(record.first.expect("a token").get() * 1e6 > first as f64);
    assert_eq!(record.chunks, 1);
}

#[test]
fn reasoning_and_answer_are_told_apart() {
    let body = "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let record = tokens(body);
    assert!(record.first < record.first_answer);
    assert_eq!((record.chunks, record.reasoning_chunks), (2, 1));
}

#[test]
fn llama_and_ollama_counts() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"a b\"},\"finish_reason\":\"stop\"}],\"timings\":{\"prompt_n\":5,\"cache_n\":2,\"predicted_n\":2,\"predicted_ms\":10}}\n\ndata: [DONE]\n\n";
    let record = tokens(body);
    assert_eq!(
        (record.output_tokens, record.prompt_tokens, record.cached_tokens),
        (Some(2.0), Some(7), Some(2))
    );
    let text = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n{\"message\":{\"content\":\"a b c\"},\"done\":false}\n{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"eval_count\":3,\"prompt_eval_count\":9}\n";
    let (record, failure) = read(text.as_bytes(), 7, 10);
    assert_eq!(failure, None);
    assert_eq!((record.output_tokens, record.prompt_tokens), (Some(3.0), Some(9)));
}

#[test]
fn all_events_of_one_read_share_its_time() {
    let text = format!("{HEAD}{}data: [DONE]\n\n", delta("a", r#"{"completion_tokens":1}"#));
    let (record, _) = read(text.as_bytes(), usize::MAX, 10);
    assert_eq!(record.arrivals, [TokenArrival(1, 1)]);
}

#[test]
fn impossible_usage_is_noted_and_not_believed() {
    for usage in ["-5", "NaN", "9223372036854775808", "1e400", "2.5"] {
        let body = format!(
            "{}data: {{\"choices\":[],\"usage\":{{\"completion_tokens\":{usage}}}}}\n\ndata: [DONE]\n\n",
            delta("a", "null")
        );
        let record = tokens(&body);
        assert_eq!(record.remarks, [Trouble::BadUsage], "{usage}");
        assert_eq!(record.output_tokens, None);
    }
    // Twice the same is fine; a shrinking one is not.
    let twice = |second: u32| {
        tokens(&format!(
            "{}{}data: [DONE]\n\n",
            delta("a", r#"{"completion_tokens":5}"#),
            delta("b", &format!("{{\"completion_tokens\":{second}}}"))
        ))
    };
    assert!(twice(5).remarks.is_empty());
    assert_eq!(twice(3).remarks, [Trouble::BadUsage]);
}

#[test]
fn missing_done_is_noted_if_there_is_a_reason_to_finish() {
    let finished = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"length\"}]}\n\n";
    assert_eq!(tokens(finished).remarks, [Trouble::NoDone]);
    assert_eq!(fails(&format!("{HEAD}{}", delta("a", "null"))), Trouble::Truncated);
}

#[test]
fn invalid_utf8_is_noted() {
    let text = [HEAD.as_bytes(), b"data: {\"choices\":[{\"delta\":{\"content\":\"\xe2\x82\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"\xac\"}}]}\n\ndata: [DONE]\n\n"].concat();
    let (record, failure) = read(&text, 1, 10);
    assert_eq!((failure, record.remarks), (None, vec![Trouble::InvalidUtf8]));
    let whole = format!("{HEAD}{}data: [DONE]\n\n", delta("€", "null"));
    assert!(read(whole.as_bytes(), 1, 10).0.remarks.is_empty());
}

#[test]
fn failures_by_kind() {
    let status = |line: &str| format!("HTTP/1.1 {line}\r\nContent-Length: 13\r\n\r\n{{\"error\":\"e\"}}");
    for (line, kind) in [
        ("401 Unauthorized", Trouble::Unauthorized),
        ("404 Not Found", Trouble::NotFound),
        ("429 Too Many", Trouble::RateLimited),
        ("422 No", Trouble::Rejected),
        ("503 Busy", Trouble::ServerError),
        ("302 Found", Trouble::Redirect),
        ("200 OK", Trouble::ContentType),
    ] {
        assert_eq!(fails(&status(line)), kind, "{line}");
    }
    let gzip = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n\x1f";
    assert_eq!(fails(gzip), Trouble::Compressed);
    assert_eq!(
        fails(&format!("{HEAD}data: {{\"error\":{{\"message\":\"boom\"}}}}\n\n")),
        Trouble::ErrorInStream
    );
    assert_eq!(
        fails(&format!("{HEAD}error: {{\"message\":\"boom\"}}\n\n")),
        Trouble::NoTokens.min(Trouble::Truncated)
    );
    assert_eq!(fails(&format!("{HEAD}data: hello\n\n")), Trouble::BadJson);
    assert_eq!(fails(&format!("{HEAD}data: [DONE]\n\n")), Trouble::NoTokens);
    assert_eq!(fails("SSH-2.0\r\n\r\n"), Trouble::BadHttp);
    assert_eq!(fails(&format!("{HEAD}{}", delta("a", "null").repeat(300))), Trouble::Endless);
    assert_eq!(fails(&format!("{HEAD}data: {}", "x".repeat(1 << 21))), Trouble::LineTooLong);
    let endless_error = format!("HTTP/1.1 500 No\r\n\r\n{}", "x".repeat(5 << 20));
    assert_eq!(fails(&endless_error), Trouble::BodyTooLong);
}

#[test]
fn a_cut_stream_is_truncated_and_its_detail_is_clean() {
    let chunked = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nff\r\ndata: {";
    assert_eq!(fails_bytes(chunked.as_bytes()), Trouble::Truncated);
    let (_, failure) =
        read(b"HTTP/1.1 500 X\r\n\r\n{\"error\":{\"message\":\"\\u001b[31mred\\u202e\"}}", usize::MAX, 1);
    assert_eq!(failure.expect("a failure").detail, "status 500: [31mred");
}
