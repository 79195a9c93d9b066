//! What reading stagecraft.yml finds wrong, collected so that all of it is shown at once.

use std::{ops::Range, path::PathBuf};

use super::Diagnostic;

/// How different a key may be from the one that is suggested for it, as a share of its length.
const NEAR: usize = 3;

/// The mistakes found so far in one file.
#[derive(Debug)]
pub struct Findings {
    file: PathBuf,
    source: String,
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
}

impl Findings {
    pub fn new(file: impl Into<PathBuf>, source: impl Into<String>) -> Self {
        Self { file: file.into(), source: source.into(), errors: Vec::new(), warnings: Vec::new() }
    }

    /// The text at a place.
    pub fn text(&self, span: &Range<usize>) -> &str {
        self.source.get(span.clone()).unwrap_or_default()
    }

    /// The line of a place, from 1.
    pub fn line(&self, span: &Range<usize>) -> usize {
        self.source[..span.start].matches('\n').count() + 1
    }

    pub fn error(&mut self, span: &Range<usize>, message: impl Into<String>) -> &mut Diagnostic {
        let diagnostic = self.diagnostic(span, message);
        self.errors.push_mut(diagnostic)
    }

    /// Errors and warnings in the order of the text, those of other files after them.
    pub fn in_order(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        let sorted = |mut diagnostics: Vec<Diagnostic>| {
            let place = |one: &Diagnostic| one.span.as_ref().map(|span| span.start);
            diagnostics.sort_by_key(|one| (one.file != self.file, one.file.clone(), place(one)));
            diagnostics
        };
        (sorted(self.errors), sorted(self.warnings))
    }

    fn diagnostic(&self, span: &Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            file: self.file.clone(),
            source: self.source.clone(),
            span: Some(span.clone()),
            message: message.into(),
            help: None,
        }
    }
}

/// What to write instead of a name that is not known: the nearest known one, or all of them.
pub fn instead<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let distance = |other: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    let nearest = known.iter().copied().min_by_key(|other| distance(other));
    match nearest {
        Some(other) if distance(other) <= (name.chars().count() / NEAR).max(1) => format!("did you mean `{other}`?"),
        Some(_) => format!("known here: {}", list(known)),
        None => "none is known here".to_owned(),
    }
}

/// Names as text: `` `a`, `b` ``.
pub fn list<T: std::fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
