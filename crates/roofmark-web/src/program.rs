//! What the program lends to its page: the questions of the command line, and what it keeps.
//!
//! A question arrives as the pairs of a query string and means what the options of the command of the same
//! name mean; the answer is the record that `--json` prints. So there is one definition of each question.

use roofmark_facts::advice::{Advice, TargetAnswer};
use roofmark_facts::answer::Case;
use roofmark_facts::catalog::{Catalog, Model};
use roofmark_facts::claim::Checked;
use roofmark_facts::machine::Machine;
use roofmark_facts::units::TokensPerSecond;
use roofmark_ledger::key::{KnownKeys, PublicKey};
use roofmark_ledger::query::Point;
use roofmark_ledger::record::Record;
use roofmark_ledger::{Error as LedgerError, Ledger};
use roofmark_report::cost::Costed;
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;

/// A query string, in order.
pub type Pairs = [(String, String)];

/// Why a question is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    /// Status of the answer over HTTP.
    pub status: u16,
    /// The reason, for people.
    pub text: String,
}

impl Refused {
    /// The question cannot be understood or has no answer.
    #[must_use]
    pub fn bad(text: impl Into<String>) -> Self {
        Self { status: 400, text: text.into() }
    }

    /// There is no such thing.
    #[must_use]
    pub fn missing(text: impl Into<String>) -> Self {
        Self { status: 404, text: text.into() }
    }

    /// The server cannot answer now.
    #[must_use]
    pub fn failed(text: impl Into<String>) -> Self {
        Self { status: 503, text: text.into() }
    }
}

impl From<LedgerError> for Refused {
    fn from(error: LedgerError) -> Self {
        let status = match &error {
            LedgerError::Unknown { .. } => 404,
            LedgerError::Duplicate { .. } => 409,
            LedgerError::Malformed { .. } | LedgerError::Private { .. } => 422,
            _ => 503,
        };
        // Places of files and servers are for the log of the server, not for its readers.
        let text = if status == 503 { "reach the ledger".to_owned() } else { error.to_string() };
        Self { status, text: format!("failed to {text}") }
    }
}

/// A question that the interface answers: one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Name of the command.
    pub name: String,
    /// What it answers.
    pub about: String,
    /// Its options.
    pub parameters: Vec<Parameter>,
}

/// An option of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Name.
    pub name: String,
    /// What it means.
    pub about: String,
    /// Has to be given.
    pub required: bool,
    /// May be given several times.
    pub repeats: bool,
    /// Is on or off.
    pub flag: bool,
    /// Values that it takes, where they are few.
    pub values: Vec<String>,
    /// Value where it is left out.
    pub default: Option<String>,
}

/// Two records, workload by workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Identity of the base.
    pub base: String,
    /// Identity of the new record.
    pub new: String,
    /// Workloads that both have.
    pub rows: Vec<ComparedRow>,
}

/// One workload of two records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedRow {
    /// The workload.
    pub workload: String,
    /// Median rate of the base.
    pub before: Option<TokensPerSecond>,
    /// Median rate of the new one.
    pub after: Option<TokensPerSecond>,
    /// `improved`, `regressed`, `within noise`, `not enough data` or `void`.
    pub change: &'static str,
    /// New over old: low, middle and high of the 95 % interval.
    pub ratio: Option<[f64; 3]>,
}

/// One configuration over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// What is equal for all points.
    pub configuration: String,
    /// Rates by date.
    pub points: Vec<Point>,
    /// Where the rates moved.
    pub changes: Vec<ChangePoint>,
}

/// A move of the rates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangePoint {
    /// Rate after over rate before.
    pub ratio: f64,
    /// Probability of so large a move by chance.
    pub p: f64,
    /// Version before.
    pub from: String,
    /// Version after.
    pub to: String,
    /// Last date before.
    pub after: String,
    /// First date after.
    pub by: String,
}

/// The program around the page. All calls may block; errors are for people.
pub trait Program: Send + Sync + 'static {
    /// Name and version.
    fn tool(&self) -> &'static str;

    /// The catalog in use.
    fn catalog(&self) -> &'static Catalog;

    /// Questions that [`Self::json`] answers.
    fn operations(&self) -> Vec<Operation>;

    /// The record that the command `operation` prints with `--json`.
    ///
    /// # Errors
    /// The question is refused.
    fn json(&self, operation: &str, query: &Pairs) -> Result<Value, Refused>;

    /// The machine that `name` means.
    ///
    /// # Errors
    /// It is not in the catalog.
    fn machine(&self, name: &str) -> Result<&'static Machine, Refused>;

    /// The model that `name` means.
    ///
    /// # Errors
    /// It is not in the catalog.
    fn model(&self, name: &str) -> Result<&'static Model, Refused>;

    /// Predictions, as `roofmark predict` makes them.
    ///
    /// # Errors
    /// The question is refused.
    fn predict(&self, query: &Pairs) -> Result<Vec<Case>, Refused>;

    /// A ranking, as `roofmark advise` makes it.
    ///
    /// # Errors
    /// The question is refused.
    fn advise(&self, query: &Pairs) -> Result<Advice, Refused>;

    /// What a target takes, as `roofmark advise --target` says it.
    ///
    /// # Errors
    /// The question is refused.
    fn target(&self, query: &Pairs) -> Result<TargetAnswer, Refused>;

    /// Cost of ownership, as `roofmark cost` works it out.
    ///
    /// # Errors
    /// The question is refused.
    fn cost(&self, query: &Pairs) -> Result<Costed, Refused>;

    /// Claims of a text and their verdicts.
    ///
    /// # Errors
    /// The text cannot be read.
    fn check(&self, name: &str, text: &[u8]) -> Result<Checked, Refused>;

    /// The same verdicts as the record that `roofmark check --json` prints.
    ///
    /// # Errors
    /// They cannot be written.
    fn checked_json(&self, checked: &Checked) -> Value;

    /// Opens the ledger.
    ///
    /// # Errors
    /// It cannot be reached.
    fn open_ledger(&self) -> Result<Ledger, LedgerError>;

    /// Keys that are known by name, the own one among them.
    ///
    /// # Errors
    /// The file of keys cannot be read.
    fn known_keys(&self) -> Result<KnownKeys, Refused>;

    /// The key that signs this ledger.
    ///
    /// # Errors
    /// It cannot be read.
    fn own_key(&self) -> Result<PublicKey, Refused>;

    /// What is wrong with a record beyond its signature: statistics that do not follow, rates above the ceiling.
    fn problems(&self, record: &Record) -> Vec<String>;

    /// Two records, workload by workload.
    ///
    /// # Errors
    /// One is missing, or they have no workload in common.
    fn compare(&self, ledger: &mut Ledger, base: &str, new: &str) -> Result<Compared, Refused>;

    /// The configurations of a record, or of a filter in `query`, over time.
    ///
    /// # Errors
    /// Nothing fits.
    fn trend(&self, ledger: &mut Ledger, query: &Pairs) -> Result<Vec<Trend>, Refused>;

    /// Folder where a running bench writes its progress.
    fn live_folder(&self) -> Option<PathBuf>;
}
