//! Plain tables: columns as wide as their widest cell.

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
    println!("{}", line(&header.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>()));
    for row in rows {
        println!("{}", line(row));
    }
}
