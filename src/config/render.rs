//! Diagnostics as text: a message, its place, the line with a caret, and help.

use std::fmt::Write as _;

use owo_colors::{OwoColorize as _, Style};

use super::Diagnostic;

/// The longest part of a line that is shown, in characters.
const WIDTH: usize = 120;
/// How much of a longer line is shown before the caret.
const LEAD: usize = 30;
const TAB: &str = "    ";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    Error,
    Warning,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Error => Style::new().red().bold(),
            Self::Warning => Style::new().yellow().bold(),
        }
    }
}

/// All of one severity, an empty line after each, and their count. With colour codes, which the stream takes out where
/// they are not wanted.
pub(super) fn all(severity: Severity, diagnostics: &[Diagnostic]) -> String {
    let mut text: String = diagnostics.iter().map(|diagnostic| one(severity, diagnostic) + "\n").collect();
    let plural = if diagnostics.len() == 1 { "" } else { "s" };
    if !diagnostics.is_empty() {
        let _ = writeln!(text, "{} {}{plural}", diagnostics.len(), severity.word());
    }
    text
}

fn one(severity: Severity, diagnostic: &Diagnostic) -> String {
    let word = severity.word();
    let message = shown(&diagnostic.message).replace('\n', "\n  ");
    let mut text = format!("{}: {}\n", word.style(severity.style()), message.bold());
    let file = shown(&diagnostic.file.display().to_string());
    let position = diagnostic.position();
    let number = position.map_or(String::new(), |position| position.line.to_string());
    let gutter = " ".repeat(number.len());
    let place = position.map_or(file.clone(), |position| format!("{file}:{}:{}", position.line, position.column));
    // A message that names the file itself says it once.
    if position.is_some() || !message.contains(&file) {
        let _ = writeln!(text, "{gutter}{} {place}", "-->".blue());
    }
    if let Some(excerpt) = Excerpt::of(diagnostic) {
        let bar = "|".blue().to_string();
        let _ = writeln!(text, "{gutter} {bar}");
        let _ = writeln!(text, "{} {bar} {}", number.blue(), excerpt.line);
        let caret = "^".repeat(excerpt.width);
        let _ = writeln!(text, "{gutter} {bar} {}{}", " ".repeat(excerpt.indent), caret.style(severity.style()));
    }
    if let Some(help) = &diagnostic.help {
        let _ =
            writeln!(text, "{gutter} {} {}", "help:".cyan(), shown(help).replace('\n', &format!("\n{gutter}       ")));
    }
    text
}

/// The line of a diagnostic with the place of its caret.
struct Excerpt {
    line: String,
    indent: usize,
    width: usize,
}

impl Excerpt {
    fn of(diagnostic: &Diagnostic) -> Option<Self> {
        let range = diagnostic.range()?;
        let source = &diagnostic.source;
        let start = source[..range.start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = source[start..].lines().next().unwrap_or_default();
        let within = |at: usize| line.floor_char_boundary(at.saturating_sub(start).min(line.len()));
        let (from, to) = (within(range.start), within(range.end));
        let (before, marked, after) = (expand(&line[..from]), expand(&line[from..to]), expand(&line[to..]));
        let indent = before.chars().count();
        let skipped = if indent + marked.chars().count() > WIDTH { indent.saturating_sub(LEAD) } else { 0 };
        let line: String = format!("{before}{marked}{after}").chars().skip(skipped).take(WIDTH).collect();
        let indent = indent - skipped;
        let width = marked.chars().count().clamp(1, WIDTH - indent);
        Some(Self { line: line.trim_end().to_owned(), indent, width })
    }
}

fn expand(text: &str) -> String {
    shown(&text.replace('\t', TAB))
}

/// Without what would steer the terminal.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Severity, all};
    use crate::config::Diagnostic;

    fn plain(diagnostics: &[Diagnostic]) -> String {
        anstream::adapter::strip_str(&all(Severity::Error, diagnostics)).to_string()
    }

    fn diagnostic(source: &str, mark: &str, help: Option<&str>) -> Diagnostic {
        let start = source.find(mark).unwrap();
        Diagnostic {
            file: PathBuf::from("stagecraft.yml"),
            source: source.to_owned(),
            span: Some(start..start + mark.len()),
            message: "unknown key `rout`".into(),
            help: help.map(str::to_owned),
        }
    }

    #[test]
    fn shows_the_place_with_a_caret_and_the_help() {
        let source = "version: 1\nservices:\n  web:\n    rout: { port: 80 }\n";
        assert_eq!(
            plain(&[diagnostic(source, "rout", Some("did you mean `route`?"))]),
            "\
error: unknown key `rout`
 --> stagecraft.yml:4:5
  |
4 |     rout: { port: 80 }
  |     ^^^^
  help: did you mean `route`?

1 error
"
        );
    }

    #[test]
    fn counts_columns_in_characters_and_expands_tabs() {
        let text = plain(&[diagnostic("é:\trout", "rout", None)]);
        assert!(text.contains(":1:4\n"), "{text}");
        assert!(text.contains("1 | é:    rout\n  |       ^^^^\n"), "{text}");
    }

    #[test]
    fn crops_a_long_line_around_the_mark() {
        let text = plain(&[diagnostic(&format!("{}rout{}", "x".repeat(500), "y".repeat(500)), "rout", None)]);
        assert!(text.lines().all(|line| line.chars().count() < 130), "{text}");
        assert!(text.contains(&format!("1 | {}rout", "x".repeat(30))), "{text}");
        assert!(text.contains(&format!("  | {}^^^^\n", " ".repeat(30))), "{text}");
    }

    #[test]
    fn a_span_over_several_lines_marks_the_first() {
        let text = plain(&[diagnostic("a: [1,\n  2]\n", "[1,\n  2]", None)]);
        assert!(text.contains("1 | a: [1,\n  |    ^^^\n"), "{text}");
    }

    #[test]
    fn never_sends_control_characters_to_the_terminal() {
        let mut escape = diagnostic("a: \u{1b}[2Jrout", "rout", None);
        escape.message = "unknown \u{1b}[2J".into();
        assert!(!plain(&[escape]).contains('\u{1b}'));
    }

    #[test]
    fn a_mistake_without_a_place_names_the_file() {
        let mistakes = [Diagnostic::of_file("compose.yaml", "no\nmore"), Diagnostic::of_file("x", "y")];
        assert_eq!(plain(&mistakes), "error: no\n  more\n--> compose.yaml\n\nerror: y\n--> x\n\n2 errors\n");
    }

    #[test]
    fn a_file_that_the_message_names_is_not_named_again() {
        let mistake = Diagnostic::of_file("stagecraft.yml", "there is no stagecraft.yml in /srv/shop");
        assert_eq!(plain(&[mistake]), "error: there is no stagecraft.yml in /srv/shop\n\n1 error\n");
    }

    #[test]
    fn json_has_line_and_column() {
        let json = diagnostic("a:\n  rout: 1", "rout", None).to_json();
        assert_eq!((&json["line"], &json["column"]), (&2.into(), &3.into()), "{json}");
    }
}
