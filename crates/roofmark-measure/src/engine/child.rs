//! The parent's handle of an engine that runs in a child process.
//!
//! Whatever the child does (abort, hang, die, talk nonsense), the parent gets an error and lives.
//! After any error but a refusal the child is gone; start another one.

use super::serve::{PROTOCOL, Reply, Request};
use super::{
    DecodeCell, Device, Engine, EngineError, GenerateRequest, Generated, LoadRequest, Loaded, OpenRequest,
    Opened, PrefillCell, ProductCell, Products, Timed,
};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest line that is read from the child.
const LINE_LIMIT: u64 = 16 << 20;

/// Lines of the child's log that are kept.
const LOG_LINES: usize = 200;

/// Longest part of a log line that is kept, in bytes.
const LOG_LINE_LIMIT: u64 = 2000;

/// How long a child that has closed its pipe may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// The program that speaks the protocol.
#[derive(Debug)]
pub struct ChildCommand {
    /// Path of the program; for the embedded engine the program that is running now.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Open files that the child inherits, each with the number it has there (3 or above).
    #[cfg(unix)]
    pub descriptors: Vec<(std::os::fd::OwnedFd, i32)>,
    /// How long to wait.
    pub limits: Limits,
}

/// How long the parent waits before it stops the child.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For one answer.
    pub answer: Duration,
    /// For a sign of life. Several beats long: a swapping machine is slow, not dead.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { answer: Duration::from_secs(1800), silence: Duration::from_secs(30) }
    }
}

/// Called at each sign of life with the thousandths done; `Break` stops the child.
pub type Watch = Box<dyn FnMut(u64) -> ControlFlow<()> + Send>;

/// An engine in a child process.
pub struct ChildEngine {
    child: Child,
    input: ChildStdin,
    replies: Receiver<Vec<u8>>,
    log: Arc<Mutex<VecDeque<String>>>,
    limits: Limits,
    watch: Watch,
}

impl ChildEngine {
    /// Starts the child and waits for its greeting.
    ///
    /// The child dies with the *thread* that calls this (Linux), so call it from one that stays.
    ///
    /// # Errors
    /// When the program cannot be started or does not speak the protocol.
    pub fn spawn(command: ChildCommand) -> Result<Self, EngineError> {
        let program = command.program.display().to_string();
        let limits = command.limits;
        let failed = |source| EngineError::Spawn { program: program.clone(), source };
        let mut child = start(command).map_err(failed)?;
        let (Some(input), Some(output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed(std::io::Error::other("a pipe is missing")));
        };
        let log = Arc::new(Mutex::new(VecDeque::new()));
        let replies = read_replies(output);
        keep_log(errors, log.clone());
        let mut engine =
            Self { child, input, replies, log, limits, watch: Box::new(|_| ControlFlow::Continue(())) };
        engine.greet()?;
        Ok(engine)
    }

    /// Sets what is called at each sign of life.
    pub fn watch(&mut self, watch: Watch) {
        self.watch = watch;
    }

    /// Process number of the child.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The last lines that the child logged, oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn greet(&mut self) -> Result<(), EngineError> {
        let request = "start the engine's process";
        match self.receive(request)? {
            Reply::Hello { protocol: PROTOCOL } => Ok(()),
            other => Err(self.garbled(request, format!("{other:?}").as_bytes())),
        }
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, EngineError> {
        let phrase = request.phrase();
        let mut line = serde_json::to_vec(request)
            .map_err(|error| EngineError::Refused { request: phrase, reason: error.to_string() })?;
        line.push(b'\n');
        if self.input.write_all(&line).is_err() {
            return Err(self.post_mortem(phrase));
        }
        match self.receive(phrase)? {
            Reply::Refused(reason) => Err(EngineError::Refused { request: phrase, reason }),
            reply => Ok(reply),
        }
    }

    /// Waits for a reply that is not a beat.
    fn receive(&mut self, request: &'static str) -> Result<Reply, EngineError> {
        let deadline = Instant::now() + self.limits.answer;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match self.replies.recv_timeout(self.limits.silence.min(left)) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => return Err(self.post_mortem(request)),
                Err(RecvTimeoutError::Timeout) => return Err(self.late(request, deadline)),
            };
            match serde_json::from_slice(&line) {
                Ok(Reply::Beat { permille }) => self.beat(request, permille, deadline)?,
                Ok(reply) => return Ok(reply),
                Err(_) => return Err(self.garbled(request, &line)),
            }
        }
    }

    fn beat(&mut self, request: &'static str, permille: u64, deadline: Instant) -> Result<(), EngineError> {
        if (self.watch)(permille).is_break() {
            self.stop();
            return Err(EngineError::Interrupted { request });
        }
        if Instant::now() >= deadline { Err(self.late(request, deadline)) } else { Ok(()) }
    }

    fn late(&mut self, request: &'static str, deadline: Instant) -> EngineError {
        self.stop();
        if Instant::now() >= deadline {
            EngineError::TimedOut { request, limit: self.limits.answer }
        } else {
            EngineError::Silent { request, limit: self.limits.silence }
        }
    }

    fn garbled(&mut self, request: &'static str, line: &[u8]) -> EngineError {
        self.stop();
        let text = String::from_utf8_lossy(line);
        EngineError::Garbled { request, line: text.chars().filter(|c| !c.is_control()).take(80).collect() }
    }

    fn stop(&mut self) {
        // Fails only where the child has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Why the child closed its pipe.
    fn post_mortem(&mut self, request: &'static str) -> EngineError {
        let status = wait_briefly(&mut self.child);
        self.stop();
        let last_words = self.last_words();
        match status {
            None => EngineError::Silent { request, limit: GRACE },
            Some(status) => death(request, status, last_words),
        }
    }

    /// The last line of the log once its reader had time to see the end.
    fn last_words(&self) -> String {
        std::thread::sleep(Duration::from_millis(50));
        self.log().into_iter().rev().find(|line| !line.trim().is_empty()).unwrap_or_default()
    }
}

impl Drop for ChildEngine {
    fn drop(&mut self) {
        self.stop();
    }
}

macro_rules! ask {
    ($engine:ident, $request:expr, $reply:path) => {{
        let request = $request;
        match $engine.ask(&request)? {
            $reply(answer) => Ok(answer),
            other => Err($engine.garbled(request.phrase(), format!("{other:?}").as_bytes())),
        }
    }};
}

impl Engine for ChildEngine {
    fn load(&mut self, request: &LoadRequest) -> Result<Loaded, EngineError> {
        ask!(self, Request::Load(request.clone()), Reply::Loaded)
    }

    fn open(&mut self, request: &OpenRequest) -> Result<Opened, EngineError> {
        ask!(self, Request::Open(request.clone()), Reply::Opened)
    }

    fn prefill(&mut self, cell: &PrefillCell) -> Result<Timed, EngineError> {
        ask!(self, Request::Prefill(*cell), Reply::Timed)
    }

    fn decode(&mut self, cell: &DecodeCell) -> Result<Timed, EngineError> {
        ask!(self, Request::Decode(*cell), Reply::Timed)
    }

    fn multiply(&mut self, cell: &ProductCell) -> Result<Products, EngineError> {
        ask!(self, Request::Multiply(cell.clone()), Reply::Products)
    }

    fn devices(&mut self) -> Result<Vec<Device>, EngineError> {
        ask!(self, Request::Devices, Reply::Devices)
    }

    fn generate(&mut self, request: &GenerateRequest) -> Result<Generated, EngineError> {
        ask!(self, Request::Generate(request.clone()), Reply::Generated)
    }
}

/// Starts the program in a process group of its own, so that an interrupt at the terminal reaches
/// the parent only, which then decides what to keep.
fn start(command: ChildCommand) -> std::io::Result<Child> {
    let mut process = Command::new(&command.program);
    process.args(&command.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    {
        use command_fds::{CommandFdExt, FdMapping};
        std::os::unix::process::CommandExt::process_group(&mut process, 0);
        let mappings = command
            .descriptors
            .into_iter()
            .map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd })
            .collect();
        process.fd_mappings(mappings).map_err(std::io::Error::other)?;
    }
    process.spawn()
}

/// Reads lines on a thread of its own; the channel closes when the child closes its pipe.
fn read_replies(output: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = sync_channel(64);
    std::thread::spawn(move || forward_lines(BufReader::new(output), &sender));
    receiver
}

fn forward_lines(mut output: impl BufRead, sender: &SyncSender<Vec<u8>>) {
    loop {
        let mut line = Vec::new();
        match output.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) if sender.send(line).is_err() => return,
            Ok(_) => {}
        }
    }
}

fn keep_log(errors: impl Read + Send + 'static, log: Arc<Mutex<VecDeque<String>>>) {
    std::thread::spawn(move || {
        let mut errors = BufReader::new(errors);
        loop {
            let mut line = Vec::new();
            match errors.by_ref().take(LOG_LINE_LIMIT).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => remember(&log, &line),
            }
        }
    });
}

fn remember(log: &Mutex<VecDeque<String>>, line: &[u8]) {
    let text = String::from_utf8_lossy(line).chars().filter(|c| !c.is_control()).collect();
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    if log.len() == LOG_LINES {
        log.pop_front();
    }
    log.push_back(text);
}

fn wait_briefly(child: &mut Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

fn death(request: &'static str, status: ExitStatus, last_words: String) -> EngineError {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        const SIGABRT: i32 = 6;
        return match signal {
            SIGABRT => EngineError::Aborted { request, last_words },
            _ => EngineError::Killed { request, signal },
        };
    }
    EngineError::Exited { request, code: status.code().unwrap_or(-1), last_words }
}
