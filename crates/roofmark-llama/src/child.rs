//! The two ends of the engine's process: how the parent starts it, and what it does.

use crate::{Llama, process, sandbox};
use roofmark_measure::engine::child::{ChildCommand, ChildEngine, Limits};
use roofmark_measure::engine::serve::{Progress, serve};
use roofmark_measure::engine::{EngineError, ModelSource};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The hidden command of the program that calls [`child_main`] with the folders that follow it.
pub const CHILD_COMMAND: &str = "__engine";

/// Starts this program again as an engine that may read `model`.
///
/// # Errors
/// When the program cannot be started.
pub fn spawn(model: &ModelSource, descriptors: Descriptors) -> Result<ChildEngine, EngineError> {
    let program = std::env::current_exe()
        .map_err(|source| EngineError::Spawn { program: "roofmark".to_owned(), source })?;
    ChildEngine::spawn(command(program, model, descriptors))
}

/// Starts this program again as an engine that may read no model: for products.
///
/// # Errors
/// When the program cannot be started.
pub fn spawn_without_model() -> Result<ChildEngine, EngineError> {
    let program = std::env::current_exe()
        .map_err(|source| EngineError::Spawn { program: "roofmark".to_owned(), source })?;
    ChildEngine::spawn(command_reading(program, Vec::new(), Descriptors::default()))
}

/// Open files to pass on, each with its number in the child (3 or above).
#[cfg(unix)]
pub type Descriptors = Vec<(std::os::fd::OwnedFd, i32)>;

/// Nothing: this system passes no descriptors.
#[cfg(not(unix))]
pub type Descriptors = ();

/// The command that starts `program` as an engine that may read `model`.
#[must_use]
pub fn command(program: PathBuf, model: &ModelSource, descriptors: Descriptors) -> ChildCommand {
    command_reading(program, folders(model), descriptors)
}

fn command_reading(program: PathBuf, readable: Vec<PathBuf>, descriptors: Descriptors) -> ChildCommand {
    let mut arguments = vec![OsString::from(CHILD_COMMAND)];
    arguments.extend(readable.into_iter().chain(program_folder(&program)).map(OsString::from));
    #[cfg(not(unix))]
    let () = descriptors;
    ChildCommand {
        program,
        arguments,
        #[cfg(unix)]
        descriptors,
        limits: Limits::default(),
    }
}

/// The folder of the model file, and of the file that it links to: the parts of a split model lie there.
/// An inherited file is named by its descriptor.
fn folders(model: &ModelSource) -> Vec<PathBuf> {
    let path = match model {
        ModelSource::File(path) => path,
        ModelSource::Descriptor(number) => return vec![PathBuf::from(format!("/dev/fd/{number}"))],
    };
    let absolute = std::path::absolute(path).ok();
    let real = path.canonicalize().ok();
    let parents = [absolute, real].into_iter().flatten().filter_map(|path| path.parent().map(Path::to_owned));
    parents.collect()
}

/// Kernel libraries of an archive lie beside the program.
fn program_folder(program: &Path) -> Option<PathBuf> {
    cfg!(feature = "dynamic-backends").then(|| program.parent().map(Path::to_owned)).flatten()
}

/// Runs the engine: confines this process to `readable`, then answers requests until the parent hangs up.
///
/// # Errors
/// When a pipe to the parent fails or llama.cpp does not start.
pub fn child_main(readable: &[PathBuf]) -> std::io::Result<()> {
    process::behave();
    let output = take_stdout()?;
    let note = sandbox::confine(readable);
    let progress = Progress::default();
    let mut engine = Llama::start(progress.clone(), note).map_err(std::io::Error::other)?;
    serve(&mut engine, &progress, std::io::stdin().lock(), output)
}

/// Takes standard output for the protocol and lets everything else that prints there go to the log.
#[cfg(unix)]
fn take_stdout() -> std::io::Result<std::fs::File> {
    use std::os::fd::AsFd;
    let output = std::io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(std::io::stderr())?;
    Ok(output.into())
}

/// Standard output as it is: this system cannot redirect it.
#[cfg(not(unix))]
fn take_stdout() -> std::io::Result<std::io::Stdout> {
    Ok(std::io::stdout())
}
