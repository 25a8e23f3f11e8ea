//! Asks a process of this program a question that may crash or hang it, and survives.
//!
//! Both pipes are read while the process runs: one that talks much never waits for a full pipe.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longest answer that is read.
const LONGEST: u64 = 16 << 20;
/// How long a pipe may stay open after the process ended: a grandchild may hold it.
const AFTER: Duration = Duration::from_millis(500);
/// Time between two looks at the process.
const LOOK: Duration = Duration::from_millis(10);

/// The last line that `command` prints, once it has ended well within `patience`.
///
/// # Errors
/// The process does not start, does not end in time (it is killed), ends badly or prints nothing: as words that
/// follow "failed to".
pub fn ask(mut command: Command, patience: Duration) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("start its process: {error}"))?;
    let answer = child.stdout.take().map(last_line);
    let talk = child.stderr.take().map(last_line);
    let status = wait(&mut child, patience)?;
    let line = |pipe: Option<Receiver<String>>| pipe.and_then(|pipe| pipe.recv_timeout(AFTER).ok());
    if !status.success() {
        let said = line(talk).filter(|said| !said.is_empty()).unwrap_or_else(|| "it said nothing".into());
        return Err(format!("go on: its process ended with {status}: {said}"));
    }
    line(answer).filter(|answer| !answer.is_empty()).ok_or_else(|| "answer".into())
}

fn wait(child: &mut Child, patience: Duration) -> Result<std::process::ExitStatus, String> {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if start.elapsed() < patience => std::thread::sleep(LOOK),
            Ok(None) => {
                // Fails only where the process has just ended.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("end within {} s: its process was killed", patience.as_secs_f64()));
            }
            Err(error) => return Err(format!("wait for its process: {error}")),
        }
    }
}

/// Reads `pipe` to its end on a thread of its own and keeps the last line that is not blank.
fn last_line(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let (mut last, mut line) = (String::new(), Vec::new());
        while (&mut pipe).take(LONGEST).read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line);
            if !text.trim().is_empty() {
                text.trim().clone_into(&mut last);
            }
            line.clear();
        }
        // The asker may have given up.
        let _ = send.send(last);
    });
    receive
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn shell(script: &str, patience: Duration) -> Result<String, String> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        ask(command, patience)
    }

    #[test]
    fn a_process_that_talks_more_than_a_pipe_holds_does_not_hang() {
        let noise = "i=0; while [ $i -lt 3000 ]; do echo 'a driver that talks and talks and talks and talks'; \
            echo 'and complains and complains and complains' >&2; i=$((i+1)); done; echo '{\"rate\": 1}'";
        assert_eq!(shell(noise, PATIENCE), Ok("{\"rate\": 1}".into()));
    }

    #[test]
    fn a_crash_is_told_with_the_last_words() {
        let error = shell("echo 'driver: out of luck' >&2; kill -SEGV $$", PATIENCE).unwrap_err();
        assert!(error.contains("signal: 11") && error.contains("out of luck"), "{error}");
        let error = shell("kill -ABRT $$", PATIENCE).unwrap_err();
        assert!(error.contains("signal: 6") && error.contains("said nothing"), "{error}");
    }

    #[test]
    fn a_process_that_hangs_is_killed() {
        let start = Instant::now();
        let error = shell("sleep 600", Duration::from_millis(50)).unwrap_err();
        assert!(error.starts_with("end within 0.05 s"), "{error}");
        // One that leaves a child with its pipes behind does not hold the asker either.
        let answer = shell("sleep 20 & echo done", PATIENCE);
        assert!(answer.is_err() || answer == Ok("done".into()), "{answer:?}");
        assert!(start.elapsed() < Duration::from_secs(15));
    }

    #[test]
    fn silence_is_no_answer() {
        assert_eq!(shell("true", PATIENCE), Err("answer".into()));
        let missing = ask(Command::new("/nowhere/at/all"), PATIENCE).unwrap_err();
        assert!(missing.starts_with("start its process"), "{missing}");
    }
}
