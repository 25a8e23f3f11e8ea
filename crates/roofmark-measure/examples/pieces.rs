//! Measures single pieces of the probe on request, for `benches/probe.sh`: a line `read 2 0.2` (what, threads,
//! seconds) on standard input is answered by the best and the median rate of that burst, in GB/s or GFLOP/s.

use roofmark_facts::probe_record::{Number, Operation};
use roofmark_measure::{probe::pieces::Pieces, state};
use std::io::{BufRead, Error, Result, Write, stdin, stdout};
use std::path::Path;
use std::time::Duration;

fn main() -> Result<()> {
    let host = state::host(Path::new("/"));
    let mut pieces = Pieces::new(&host, host.cpus)?;
    for line in stdin().lock().lines() {
        let line = line?;
        let (best, median) = answer(&mut pieces, &line)
            .ok_or_else(|| Error::other(format!("cannot measure `{line}`: expected `read 2 0.2`")))?;
        writeln!(stdout(), "{best} {median}")?;
        stdout().flush()?;
    }
    Ok(())
}

fn answer(pieces: &mut Pieces, line: &str) -> Option<(f64, f64)> {
    let mut words = line.split_whitespace();
    let what = words.next()?;
    let threads = words.next()?.parse().ok()?;
    let time = Duration::try_from_secs_f64(words.next()?.parse().ok()?).ok()?;
    if let Some(operation) = Operation::ALL.into_iter().find(|operation| operation.name() == what) {
        let row = pieces.memory(operation, threads, time);
        return Some((row.best.gb(), row.median.gb()));
    }
    let number = [Number::F32, Number::Int8].into_iter().find(|number| number.name() == what)?;
    let row = pieces.product(number, threads, time)?;
    Some((row.best.tera() * 1e3, row.median.tera() * 1e3))
}
