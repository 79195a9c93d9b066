//! Why a recipe gives no plan.

use std::{ops::Range, path::PathBuf};

use super::Recipe;
use crate::config::Diagnostic;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    #[error("there is no recipe `{name}`")]
    NotFound { name: String, known: Vec<String>, nearest: Option<String> },
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: String },
    /// What was given with `--arg` does not fit what the recipe declares.
    #[error("recipe {recipe}: {message}")]
    Argument { recipe: String, file: PathBuf, message: String, help: Option<String> },
    /// The script itself: a mistake in it, a limit it ran into, or its own `fail`.
    #[error("{}", script.headline())]
    Script { script: Box<ScriptError> },
    /// What a built-in recipe does cannot be, as the hosts are. Where it stands in the recipe is of no use to its user.
    #[error("{message}")]
    Refused { message: String, hint: Option<String> },
    /// The same of a project's own recipe.
    #[error("{}", script.headline())]
    RefusedAt { script: Box<ScriptError> },
}

/// What is wrong in a script, where, and how it got there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError {
    pub file: PathBuf,
    pub source: String,
    pub span: Option<Range<usize>>,
    pub message: String,
    pub help: Option<String>,
    /// The functions it happened in, the innermost first, each as `in `roll`, called at line 12`.
    pub calls: Vec<String>,
}

impl ScriptError {
    pub fn at(recipe: &Recipe, span: Option<Range<usize>>, message: String, help: Option<String>) -> Self {
        Self { file: recipe.file(), source: recipe.source.clone(), span, message, help, calls: Vec::new() }
    }

    fn headline(&self) -> String {
        let line = self.span.as_ref().map(|span| 1 + self.source[..span.start].matches('\n').count());
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        format!("{}{line}: {}", self.file.display(), self.message)
    }

    pub fn diagnostic(&self) -> Diagnostic {
        let calls = self.calls.iter().map(String::as_str);
        let lines: Vec<&str> = std::iter::once(self.message.as_str()).chain(calls).collect();
        Diagnostic {
            file: self.file.clone(),
            source: self.source.clone(),
            span: self.span.clone(),
            message: lines.join("\n"),
            help: self.help.clone(),
        }
    }
}

impl From<ScriptError> for Box<RecipeError> {
    fn from(script: ScriptError) -> Self {
        Box::new(RecipeError::Script { script: Box::new(script) })
    }
}

impl RecipeError {
    /// The error as its user sees it: file, line, caret and help.
    pub fn diagnostic(&self) -> Diagnostic {
        let plain = |file: PathBuf, help| Diagnostic {
            file,
            source: String::new(),
            span: None,
            message: self.to_string(),
            help,
        };
        match self {
            Self::NotFound { name, known, nearest } => plain(
                PathBuf::from(super::find::FOLDER),
                Some(format!(
                    "{}there are {}; `stagecraft recipe new {name}` writes one",
                    nearest.as_ref().map(|nearest| format!("did you mean `{nearest}`? ")).unwrap_or_default(),
                    known.join(", "),
                )),
            ),
            Self::Unreadable { path, .. } => plain(path.clone(), None),
            Self::Argument { file, help, .. } => plain(file.clone(), help.clone()),
            Self::Script { script } | Self::RefusedAt { script } => script.diagnostic(),
            Self::Refused { hint, .. } => plain(PathBuf::from(super::find::FOLDER), hint.clone()),
        }
    }
}
