//! The page over real HTTP: every view on an empty ledger, the interface, and what must be refused.

mod browser;
mod chromium;
mod hardening;
mod lab;
mod load;
mod page;

use page::{Page, import, llama_bench, program};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn every_view_opens_at_once_on_an_empty_ledger() {
    let page = Page::open(&[]);
    for (path, id) in [
        ("/machines", "data-testid=\"roofline\""),
        ("/explorer", "data-testid=\"decode\""),
        ("/results", "data-testid=\"empty\""),
        ("/check?text=45+tok%2Fs+Llama+3.1+70B+Q4_K_M+on+an+M5+Max", "data-testid=\"checked\""),
        ("/advise", "data-testid=\"places\""),
        ("/cost", "data-testid=\"tornado\""),
        ("/live", "data-testid=\"live\""),
        ("/trend", "Name a record"),
        ("/lab", "measured by two keys"),
    ] {
        let answer = page.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(answer.body.contains(id), "{path} has no {id}");
        assert!(answer.body.len() < 1_500_000, "{path}: {} bytes", answer.body.len());
        assert!(answer.head.contains("content-security-policy: default-src 'none'"), "{path}");
        assert!(!answer.body.contains(" style=\"") && !answer.body.contains(" onclick"), "{path}");
    }
    assert!(page.get("/").head.contains("location: /machines"));
    assert_eq!(page.get("/nothing").status, 404);
    assert_eq!(page.get("/results/abcdef").status, 404);
    assert!(
        page.get("/check?text=45+tok%2Fs+Llama+3.1+70B+Q4_K_M+on+an+M5+Max")
            .body
            .contains("class=\"impossible\"")
    );
}

#[test]
fn the_interface_answers_what_the_commands_print() {
    let page = Page::open(&[]);
    for (path, words) in [
        (
            "/api/predict?machine=dgx-spark&model=gpt-oss-120b&quant=MXFP4",
            "predict --machine dgx-spark --model gpt-oss-120b --quant MXFP4",
        ),
        (
            "/api/ceiling?machine=dgx-spark&model=llama-3.1-8b",
            "ceiling --machine dgx-spark --model llama-3.1-8b",
        ),
        ("/api/machines?machine=dgx-spark", "machines dgx-spark"),
        ("/api/models?model=llama-3.1-8b", "models llama-3.1-8b"),
        ("/api/cost?machine=dgx-spark&today=2026-11-24", "cost dgx-spark --today 2026-11-24"),
        ("/api/results", "results list"),
    ] {
        let printed = program(page.data.path()).arg("--json").args(words.split(' ')).output().unwrap();
        let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
        assert_eq!(page.json(path), printed, "{path}");
    }
}

#[test]
fn the_description_names_every_route_and_no_other() {
    let page = Page::open(&[]);
    let description = page.json("/api/openapi.json");
    let paths = description["paths"].as_object().unwrap();
    for name in ["machines", "models", "engines", "ceiling", "predict", "fit", "advise", "cost"] {
        assert!(paths.contains_key(&format!("/api/{name}")), "{name}");
    }
    for (path, methods) in paths {
        let path = path.replace("{record}", "1");
        let has_get = methods.get("get").is_some();
        if path != "/api/live" {
            let other = if has_get { "DELETE" } else { "PUT" };
            assert_eq!(page.send(other, &path, &[], "").status, 405, "{path}");
        }
        if !has_get {
            assert_ne!(page.send("POST", &path, &[], "x").status, 404, "{path}");
        }
    }
    assert_eq!(page.get("/api/nothing").status, 404);
}

#[test]
fn a_refusal_says_what_is_wrong_in_the_words_of_the_command() {
    let page = Page::open(&[]);
    for (path, status, says) in [
        ("/api/predict?machine=dgx-spork&model=llama-3.1-8b", 400, "nearest: "),
        ("/api/predict?machine=dgx-spark&model=/etc/passwd.gguf", 400, "models of the catalog"),
        ("/api/predict?machine=dgx-spark", 400, "--model"),
        ("/api/predict?machine=dgx-spark&model=llama-3.1-8b&colour=red", 400, "no parameter `colour`"),
        ("/api/results?limit=0", 400, "expected 1 to 1000"),
        ("/api/results/zzzz", 404, "find record"),
        ("/api/compare?base=1", 400, "two records"),
    ] {
        let answer = page.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.body.contains(says), "{path}: {}", answer.body);
    }
    let html = page.get("/explorer?machine=nothing");
    assert_eq!(html.status, 400);
    assert!(html.body.contains("role=\"alert\"") && html.body.contains("nearest:"));
}

#[test]
fn other_hosts_and_other_sites_are_refused() {
    let page = Page::open(&[]);
    assert_eq!(page.send("GET", "/machines", &["Host: evil.example"], "").status, 421);
    assert_eq!(page.raw("GET /machines HTTP/1.1\r\nConnection: close\r\n\r\n").status, 421);
    let two = format!("Host: 127.0.0.1:{}", page.port);
    assert_ne!(page.send("GET", "/machines", &[&two, "Host: evil.example"], "").status, 200);
    let evil = ["Origin: https://evil.example"];
    assert_eq!(page.send("POST", "/check", &evil, "text=x").status, 403);
    assert_eq!(page.send("GET", "/api/results", &evil, "").status, 403);
    assert_eq!(page.send("GET", "/api/results", &["Origin: null"], "").status, 403);
    assert_eq!(page.send("GET", "/api/results", &["Sec-Fetch-Site: cross-site"], "").status, 403);
    let own = format!("Origin: http://127.0.0.1:{}", page.port);
    assert_eq!(page.send("POST", "/check", &[&own], "text=x").status, 200);
    assert!(page.get("/api/results").head.contains("cross-origin-resource-policy: same-origin"));
    assert!(!page.get("/api/results").head.contains("access-control-allow-origin"));
}

#[test]
fn withdrawing_a_record_needs_the_token() {
    let page = Page::open(&[]);
    import(page.data.path(), "a.json", &llama_bench("llama 8B", 20.0, "2026-10-01T00:00:00Z"));
    let token = format!("Authorization: Bearer {}", page.token);
    assert_eq!(page.send("POST", "/api/results/1/retract", &[], "wrong build").status, 401);
    assert_eq!(
        page.send("POST", "/api/results/1/retract", &["Authorization: Bearer x"], "wrong build").status,
        401
    );
    assert_eq!(page.send("POST", "/api/results/1/retract", &[&token], " ").status, 400);
    let done = page.send("POST", "/api/results/1/retract", &[&token], "wrong build");
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(page.json("/api/results").as_array().unwrap().len(), 0);
    assert_eq!(page.json("/api/results?withdrawn=true").as_array().unwrap().len(), 1);
}

#[test]
fn markup_in_names_texts_and_addresses_stays_text() {
    let data = tempfile::tempdir().unwrap();
    let evil = "<script>alert(1)</script><img src=x onerror=alert(2)>";
    import(data.path(), "a.json", &llama_bench(evil, 20.0, "2026-10-01T00:00:00Z"));
    let page = Page::on(data, &[]);
    let encoded = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27%3E%3Cimg%20src%3Dx%3E";
    for path in [
        "/results".to_owned(),
        "/results/1".to_owned(),
        "/trend?record=1".to_owned(),
        format!("/explorer?machine={encoded}&quant={encoded}"),
        format!("/machines?model={encoded}"),
        format!("/check?text={encoded}+30+tok%2Fs"),
        format!("/advise?target={encoded}&budget={encoded}"),
        format!("/cost?years={encoded}"),
        format!("/compare?base={encoded}"),
        format!("/results?machine={encoded}&sort={encoded}"),
        format!("/{encoded}"),
    ] {
        let body = page.get(&path).body;
        assert!(!body.contains("<script>alert") && !body.contains("<img src=x"), "{path}");
    }
    let post = page.send("POST", "/check", &[], &format!("text={encoded}+30+tok/s+on+an+RTX+5090"));
    assert!(!post.body.contains("<script>alert") && post.body.contains("&lt;script&gt;"));
}

#[test]
fn bodies_addresses_and_parameters_have_limits() {
    let page = Page::open(&[]);
    assert_eq!(page.send("POST", "/api/check", &[], &"x".repeat(5 << 20)).status, 413);
    assert_eq!(page.get(&format!("/machines?x={}", "a".repeat(9_000))).status, 414);
    let many = "machine=dgx-spark&".repeat(201);
    assert_eq!(page.get(&format!("/api/predict?{many}")).status, 400);
    assert_eq!(page.send("POST", "/api/bundles", &[], "{}").status, 403);
}

#[test]
fn results_are_listed_compared_and_followed() {
    let data = tempfile::tempdir().unwrap();
    for day in 10..=25 {
        let rate = if day < 18 { 20.0 } else { 25.0 } + f64::from(day) * 0.01;
        let date = format!("2026-09-{day}T00:00:00Z");
        import(data.path(), &format!("{day}.json"), &llama_bench("llama 8B", rate, &date));
    }
    let page = Page::on(data, &[]);
    let list = page.get("/results?sort=decode");
    assert!(list.body.contains("data-testid=\"results\"") && list.body.contains("25.2"));
    let compared = page.get("/compare?base=1&new=16");
    assert_eq!(compared.status, 200, "{}", compared.body);
    assert!(compared.body.contains("improved"));
    let trend = page.get("/trend?record=1");
    assert!(trend.body.contains("data-testid=\"changes-0\""), "no change point found");
    let record = page.get("/results/latest");
    assert!(record.body.contains("data-testid=\"signature\"") && record.body.contains("genuine"));
}

#[test]
fn a_running_bench_streams_its_progress() {
    let page = Page::open(&[]);
    let folder = page.data.path().join("live");
    std::fs::create_dir_all(&folder).unwrap();
    let line = "{\"kind\":\"doing\",\"text\":\"making and loading 8 layers\"}\n";
    std::fs::write(folder.join("1.jsonl"), line).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", page.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET /api/live HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", page.port).unwrap();
    let mut reader = BufReader::new(stream);
    let mut seen = String::new();
    while !seen.contains("8 layers") {
        assert_ne!(reader.read_line(&mut seen).unwrap(), 0, "{seen}");
    }
    assert!(
        seen.contains("text/event-stream")
            && seen.contains("event: bench")
            && seen.contains("event: progress")
    );
}

#[test]
fn a_report_is_one_file_with_its_own_policy() {
    let data = tempfile::tempdir().unwrap();
    import(data.path(), "a.json", &llama_bench("<marquee>llama</marquee>", 20.0, "2026-10-01T00:00:00Z"));
    let text = data.path().join("claim.txt");
    std::fs::write(&text, "Llama 3.1 70B Q4_K_M runs at 45 tok/s on an M5 Max.").unwrap();
    let file = data.path().join("report.html");
    let done = program(data.path())
        .args(["report", "latest", "--today", "2026-11-24", "--check"])
        .arg(&text)
        .arg("-o")
        .arg(&file)
        .args(["--advise", "--model", "llama-3.1-8b", ";", "--cost", "dgx-spark", "--model", "llama-3.1-8b"])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let page = std::fs::read_to_string(file).unwrap();
    assert!(page.contains("script-src 'sha256-") && !page.contains("<marquee>"));
    for part in ["part-1", "part-2", "part-3", "part-4"] {
        assert!(page.contains(&format!("id=\"{part}\"")), "{part}");
    }
    assert!(!page.contains("src=\"http") && !page.contains("<link"));
}
