//! Any response, cut anywhere: the reader of streams answers, and never counts more chunks than there were events.

use roofmark_fuzz::{Change, changed};
use roofmark_measure::load::exchange::{Exchange, Step};

const SEED: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: comment\n\n\
data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n\
data: {\"choices\":[{\"delta\":{\"content\":\"h\u{e9}\\u00e9\"}}],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":1}}\r\n\r\n\
data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"b\"},\"finish_reason\":\"length\"}],\"timings\":{\"predicted_n\":2}}\n\n\
data: [DONE]\n\n";

/// Reads `bytes` in parts of `cut` bytes; the chunks that it counted.
fn chunks(bytes: &[u8], cut: usize) -> u32 {
    let mut exchange = Exchange::new(1, 16, true);
    for (at, part) in bytes.chunks(cut).enumerate() {
        match exchange.feed(part, 2 + at as u64) {
            Ok(Step::More) => {}
            _ => return exchange.chunks(),
        }
    }
    let _ = exchange.close(1 << 20);
    exchange.chunks()
}

#[test]
fn exchange() {
    bolero::check!().with_type::<(Change, u8)>().for_each(|(change, cut)| {
        let bytes = changed(SEED.as_bytes(), change);
        let events = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
        for cut in [usize::from(*cut).max(1), bytes.len().max(1)] {
            assert!(chunks(&bytes, cut) as usize <= events);
        }
    });
}
