//! What a recipe declares with `param`, and the arguments of a run held against it.

use std::{collections::BTreeMap, fmt};

use rhai::AST;
use serde::Deserialize;
use serde_json::Value;
use stdlib::model::Span;

use super::{
    Recipe, RecipeError,
    catalog::Catalog,
    error::ScriptError,
    nearest::suggestion,
    syntax::{self, Call},
    trouble::span,
};

/// A parameter of a recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub kind: ParameterKind,
    /// The value where none is given; without one it has to be given.
    pub fallback: Option<Value>,
    /// The only values that are taken; empty for any.
    pub choices: Vec<Value>,
    /// One line.
    pub help: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterKind {
    Text,
    Int,
    Float,
    Bool,
    /// Kept as text, such as `30s`.
    Duration,
}

impl fmt::Display for ParameterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Text => "text",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Duration => "duration",
        })
    }
}

/// The options map of `param`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    fallback: Option<Value>,
    #[serde(rename = "type")]
    kind: Option<ParameterKind>,
    #[serde(default)]
    choices: Vec<Value>,
    #[serde(default)]
    help: String,
}

/// What the recipe declares, by its text alone: nothing of it runs.
pub fn parameters(recipe: &Recipe) -> Result<Vec<Parameter>, Box<RecipeError>> {
    let ast = syntax::parse(recipe, &Catalog::default())?;
    declared(recipe, &ast)
}

/// See [`parameters`].
pub fn declared(recipe: &Recipe, ast: &AST) -> Result<Vec<Parameter>, Box<RecipeError>> {
    let mut parameters: Vec<Parameter> = Vec::new();
    for call in syntax::calls(ast).into_iter().filter(|call| call.name == "param") {
        let refuse = |message: String, help: Option<String>| {
            Box::<RecipeError>::from(ScriptError::at(recipe, span(&recipe.source, call.position), message, help))
        };
        let parameter = declaration(&call).map_err(|(message, help)| refuse(message, help))?;
        if parameters.iter().any(|other| other.name == parameter.name) {
            return Err(refuse(format!("the parameter `{}` is declared twice", parameter.name), None));
        }
        parameters.push(parameter);
    }
    Ok(parameters)
}

type Refusal = (String, Option<String>);

fn declaration(call: &Call) -> Result<Parameter, Refusal> {
    let literals = || {
        let help = "such as `param(\"keep\", #{ fallback: 5, help: \"Releases to keep\" })`".to_owned();
        ("`param` takes a name and options that are written out".to_owned(), Some(help))
    };
    let mut values = call.arguments.iter().map(|argument| argument.literal.clone());
    let name = values.next().flatten().and_then(|name| name.into_string().ok()).ok_or_else(literals)?;
    let options: Options = match values.next() {
        None => Options::default(),
        Some(options) => {
            let options: Value = rhai::serde::from_dynamic(&options.ok_or_else(literals)?).map_err(|_| literals())?;
            serde_json::from_value(options).map_err(|error| (format!("`param`: {error}"), None))?
        }
    };
    let kind = options.kind.or_else(|| options.fallback.as_ref().and_then(kind_of)).unwrap_or(ParameterKind::Text);
    let parameter = Parameter { name, kind, fallback: options.fallback, choices: options.choices, help: options.help };
    for value in parameter.fallback.iter().chain(&parameter.choices) {
        if !fits(kind, value) {
            return Err((format!("`{}` is of type {kind}, and {value} is not", parameter.name), None));
        }
    }
    if let Some(fallback) = &parameter.fallback {
        chosen(&parameter, fallback)?;
    }
    Ok(parameter)
}

fn kind_of(value: &Value) -> Option<ParameterKind> {
    match value {
        Value::Bool(_) => Some(ParameterKind::Bool),
        Value::Number(number) if number.is_i64() => Some(ParameterKind::Int),
        Value::Number(_) => Some(ParameterKind::Float),
        Value::String(_) => Some(ParameterKind::Text),
        _ => None,
    }
}

fn fits(kind: ParameterKind, value: &Value) -> bool {
    match kind {
        ParameterKind::Text => value.is_string(),
        ParameterKind::Int => value.is_i64(),
        ParameterKind::Float => value.is_number(),
        ParameterKind::Bool => value.is_boolean(),
        ParameterKind::Duration => value.as_str().is_some_and(|text| text.parse::<Span>().is_ok()),
    }
}

/// The values of all parameters: what is given, read as what is declared, else the fallbacks.
pub fn bind(
    recipe: &Recipe,
    parameters: &[Parameter],
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>, Box<RecipeError>> {
    let refuse = |(message, help): Refusal| {
        Box::new(RecipeError::Argument { recipe: recipe.name.clone(), file: recipe.file(), message, help })
    };
    if let Some(unknown) = given.keys().find(|name| parameters.iter().all(|parameter| parameter.name != **name)) {
        let help = suggestion(unknown, parameters.iter().map(|parameter| parameter.name.as_str()));
        let help = help.unwrap_or_else(|| "it declares none; `param` does".to_owned());
        return Err(refuse((format!("it declares no parameter `{unknown}`"), Some(help))));
    }
    let mut values = BTreeMap::new();
    for parameter in parameters {
        let value = match (given.get(&parameter.name), &parameter.fallback) {
            (Some(text), _) => read(parameter, text).and_then(|value| chosen(parameter, &value)).map_err(refuse)?,
            (None, Some(fallback)) => fallback.clone(),
            (None, None) => {
                let help = format!("add `--arg {}=…`", parameter.name);
                return Err(refuse((format!("the parameter `{}` has to be given", parameter.name), Some(help))));
            }
        };
        values.insert(parameter.name.clone(), value);
    }
    Ok(values)
}

fn read(parameter: &Parameter, text: &str) -> Result<Value, Refusal> {
    let value = match parameter.kind {
        ParameterKind::Text => Some(text.into()),
        ParameterKind::Int => text.parse::<i64>().ok().map(Value::from),
        ParameterKind::Float => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from),
        ParameterKind::Bool => text.parse::<bool>().ok().map(Value::from),
        ParameterKind::Duration => text.parse::<Span>().ok().map(|span| span.to_string().into()),
    };
    let hint = match parameter.kind {
        ParameterKind::Duration => Some("write it like `30s`".to_owned()),
        ParameterKind::Bool => Some("write `true` or `false`".to_owned()),
        _ => None,
    };
    value.ok_or_else(|| (format!("`{}` takes a {}, and `{text}` is none", parameter.name, parameter.kind), hint))
}

fn chosen(parameter: &Parameter, value: &Value) -> Result<Value, Refusal> {
    if parameter.choices.is_empty() || parameter.choices.contains(value) {
        return Ok(value.clone());
    }
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let choices: Vec<String> = parameter.choices.iter().map(plain).collect();
    Err((
        format!("`{}` cannot be `{}`", parameter.name, plain(value)),
        Some(format!("it takes {}", choices.join(", "))),
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::{ParameterKind, bind, parameters};
    use crate::recipe::sample::recipe;

    const SOURCE: &str = r#"
        let keep = param("keep", #{ fallback: 5, help: "Releases to keep" });
        if keep > 3 { param("wait", #{ type: "duration", fallback: "30s" }); }
        param("to", #{ choices: ["blue", "green"] });
    "#;

    fn bound(given: &[(&str, &str)]) -> Result<serde_json::Value, (String, Option<String>)> {
        let recipe = recipe(SOURCE);
        let given: BTreeMap<String, String> =
            given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        match bind(&recipe, &parameters(&recipe).unwrap(), &given) {
            Ok(values) => Ok(json!(values)),
            Err(error) => Err((error.to_string(), error.diagnostic().help)),
        }
    }

    #[test]
    fn declarations_are_read_without_running() {
        let found = parameters(&recipe(SOURCE)).unwrap();
        let kinds: Vec<(&str, ParameterKind)> = found.iter().map(|one| (one.name.as_str(), one.kind)).collect();
        assert_eq!(
            kinds,
            [("keep", ParameterKind::Int), ("wait", ParameterKind::Duration), ("to", ParameterKind::Text)]
        );
        assert_eq!(found[0].help, "Releases to keep");
    }

    // spec: recipe.own
    #[test]
    fn arguments_have_the_declared_types() {
        assert_eq!(bound(&[("to", "blue")]).unwrap(), json!({ "keep": 5, "to": "blue", "wait": "30s" }));
        let all = bound(&[("to", "green"), ("keep", "7"), ("wait", "90s")]).unwrap();
        assert_eq!(all, json!({ "keep": 7, "to": "green", "wait": "90s" }));
    }

    #[test]
    fn arguments_that_do_not_fit_are_refused() {
        let refused = |given: &[(&str, &str)]| bound(given).unwrap_err();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(refused(&[]), ("recipe own: the parameter `to` has to be given".into(), some("add `--arg to=…`")));
        assert_eq!(
            refused(&[("kep", "1")]),
            ("recipe own: it declares no parameter `kep`".into(), some("did you mean `keep`?"))
        );
        assert_eq!(
            refused(&[("to", "red")]),
            ("recipe own: `to` cannot be `red`".into(), some("it takes blue, green"))
        );
        assert_eq!(
            refused(&[("to", "blue"), ("wait", "30")]),
            ("recipe own: `wait` takes a duration, and `30` is none".into(), some("write it like `30s`"))
        );
    }

    #[test]
    fn what_is_not_written_out_is_refused_at_its_line() {
        let error = parameters(&recipe("let name = \"x\";\nparam(name);")).unwrap_err();
        assert_eq!(error.to_string(), "recipes/own.rhai:2: `param` takes a name and options that are written out");
    }
}
