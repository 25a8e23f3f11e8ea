//! Texts that mean harm, or are only large: bounded time, clear errors, nothing lost.

mod common;

use roofmark_facts::catalog::Catalog;
use roofmark_verdict::check::{Library, check};
use roofmark_verdict::reader::{Format, MAX_BYTES, ReadError};
use roofmark_verdict::referee::measured::Evidence;
use std::time::{Duration, Instant};

/// Checks `text` and says how many claims it has.
fn claims(text: &str, format: Format) -> Result<usize, ReadError> {
    let catalog = Catalog::builtin();
    let lexicon = common::lexicon();
    let evidence = Evidence::default();
    let library =
        Library { catalog, lexicon: &lexicon, evidence: &evidence, expect: None, today: "2026-11-24" };
    check(text.as_bytes(), format, &library).map(|checked| checked.claims.len())
}

/// Bytes of each text: a megabyte, less in debug builds, so that the test stays quick.
const SIZE: usize = if cfg!(debug_assertions) { 200_000 } else { 1_000_000 };

/// Debug builds are some twenty times slower than what users run.
const PATIENCE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 30 } else { 1 });

fn in_time(name: &str, text: &str, format: Format) {
    let start = Instant::now();
    let count = claims(text, format).expect("it is text");
    let took = start.elapsed();
    println!("{name}: {} bytes, {count} claims, {took:?}", text.len());
    assert!(took < PATIENCE, "{name} took {took:?}");
}

#[test]
fn a_long_text_is_read_in_time_whatever_it_is() {
    let million = |part: &str| part.repeat(SIZE / part.len());
    in_time(
        "prose",
        &million("The RTX 4090 does 130 tok/s on Llama 3.1 8B Q4_K_M, and the M4 Max 83. It costs $1,599.\n"),
        Format::Text,
    );
    in_time("words", &million("Nothing about speed stands here, only words and 12 numbers. "), Format::Text);
    in_time("one line", &million("RTX 4090 130 tok/s "), Format::Text);
    in_time("nesting", &million("<div>"), Format::Html);
    in_time("unclosed", &million("<table><tr><td>1 tok/s<p>"), Format::Html);
    in_time("attributes", &format!("<a {}>", million("x=\"<b>\" ")), Format::Html);
    for part in [
        "<!",
        "<!--",
        "--!>",
        "&amp",
        "&#x",
        "<script><!--",
        "<![CDATA[",
        "</",
        "<a/",
        "<!doctype a \"",
        "<a b='",
        "]]>",
        "<title>",
        "<svg>",
        "<!-- -->",
    ] {
        in_time(part, &million(part), Format::Html);
    }
    in_time("digits", &million("1,111"), Format::Text);
    in_time("ranges", &million("1-"), Format::Text);
    in_time("brackets", &million("((("), Format::Text);
    in_time("bars", &million("| a "), Format::Text);
    in_time("table", &million("| RTX 4090 | 130 |\n"), Format::Text);
    in_time("items", &million("- 5 tok/s\n"), Format::Text);
    in_time("cells", &million("RTX 4090,Llama 3.1 8B,Q4_K_M,130\n"), Format::Csv);
    in_time("quotes", &million("\"a,"), Format::Csv);
    in_time("headings", &million("# a\n## b\n"), Format::Text);
}

#[test]
fn scripts_and_attributes_are_no_text() {
    let page = "<p title='9 tok/s on RTX 4090'>a</p><script>RTX 4090: 9 tok/s</script><style>RTX 4090: 9 tok/s</style><!-- RTX 4090: 9 tok/s -->";
    assert_eq!(claims(page, Format::Html), Ok(0));
    assert_eq!(claims("<p>RTX 4090: 9 tok/s<b><i></p></b><td></table>", Format::Html), Ok(1));
}

#[test]
fn a_table_of_rules_alone_has_no_claims() {
    for text in ["|---|---|\n|---|---|\n", "---|---\n:--|--:\n", "| |\n|-|\n"] {
        assert_eq!(claims(text, Format::Text).expect("it is text"), 0, "{text}");
    }
}

#[test]
fn what_is_no_text_is_refused() {
    assert_eq!(claims("a\0b", Format::Text), Err(ReadError::Binary { offset: 1 }));
    let long = "x".repeat(MAX_BYTES + 1);
    assert_eq!(claims(&long, Format::Text), Err(ReadError::TooLong));
    assert_eq!(claims("", Format::Text), Ok(0));
}
