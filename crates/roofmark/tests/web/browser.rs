//! The page in a real browser: Debian's chromium through its driver, one flow for each view and each hostile case.
//!
//! Run by `make test-browser`; pictures of every flow are kept in `target/browser`.

use crate::page::{Page, import, llama_bench, program};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A browser that a driver steers.
struct Browser {
    driver: Child,
    session: String,
    pictures: PathBuf,
}

const PORT: u16 = 19515;

fn call(method: &str, path: &str, body: &Value) -> Value {
    let url = format!("http://127.0.0.1:{PORT}{path}");
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent = config.timeout_global(Some(Duration::from_secs(60))).build().new_agent();
    let answer = match method {
        "GET" => agent.get(&url).call(),
        "DELETE" => agent.delete(&url).call(),
        _ => agent.post(&url).content_type("application/json").send(body.to_string().as_bytes()),
    };
    let text = answer.unwrap().body_mut().with_config().limit(64 << 20).read_to_string().unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert!(value["value"]["error"].is_null(), "{method} {path}: {}", value["value"]["message"]);
    value["value"].clone()
}

impl Browser {
    fn open(width: u32, dark: bool) -> Self {
        let driver = Command::new("chromedriver")
            .arg(format!("--port={PORT}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed: make test-browser");
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", PORT)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "chromedriver does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        let scheme = if dark { 0 } else { 1 };
        let arguments = json!([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            format!("--window-size={width},900"),
            format!("--blink-settings=preferredColorScheme={scheme}"),
        ]);
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": { "args": arguments }, "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let pictures = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../browser");
        std::fs::create_dir_all(&pictures).unwrap();
        let session = call("POST", "/session", &wanted)["sessionId"].as_str().unwrap().to_owned();
        Self { driver, session, pictures }
    }

    fn go(&self, url: &str) {
        call("POST", &format!("/session/{}/url", self.session), &json!({ "url": url }));
    }

    fn run(&self, script: &str) -> Value {
        call(
            "POST",
            &format!("/session/{}/execute/sync", self.session),
            &json!({ "script": script, "args": [] }),
        )
    }

    fn text(&self, script: &str) -> String {
        self.run(script).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until `script` gives true.
    fn until(&self, script: &str) {
        let start = Instant::now();
        while self.run(script) != Value::Bool(true) {
            assert!(start.elapsed() < Duration::from_secs(20), "never true: {script}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn picture(&self, name: &str) {
        use base64::Engine;
        let shot = call("GET", &format!("/session/{}/screenshot", self.session), &Value::Null);
        let bytes = base64::engine::general_purpose::STANDARD.decode(shot.as_str().unwrap()).unwrap();
        std::fs::write(self.pictures.join(format!("{name}.png")), bytes).unwrap();
    }

    /// What the console says of errors and refused scripts since the last look.
    fn complaints(&self) -> Vec<String> {
        let log = call("POST", &format!("/session/{}/se/log", self.session), &json!({ "type": "browser" }));
        let severe = log.as_array().unwrap().iter().filter(|line| line["level"] == "SEVERE");
        severe.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

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
        "!!document.querySelector('#roofline canvas')",
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
#[ignore = "needs chromium and chromedriver: make test-browser"]
fn every_view_works_in_a_browser() {
    let page = filled();
    for (width, dark) in [(1280, false), (360, true)] {
        let browser = Browser::open(width, dark);
        for (name, path, work, holds) in FLOWS {
            browser.go(&format!("http://127.0.0.1:{}{path}", page.port));
            browser.until("return document.documentElement.classList.contains('live')");
            browser.run(work);
            browser.until(&format!("return {holds}"));
            let over = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            assert_eq!(browser.run(over), json!(0), "{name} is wider than {width}");
            browser.picture(&format!("{name}-{width}"));
            let refused = ["no-such-machine", "/retract"];
            let complaints = browser.complaints();
            let own = |line: &&String| !refused.iter().any(|word| line.contains(word));
            assert_eq!(complaints.iter().find(own), None, "{name}");
        }
    }
}

#[test]
#[ignore = "needs chromium and chromedriver: make test-browser"]
fn hostile_names_withdrawal_stream_and_report_work_in_a_browser() {
    let page = filled();
    let browser = Browser::open(1280, false);
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
    assert_ne!(browser.text("return document.title"), "owned");
}

/// Rules of axe-core, which is not in the repository: its file is named by `ROOFMARK_AXE`.
#[test]
#[ignore = "needs chromium, chromedriver and axe-core: make test-browser"]
fn axe_finds_nothing() {
    let Ok(axe) = std::env::var("ROOFMARK_AXE") else {
        panic!("ROOFMARK_AXE names no file: make test-browser")
    };
    let axe = std::fs::read_to_string(axe).unwrap();
    let page = filled();
    for (width, dark) in [(1280, false), (360, true)] {
        let browser = Browser::open(width, dark);
        for (name, path, ..) in FLOWS {
            browser.go(&format!("http://127.0.0.1:{}{path}", page.port));
            browser.until("return document.documentElement.classList.contains('live')");
            browser.run("document.querySelectorAll('details').forEach(details => { details.open = true; })");
            browser.run(&axe);
            browser.run("window.found = null; axe.run({ resultTypes: ['violations'] }).then(result => { window.found = result.violations; })");
            browser.until("return window.found !== null");
            let found = browser.run("return window.found.map(one => one.id + ': ' + one.nodes[0].html)");
            assert_eq!(found, json!([]), "{name} at {width}");
        }
    }
}
