//! Plain tables: columns as wide as their widest cell.

use std::io::Write;

use jiff::Timestamp;
use terminal_size::{Width, terminal_size};

/// Columns of a terminal that does not say how many it has, and of what is no terminal.
const USUAL: usize = 100;
/// What a wrapped column has at least, however narrow the terminal.
const NARROWEST: usize = 20;
const GAP: &str = "  ";

/// Prints rows under a header, two spaces between the columns.
pub fn print(header: &[&str], rows: &[Vec<String>]) {
    say(&render(header, rows, usize::MAX));
}

/// [`print()`], with the last column's text going on below itself where it would be wider than the terminal.
pub fn print_wrapped(header: &[&str], rows: &[Vec<String>]) {
    let columns = terminal_size().map_or(USUAL, |(Width(columns), _)| usize::from(columns).min(USUAL));
    say(&render(header, rows, columns));
}

/// A time in a table, UTC: `2025-11-24T12:00:03Z`.
pub fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Writes to stdout. A reader that has gone away, such as `head`, is no error.
pub fn say(text: &str) {
    let _ = anstream::stdout().write_all(text.as_bytes());
}

fn render(header: &[&str], rows: &[Vec<String>], columns: usize) -> String {
    let Some(last) = header.len().checked_sub(1) else { return String::new() };
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let before: usize = widths[..last].iter().map(|width| width + GAP.len()).sum();
    let room = columns.saturating_sub(before).max(NARROWEST);
    let line = |cells: &[&str]| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join(GAP).trim_end())
    };
    let mut text = line(header);
    for row in rows {
        let mut cells: Vec<&str> = row.iter().map(String::as_str).collect();
        let parts = wrap(&row[last], room);
        for part in parts {
            cells[last] = part;
            text += &line(&cells);
            cells.fill("");
        }
    }
    text
}

/// The text in pieces of at most so many characters, between words; a longer word stays whole.
fn wrap(text: &str, room: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.chars().count() > room {
        // A space may be the first that has no room.
        let end = rest.char_indices().nth(room + 1).map_or(rest.len(), |(at, _)| at);
        let Some(space) = rest[..end].rfind(' ').or_else(|| rest.find(' ')) else { break };
        pieces.push(&rest[..space]);
        rest = rest[space..].trim_start();
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::render;

    fn rows(cells: [[&str; 2]; 2]) -> Vec<Vec<String>> {
        cells.into_iter().map(|row| row.into_iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn columns_stand_below_each_other() {
        let text = render(&["HOST", "STATE"], &rows([["web-1", "running"], ["h", ""]]), usize::MAX);
        assert_eq!(text, "HOST   STATE\nweb-1  running\nh\n");
    }

    #[test]
    fn a_last_column_that_is_too_wide_goes_on_below_itself() {
        let long = "Put the project's current state on its hosts";
        let text = render(&["RECIPE", ""], &rows([["deploy", long], ["x", "a-word-that-is-longer-than-the-room"]]), 30);
        assert_eq!(
            text,
            "RECIPE\ndeploy  Put the project's\n        current state on its\n        hosts\n\
             x       a-word-that-is-longer-than-the-room\n"
        );
    }
}
