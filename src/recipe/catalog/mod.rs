//! Everything that a recipe can name, with its docs: the reference, the editor's definitions, `recipe check` and the
//! suggestions of errors read it here.

mod functions;
mod nouns;
mod standard;

use stdlib::function::{self, Function};

pub use functions::{Callable, OPTIONS, OptionDoc, kind};
pub use nouns::{Member, NOUNS, Noun};

use super::nearest::{nearest, suggestion};

/// See the module.
#[derive(Debug)]
pub struct Catalog {
    /// Of the library and of the language of recipes, by their order in the reference.
    pub functions: Vec<Callable>,
    /// The script's own functions, with the number of their parameters.
    pub own: Vec<(String, usize)>,
}

/// What a call's name and number of arguments lead to.
#[derive(Debug, PartialEq, Eq)]
pub enum Resolution {
    Known,
    /// The function is there and takes another number of arguments; says which.
    Arity(String),
    /// Says what was probably meant.
    Unknown(Option<String>),
}

impl Default for Catalog {
    /// With every library function.
    fn default() -> Self {
        Self::of(&function::registry())
    }
}

impl Catalog {
    /// With these library functions.
    pub fn of(library: &[Function]) -> Self {
        let mut functions = functions::structure();
        functions.extend(functions::gates());
        functions.extend(functions::restore());
        functions.extend(library.iter().map(Callable::of));
        functions.sort_by_key(|callable| callable.module);
        Self { functions, own: Vec::new() }
    }

    /// The modules, such as `rollout`, each once.
    pub fn modules(&self) -> impl Iterator<Item = &'static str> {
        let mut modules: Vec<&'static str> = self.functions.iter().filter_map(|callable| callable.module).collect();
        modules.dedup();
        modules.into_iter()
    }

    /// What can be named without having been declared.
    #[expect(clippy::unused_self, reason = "the catalog is asked for every kind of name")]
    pub fn variables(&self) -> impl Iterator<Item = &'static str> {
        NOUNS.iter().filter_map(|noun| noun.variable)
    }

    /// The library function of this name, such as `rollout::replace` or `step`.
    pub fn function(&self, name: &str) -> Option<&Callable> {
        self.functions.iter().find(|callable| callable.path() == name)
    }

    /// How a function is called, for the help of an error.
    pub fn usage(&self, name: &str) -> Option<String> {
        self.function(name).map(|callable| format!("write `{}`", callable.signature()))
    }

    /// The properties and methods of a noun.
    #[expect(clippy::unused_self, reason = "the catalog is asked for every kind of name")]
    pub fn properties(&self, noun: &str) -> Vec<&'static str> {
        let noun = NOUNS.iter().find(|known| known.name == noun);
        noun.map(|noun| noun.members.iter().map(|member| member.name).collect()).unwrap_or_default()
    }

    /// Whether a function of this name takes so many arguments; a method's receiver is its first.
    pub fn resolve(&self, name: &str, given: usize) -> Resolution {
        let arities = self.arities(name);
        if arities.contains(&given) {
            return Resolution::Known;
        }
        if arities.is_empty() {
            return Resolution::Unknown(self.suggest(name));
        }
        let takes: Vec<String> = arities.iter().map(usize::to_string).collect();
        let plural = if arities == [1] { "" } else { "s" };
        Resolution::Arity(format!("`{name}` takes {} argument{plural}, not {given}", takes.join(" or ")))
    }

    fn arities(&self, name: &str) -> Vec<usize> {
        let mut arities: Vec<usize> = self.function(name).into_iter().flat_map(Callable::arities).collect();
        let methods = NOUNS.iter().flat_map(|noun| noun.members).filter(|member| member.name == name);
        arities.extend(methods.filter_map(|member| member.arguments.map(|arguments| 1 + arguments.len())));
        arities.extend(self.own.iter().filter(|(own, _)| own == name).map(|(_, arity)| *arity));
        arities.extend(standard::functions().filter(|(known, _)| *known == name).map(|(_, arity)| arity));
        arities.sort_unstable();
        arities.dedup();
        arities
    }

    fn suggest(&self, name: &str) -> Option<String> {
        let paths: Vec<String> = self.functions.iter().map(Callable::path).collect();
        let members = NOUNS.iter().flat_map(|noun| noun.members).map(|member| member.name);
        let own = self.own.iter().map(|(name, _)| name.as_str());
        let known = || paths.iter().map(String::as_str).chain(members.clone()).chain(own.clone());
        if let Some(nearest) = nearest(name, known().chain(standard::functions().map(|(name, _)| name))) {
            return Some(format!("did you mean `{nearest}`?"));
        }
        let (module, _) = name.split_once("::")?;
        if self.modules().any(|known| known == module) {
            let in_module = |path: &&String| path.starts_with(&format!("{module}::"));
            return suggestion(name, paths.iter().filter(in_module).map(String::as_str));
        }
        suggestion(module, self.modules())
    }
}

#[cfg(test)]
mod tests {
    use super::{Catalog, Resolution};

    #[test]
    fn names_resolve_to_what_there_is() {
        let catalog = Catalog::default();
        for (name, given) in [("rollout::replace", 1), ("step", 2), ("step", 3), ("in_order", 1), ("len", 1)] {
            assert_eq!(catalog.resolve(name, given), Resolution::Known, "{name} {given}");
        }
        let unknown = |name| catalog.resolve(name, 1);
        assert_eq!(unknown("rollout::replaze"), Resolution::Unknown(Some("did you mean `rollout::replace`?".into())));
        assert_eq!(unknown("in_ordr"), Resolution::Unknown(Some("did you mean `in_order`?".into())));
        assert_eq!(
            catalog.resolve("rollout::replace", 3),
            Resolution::Arity("`rollout::replace` takes 1 argument, not 3".into())
        );
    }
}
