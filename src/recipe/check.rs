//! `stagecraft recipe check`: mistakes that the text of a recipe shows, without running it.

use super::{
    Recipe,
    catalog::{Catalog, OPTIONS, Resolution},
    error::ScriptError,
    nearest::suggestion,
    parameters, syntax,
    trouble::{OWN_CHAIN, span},
};
use crate::config::Diagnostic;
use rhai::{AST, Position};

/// All that can be seen: calls of what is not there, with too few or too many arguments or unknown options; functions that
/// hide the library's; closures that Rhai cannot run; `try` around what cannot fail yet.
pub fn check(recipe: &Recipe) -> Vec<Diagnostic> {
    let mut catalog = Catalog::default();
    let ast = match syntax::parse(recipe, &catalog) {
        Ok(ast) => ast,
        Err(error) => return vec![error.diagnostic()],
    };
    catalog.own = syntax::functions(&ast);
    let mut mistakes = Mistakes { recipe, found: Vec::new() };
    calls(&ast, &catalog, &mut mistakes);
    hidden(&ast, &catalog, &mut mistakes);
    for (variable, position) in syntax::captured_in_own_chain(&ast) {
        let message = format!("`{variable}` is used inside a closure that is given to its own method");
        mistakes.add(position, message, Some(OWN_CHAIN.to_owned()));
    }
    mistakes.found.extend(parameters::declared(recipe, &ast).err().map(|error| error.diagnostic()));
    mistakes.found.sort_by_key(|mistake| mistake.span.as_ref().map(|span| span.start));
    mistakes.found
}

struct Mistakes<'a> {
    recipe: &'a Recipe,
    found: Vec<Diagnostic>,
}

impl Mistakes<'_> {
    fn add(&mut self, position: Position, message: String, help: Option<String>) {
        let span = span(&self.recipe.source, position);
        self.found.push(ScriptError::at(self.recipe, span, message, help).diagnostic());
    }
}

fn calls(ast: &AST, catalog: &Catalog, mistakes: &mut Mistakes<'_>) {
    let tries = syntax::guarded_by_try(ast);
    for call in syntax::calls(ast) {
        match catalog.resolve(&call.name, call.given) {
            Resolution::Known => (),
            Resolution::Arity(message) => mistakes.add(call.position, message, catalog.usage(&call.name)),
            Resolution::Unknown(help) => {
                mistakes.add(call.position, format!("there is no function `{}`", call.name), help);
                continue;
            }
        }
        let Some(function) = catalog.function(&call.name) else { continue };
        options(function, &call, mistakes);
        let caught = tries.iter().any(|(start, end)| (*start..*end).contains(&call.position));
        if caught && function.module.is_some() {
            let message =
                format!("`try` does not catch what `{}` does: it happens later, when the plan runs", call.name);
            mistakes.add(call.position, message, Some("use `guard` with `on_failure`".to_owned()));
        }
    }
}

fn options(function: &super::catalog::Callable, call: &syntax::Call, mistakes: &mut Mistakes<'_>) {
    let takes_options = function.slots.iter().any(|slot| slot.name == OPTIONS);
    let keys = call.arguments.iter().filter_map(|argument| argument.keys.as_ref()).flatten();
    for (key, position) in keys.filter(|_| takes_options) {
        if function.options.iter().all(|option| option.name != *key) {
            let known = function.options.iter().map(|option| option.name.as_str());
            mistakes.add(*position, format!("`{}` has no option `{key}`", call.name), suggestion(key, known));
        }
    }
}

/// Functions of the script that take the place of the library's without a word.
fn hidden(ast: &AST, catalog: &Catalog, mistakes: &mut Mistakes<'_>) {
    for (name, _) in syntax::functions(ast) {
        if catalog.function(&name).is_some() {
            let message = format!("the function `{name}` hides the one of the library");
            let position = syntax::definition(ast, &name);
            mistakes.add(position, message, Some("give it another name".to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::recipe::{built_in, sample::recipe};

    /// `line: message (help)` for each.
    fn mistakes(source: &str) -> Vec<String> {
        let line = |start: usize| 1 + source[..start].matches('\n').count();
        let describe = |mistake: crate::config::Diagnostic| {
            let help = mistake.help.map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{}: {}{help}", line(mistake.span.expect("a place").start), mistake.message)
        };
        check(&recipe(source)).into_iter().map(describe).collect()
    }

    #[test]
    fn every_mistake_is_shown_at_its_line() {
        let source = r#"
let hs = hosts("web");
if false {
    rollout::replaze(1);
    step("x", #{ retri: 1 }, || log("x"));
}
hs.map(|h| hs.len());
try { release::commit(); } catch { }
fn log(x) { frobnicate(x); }
release::commit(1);
app.services.in_ordr();
param("x", #{ fallback: [] });
"#;
        assert_eq!(
            mistakes(source),
            [
                "4: there is no function `rollout::replaze` (did you mean `rollout::replace`?)",
                "5: `step` has no option `retri` (did you mean `retry`?)",
                "7: `hs` is used inside a closure that is given to its own method (copy what the closure needs into another \
                 variable before, or write a `for` loop)",
                "8: `try` does not catch what `release::commit` does: it happens later, when the plan runs (use `guard` with \
                 `on_failure`)",
                "9: the function `log` hides the one of the library (give it another name)",
                "9: there is no function `frobnicate`",
                "10: `release::commit` takes 0 arguments, not 1 (write `release::commit()`)",
                "11: there is no function `in_ordr` (did you mean `in_order`?)",
                "12: `x` is of type text, and [] is not",
            ]
        );
    }

    #[test]
    fn a_syntax_error_is_the_only_mistake() {
        assert_eq!(mistakes("let x = 1;\nlet = 2;").len(), 1);
    }

    // spec: recipe.builtin
    #[test]
    fn the_built_in_recipes_have_none() {
        for name in ["deploy", "rollback"] {
            assert_eq!(check(&built_in(name).unwrap()), [], "{name}");
        }
    }

    /// Its name may be a word of the language.
    #[test]
    fn every_function_of_the_library_can_be_written() {
        for function in stdlib::function::registry() {
            let callable = crate::recipe::catalog::Callable::of(&function);
            let nothing = vec!["()"; function.parameters.len()].join(", ");
            assert_eq!(mistakes(&format!("{}({nothing});", callable.path())), [] as [String; 0]);
        }
    }

    #[test]
    fn nor_has_what_the_guide_shows() {
        let guide = include_str!("../../docs/recipes.md");
        let examples: Vec<&str> =
            guide.split("```rhai\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(code, _)| code).collect();
        assert!(examples.len() > 4, "{} examples", examples.len());
        for example in examples {
            assert_eq!(mistakes(example), [] as [String; 0], "{example}");
            let args: &[_] = if example.contains("param(") { &[("task", "vacuum")] } else { &[] };
            let planned = crate::recipe::sample::with_the_library(example, args);
            assert!(planned.is_ok_and(|plan| plan.root.operations().next().is_some()), "{example}");
        }
    }

    #[test]
    fn neither_has_what_recipe_new_writes() {
        assert_eq!(mistakes(include_str!("../cli/recipe_template.rhai")), [] as [String; 0]);
    }

    #[test]
    fn what_scripts_may_do_is_no_mistake() {
        let source = r#"
let total = 0;
for (host, index) in hosts() { total += index; }
let f = |x| x + 1;
print(f.call(total));
let names = hosts().map(|h| h.name).filter(|n| n.starts_with("web"));
if names.is_empty() || "x" in names { fail(`none of ${names.len()}`); }
switch args.x { 1 => log("one"), _ => log(type_of(names)) }
fn twice(x) { x * 2 }
log(twice(2).to_string());
parallel([|| log("a"), || log("b")]);
"#;
        assert_eq!(mistakes(source), [] as [String; 0]);
    }
}
