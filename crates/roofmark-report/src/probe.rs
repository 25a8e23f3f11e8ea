//! What a probe found, as one screen.

use crate::lines::{labelled, table};
use roofmark_facts::probe_record::{Operation, ProbeRecord};
use roofmark_facts::units::significant;

/// Columns of a label on the left.
const LABEL: usize = 10;

/// The record as a screen.
#[must_use]
pub fn screen(record: &ProbeRecord) -> String {
    let mut text = labelled("machine", &record.machine.cpu, LABEL);
    text += "\n";
    text += &bandwidth(record);
    text
}

fn bandwidth(record: &ProbeRecord) -> String {
    let head = ["memory GB/s", "threads", "best", "median"].map(str::to_owned);
    let row = |operation: Operation| {
        record.memory.rows.iter().filter(move |row| row.operation == operation).map(move |row| {
            [
                operation.name().to_owned(),
                row.threads.to_string(),
                significant(row.best.gb(), 3),
                significant(row.median.gb(), 3),
            ]
        })
    };
    let rows: Vec<[String; 4]> =
        std::iter::once(head).chain(Operation::ALL.into_iter().flat_map(row)).collect();
    table(&rows, &[1, 2, 3])
}
