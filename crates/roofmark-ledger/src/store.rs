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
    /// Taken when the store is closed.
    connection: Option<AnyConnection>,
    place: Place,
    /// Longest time of one call, waiting for a lock included.
    patience: Duration,
}

/// A closed SQLite file holds everything in one file again.
impl Drop for Store {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            let _ = self
                .runtime
                .block_on(async { tokio::time::timeout(self.patience, connection.close()).await });
        }
    }
}

fn closed(place: &Place) -> Error {
    refused(place, "it is closed")
}

impl Store {
    /// Connects. Of SQLite the file is made when absent, in write-ahead mode.
    pub fn connect(place: Place, durable: bool, patience: Duration) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| refused(&place, &error.to_string()))?;
        let address = place.address();
        let connection = run(&runtime, &place, patience, async {
            let mut connection = AnyConnection::connect(&address).await?;
            for statement in place.set_up(durable, patience) {
                set_up(&mut connection, &statement).await?;
            }
            Ok(connection)
        })?;
        Ok(Self { runtime, connection: Some(connection), place, patience })
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
        self.read(async |connection| {
            let mut transaction = connection.begin().await?;
            match work(&mut transaction).await {
                Ok(done) => transaction.commit().await.map(|()| done).map_err(Failure::from),
                // A transaction that is only dropped ends with the next call, and holds its locks until then.
                Err(failure) => transaction.rollback().await.map_err(Failure::from).and(Err(failure)),
            }
        })
    }

    /// The same for changes of the schema, which nobody else may run beside.
    pub fn alone<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let begin = self.place.begin_alone();
        self.read(async |connection| {
            for statement in begin {
                sqlx::query(*statement).execute(&mut *connection).await?;
            }
            let done = work(connection).await;
            let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
            let ended = sqlx::query(end).execute(&mut *connection).await;
            let done = done?;
            ended?;
            Ok(done)
        })
    }

    /// Runs `work` outside a transaction: for reading. A connection whose answer did not come in time is given up.
    pub fn read<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let mut connection = self.connection.take().ok_or_else(|| closed(&self.place))?;
        let done = run(&self.runtime, &self.place, self.patience, work(&mut connection));
        if !matches!(done, Err(Error::Silent { .. })) {
            self.connection = Some(connection);
        }
        done
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
    /// The record is refused.
    Refused(Error),
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

fn run<T>(
    runtime: &tokio::runtime::Runtime,
    place: &Place,
    patience: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Error> {
    let done = runtime.block_on(async { tokio::time::timeout(patience, work).await });
    match done {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Failure::Refused(error))) => Err(error),
        Ok(Err(Failure::Database(error))) => Err(refused(place, &error.to_string())),
        Err(_) => Err(Error::Silent { place: place.shown(), seconds: patience.as_secs() }),
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

enum Value {
    Text(String),
    Number(i64),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
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
    #[expect(private_bounds, reason = "callers have texts and numbers")]
    pub fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.text.push_str(&format!("${}", self.values.len()));
        self
    }

    /// All rows of the answer.
    pub async fn all(self, connection: &mut AnyConnection) -> Result<Vec<AnyRow>, Failure> {
        let mut query = sqlx::query(sqlx::AssertSqlSafe(self.text));
        for value in self.values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Number(number) => query.bind(number),
            };
        }
        Ok(query.fetch_all(connection).await?)
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
