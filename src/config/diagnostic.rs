//! A mistake in a file, with its place.

use std::{ops::Range, path::PathBuf};

use serde_json::{Value, json};

use super::render::{self, Severity};

/// What is wrong, where, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// As the user would write it: relative to the project directory where it is inside.
    pub file: PathBuf,
    /// The whole text of the file, for the excerpt; empty when there is none.
    pub source: String,
    /// Where in the text, in bytes; `None` when only the file is known.
    pub span: Option<Range<usize>>,
    pub message: String,
    pub help: Option<String>,
}

/// Where a span begins: line and column from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub line: usize,
    pub column: usize,
}

impl Diagnostic {
    /// A mistake of which only the file is known.
    pub(super) fn of_file(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self { file: file.into(), source: String::new(), span: None, message: message.into(), help: None }
    }

    pub(super) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// The span within the text, moved to what the text really has.
    pub(super) fn range(&self) -> Option<Range<usize>> {
        let span = self.span.as_ref()?;
        let start = self.source.floor_char_boundary(span.start);
        Some(start..self.source.ceil_char_boundary(span.end).max(start))
    }

    pub(super) fn position(&self) -> Option<Position> {
        let before = &self.source[..self.range()?.start];
        let line = before.rsplit('\n').next().unwrap_or(before);
        Some(Position { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 })
    }

    /// File, line and column (from 1), message and help.
    pub fn to_json(&self) -> Value {
        let position = self.position();
        json!({
            "file": self.file,
            "line": position.map(|position| position.line),
            "column": position.map(|position| position.column),
            "message": self.message,
            "help": self.help,
        })
    }
}

/// Shows errors on stderr: file, line, excerpt with a caret, help, and at the end how many there are.
pub fn print_errors(diagnostics: &[Diagnostic]) {
    anstream::eprint!("{}", render::all(Severity::Error, diagnostics));
}

/// Shows warnings as [`print_errors`] shows errors.
pub fn print_warnings(diagnostics: &[Diagnostic]) {
    anstream::eprint!("{}", render::all(Severity::Warning, diagnostics));
}
