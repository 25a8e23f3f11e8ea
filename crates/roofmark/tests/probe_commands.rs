//! Sessions with `probe`, `doctor` and `roofline`: what is bad is reported, and the rest goes on.
#![cfg(target_os = "linux")]

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_roofmark");
/// Short rows: these tests look at what is reported, not at rates.
const QUICK: [&str; 2] = ["--row", "0.005"];

/// The program with a home of its own.
fn roofmark(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(words);
    at_home(&mut command, home);
    command
}

fn at_home(command: &mut Command, home: &Path) {
    for variable in
        ["XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "ROOFMARK_LEDGER", "ROOFMARK_CATALOG"]
    {
        command.env_remove(variable);
    }
    command.env("HOME", home).env("VK_DRIVER_FILES", "/dev/null").env("VK_ICD_FILENAMES", "/dev/null");
}

/// A probe of `parts` as its record.
fn probe(home: &Path, parts: &str) -> Command {
    roofmark(home, &[&["probe", "--json", "--only", parts], &QUICK[..]].concat())
}

fn record(output: &Output) -> Value {
    let talk = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {talk}"))
}

/// The reason why `part` failed, where it did.
fn failure(record: &Value, part: &str) -> Option<String> {
    let doubts = record["doubts"].as_array().expect("doubts");
    let failed = doubts.iter().find(|doubt| doubt["kind"] == "failed" && doubt["part"] == part)?;
    Some(failed["reason"].as_str().expect("a reason").to_owned())
}

fn has_memory(record: &Value) -> bool {
    record["memory"]["rows"].as_array().is_some_and(|rows| rows.len() >= 4)
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn a_machine_without_a_gpu_has_none_and_that_is_no_failure() {
    let home = home();
    let output = probe(home.path(), "gpus").output().expect("the program runs");
    let record = record(&output);
    assert_eq!((output.status.code(), &record["gpus"]), (Some(0), &Value::Array(vec![])));
    assert_eq!(failure(&record, "GPUs"), None);
}

/// A Vulkan driver whose first function runs `body`; `None` where nothing compiles it.
fn bad_driver(folder: &Path, body: &str) -> Option<std::path::PathBuf> {
    let (source, library) = (folder.join("bad.c"), folder.join("libbad.so"));
    let text = format!(
        "#include <stdlib.h>\n#include <stdio.h>\n#include <unistd.h>\n#include <signal.h>\n\
         int vk_icdNegotiateLoaderICDInterfaceVersion(unsigned *version) {{ (void)version; {body} return 0; }}\n\
         void *vk_icdGetInstanceProcAddr(void *instance, const char *name) {{ (void)instance; (void)name; return 0; }}\n"
    );
    std::fs::write(&source, text).expect("a file");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).output();
    if !built.is_ok_and(|output| output.status.success()) {
        eprintln!("not run: there is no C compiler (cc) to make a bad driver with");
        return None;
    }
    let manifest = folder.join("bad.json");
    let text = serde_json::json!({"file_format_version": "1.0.0",
        "ICD": {"library_path": library, "api_version": "1.3.0"}});
    std::fs::write(&manifest, text.to_string()).expect("a file");
    Some(manifest)
}

/// A probe beside a driver that runs `body`: memory is measured, and the driver's end is told.
fn beside(body: &str, expected: &str) {
    let home = home();
    let Some(manifest) = bad_driver(home.path(), body) else { return };
    let mut command = probe(home.path(), "memory,gpus");
    command.args(["--gpu-patience", "2"]);
    command.env("VK_DRIVER_FILES", &manifest).env("VK_ICD_FILENAMES", &manifest);
    let output = command.output().expect("the program runs");
    let record = record(&output);
    assert_eq!(output.status.code(), Some(0), "a driver's end is not the program's");
    assert!(has_memory(&record));
    match failure(&record, "GPUs") {
        Some(reason) => assert!(reason.contains(expected), "{reason}"),
        None if std::env::var_os("ROOFMARK_NEEDS_GPU").is_none() => {
            eprintln!("not run: there is no Vulkan loader (Debian: libvulkan1) to load a bad driver");
        }
        None => panic!("the bad driver was not loaded"),
    }
}

#[test]
fn a_driver_that_aborts_costs_the_gpus_only() {
    beside("fprintf(stderr, \"driver: out of luck\\n\"); abort();", "out of luck");
}

#[test]
fn a_driver_that_crashes_costs_the_gpus_only() {
    beside("raise(SIGSEGV);", "signal: 11");
}

#[test]
fn a_driver_that_hangs_is_killed() {
    beside("sleep(600);", "end within 2 s");
}

#[test]
fn a_driver_that_talks_more_than_a_pipe_holds_hangs_nothing() {
    let home = home();
    let body = "for (int i = 0; i < 20000; i++) { puts(\"talk talk talk\"); fputs(\"more talk\\n\", stderr); } fflush(stdout);";
    let Some(manifest) = bad_driver(home.path(), body) else { return };
    let mut command = probe(home.path(), "gpus");
    command.env("VK_DRIVER_FILES", &manifest).env("VK_ICD_FILENAMES", &manifest);
    let record = record(&command.output().expect("the program runs"));
    let reason = failure(&record, "GPUs").unwrap_or_default();
    assert!(!reason.contains("killed"), "{reason}");
}

/// Runs `script` with the program as `"$@"` where this process may mount; `None`, said aloud, where not.
fn in_namespace(home: &Path, setup: &str, words: &[&str]) -> Option<Output> {
    let root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let flags = if root { "-m" } else { "-rm" };
    let unshare = |script: &str, words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args([flags, "sh", "-c", script, "sh", PROGRAM]).args(words);
        at_home(&mut command, home);
        command.output().ok()
    };
    if !unshare(setup, &[]).is_some_and(|output| output.status.success()) {
        eprintln!("not run: this system lets this user make no mounts of its own");
        return None;
    }
    unshare(&format!("{setup} && exec \"$@\""), words)
}

#[test]
fn a_container_with_little_is_reported() {
    if !std::fs::read_to_string("/proc/self/cgroup").is_ok_and(|groups| groups.contains("0::")) {
        eprintln!("not run: this system has the first version of control groups");
        return;
    }
    let home = home();
    let setup = "mount -t tmpfs none /sys && mkdir -p /sys/fs/cgroup && \
        echo '50000 100000' > /sys/fs/cgroup/cpu.max && echo 400000000 > /sys/fs/cgroup/memory.max";
    let words = [&["probe", "--json", "--only", "memory"], &QUICK[..]].concat();
    let Some(output) = in_namespace(home.path(), setup, &words) else { return };
    let record = record(&output);
    assert!(output.status.success() && has_memory(&record));
    let limited = |what: &str| {
        let doubts = record["doubts"].as_array().expect("doubts");
        doubts.iter().any(|doubt| doubt["kind"] == "limited" && doubt["what"] == what)
    };
    assert!(limited("processors") && limited("GiB of memory"), "{}", record["doubts"]);
    let array = record["memory"]["array"].as_f64().expect("a size");
    assert!(3.0 * array < 400e6, "three arrays of {array} bytes in a container of 400 MB");
}

#[test]
fn an_empty_sys_leaves_things_unavailable() {
    let home = home();
    let words = [&["probe", "--json", "--only", "memory,caches,nodes"], &QUICK[..]].concat();
    let Some(output) = in_namespace(home.path(), "mount -t tmpfs -o ro none /sys", &words) else { return };
    let record = record(&output);
    assert!(output.status.success() && has_memory(&record));
    assert_eq!(record["caches"], Value::Array(vec![]), "none is invented");
    assert!(record["curve"].as_array().is_some_and(|curve| !curve.is_empty()));
    let settings = &record["state"]["settings"];
    for name in ["governor", "mode", "huge_pages", "modules"] {
        assert_eq!(settings[name]["unavailable"], "absent", "{name}");
    }
}

#[test]
fn fewer_processors_are_used_where_fewer_are_allowed() {
    let home = home();
    let mut command = Command::new("taskset");
    command.args(["-c", "0", PROGRAM, "probe", "--json", "--only", "memory"]).args(QUICK);
    at_home(&mut command, home.path());
    match command.output().ok().filter(|output| output.status.success()) {
        None => eprintln!("not run: there is no taskset, or processor 0 is not ours"),
        Some(output) => {
            let record = record(&output);
            assert_eq!(record["machine"]["cpus"], 1);
            assert!(record["memory"]["rows"].as_array().expect("rows").iter().all(|row| row["threads"] == 1));
        }
    }
}

#[test]
fn memory_that_cannot_be_mapped_fails_its_part_only() {
    let home = home();
    let mut command = Command::new("sh");
    let script = "ulimit -v 330000 && exec \"$@\"";
    command.args(["-c", script, "sh", PROGRAM, "probe", "--json", "--only", "memory,caches"]).args(QUICK);
    at_home(&mut command, home.path());
    let output = command.output().expect("a shell");
    let record = record(&output);
    let reason = failure(&record, "memory").expect("three arrays of 128 MiB do not fit 330 MB");
    assert!(reason.contains("map memory"), "{reason}");
    assert!(output.status.success() && record["state"]["after"].is_object());
    assert!(!home.path().join(".local/share/roofmark/probe.json").exists(), "it is no probe to rely on");
}

#[test]
fn what_was_measured_before_ctrl_c_is_kept() {
    let home = home();
    let mut command =
        roofmark(home.path(), &["probe", "--json", "--row", "0.3", "--only", "memory,caches,arithmetic"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    let mut talk = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let second = talk.by_ref().map(|line| line.expect("a line")).find(|line| line.starts_with("2/3"));
    let second = second.expect("the second part begins");
    assert!(second.contains("caches, about ") && second.ends_with(" s left"), "{second}");
    let id = child.id().to_string();
    assert!(Command::new("sh").args(["-c", &format!("kill -INT {id}")]).status().expect("a shell").success());
    let rest: Vec<String> = talk.map(|line| line.expect("a line")).collect();
    let output = child.wait_with_output().expect("an end");
    let record = record(&output);
    assert_eq!(output.status.code(), Some(130));
    assert!(has_memory(&record), "memory came before");
    let doubts = record["doubts"].as_array().expect("doubts");
    assert!(doubts.iter().any(|doubt| doubt["kind"] == "interrupted"), "{doubts:?}");
    assert_eq!(record["arithmetic"], Value::Array(vec![]));
    assert!(rest.iter().any(|line| line.starts_with("kept in ")), "{rest:?}");
}

#[test]
fn a_probed_machine_has_a_name_and_is_used_everywhere() {
    let home = home();
    let run = |words: &[&str]| roofmark(home.path(), words).output().expect("the program runs");
    let parts = ["probe", "--save", "my-box", "--only", "memory,arithmetic"];
    let saved = run(&[&parts[..], &QUICK[..]].concat());
    let talk = String::from_utf8_lossy(&saved.stderr);
    assert!(saved.status.success() && talk.contains("`my-box` is now a machine of"), "{talk}");
    let twice = run(&[&parts[..], &QUICK[..]].concat());
    let talk = String::from_utf8_lossy(&twice.stderr);
    assert!(twice.status.code() == Some(1) && talk.contains("has already"), "{talk}");
    assert!(!talk.contains("1/2"), "a name that is taken is refused before anything is measured");
    for machine in ["my-box", "this"] {
        for command in ["ceiling", "predict", "roofline"] {
            let output = run(&[command, "--machine", machine, "--model", "llama-3.2-1b", "--json"]);
            let talk = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{command} {machine}: {talk}");
            assert_eq!(talk.contains("roofmark probe of"), machine == "this", "{command}: {talk}");
        }
    }
    let line: Value = serde_json::from_slice(&run(&["roofline", "--model", "llama-3.2-1b", "--json"]).stdout)
        .expect("JSON");
    assert!(
        line["knee"].as_f64().is_some_and(|knee| knee > 1.0),
        "the peaks of the probe give a knee: {line}"
    );
    assert_eq!(line["spots"].as_array().map(Vec::len), Some(3), "decode, batch and prefill");
    check_doctor(&run(&["doctor", "--json"]));
}

/// The doctor rests on the kept probe; its exit code says whether there is something to mend.
fn check_doctor(output: &Output) {
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(found["rests_on"].as_str().is_some_and(|text| text.starts_with("the kept one of 20")), "{found}");
    let advice = found["advice"].as_array().expect("advice");
    let mendable = advice.iter().any(|each| each["remark"] == false);
    assert_eq!(output.status.code(), Some(if mendable { 3 } else { 0 }), "{found}");
    assert!(advice.iter().all(|each| !each["mend"].as_str().unwrap_or_default().is_empty()), "{found}");
    assert_eq!(found["checks"].as_array().map(Vec::len), Some(14));
}

#[test]
fn a_part_that_there_is_not_is_refused_with_the_names() {
    let home = home();
    let output = roofmark(home.path(), &["probe", "--only", "gpu"]).output().expect("the program runs");
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        talk.contains("invalid value 'gpu' for '--only") && talk.contains("memory, caches, nodes"),
        "{talk}"
    );
}
