//! What the referee found in a text: a screen, Markdown, and one HTML page that shows the text with its claims marked.
//!
//! Everything that comes from the text is escaped; the page has no script and allows none.

use roofmark_facts::claim::{Checked, Claim, Elsewhere, Judged, Verdict};
use roofmark_facts::units::significant;
use std::fmt::Write as _;

/// Columns of a screen.
const WIDTH: usize = 80;
/// Sources shown of one group of measurements.
const SOURCES: usize = 3;

/// The result as a screen.
#[must_use]
pub fn screen(checked: &Checked) -> String {
    let mut lines = wrapped(&summary(checked), "", "");
    for judged in &checked.claims {
        lines.push(String::new());
        lines.extend(wrapped(&format!("{}  {}", value(&judged.claim), conditions(&judged.claim)), "", "  "));
        lines.extend(wrapped(
            &format!("\u{201c}{}\u{201d}", shortened(&plain(&judged.claim.text))),
            "  ",
            "  ",
        ));
        lines.extend(wrapped(&judged.line, "  ", "  "));
        for text in details(judged) {
            lines.extend(wrapped(&text, "  - ", "    "));
        }
    }
    if !checked.findings.is_empty() {
        lines.push(String::new());
        lines.push("Other statements".into());
        for finding in &checked.findings {
            let sign = if finding.holds { "ok" } else { "no" };
            lines.extend(wrapped(
                &format!(
                    "{sign}  \u{201c}{}\u{201d}: {}",
                    shortened(&plain(&finding.text)),
                    plain(&finding.line)
                ),
                "  ",
                "      ",
            ));
        }
    }
    lines.join("\n") + "\n"
}

/// The result as Markdown.
#[must_use]
pub fn markdown(checked: &Checked) -> String {
    let mut text = format!("{}\n\n", summary(checked));
    if !checked.claims.is_empty() {
        text += "| claim | machine | model | quantization | phase | ceiling | verdict |\n|---|---|---|---|---|--:|---|\n";
    }
    for judged in &checked.claims {
        let claim = &judged.claim;
        let ceiling = judged.ceiling.map_or_else(|| "unknown".into(), rate);
        let cells = [
            value(claim),
            or_dash(&claim.machine),
            or_dash(&claim.model),
            or_dash(&claim.quant),
            phase(claim),
            ceiling,
            verdicts(judged),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| escaped_markdown(cell)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    for judged in &checked.claims {
        let _ = write!(
            text,
            "\n> {}\n\n**{}** {}\n",
            escaped_markdown(&shortened(&plain(&judged.claim.text))),
            value(&judged.claim),
            escaped_markdown(&judged.line)
        );
        for detail in details(judged) {
            let _ = writeln!(text, "- {}", escaped_markdown(&detail));
        }
    }
    if !checked.findings.is_empty() {
        text += "\n## Other statements\n\n";
    }
    for finding in &checked.findings {
        let _ = writeln!(
            text,
            "- {} \u{201c}{}\u{201d}: {}",
            if finding.holds { "holds:" } else { "**does not hold:**" },
            escaped_markdown(&shortened(&plain(&finding.text))),
            escaped_markdown(&plain(&finding.line))
        );
    }
    text
}

/// The result as a self-contained HTML page.
#[must_use]
pub fn html(checked: &Checked, title: &str) -> String {
    let mut page = String::with_capacity(checked.text.len() * 2);
    page += "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n";
    page += "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n";
    page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
    let _ = write!(page, "<title>{}</title>\n<style>{STYLE}</style></head><body>\n", escaped(title));
    let _ = writeln!(page, "<h1>{}</h1>\n<p>{}</p>", escaped(title), escaped(&summary(checked)));
    page += &sections(checked);
    page += "</body></html>\n";
    page
}

/// The same without a page around it: a summary, the marked text, the verdicts. Everything from outside is escaped.
#[must_use]
pub fn fragment(checked: &Checked) -> String {
    format!("<p class=\"summary\">{}</p>\n{}", escaped(&summary(checked)), sections(checked))
}

fn sections(checked: &Checked) -> String {
    let mut page = LEGEND.to_owned();
    page += "<h2>The text</h2>\n<pre>";
    page += &marked(checked);
    page += "</pre>\n";
    if !checked.claims.is_empty() {
        page += "<h2>Claims</h2>\n<ol>\n";
        page += &claim_items(checked);
        page += "</ol>\n";
    }
    if !checked.findings.is_empty() {
        page += "<h2>Other statements</h2>\n<ul>\n";
        page += &finding_items(checked);
        page += "</ul>\n";
    }
    page
}

/// What the colours mean.
const LEGEND: &str = "<p class=\"legend\"><mark class=\"impossible\">impossible</mark> <mark class=\"implausible\">implausible</mark> \
<mark class=\"underspecified\">underspecified</mark> <mark class=\"slow\">slow</mark> <mark class=\"consistent\">consistent</mark> \
<mark class=\"finding\">other statement</mark></p>\n";

fn claim_items(checked: &Checked) -> String {
    let mut page = String::new();
    for (at, judged) in checked.claims.iter().enumerate() {
        let _ = writeln!(
            page,
            "<li id=\"c{at}\" class=\"{}\"><b>{}</b> {}<br>{}",
            class(judged),
            escaped(&value(&judged.claim)),
            escaped(&conditions(&judged.claim)),
            escaped(&judged.line)
        );
        list(&mut page, &details(judged));
        page += "</li>\n";
    }
    page
}

fn finding_items(checked: &Checked) -> String {
    let mut page = String::new();
    for (at, finding) in checked.findings.iter().enumerate() {
        let _ = writeln!(
            page,
            "<li id=\"f{at}\" class=\"{}\"><q>{}</q>: {}</li>",
            if finding.holds { "consistent" } else { "impossible" },
            escaped(&finding.text),
            escaped(&finding.line)
        );
    }
    page
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}\
pre{white-space:pre-wrap;font:inherit;background:#f6f6f4;padding:1rem}\
mark{padding:0 .15em;color:inherit;text-decoration:underline}\
mark.impossible{background:#ffc9c4}mark.implausible{background:#ffe2b8}mark.underspecified{background:#fff3a8}\
mark.slow{background:#d6e4ff}mark.consistent{background:#cdebc9}mark.finding{background:#e8dcff}\
h1{font-size:1.6rem;line-height:1.25}h1,pre,li{overflow-wrap:anywhere}ol,ul{padding-left:1.6rem}ul ul,ol ul{padding-left:1rem}\
li{margin:.6rem 0}li li{margin:.25rem 0}li.impossible b{color:#a3170b}li.implausible b{color:#8a4b00}a{color:inherit}\
.legend mark{text-decoration:none;padding:.1em .4em;line-height:1.9;white-space:nowrap}\
@media(prefers-color-scheme:dark){body{background:#161616;color:#eee}pre{background:#222}mark{color:#111}li.impossible b{color:#ff8f85}li.implausible b{color:#ffc27a}}";

fn list(page: &mut String, items: &[String]) {
    if items.is_empty() {
        return;
    }
    *page += "<ul>";
    for item in items {
        let _ = write!(page, "<li>{}</li>", escaped(item));
    }
    *page += "</ul>";
}

/// The text, escaped, with claims and findings marked; of overlapping stretches the first is marked.
fn marked(checked: &Checked) -> String {
    let claims = checked
        .claims
        .iter()
        .enumerate()
        .map(|(at, judged)| (judged.claim.start, judged.claim.end, format!("c{at}"), class(judged)));
    let findings = checked
        .findings
        .iter()
        .enumerate()
        .map(|(at, finding)| (finding.start, finding.end, format!("f{at}"), "finding"));
    let mut places: Vec<_> = claims.chain(findings).collect();
    places.sort_by_key(|place| (place.0, place.1));
    let (mut page, mut done) = (String::new(), 0);
    for (start, end, id, class) in places {
        let (Some(before), Some(inside)) =
            (checked.text.get(done..start.max(done)), checked.text.get(start..end))
        else {
            continue;
        };
        if start < done {
            continue;
        }
        let _ = write!(
            page,
            "{}<a href=\"#{id}\"><mark class=\"{class}\">{}</mark></a>",
            escaped(before),
            escaped(inside)
        );
        done = end;
    }
    page + &escaped(checked.text.get(done..).unwrap_or_default())
}

fn class(judged: &Judged) -> &'static str {
    match (judged.verdict, judged.verdict_high) {
        (low, high) if low.is_impossible() || high.is_impossible() => "impossible",
        (Verdict::Implausible, _) | (_, Verdict::Implausible) => "implausible",
        (Verdict::Underspecified | Verdict::Open, _) | (_, Verdict::Underspecified | Verdict::Open) => {
            "underspecified"
        }
        (Verdict::Slow | Verdict::DidNot, _) | (_, Verdict::Slow | Verdict::DidNot) => "slow",
        _ => "consistent",
    }
}

fn summary(checked: &Checked) -> String {
    let count = |test: &dyn Fn(&Judged) -> bool| checked.claims.iter().filter(|judged| test(judged)).count();
    let impossible = count(&|judged| class(judged) == "impossible");
    let wrong = checked.findings.iter().filter(|finding| !finding.holds).count();
    let claims = checked.claims.len();
    if claims == 0 && checked.findings.is_empty() {
        return "No claim about the speed of local inference was found.".into();
    }
    let some = |name: &str| match count(&|judged| class(judged) == name) {
        0 => String::new(),
        many => format!(", {many} {name}"),
    };
    format!(
        "{claims} {} found: {impossible} impossible{}, {} underspecified{}, {} consistent; {wrong} other {} not hold.",
        if claims == 1 { "claim" } else { "claims" },
        some("implausible"),
        count(&|judged| class(judged) == "underspecified"),
        some("slow"),
        count(&|judged| class(judged) == "consistent"),
        if wrong == 1 { "statement does" } else { "statements do" },
    )
}

fn verdicts(judged: &Judged) -> String {
    if judged.verdict == judged.verdict_high || judged.claim.low == judged.claim.high {
        return judged.verdict.words().to_owned();
    }
    format!("{} to {}", judged.verdict.words(), judged.verdict_high.words())
}

fn value(claim: &Claim) -> String {
    if claim.low < claim.high {
        format!("{} to {} tok/s", rate(claim.low), rate(claim.high))
    } else {
        format!("{} tok/s", rate(claim.low))
    }
}

/// Three digits, no trailing zeros.
fn rate(value: f64) -> String {
    let text = significant(value, 3);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn phase(claim: &Claim) -> String {
    match claim.concurrency {
        Some(1) => claim.phase.name().to_owned(),
        Some(n) => format!("{}, {n} streams", claim.phase.name()),
        None => format!("{}, streams not stated", claim.phase.name()),
    }
}

fn or_dash(value: &Option<String>) -> String {
    value.as_deref().map_or_else(|| "not stated".into(), plain)
}

fn conditions(claim: &Claim) -> String {
    let mut parts = vec![or_dash(&claim.machine), or_dash(&claim.model), or_dash(&claim.quant), phase(claim)];
    parts[0] = if claim.devices > 1 { format!("{} x {}", claim.devices, parts[0]) } else { parts[0].clone() };
    if claim.machine.is_none() {
        parts[0] = "machine not stated".into();
    }
    if claim.model.is_none() {
        parts[1] = "model not stated".into();
    }
    if claim.quant.is_none() {
        parts[2] = "quantization not stated".into();
    }
    parts.extend(claim.engine.as_deref().map(plain));
    parts.extend(claim.context.map(|tokens| format!("context {tokens}")));
    if claim.speculation {
        parts.push("speculative".into());
    }
    parts.extend(claim.due.as_deref().map(|due| format!("due {}", plain(due))));
    parts.join(", ")
}

/// Readings, conditions that would save the claim, and what was measured elsewhere.
fn details(judged: &Judged) -> Vec<String> {
    let mut lines = Vec::new();
    let differ = judged.readings.iter().any(|reading| {
        (reading.verdict, reading.verdict_high)
            != (judged.readings[0].verdict, judged.readings[0].verdict_high)
    });
    for reading in judged.readings.iter().filter(|_| differ) {
        let ceiling = reading.ceiling.map_or_else(|| "unknown".into(), rate);
        let verdict = if reading.verdict == reading.verdict_high {
            reading.verdict.words().to_owned()
        } else {
            format!("{} to {}", reading.verdict.words(), reading.verdict_high.words())
        };
        lines.push(format!("as {}: {verdict} (ceiling {ceiling})", plain(&reading.assumes)));
    }
    if !judged.exemptions.is_empty() {
        let words: Vec<&str> = judged.exemptions.iter().map(|exemption| exemption.words.as_str()).collect();
        lines.push(format!("{} would take: {}", value_end(&judged.claim), words.join("; ")));
    }
    lines.extend(judged.elsewhere.iter().map(measured));
    lines
}

fn value_end(claim: &Claim) -> String {
    format!("{} tok/s", rate(claim.high))
}

fn measured(group: &Elsewhere) -> String {
    let range = if group.low < group.high {
        format!("{} to {}", rate(group.low), rate(group.high))
    } else {
        rate(group.low)
    };
    let rows = if group.rows == 1 { "1 row".into() } else { format!("{} rows", group.rows) };
    let more = group.sources.len().saturating_sub(SOURCES);
    let sources = group.sources.iter().take(SOURCES).cloned().collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("measured elsewhere: {} {range} tok/s ({rows}; {sources}{more})", plain(&group.what))
}

fn wrapped(text: &str, first: &str, rest: &str) -> Vec<String> {
    let options = textwrap::Options::new(WIDTH).initial_indent(first).subsequent_indent(rest);
    textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
}

/// Text without control characters: a terminal must not be steered by what it shows.
fn plain(text: &str) -> String {
    text.chars()
        .map(|sign| {
            if sign.is_control()
                || matches!(sign, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            {
                ' '
            } else {
                sign
            }
        })
        .collect()
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 220 {
        return text.to_owned();
    }
    text.chars().take(217).collect::<String>() + "…"
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for sign in text.chars() {
        match sign {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            '\n' | '\t' => out.push(sign),
            _ if sign.is_control() => out.push('\u{fffd}'),
            _ => out.push(sign),
        }
    }
    out
}

fn escaped_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for sign in text.chars() {
        match sign {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' => {
                out.push('\\');
                out.push(sign);
            }
            '\n' => out.push(' '),
            _ => out.push(sign),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        let checked =
            Checked { text: "<script>alert(1)</script>\u{1b}[31m & \"x\"".into(), ..Checked::default() };
        let page = html(&checked, "</title><img src=x onerror=alert(1)>");
        assert!(!page.contains("<script>alert") && !page.contains("<img") && !page.contains('\u{1b}'));
        assert!(page.contains("default-src 'none'"));
        assert!(!screen(&checked).contains('\u{1b}'));
    }
}
