//! Exit codes and how an error is shown. The codes are documented in docs/exit-codes.md.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Did what was asked.
    Success,
    /// Worked, and the answer is "no": an impossible claim was found, a machine does not fit.
    Negative,
    /// Stopped by Ctrl-C; what was measured before is printed.
    Interrupted,
    /// Failed: bad input, missing file, no success in a run.
    Failure,
}

impl Exit {
    /// The number that the shell sees.
    pub fn code(self) -> i32 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Negative => 3,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code() as u8)
    }
}

/// Prints `error` with its causes to standard error. Arguments that do not parse exit with 2 (clap's).
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    Exit::Failure.into()
}
