//! The connection, and the only SQL there is: one text for SQLite and PostgreSQL.
//!
//! Columns are `BIGINT`, `TEXT` and `DOUBLE PRECISION`, parameters `$1`, rows that exist are kept by
//! `ON CONFLICT DO NOTHING`: both databases read these alike. Writers are put in a line by the row in
//! `head`: the first statement of an append updates it, which locks it (PostgreSQL) or the file (SQLite).

use crate::error::Error;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use sqlx::{Connection, Row};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a ledger is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file of SQLite.
    File(PathBuf),
    /// An address of PostgreSQL.
    Server(String),
}

impl Place {
    /// A `postgres://` address, or else a path (with or without `sqlite://`).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Self::Server(text.to_owned());
        }
        Self::File(text.strip_prefix("sqlite://").unwrap_or(text).into())
    }

    /// The place as it may be shown: an address without user and password.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Server(address) => {
                let (scheme, rest) = address.split_once("://").unwrap_or(("postgres", address));
                let rest = rest.split('?').next().unwrap_or(rest);
                format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host))
            }
        }
    }

    fn address(&self) -> String {
        match self {
            Self::File(path) => format!("sqlite://{}?mode=rwc", percent_encoded(path)),
            Self::Server(address) => address.clone(),
        }
    }

    /// Statement that begins a transaction which writes.
    fn begin(&self) -> &'static [&'static str] {
        match self {
            Self::File(_) => &["BEGIN IMMEDIATE"],
            Self::Server(_) => &["BEGIN"],
        }
    }

    /// Statements that begin a transaction which nobody else may run beside.
    fn begin_alone(&self) -> &'static [&'static str] {
        match self {
            Self::File(_) => &["BEGIN IMMEDIATE"],
            Self::Server(_) => &["BEGIN", "SELECT pg_advisory_xact_lock(7266631)"],
        }
    }

    /// What a new connection is told. SQLite gives up waiting for a lock before the call does, to name the reason.
    fn set_up(&self, durable: bool, patience: Duration) -> Vec<String> {
        let Self::File(_) = self else { return Vec::new() };
        let sync = if durable { "FULL" } else { "NORMAL" };
        vec![
            format!("PRAGMA busy_timeout = {}", patience.as_millis() * 2 / 3),
            "PRAGMA journal_mode = WAL".to_owned(),
            format!("PRAGMA synchronous = {sync}"),
            // 32 MiB: the indexes of a large ledger are written all over.
            "PRAGMA cache_size = -32768".to_owned(),
        ]
    }
}

/// A path as the inside of an address.
fn percent_encoded(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-~\\:".contains(&byte);
    let text = path.to_string_lossy();
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A connection with the thread that drives it.
pub struct Store {
    runtime: tokio::runtime::Runtime,
    /// Absent after a failure: a connection that failed is given up with all its locks, and the next call makes another.
    connection: Option<AnyConnection>,
    place: Place,
    durable: bool,
    /// Longest time of one call, waiting for a lock included.
    patience: Duration,
}

/// A closed SQLite file holds everything in one file again.
impl Drop for Store {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Store {
    /// Connects. Of SQLite the file is made when absent, in write-ahead mode.
    pub fn connect(place: Place, durable: bool, patience: Duration) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| refused(&place, &error.to_string()))?;
        let mut store = Self { runtime, connection: None, place, durable, patience };
        let connection = store.connected()?;
        store.connection = Some(connection);
        Ok(store)
    }

    /// The connection at hand, or a new one.
    fn connected(&mut self) -> Result<AnyConnection, Error> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let address = self.place.address();
        let connecting = async {
            let mut connection = AnyConnection::connect(&address).await?;
            for statement in self.place.set_up(self.durable, self.patience) {
                set_up(&mut connection, &statement).await?;
            }
            Ok(connection)
        };
        self.within_patience(connecting).map_err(|failure| failure.into_error(&self.place))
    }

    fn within_patience<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let done = self.runtime.block_on(async { tokio::time::timeout(self.patience, work).await });
        done.unwrap_or(Err(Failure::Silent(self.patience)))
    }

    fn give_up(&mut self) {
        if let Some(connection) = self.connection.take() {
            let closing = async { tokio::time::timeout(self.patience, connection.close()).await };
            let _ = self.runtime.block_on(closing);
        }
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Runs `work` in one transaction: all of it is kept, or nothing.
    pub fn transaction<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        self.between(self.place.begin(), work)
    }

    /// The same for changes of the schema, which nobody else may run beside.
    pub fn alone<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        self.between(self.place.begin_alone(), work)
    }

    /// The statements are written out: sqlx's transactions count on a database that never ends one by itself, as SQLite
    /// does when its disk is full, and would then take a part of the next transaction for its end.
    fn between<T>(
        &mut self,
        begin: &'static [&'static str],
        work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        self.read(async |connection| {
            for statement in begin {
                sqlx::query(*statement).execute(&mut *connection).await?;
            }
            let done = work(connection).await;
            let end = match &done {
                Ok(_) => "COMMIT",
                Err(Failure::Refused(_)) => "ROLLBACK",
                // The connection is given up, and the transaction with it.
                Err(_) => return done,
            };
            sqlx::query(end).execute(&mut *connection).await?;
            done
        })
    }

    /// Runs `work` outside a transaction: for reading.
    pub fn read<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let mut connection = self.connected()?;
        let done = self.within_patience(work(&mut connection));
        self.connection = Some(connection);
        done.map_err(|failure| {
            if !matches!(failure, Failure::Refused(_)) {
                self.give_up();
            }
            failure.into_error(&self.place)
        })
    }
}

/// Changing to write-ahead mode does not wait for locks by itself: several processes may open a new file at once.
async fn set_up(connection: &mut AnyConnection, statement: &str) -> Result<(), Failure> {
    let query = || sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()));
    for wait in [10, 40, 160, 640, 2000] {
        match query().execute(&mut *connection).await {
            Err(error) if error.to_string().contains("locked") => {
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            other => return other.map(drop).map_err(Failure::from),
        }
    }
    query().execute(connection).await?;
    Ok(())
}

/// What ends a transaction early.
pub enum Failure {
    /// The database failed.
    Database(sqlx::Error),
    /// The database did not answer in this time.
    Silent(Duration),
    /// The record is refused.
    Refused(Error),
}

impl Failure {
    fn into_error(self, place: &Place) -> Error {
        match self {
            Self::Database(error) => refused(place, &error.to_string()),
            Self::Silent(patience) => refused(place, &format!("no answer within {} s", patience.as_secs())),
            Self::Refused(error) => error,
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

fn refused(place: &Place, said: &str) -> Error {
    let hint = match said {
        _ if said.contains("locked") => "; another program holds it: try again when that has ended",
        _ if said.contains("readonly") || said.contains("unable to open") => {
            "; check that its folder exists and may be written"
        }
        _ if said.contains("full") => "; free some space",
        _ if said.contains("malformed") || said.contains("not a database") => {
            "; restore it from a copy or a bundle"
        }
        _ => "",
    };
    let said = said.trim_start_matches("error returned from database: ").replace('\n', " ");
    Error::Store { place: place.shown(), reason: format!("{said}{hint}") }
}

/// A question whose conditions are put together at run time. Values are always bound, never written into the text.
pub struct Question {
    text: String,
    values: Vec<Value>,
}

/// A value of a question.
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A whole number, or none.
    Count(Option<i64>),
    /// A rate, or none.
    Rate(Option<f64>),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl Question {
    /// Begins with `text`.
    pub fn new(text: &'static str) -> Self {
        Self { text: text.to_owned(), values: Vec::new() }
    }

    /// Adds a piece of the program's own text.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a value as the next parameter.
    pub fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.text.push_str(&format!("${}", self.values.len()));
        self
    }

    /// Adds a row of values between brackets, after a comma where it is not the first.
    pub fn row(&mut self, values: impl IntoIterator<Item = Value>) -> &mut Self {
        self.push(if self.values.is_empty() { " (" } else { ", (" });
        for (at, value) in values.into_iter().enumerate() {
            self.push(if at == 0 { "" } else { ", " }).bind(value);
        }
        self.push(")")
    }

    fn query(self) -> sqlx::query::Query<'static, sqlx::Any, sqlx::any::AnyArguments> {
        let query = sqlx::query(sqlx::AssertSqlSafe(self.text));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
            Value::Count(count) => query.bind(count),
            Value::Rate(rate) => query.bind(rate),
        })
    }

    /// All rows of the answer.
    pub async fn all(self, connection: &mut AnyConnection) -> Result<Vec<AnyRow>, Failure> {
        Ok(self.query().fetch_all(connection).await?)
    }

    /// Runs it; the number of rows that it wrote.
    pub async fn run(self, connection: &mut AnyConnection) -> Result<u64, Failure> {
        Ok(self.query().execute(connection).await?.rows_affected())
    }
}

/// Column `at` of `row`.
pub fn column<'r, T>(row: &'r AnyRow, at: usize) -> Result<T, Failure>
where
    T: sqlx::Decode<'r, sqlx::Any> + sqlx::Type<sqlx::Any>,
{
    Ok(row.try_get(at)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (given, shown) in [
            ("postgres://ann:secret@db.example:5432/runs?sslmode=require", "postgres://db.example:5432/runs"),
            ("sqlite:///data/ledger.db", "/data/ledger.db"),
            ("/data/a b?.db", "/data/a b?.db"),
        ] {
            assert_eq!(Place::parse(given).shown(), shown);
        }
        assert_eq!(Place::parse("/a b?.db").address(), "sqlite:///a%20b%3F.db?mode=rwc");
    }
}
