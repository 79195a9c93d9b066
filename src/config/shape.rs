//! How a value of stagecraft.yml is read, overridden and described in the schema.

use std::{borrow::Cow, ops::Range};

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{
    findings::{Findings, instead},
    yaml::{Content, Node},
};

/// What may stand at a place of stagecraft.yml.
pub trait Shape: Sized {
    /// Reads it. `None` when it has another shape, which is then among the findings.
    fn read(node: &Node, findings: &mut Findings) -> Option<Self>;

    fn schema(generator: &mut SchemaGenerator) -> Schema;

    /// This, where an environment gives it over what the file gives for all. What has settings of its own takes those from
    /// `base` that it doesn't give.
    #[must_use]
    fn over(self, base: Self) -> Self {
        let _ = base;
        self
    }
}

/// A value with its place and that of its key.
#[derive(Debug, Clone)]
pub struct Given<T> {
    pub value: T,
    pub key: Range<usize>,
    pub span: Range<usize>,
}

impl<T> Given<T> {
    /// Another value at the same place.
    pub fn with<U>(&self, value: U) -> Given<U> {
        Given { value, key: self.key.clone(), span: self.span.clone() }
    }
}

/// A key that may be left out.
#[derive(Debug, Clone, Default)]
pub enum Setting<T> {
    #[default]
    Absent,
    /// It is there with a mistake, which is among the findings.
    Wrong,
    Given(Given<T>),
}

impl<T> Setting<T> {
    pub fn given(&self) -> Option<&Given<T>> {
        match self {
            Self::Given(given) => Some(given),
            Self::Absent | Self::Wrong => None,
        }
    }

    pub fn value(&self) -> Option<&T> {
        self.given().map(|given| &given.value)
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The value, or the default of what it is for.
    pub fn or<U: From<T>>(&self, default: U) -> U
    where
        T: Clone,
    {
        self.value().cloned().map_or(default, U::from)
    }
}

impl<T: Shape> Setting<T> {
    pub(super) fn read(key: &Range<usize>, node: &Node, findings: &mut Findings) -> Self {
        match T::read(node, findings) {
            Some(value) => Self::Given(Given { value, key: key.clone(), span: node.span.clone() }),
            None => Self::Wrong,
        }
    }

    pub(super) fn over(self, base: Self) -> Self {
        match (self, base) {
            (Self::Given(over), Self::Given(base)) => Self::Given(Given { value: over.value.over(base.value), ..over }),
            (Self::Absent, base) => base,
            (over, _) => over,
        }
    }
}

impl<T: Shape> JsonSchema for Setting<T> {
    fn schema_name() -> Cow<'static, str> {
        "Setting".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

/// Names the keys of a map that is read into settings: each once, each known, the required ones there.
///
/// An empty map holds none of the required ones either.
pub(super) fn check_keys(node: &Node, known: &[&str], required: &[(&str, &str)], findings: &mut Findings) {
    let entries = match &node.content {
        Content::Map(entries) => entries.as_slice(),
        _ => &[],
    };
    for (index, entry) in entries.iter().enumerate() {
        if !known.contains(&entry.key.as_str()) {
            let help = instead(&entry.key, known.iter().copied());
            findings.error(&entry.key_span, format!("unknown key `{}`", entry.key)).help(help);
        } else if let Some(first) = entries[..index].iter().find(|other| other.key == entry.key) {
            twice(&entry.key, &first.key_span, &entry.key_span, findings);
        }
    }
    for (key, example) in required.iter().filter(|(key, _)| entries.iter().all(|entry| entry.key != *key)) {
        findings.error(&node.span, format!("`{key}` is missing")).help(format!("add `{key}: {example}`"));
    }
}

pub(super) fn twice(key: &str, first: &Range<usize>, second: &Range<usize>, findings: &mut Findings) {
    let line = findings.line(first);
    findings.error(second, format!("`{key}` stands twice")).help(format!("it is on line {line} already: keep one"));
}

/// Reports that a place holds something else than it takes, such as `a whole number`.
pub(super) fn expected(what: &str, node: &Node, findings: &mut Findings) {
    let found = match &node.content {
        Content::Null => {
            findings.error(&node.span, format!("there is no value: this should be {what}"));
            return;
        }
        Content::Bool(value) => format!("`{value}`"),
        Content::Integer(_) | Content::Float(_) => format!("the number {}", findings.text(&node.span)),
        Content::Text(text) => format!("the text `{text}`"),
        Content::List(_) => "a list".to_owned(),
        Content::Map(_) => "a map".to_owned(),
    };
    findings.error(&node.span, format!("this should be {what}, not {found}"));
}

/// A struct of settings: its fields are the keys, their comments the schema's descriptions. An empty value is the same as
/// no settings, as when every line below a key is a comment.
macro_rules! settings {
    (
        $(#[$meta:meta])*
        $name:ident requires [$($required:ident = $example:literal),*] {
            $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields, extend("type" = ["object", "null"], "required" = [$(stringify!($required)),*]))]
        pub struct $name {
            $($(#[$field_meta])* #[schemars(default)] pub $field: $crate::config::shape::Setting<$type>,)*
        }

        impl $crate::config::shape::Shape for $name {
            fn read(
                node: &$crate::config::yaml::Node,
                findings: &mut $crate::config::findings::Findings,
            ) -> Option<Self> {
                use $crate::config::{shape::Setting, yaml::Content};
                let entries = match &node.content {
                    Content::Map(entries) => entries.as_slice(),
                    Content::Null => &[],
                    _ => {
                        $crate::config::shape::expected("a map of settings", node, findings);
                        return Some(Self::default());
                    }
                };
                let known = [$(stringify!($field)),*];
                $crate::config::shape::check_keys(node, &known, &[$((stringify!($required), $example)),*], findings);
                let mut settings = Self::default();
                for entry in entries {
                    match entry.key.as_str() {
                        $(stringify!($field) => settings.$field = Setting::read(&entry.key_span, &entry.value, findings),)*
                        _ => {}
                    }
                }
                Some(settings)
            }

            fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                generator.subschema_for::<Self>()
            }

            fn over(self, base: Self) -> Self {
                Self { $($field: self.$field.over(base.$field),)* }
            }
        }
    };
}

pub(super) use settings;
