//! Definitions for an editor (`.d.rhai`), from the catalog.

use std::fmt::Write as _;

use super::{
    catalog::{Callable, Catalog, NOUNS, Noun},
    reference::signature,
};

/// Everything that a recipe can name, in the form that Rhai's language server reads: functions with their docs, the
/// variables, and each noun's members in the docs of its variable.
pub fn definitions() -> String {
    let catalog = Catalog::default();
    let mut text = "module static;\n".to_owned();
    for noun in NOUNS {
        if let Some(variable) = noun.variable {
            let _ = write!(text, "\n{}let {variable}: {};\n", comment("", &describe(noun)), noun.name);
        }
    }
    for noun in NOUNS {
        for (member, arguments) in noun.members.iter().filter_map(|member| Some((member, member.arguments?))) {
            let this = std::iter::once(format!("this: {}", noun.name));
            let slots: Vec<String> = this.chain(arguments.iter().map(|name| format!("{name}: ?"))).collect();
            let docs = format!("{}\n\nReturns: {}", member.docs, member.kind);
            let _ = write!(text, "\n{}fn {}({}) -> ?;\n", comment("", &docs), member.name, slots.join(", "));
        }
    }
    catalog
        .functions
        .iter()
        .filter(|callable| callable.module.is_none())
        .for_each(|callable| add(&mut text, "", callable));
    for module in catalog.modules() {
        let _ = write!(text, "\nmodule {module} {{\n");
        let in_module = catalog.functions.iter().filter(|callable| callable.module == Some(module));
        in_module.for_each(|callable| add(&mut text, "    ", callable));
        text.push_str("}\n");
    }
    text
}

/// One definition for each number of arguments, as Rhai has no optional ones.
fn add(text: &mut String, indent: &str, callable: &Callable) {
    let mut docs = callable.docs.to_owned();
    for option in &callable.options {
        let default =
            if option.default.is_empty() { String::new() } else { format!(", by default {}", option.default) };
        let _ = write!(docs, "\n\n`{}` ({}{default}): {}", option.name, option.kind, option.docs);
    }
    for arity in callable.arities() {
        let mut left_out = callable.slots.len() - arity;
        let slots = callable.slots.iter().filter(|slot| {
            let leave_out = slot.optional && left_out > 0;
            left_out -= usize::from(leave_out);
            !leave_out
        });
        let slots: Vec<String> = slots.map(|slot| format!("{}: {}", slot.name, kind(slot.kind))).collect();
        let returns = callable.returns.map_or("()", kind);
        let _ = write!(
            text,
            "\n{}{indent}fn {}({}) -> {returns};\n",
            comment(indent, &docs),
            callable.name,
            slots.join(", ")
        );
    }
}

/// The language server's names of types; what has none is `?`.
fn kind(kind: &'static str) -> &'static str {
    match kind {
        "text" | "duration" => "String",
        "map" => "Map",
        "closure" | "closure with one parameter" => "Fn",
        known if NOUNS.iter().any(|noun| noun.name == known) => known,
        list if list.starts_with("list of ") => "Array",
        _ => "?",
    }
}

fn describe(noun: &Noun) -> String {
    let members =
        noun.members.iter().map(|member| format!("- `{}` ({}): {}", signature(member), member.kind, member.docs));
    format!("{}\n\n{}", noun.docs, members.collect::<Vec<_>>().join("\n"))
}

fn comment(indent: &str, docs: &str) -> String {
    docs.trim_end().lines().map(|line| format!("{indent}/// {line}").trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::definitions;

    // spec: recipe.reference
    #[test]
    fn functions_stand_in_their_modules_with_their_docs() {
        let text = definitions();
        for part in [
            "module static;\n",
            "let app: App;\n",
            "\nfn step(name: String, body: Fn) -> ();\n",
            "\nfn step(name: String, options: Map, body: Fn) -> ();\n",
            "\nmodule release {\n",
            "    /// Makes what the recipe has put on the hosts the live release.\n",
            "    fn commit() -> ();\n",
            "    fn replace(service: Service) -> ();\n",
        ] {
            assert!(text.contains(part), "`{part}` is not in:\n{text}");
        }
    }
}
