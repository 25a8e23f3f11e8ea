//! Rates of many records as CSV, JSON lines, Markdown or Parquet: one line a rate.

use crate::error::Error;
use crate::ledger::Ledger;
use crate::query::{Filter, Listed, filtered};
use crate::store::{Question, column};
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use sqlx::any::AnyRow;
use std::fmt::Write;
use std::sync::Arc;

/// How to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values; text that a spreadsheet would compute is quoted off.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// A table for a page.
    Markdown,
    /// Apache Parquet, uncompressed.
    Parquet,
}

/// A value of an exported line.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text; empty for unknown.
    Text(String),
    /// A count.
    Count(Option<i64>),
    /// A number.
    Number(Option<f64>),
}

/// Names of the columns, in order.
pub const COLUMNS: [&str; 22] = [
    "sequence",
    "content",
    "kind",
    "origin",
    "date",
    "machine",
    "backend",
    "engine",
    "version",
    "model",
    "quant",
    "timed",
    "prompt",
    "generated",
    "depth",
    "batch",
    "tokens_per_s",
    "low",
    "high",
    "samples",
    "void",
    "withdrawn_by",
];

const SELECT: &str = "SELECT entries.sequence, content, kind, origin, entries.date, entries.machine, entries.backend, \
    entries.engine, entries.version, entries.model, entries.quant, timed, prompt, generated, depth, batch, rate, low, \
    high, samples, void, withdrawn FROM entries JOIN cells ON cells.sequence = entries.sequence \
    JOIN configurations ON configurations.configuration = cells.configuration WHERE entries.sequence > 0";

/// Lines of every rate that `filter` lets through, in the order of the chain.
///
/// # Errors
/// The store fails.
pub fn lines(ledger: &mut Ledger, filter: &Filter, most: i64) -> Result<Vec<Vec<Value>>, Error> {
    let mut query = Question::new(SELECT);
    filtered(&mut query, filter, &[]);
    query.push(" ORDER BY entries.sequence, place LIMIT ").bind(most);
    ledger.store().read(async |connection| {
        let rows = query.all(connection).await?;
        rows.iter().map(|row| (0..COLUMNS.len()).map(|at| value(row, at)).collect()).collect()
    })
}

fn value(row: &AnyRow, at: usize) -> Result<Value, crate::store::Failure> {
    Ok(match at {
        1..=11 => Value::Text(column(row, at)?),
        16..=18 => Value::Number(column(row, at)?),
        _ => Value::Count(column(row, at)?),
    })
}

/// The bytes of a file.
///
/// # Errors
/// The Parquet writer refuses a value.
pub fn write(format: Format, lines: &[Vec<Value>]) -> Result<Vec<u8>, Error> {
    match format {
        Format::Csv => csv(lines),
        Format::Jsonl => Ok(jsonl(lines).into_bytes()),
        Format::Markdown => Ok(markdown(lines).into_bytes()),
        Format::Parquet => {
            parquet(lines).map_err(|error| Error::malformed("the lines for Parquet", error.to_string()))
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Count(count) => count.map(|count| count.to_string()).unwrap_or_default(),
        Value::Number(number) => number.map(|number| number.to_string()).unwrap_or_default(),
    }
}

/// A spreadsheet computes a cell that begins with one of these: a quote before it makes it text.
fn inert(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{text}") } else { text }
}

fn csv(lines: &[Vec<Value>]) -> Result<Vec<u8>, Error> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let failed = |error: ::csv::Error| Error::malformed("the lines for CSV", error.to_string());
    writer.write_record(COLUMNS).map_err(failed)?;
    for line in lines {
        let cells = line.iter().map(|value| match value {
            Value::Text(text) => inert(text.clone()),
            value => plain(value),
        });
        writer.write_record(cells).map_err(failed)?;
    }
    writer.into_inner().map_err(|error| Error::malformed("the lines for CSV", error.to_string()))
}

fn jsonl(lines: &[Vec<Value>]) -> String {
    lines.iter().map(|line| json(line).to_string() + "\n").collect()
}

/// One line as a JSON object.
#[must_use]
pub fn json(line: &[Value]) -> serde_json::Value {
    let value = |value: &Value| -> serde_json::Value {
        match value {
            Value::Text(text) => text.clone().into(),
            Value::Count(count) => (*count).into(),
            Value::Number(number) => (*number).into(),
        }
    };
    COLUMNS.iter().zip(line).map(|(name, cell)| ((*name).to_owned(), value(cell))).collect()
}

fn markdown(lines: &[Vec<Value>]) -> String {
    const SHOWN: [usize; 11] = [1, 4, 5, 7, 8, 9, 10, 11, 14, 15, 16];
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut page = row(SHOWN.map(|at| COLUMNS[at].to_owned()).to_vec());
    let _ = writeln!(page, "|{}", "---|".repeat(SHOWN.len()));
    for line in lines {
        page += &row(SHOWN.map(|at| markdown_cell(at, &line[at])).to_vec());
    }
    page
}

fn markdown_cell(at: usize, value: &Value) -> String {
    match value {
        Value::Text(text) if at == 1 => text.chars().take(12).collect(),
        Value::Number(Some(number)) => roofmark_facts::units::significant(*number, 4),
        value => {
            let text = plain(value).replace('\\', "\\\\").replace('|', "\\|").replace('`', "\\`");
            text.replace('<', "&lt;").replace('[', "\\[")
        }
    }
}

/// Every column of texts is required, every number may be null.
fn parquet(lines: &[Vec<Value>]) -> parquet::errors::Result<Vec<u8>> {
    let fields = COLUMNS.iter().enumerate().map(|(at, name)| {
        let (physical, logical) = match at {
            1..=11 => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            16..=18 => (Physical::DOUBLE, None),
            _ => (Physical::INT64, None),
        };
        let repetition = if matches!(at, 1..=11) { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        let builder = Type::primitive_type_builder(name, physical).with_repetition(repetition);
        builder.with_logical_type(logical).build().map(Arc::new)
    });
    let schema = Type::group_type_builder("rates").with_fields(fields.collect::<Result<_, _>>()?).build()?;
    let properties = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED).build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for at in 0..COLUMNS.len() {
        let Some(mut column) = group.next_column()? else { break };
        let values = lines.iter().map(|line| &line[at]);
        match at {
            1..=11 => {
                let texts: Vec<ByteArray> =
                    values.map(|value| ByteArray::from(plain(value).into_bytes())).collect();
                column.typed::<ByteArrayType>().write_batch(&texts, None, None)?;
            }
            16..=18 => {
                let numbers =
                    values.map(|value| if let Value::Number(number) = value { *number } else { None });
                let (levels, present) = optional(numbers);
                column.typed::<DoubleType>().write_batch(&present, Some(&levels), None)?;
            }
            _ => {
                let counts = values.map(|value| if let Value::Count(count) = value { *count } else { None });
                let (levels, present) = optional(counts);
                column.typed::<Int64Type>().write_batch(&present, Some(&levels), None)?;
            }
        }
        column.close()?;
    }
    group.close()?;
    writer.close()?;
    Ok(bytes)
}

/// Definition levels (1 present, 0 null) and the values that are present.
fn optional<T>(values: impl Iterator<Item = Option<T>>) -> (Vec<i16>, Vec<T>) {
    let values: Vec<Option<T>> = values.collect();
    let levels = values.iter().map(|value| i16::from(value.is_some())).collect();
    (levels, values.into_iter().flatten().collect())
}

/// Names of a listed record, for a sentence: what was measured first.
#[must_use]
pub fn title(listed: &Listed) -> String {
    [&listed.model, &listed.quant, &listed.machine, &listed.engine, &listed.version]
        .into_iter()
        .filter(|text| !text.is_empty())
        .cloned()
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(machine: &str) -> Vec<Value> {
        let value = |at| match at {
            5 => Value::Text(machine.to_owned()),
            1..=11 => Value::Text("x".into()),
            16 => Value::Number(Some(12.5)),
            17..=18 => Value::Number(None),
            _ => Value::Count((at == 0).then_some(7)),
        };
        (0..COLUMNS.len()).map(value).collect()
    }

    #[test]
    fn a_spreadsheet_finds_no_formula() {
        for formula in ["=cmd|' /C calc'!A0", "+1", "-2+3", "@SUM(A1)"] {
            let text = String::from_utf8(write(Format::Csv, &[line(formula)]).unwrap()).unwrap();
            let mut reader = ::csv::Reader::from_reader(text.as_bytes());
            assert_eq!(
                reader.records().next().unwrap().unwrap().get(5),
                Some(format!("'{formula}").as_str())
            );
        }
    }

    #[test]
    fn markdown_shows_markup_as_text() {
        let page = String::from_utf8(write(Format::Markdown, &[line("<script>|[x](y)")]).unwrap()).unwrap();
        assert!(page.contains(r"&lt;script>\|\[x](y)"), "{page}");
    }

    #[test]
    fn parquet_reads_back() {
        use parquet::file::reader::{FileReader, SerializedFileReader};
        let file = write(Format::Parquet, &[line("a"), line("b")]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rates.parquet");
        std::fs::write(&path, &file).unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
        let rows: Vec<String> =
            reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(rows.len(), 2);
        assert!(rows[1].contains("machine: \"b\"") && rows[1].contains("tokens_per_s: 12.5"), "{}", rows[1]);
        assert!(rows[1].contains("low: null"), "{}", rows[1]);
    }
}
