//! Lines and tables of at most 80 columns.

use textwrap::{Options, WordSplitter};

/// Columns of a screen.
const WIDTH: usize = 80;

/// A label and a text that wraps under itself from column `indent`, ending in a newline.
#[must_use]
pub fn labelled(label: &str, text: &str, indent: usize) -> String {
    let start = format!("{label:<indent$}");
    let hanging = " ".repeat(indent);
    let options = Options::new(WIDTH)
        .initial_indent(&start)
        .subsequent_indent(&hanging)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(text, options).trim_end().to_owned() + "\n"
}

/// Columns padded to their widest cell, two blanks apart; `right` lists those aligned to the right.
#[must_use]
pub fn table<const N: usize>(rows: &[[String; N]], right: &[usize]) -> String {
    let widths: Vec<usize> =
        (0..N).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            if right.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
