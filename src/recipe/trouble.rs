//! Errors between the library and the script, and what they look like in the end.

use std::ops::Range;

use rhai::{AST, Dynamic, EvalAltResult, ParseError, ParseErrorType, Position};

use super::{
    Recipe,
    catalog::{Catalog, Resolution},
    error::{RecipeError, ScriptError},
    limits,
    nearest::suggestion,
    syntax,
};

pub type Raised = Box<EvalAltResult>;

/// What the library raises in a script: it travels as a runtime error, and Rhai adds the place of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub cause: Cause,
    pub message: String,
    pub help: Option<String>,
}

/// Where what is wrong has to be put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Script,
    /// The script is fine: what it asks for cannot be, as the hosts are.
    Hosts,
}

impl Trouble {
    pub fn new(message: impl Into<String>) -> Self {
        Self { cause: Cause::Script, message: message.into(), help: None }
    }

    /// What the hosts as they are rule out.
    pub fn refusal(message: impl Into<String>) -> Self {
        Self { cause: Cause::Hosts, ..Self::new(message) }
    }

    /// With what to do instead, where that is known.
    pub fn help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into();
        self
    }

    #[expect(clippy::unnecessary_box_returns, reason = "Rhai's errors are boxed everywhere")]
    pub fn at(self, position: Position) -> Raised {
        Box::new(EvalAltResult::ErrorRuntime(Dynamic::from(self), position))
    }
}

impl From<Trouble> for Raised {
    fn from(trouble: Trouble) -> Self {
        trouble.at(Position::NONE)
    }
}

/// A script that does not compile.
pub fn of_parsing(recipe: &Recipe, error: &ParseError, catalog: &Catalog) -> ScriptError {
    let (message, help) = match &*error.0 {
        ParseErrorType::VariableUndefined(name) => undefined(name, catalog),
        ParseErrorType::ModuleUndefined(name) => {
            (format!("there is no module `{name}`"), suggestion(name, catalog.modules()))
        }
        ParseErrorType::Reserved(word) if word == "import" => (
            "`import` is not available: a recipe is one file".to_owned(),
            Some("write shared parts as functions in the file".to_owned()),
        ),
        ParseErrorType::Reserved(word) => (
            format!("`{word}` is a word that the language keeps for itself"),
            (word == "default").then(|| "the option of `param` is called `fallback`".to_owned()),
        ),
        other => (lower_first(&other.to_string()), None),
    };
    ScriptError::at(recipe, span(&recipe.source, error.1), message, help)
}

/// What to write where a variable is used in a closure that its own method is given.
pub const OWN_CHAIN: &str = "copy what the closure needs into another variable before, or write a `for` loop";

fn undefined(name: &str, catalog: &Catalog) -> (String, Option<String>) {
    let known: Vec<&str> = catalog.variables().collect();
    (format!("there is no variable `{name}`"), suggestion(name, known))
}

/// A script that ended with an error.
#[expect(clippy::boxed_local, reason = "Rhai's errors are boxed everywhere")]
pub fn of_running(recipe: &Recipe, ast: &AST, raised: Raised, catalog: &Catalog) -> RecipeError {
    let mut calls = Vec::new();
    let mut place = Position::NONE;
    let mut error = *raised;
    loop {
        error = match error {
            EvalAltResult::ErrorInFunctionCall(name, _, inner, position) => {
                calls.insert(0, call(&name, position));
                place = if position.is_none() { place } else { position };
                *inner
            }
            innermost => {
                error = innermost;
                break;
            }
        };
    }
    let position = match error.take_position() {
        // Rhai doesn't say where.
        Position::NONE if matches!(error, EvalAltResult::ErrorDataRace(..)) => {
            syntax::captured_in_own_chain(ast).first().map_or(place, |(_, position)| *position)
        }
        Position::NONE => place,
        position => position,
    };
    let (message, help) = explain(&error, catalog);
    let mut script = ScriptError::at(recipe, span(&recipe.source, position), message, help);
    script.calls = calls;
    match cause(&error) {
        Cause::Script => RecipeError::Script { script: Box::new(script) },
        Cause::Hosts if recipe.path.is_none() => RecipeError::Refused { message: script.message, hint: script.help },
        Cause::Hosts => RecipeError::RefusedAt { script: Box::new(script) },
    }
}

fn cause(error: &EvalAltResult) -> Cause {
    match error {
        EvalAltResult::ErrorRuntime(value, _) => {
            value.read_lock::<Trouble>().map_or(Cause::Script, |trouble| trouble.cause)
        }
        _ => Cause::Script,
    }
}

fn call(name: &str, position: Position) -> String {
    let name = if name.starts_with("anon$") { "a closure".to_owned() } else { format!("`{name}`") };
    match position.line() {
        Some(line) => format!("in {name}, called at line {line}"),
        None => format!("in {name}"),
    }
}

fn explain(error: &EvalAltResult, catalog: &Catalog) -> (String, Option<String>) {
    match error {
        EvalAltResult::ErrorRuntime(value, _) | EvalAltResult::ErrorTerminated(value, _) => {
            match value.read_lock::<Trouble>() {
                Some(trouble) => (trouble.message.clone(), trouble.help.clone()),
                None => (value.to_string(), None),
            }
        }
        EvalAltResult::ErrorFunctionNotFound(signature, _) => not_found(signature, catalog),
        EvalAltResult::ErrorVariableNotFound(name, _) => undefined(name, catalog),
        EvalAltResult::ErrorDotExpr(text, _) => property(text, catalog),
        EvalAltResult::ErrorTooManyOperations(_) => (
            format!("the script does more than {} operations", limits::OPERATIONS),
            Some("is there a loop that does not end?".to_owned()),
        ),
        EvalAltResult::ErrorStackOverflow(_) => (
            format!("calls are nested more than {} deep", limits::CALL_LEVELS),
            Some("is there a function that calls itself without an end?".to_owned()),
        ),
        EvalAltResult::ErrorTooManyVariables(_) => {
            (format!("the script has more than {} variables at once", limits::VARIABLES), None)
        }
        EvalAltResult::ErrorDataTooLarge(what, _) => (
            format!("a value grows too large: {}", what.to_lowercase()),
            Some(format!(
                "a text may have {} bytes, a list or map {} elements, all that is inside counted",
                limits::STRING,
                limits::ELEMENTS
            )),
        ),
        EvalAltResult::ErrorDataRace(..) => (
            "a list or map is used inside a closure that is given to its own method".to_owned(),
            Some(OWN_CHAIN.to_owned()),
        ),
        other => (lower_first(&other.to_string()), None),
    }
}

/// `signature` is Rhai's: `rollout::replaze (i64, string)`.
fn not_found(signature: &str, catalog: &Catalog) -> (String, Option<String>) {
    let (name, types) = signature.split_once(" (").unwrap_or((signature, ")"));
    let types = types.trim_end_matches(')');
    let given = types.split(", ").filter(|kind| !kind.is_empty()).count();
    match catalog.resolve(name, given) {
        Resolution::Known => (format!("`{name}` does not take ({types})"), catalog.usage(name)),
        Resolution::Arity(message) => (message, catalog.usage(name)),
        Resolution::Unknown(help) => (format!("there is no function `{name}`"), help),
    }
}

/// `text` is Rhai's: `Unknown property 'x' - a getter is not registered for type 'Service'`.
fn property(text: &str, catalog: &Catalog) -> (String, Option<String>) {
    let mut quoted = text.split('\'').skip(1).step_by(2);
    match (quoted.next(), quoted.next()) {
        (Some(name), Some(noun)) => {
            (format!("`{noun}` has no property `{name}`"), suggestion(name, catalog.properties(noun)))
        }
        _ => (lower_first(text), None),
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// The bytes of the name, text or sign that stands at this place.
pub fn span(source: &str, position: Position) -> Option<Range<usize>> {
    let line = position.line()?;
    let start: usize = source.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let text = source[start..].lines().next().unwrap_or_default();
    let column = position.position().unwrap_or(1).saturating_sub(1);
    let offset = text.char_indices().nth(column).map_or(text.len(), |(offset, _)| offset);
    let rest = &text[offset..];
    let name = rest.len() - rest.trim_start_matches(|c: char| c.is_alphanumeric() || "_:".contains(c)).len();
    let sign = rest.chars().next().map_or(0, char::len_utf8);
    Some(start + offset..start + offset + if name > 0 { name } else { sign })
}

#[cfg(test)]
mod tests {
    use rhai::Position;

    use super::span;

    #[test]
    fn a_place_covers_the_name_that_stands_there() {
        let source = "let a = 1;\nlet ü = rollout::replace(x);\n";
        let at = |line, column| &source[span(source, Position::new(line, column)).unwrap()];
        assert_eq!(at(2, 9), "rollout::replace");
        assert_eq!(at(1, 7), "=");
        assert_eq!(span(source, Position::new(2, 90)), Some(source.len() - 1..source.len() - 1));
        assert_eq!(span(source, Position::NONE), None);
    }
}
