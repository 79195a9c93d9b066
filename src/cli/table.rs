//! Results on stdout: plain tables, columns as wide as their widest cell.

use std::io::Write;

use jiff::Timestamp;

/// Prints rows under a header, two spaces between the columns.
pub fn print(header: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut text = line(&header.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
    for row in rows {
        text.push('\n');
        text.push_str(&line(row));
    }
    say(&text);
}

/// A time in a table, UTC: `2025-11-24T12:00:03Z`.
pub fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Writes lines to stdout. A reader that has gone away, such as `head`, is no error.
pub fn say(text: &str) {
    let _ = writeln!(anstream::stdout(), "{text}");
}
