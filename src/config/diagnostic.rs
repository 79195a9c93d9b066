//! A mistake in a file, with its place.

use std::path::PathBuf;

use serde_json::{Value, json};

/// What is wrong, where, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// As the user would write it: relative to the project directory where it is inside.
    pub file: PathBuf,
    /// The whole text of the file, for the excerpt; empty when there is none.
    pub source: String,
    /// Where in the text, in bytes; `None` when only the file is known.
    pub span: Option<std::ops::Range<usize>>,
    pub message: String,
    pub help: Option<String>,
}

impl Diagnostic {
    /// File, line and column (from 1), message and help.
    pub fn to_json(&self) -> Value {
        json!({ "file": self.file, "message": self.message, "help": self.help })
    }
}

/// Shows them on stderr: file, line, excerpt with a caret, help.
pub fn print(diagnostics: &[Diagnostic]) {
    let _ = diagnostics;
    todo!()
}
