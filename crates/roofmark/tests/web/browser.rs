//! The page in a real browser, one flow for each view and each hostile case.
//!
//! Pictures of every flow are kept in `target/browser`.

use crate::chromium::Browser;
use crate::page::{Page, import, llama_bench, program};
use serde_json::json;
use std::collections::HashSet;

/// A page with results in its ledger, one of them hostile.
fn filled() -> Page {
    let data = tempfile::tempdir().unwrap();
    for day in 10..=25 {
        let rate = if day < 18 { 20.0 } else { 25.0 } + f64::from(day) * 0.02;
        let text = llama_bench("llama 8B", rate, &format!("2026-09-{day}T00:00:00Z"));
        import(data.path(), &format!("{day}.json"), &text);
    }
    let evil = llama_bench("<img src=x onerror=document.title='owned'>=1+1", 9.0, "2026-09-01T00:00:00Z");
    import(data.path(), "evil.json", &evil);
    Page::on(data, &[])
}

/// A flow: its name, the address, what to do, and what must become true.
type Flow = (&'static str, &'static str, &'static str, &'static str);

const SLIDE: &str = "const range = document.querySelector('[data-testid=slider-batch]'); range.value = 4;
    range.dispatchEvent(new Event('input', { bubbles: true }));";
const PICK: &str = "document.querySelector('#field-by').value = 'speed';
    document.querySelector('#field-by').dispatchEvent(new Event('input', { bubbles: true }));";
const KEEP: &str =
    "window.saved = ''; window.Blob = class { constructor(parts) { window.saved = parts.join(''); } };
    URL.createObjectURL = () => '#'; document.querySelector('#results .tools button:last-child').click();";
const HOSTILE: &str = "document.title !== 'owned' && !document.querySelector('main img, main script')";

const FLOWS: [Flow; 22] = [
    ("home", "/", "", "location.pathname === '/machines'"),
    (
        "machines",
        "/machines?model=gpt-oss-120b&quant=MXFP4",
        "",
        "!!document.querySelector('#roofline canvas') && document.querySelector('#roofline').plot.axes.every(axis => axis._splits?.length > 2)",
    ),
    (
        "machines-legend",
        "/machines",
        "document.querySelector('#roofline [data-series]').click()",
        "document.querySelector('#roofline [data-series]').getAttribute('aria-pressed') === 'false' && !document.querySelector('#roofline').plot.series[1].show",
    ),
    (
        "machines-keys",
        "/machines",
        "const plot = document.querySelector('#roofline .plot'); plot.focus(); plot.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }))",
        "document.querySelector('#said').textContent.includes('FLOP per byte')",
    ),
    (
        "machines-choose",
        "/machines",
        "document.querySelector('.boxes input:checked').click()",
        "location.search.includes('machine=') && document.querySelectorAll('#facts thead th').length === 4",
    ),
    (
        "explorer",
        "/explorer",
        "",
        "/tok/.test(document.querySelector('[data-testid=decode] strong').textContent)",
    ),
    (
        "explorer-slide",
        "/explorer",
        SLIDE,
        "location.search.includes('batch=16') && document.querySelector('[data-testid=as-json]').href.includes('batch=16')",
    ),
    (
        "explorer-shared",
        "/explorer?machine=dgx-spark&model=llama-3.1-8b&quant=Q8_0&depth=8192&batch=4&speculation=2",
        "",
        "document.querySelector('[data-testid=slider-batch]').value === '2' && document.querySelector('#field-machine').value === 'nvidia-dgx-spark'",
    ),
    ("explorer-unknown", "/explorer?machine=no-such-machine", "", "!!document.querySelector('[role=alert]')"),
    ("results", "/results", "", "document.querySelectorAll('#results tbody tr').length === 17"),
    (
        "results-filter",
        "/results",
        "const model = document.querySelector('#field-model'); model.value = 'llama 8B'; model.dispatchEvent(new Event('input', { bubbles: true }))",
        "document.querySelectorAll('#results tbody tr').length === 16",
    ),
    (
        "results-order",
        "/results",
        "[...document.querySelectorAll('#results .sort')].find(button => button.textContent.startsWith('Decode')).click()",
        "document.querySelector('#results th[aria-sort=descending]') !== null",
    ),
    ("results-csv", "/results", KEEP, "window.saved.includes('25.') && !/\"=/.test(window.saved)"),
    (
        "record",
        "/results/1",
        "",
        "document.querySelector('[data-testid=signature]').textContent.includes('genuine')",
    ),
    (
        "record-withdraw-without-token",
        "/results/1",
        "sessionStorage.clear(); const form = document.querySelector('form.retract'); form.querySelector('input').value = 'x'; form.requestSubmit()",
        "!!document.querySelector('form.retract [role=alert]')",
    ),
    (
        "compare",
        "/compare?base=1&new=16",
        "",
        "document.querySelector('#compared').textContent.includes('improved')",
    ),
    (
        "trend",
        "/trend?record=1",
        "",
        "!!document.querySelector('#trend-0 canvas') && !!document.querySelector('#changes-0')",
    ),
    (
        "check",
        "/check",
        "document.querySelector('form.ask').requestSubmit()",
        "!!document.querySelector('mark.impossible')",
    ),
    (
        "check-hostile",
        "/check?text=%3Cimg%20src%3Dx%20onerror%3D%22document.title%3D'owned'%22%3E%2030%20tok%2Fs%20on%20an%20RTX%205090",
        "",
        HOSTILE,
    ),
    (
        "advise",
        "/advise",
        PICK,
        "location.search.includes('by=speed') && !!document.querySelector('#places')",
    ),
    (
        "cost",
        "/cost?against=apple-m5-max-40c-128gb",
        "",
        "!!document.querySelector('#tornado rect') && !!document.querySelector('[data-testid=against]')",
    ),
    ("lab", "/lab", "", "document.querySelector('main').textContent.includes('two keys')"),
];

#[test]
fn every_view_works_in_a_wide_light_window() {
    every_view(1280, false);
}

#[test]
fn every_view_works_in_a_narrow_dark_window() {
    every_view(360, true);
}

/// Runs every flow, then the rules of axe-core over its address where they are at hand.
fn every_view(width: u32, dark: bool) {
    let Some(browser) = Browser::open(width, dark) else { return };
    let page = filled();
    let axe = axe();
    let mut seen = HashSet::new();
    for flow in FLOWS {
        run_flow(&browser, &page, width, flow);
        if let Some(axe) = axe.as_ref().filter(|_| seen.insert(flow.1)) {
            find_nothing(&browser, axe, &format!("{} at {width}", flow.0));
        }
    }
}

fn run_flow(browser: &Browser, page: &Page, width: u32, (name, path, work, holds): Flow) {
    browser.go(&format!("http://127.0.0.1:{}{path}", page.port));
    browser.until("return document.documentElement.classList.contains('live')");
    browser.run(work);
    browser.until(&format!("return {holds}"));
    assert_eq!(browser.run("return innerWidth"), json!(width), "the width of the window");
    let is_dark = browser.run("return matchMedia('(prefers-color-scheme: dark)').matches");
    assert_eq!(is_dark, json!(width == 360), "light or dark");
    let over = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert_eq!(browser.run(over), json!(0), "{name} is wider than {width}");
    browser.picture(&format!("{name}-{width}"));
    let refused = ["no-such-machine", "/retract"];
    let complaints = browser.complaints();
    let own = |line: &&String| !refused.iter().any(|word| line.contains(word));
    assert_eq!(complaints.iter().find(own), None, "{name}");
}

/// The script of axe-core, which is not in the repository: its file is named by `ROOFMARK_AXE`.
fn axe() -> Option<String> {
    let file = std::env::var("ROOFMARK_AXE").ok();
    assert!(file.is_some() || std::env::var_os("CI").is_none(), "ROOFMARK_AXE names no file");
    file.map(|file| std::fs::read_to_string(file).unwrap())
}

/// Rules of accessibility over all that the page holds, folded parts too.
fn find_nothing(browser: &Browser, axe: &str, name: &str) {
    browser.run("document.querySelectorAll('details').forEach(details => { details.open = true; })");
    browser.run(axe);
    browser.run("window.found = null; axe.run({ resultTypes: ['violations'] }).then(result => { window.found = result.violations; })");
    browser.until("return window.found !== null");
    let found = browser.run("return window.found.map(one => one.id + ': ' + one.nodes[0].html)");
    assert_eq!(found, json!([]), "{name}");
}

#[test]
fn hostile_names_withdrawal_stream_and_report_work_in_a_browser() {
    let Some(browser) = Browser::open(1280, false) else { return };
    let page = filled();
    let base = format!("http://127.0.0.1:{}", page.port);
    for path in ["/results", "/results/17", "/trend?record=17", "/compare?base=17&new=17"] {
        browser.go(&format!("{base}{path}"));
        browser.until(&format!("return {HOSTILE}"));
    }
    browser.go(&format!("{base}/results/17#token={}", page.token));
    browser.until("return document.documentElement.classList.contains('live') && location.hash === ''");
    browser.run("const form = document.querySelector('form.retract'); form.querySelector('input').value = 'hostile'; form.requestSubmit()");
    browser.until("return document.querySelector('[data-testid=signature]')?.textContent.includes('withdrawn by') ?? false");
    browser.picture("withdrawn");

    browser.go(&format!("{base}/live"));
    let folder = page.data.path().join("live");
    std::fs::create_dir_all(&folder).unwrap();
    let sampled = "{\"kind\":\"sampled\",\"done\":2,\"planned\":9,\"workload\":\"decode 32\",\"layers\":32,\"rate\":9.3}\n";
    std::fs::write(folder.join("1.jsonl"), sampled).unwrap();
    browser.until("return document.querySelectorAll('#live-rows tr').length === 1 && !!document.querySelector('#live-rates [data-series]')");
    browser.picture("live");

    let file = page.data.path().join("report.html");
    let words =
        ["report", "1", "17", "-o", file.to_str().unwrap(), "--cost", "dgx-spark", "--model", "llama-3.1-8b"];
    assert!(program(page.data.path()).args(words).output().unwrap().status.success());
    browser.complaints();
    browser.go(&format!("file://{}", file.display()));
    browser.until(
        "return document.querySelectorAll('.tools button').length > 0 && !document.querySelector('img')",
    );
    assert_eq!(browser.complaints(), Vec::<String>::new());
    browser.picture("report");
    let paper = browser.print("report");
    assert!(paper.starts_with(b"%PDF-") && paper.len() > 20_000, "{} bytes on paper", paper.len());
    assert_ne!(browser.text("return document.title"), "owned");
}
