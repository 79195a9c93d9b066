//! Rows of docs/reliability.md, as they were measured.

use std::{env, fs::OpenOptions, io::Write as _};

/// Appends a row to the file that `FAULTS_ROWS` names; prints it where there is none.
pub fn row(section: &str, cells: &[&str]) {
    let line = format!("{section}\t| {} |\n", cells.join(" | "));
    match env::var_os("FAULTS_ROWS") {
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            file.and_then(|mut file| file.write_all(line.as_bytes())).expect("a writable file of rows");
        }
        None => print!("{line}"),
    }
}
