//! Debian's chromium, steered through its driver by the WebDriver protocol.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything: the machine of the gate is slow and busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// A browser that a driver steers.
pub struct Browser {
    driver: Driver,
    session: String,
    pictures: PathBuf,
}

/// A running chromedriver, and the folder of its browser's profile.
struct Driver {
    child: Child,
    port: u16,
    profile: tempfile::TempDir,
}

impl Driver {
    /// `None` where there is no chromedriver; in CI it has to be there.
    fn start() -> Option<Self> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "chromedriver does not start: {error}");
                eprintln!("skipped: there is no chromedriver (make test-browser installs it)");
                return None;
            }
        };
        let mut output = BufReader::new(child.stdout.take().expect("it was asked for"));
        let port = port(&mut output);
        // The driver must not wait for somebody to read what it says.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Some(Self { child, port, profile: tempfile::tempdir().unwrap() })
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(PATIENCE)).build().new_agent();
        let answer = match method {
            "GET" => agent.get(&url).call(),
            "DELETE" => agent.delete(&url).call(),
            _ => agent.post(&url).content_type("application/json").send(body.to_string().as_bytes()),
        };
        let mut answer = answer.map_err(|error| error.to_string())?;
        let text = answer.body_mut().with_config().limit(64 << 20).read_to_string();
        let mut value: Value = serde_json::from_str(&text.map_err(|error| error.to_string())?)
            .map_err(|error| error.to_string())?;
        match value["value"]["message"].as_str().filter(|_| value["value"]["error"].is_string()) {
            Some(message) => Err(message.to_owned()),
            None => Ok(value["value"].take()),
        }
    }

    /// A browser with a window of this width, in light or dark.
    fn session(&self, width: u32, dark: bool) -> Result<String, String> {
        let arguments = json!([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            format!("--user-data-dir={}", self.profile.path().display()),
            format!("--window-size={width},900"),
            format!("--blink-settings=preferredColorScheme={}", if dark { 0 } else { 1 }),
        ]);
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" }, "timeouts": { "script": 120_000, "pageLoad": 120_000 },
        } } });
        let made = self.call("POST", "/session", &wanted)?;
        made["sessionId"].as_str().map(str::to_owned).ok_or_else(|| format!("no session: {made}"))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port that the driver says it took.
fn port(output: &mut impl BufRead) -> u16 {
    let mut line = String::new();
    while !line.contains("successfully on port ") {
        line.clear();
        assert_ne!(output.by_ref().take(4096).read_line(&mut line).unwrap(), 0, "chromedriver ended");
    }
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no port in {line}"))
}

impl Browser {
    /// `None` where there is no browser to run.
    pub fn open(width: u32, dark: bool) -> Option<Self> {
        let driver = Driver::start()?;
        // A machine that is short of memory for a moment may need a second try.
        let session = driver.session(width, dark).or_else(|_| driver.session(width, dark));
        let session = session.unwrap_or_else(|error| panic!("chromium does not start: {error}"));
        let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../browser");
        std::fs::create_dir_all(&pictures).unwrap();
        let browser = Self { driver, session, pictures };
        browser.resize(width, 900);
        Some(browser)
    }

    /// A page of this size: windows have a least width, which telephones fall below.
    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size });
        self.call("POST", "/goog/cdp/execute", &command);
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}{path}", self.session);
        self.driver.call(method, &path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Opens `url`.
    pub fn go(&self, url: &str) {
        self.call("POST", "/url", &json!({ "url": url }));
    }

    /// Runs `script` and gives what it returns.
    pub fn run(&self, script: &str) -> Value {
        self.call("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The same as a text.
    pub fn text(&self, script: &str) -> String {
        self.run(script).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until `script` gives true.
    pub fn until(&self, script: &str) {
        let start = Instant::now();
        while self.run(script) != Value::Bool(true) {
            assert!(start.elapsed() < PATIENCE, "never true: {script}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Keeps a picture of the window as `target/browser/NAME.png`.
    pub fn picture(&self, name: &str) {
        let shot = self.call("GET", "/screenshot", &Value::Null);
        std::fs::write(self.pictures.join(format!("{name}.png")), bytes(&shot)).unwrap();
    }

    /// The page as it is printed on A4, kept as `target/browser/NAME.pdf`.
    pub fn print(&self, name: &str) -> Vec<u8> {
        let paper = json!({ "page": { "width": 21.0, "height": 29.7 }, "background": false });
        let pdf = bytes(&self.call("POST", "/print", &paper));
        std::fs::write(self.pictures.join(format!("{name}.pdf")), &pdf).unwrap();
        pdf
    }

    /// What the console says of errors and refused scripts since the last look.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.call("POST", "/se/log", &json!({ "type": "browser" }));
        let severe = log.as_array().unwrap().iter().filter(|line| line["level"] == "SEVERE");
        severe.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

fn bytes(base64: &Value) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(base64.as_str().unwrap()).unwrap()
}

/// Closes the browser, which the driver would leave behind.
impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.call("DELETE", &format!("/session/{}", self.session), &Value::Null);
    }
}
