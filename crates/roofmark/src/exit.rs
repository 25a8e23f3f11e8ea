//! Exit codes and how an error is shown. The codes are documented in docs/exit-codes.md.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Did what was asked.
    Success,
    /// Worked, and the answer is "no": an impossible claim was found, a machine does not fit.
    Negative,
    /// Failed: bad input, missing file, no success in a run.
    Failure,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Negative => 3,
        })
    }
}

/// Prints `error` with its causes to standard error. Arguments that do not parse exit with 2 (clap's).
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    Exit::Failure.into()
}
