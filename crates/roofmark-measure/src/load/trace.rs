//! Recorded traces: Mooncake (JSON lines), BurstGPT and Azure (CSV).

use super::LoadError;

/// Tokens of a block of Mooncake's traces.
pub const BLOCK_TOKENS: u32 = 512;
/// Most blocks of a prompt.
const BLOCKS_CAP: usize = 1 << 16;

/// One request of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceRow {
    /// Seconds after the first request.
    pub at: f64,
    /// Prompt tokens.
    pub input: u32,
    /// Output tokens.
    pub output: u32,
    /// Numbers of the prompt's blocks of [`BLOCK_TOKENS`]: prompts that begin with the same numbers begin alike. Empty
    /// where the trace does not say.
    pub blocks: Vec<u64>,
}

/// How a line of one form becomes a row.
type Parse<'a> = dyn Fn(&str) -> Option<TraceRow> + 'a;

/// Reads a trace, whose form shows in its first line; returns the form's name too.
/// Rows without output (failed requests in BurstGPT) are left out.
pub fn read(text: &str) -> Result<(&'static str, Vec<TraceRow>), LoadError> {
    let first = text.lines().next().unwrap_or_default().trim_start_matches('\u{feff}').to_ascii_lowercase();
    let columns = burst(&first);
    let (form, parse): (_, &Parse<'_>) = if first.starts_with('{') {
        ("mooncake", &mooncake)
    } else if first.contains("contexttokens") {
        ("azure", &azure)
    } else if let Some(columns) = columns {
        ("burstgpt", &move |line: &str| burst_row(line, columns))
    } else {
        let reason = "neither Mooncake, BurstGPT nor Azure".to_owned();
        return Err(LoadError::Trace { form: "unknown", line: 1, reason });
    };
    let header = usize::from(form != "mooncake");
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate().skip(header).filter(|(_, line)| !line.trim().is_empty()) {
        let bad = || LoadError::Trace {
            form,
            line: number + 1,
            reason: format!("`{}`", line.chars().take(60).collect::<String>()),
        };
        let row = parse(line).filter(|row| row.at.is_finite()).ok_or_else(bad)?;
        if row.output > 0 && row.input > 0 {
            rows.push(row);
        }
    }
    rows.sort_by(|left, right| left.at.total_cmp(&right.at));
    let start = rows.first().map_or(0.0, |row| row.at);
    rows.iter_mut().for_each(|row| row.at -= start);
    Ok((form, rows))
}

fn mooncake(line: &str) -> Option<TraceRow> {
    let row: serde_json::Value = serde_json::from_str(line).ok()?;
    let number = |name: &str| row.get(name)?.as_u64().and_then(|value| u32::try_from(value).ok());
    let blocks: Vec<u64> = match row.get("hash_ids") {
        None | Some(serde_json::Value::Null) => Vec::new(),
        Some(ids) => ids.as_array()?.iter().map(serde_json::Value::as_u64).collect::<Option<_>>()?,
    };
    if blocks.len() > BLOCKS_CAP {
        return None;
    }
    Some(TraceRow {
        at: row.get("timestamp")?.as_f64()? / 1e3,
        input: number("input_length")?,
        output: number("output_length")?,
        blocks,
    })
}

/// Columns by their names: the releases with sessions have two more.
fn burst(header: &str) -> Option<[usize; 3]> {
    let names: Vec<&str> = header.split(',').map(str::trim).collect();
    let place = |wanted: &str| names.iter().position(|name| *name == wanted);
    Some([place("timestamp")?, place("request tokens")?, place("response tokens")?])
}

fn burst_row(line: &str, [at, input, output]: [usize; 3]) -> Option<TraceRow> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    Some(TraceRow {
        at: cells.get(at)?.parse().ok()?,
        input: whole(cells.get(input)?)?,
        output: whole(cells.get(output)?)?,
        blocks: Vec::new(),
    })
}

/// A count, which some releases write as `472.0`.
fn whole(text: &str) -> Option<u32> {
    let value: f64 = text.parse().ok()?;
    (value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)).then_some(value as u32)
}

fn azure(line: &str) -> Option<TraceRow> {
    let mut cells = line.split(',').map(str::trim);
    Some(TraceRow {
        at: date_seconds(cells.next()?)?,
        input: cells.next()?.parse().ok()?,
        output: cells.next()?.parse().ok()?,
        blocks: Vec::new(),
    })
}

/// Seconds of `2023-11-16 18:17:03.979`, counted from any fixed day.
fn date_seconds(text: &str) -> Option<f64> {
    let (date, time) = text.split_once([' ', 'T'])?;
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let time = time.split(['+', 'Z']).next()?;
    let mut time = time.split(':').map(|part| part.parse::<f64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    // Days by the civil calendar, years beginning in March.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day;
    Some(days as f64 * 86_400.0 + hour * 3600.0 + minute * 60.0 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, form: &str, expected: &[(f64, u32, u32)]) {
        let (found, rows) = read(text).unwrap();
        assert_eq!(found, form);
        let rows: Vec<_> =
            rows.iter().map(|row| ((row.at * 1e3).round() / 1e3, row.input, row.output)).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn three_forms() {
        check(
            "{\"timestamp\": 1000, \"input_length\": 6758, \"output_length\": 500, \"hash_ids\": [0]}\n{\"timestamp\": 4000, \"input_length\": 7, \"output_length\": 5}\n",
            "mooncake",
            &[(0.0, 6758, 500), (3.0, 7, 5)],
        );
        check(
            "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,Conversation log\n45,ChatGPT,10,0,10,x\n50,ChatGPT,1,2,3,x\n",
            "burstgpt",
            &[(0.0, 472, 18), (45.0, 1, 2)],
        );
        check(
            "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n5.0,a,3.1,GPT-4,472.0,18.0,490.0,API log\n",
            "burstgpt",
            &[(0.0, 472, 18)],
        );
        check(
            "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2024-05-10 00:00:00.009930+00:00,2162,5\r\n2024-05-10 00:00:00.519930+00:00,2399,6\r\n",
            "azure",
            &[(0.0, 2162, 5), (0.51, 2399, 6)],
        );
        check(
            "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-02-29 23:59:59.5000000,374,44\n2024-03-01 00:00:01.0,9,8\n",
            "azure",
            &[(0.0, 374, 44), (1.5, 9, 8)],
        );
    }

    #[test]
    fn blocks_are_read() {
        let line = |ids: &str| format!("{{\"timestamp\":0,\"input_length\":9,\"output_length\":5{ids}}}\n");
        let blocks = |ids: &str| read(&line(ids)).map(|(_, rows)| rows[0].blocks.clone());
        assert_eq!(blocks(",\"hash_ids\":[46,47]").unwrap(), [46, 47]);
        assert_eq!((blocks("").unwrap(), blocks(",\"hash_ids\":[]").unwrap()), (vec![], vec![]));
        assert!(blocks(",\"hash_ids\":[-1]").is_err() && blocks(",\"hash_ids\":7").is_err());
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = read("TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,2\n").unwrap_err();
        assert_eq!(error.to_string(), "failed to read line 2 of the azure trace: `yesterday,1,2`");
        assert!(read("a,b\n").is_err());
    }
}
