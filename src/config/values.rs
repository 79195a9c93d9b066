//! The values that settings take: text, numbers, durations, choices, lists and tables.

use std::ops::Range;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use stdlib::model::{IngressProvider, JobTime, ProjectName, Span, Strategy};

use super::{
    findings::{Findings, instead},
    shape::{Shape, expected, settings, twice},
    yaml::{Content, Node},
};

impl Shape for String {
    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        match &node.content {
            Content::Text(text) => Some(text.clone()),
            Content::Integer(_) | Content::Float(_) | Content::Bool(_) => {
                let quoted = format!("\"{}\"", findings.text(&node.span));
                expected("text", node, findings);
                findings.errors.last_mut()?.help(format!("write it in quotes: `{quoted}`"));
                None
            }
            _ => {
                expected("text", node, findings);
                None
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

impl Shape for ProjectName {
    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let text = String::read(node, findings)?;
        Self::new(text).map_err(|error| findings.error(&node.span, error.to_string()).clone()).ok()
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$" })
    }
}

impl Shape for Span {
    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let Content::Text(text) = &node.content else {
            expected("a duration such as `30s`", node, findings);
            return None;
        };
        text.parse().map_err(|message: String| findings.error(&node.span, message).clone()).ok()
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$" })
    }
}

macro_rules! whole_number {
    ($(#[$doc:meta])* $name:ident($type:ty), $range:expr, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(pub $type);

        impl From<$name> for $type {
            fn from(number: $name) -> Self {
                number.0
            }
        }

        impl Shape for $name {
            fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
                let number = match &node.content {
                    Content::Integer(number) => <$type>::try_from(*number).ok().filter(|number| $range.contains(number)),
                    _ => None,
                };
                if number.is_none() {
                    expected($what, node, findings);
                }
                number.map(Self)
            }

            fn schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "integer", "minimum": $range.start(), "maximum": $range.end() })
            }
        }
    };
}

whole_number!(
    /// The version of the format.
    Version(u32), (1..=1), "`1`, the version of the format"
);
whole_number!(
    /// A TCP port.
    Port(u16), (1..=65535), "a port from 1 to 65535"
);
whole_number!(
    /// How many of something.
    Count(u32), (1..=100), "a whole number from 1 to 100"
);

/// Reads one of a few words.
fn choice<T: Copy>(choices: &[(&str, T)], node: &Node, findings: &mut Findings) -> Option<T> {
    let words = || choices.iter().map(|(word, _)| *word);
    let Content::Text(text) = &node.content else {
        expected(&format!("one of {}", super::findings::list(words())), node, findings);
        return None;
    };
    let found = choices.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
    if found.is_none() {
        findings.error(&node.span, format!("`{text}` is not a choice here")).help(instead(text, words()));
    }
    found
}

macro_rules! choices {
    ($type:ty, [$($word:literal => $value:expr),*]) => {
        impl Shape for $type {
            fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
                choice(&[$(($word, $value)),*], node, findings)
            }

            fn schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "enum": [$($word),*] })
            }
        }
    };
}

/// How images reach the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HowTransferred {
    Direct,
    Registry,
}

choices!(HowTransferred, ["direct" => Self::Direct, "registry" => Self::Registry]);
choices!(JobTime, ["before" => Self::Before, "after" => Self::After, "manual" => Self::Manual]);
choices!(Strategy, ["rolling" => Self::Rolling, "stop-first" => Self::StopFirst]);
choices!(IngressProvider, ["haproxy" => Self::Haproxy, "none" => Self::None]);

/// A list that may be written as its only item.
#[derive(Debug, Clone, Default)]
pub struct Words(pub Vec<(String, Range<usize>)>);

impl Words {
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(word, _)| word.as_str())
    }
}

impl Shape for Words {
    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let items = match &node.content {
            Content::List(items) => items.as_slice(),
            Content::Text(_) => std::slice::from_ref(node),
            _ => {
                expected("text or a list of texts", node, findings);
                return None;
            }
        };
        let word = |item: &Node| Some((String::read(item, findings)?, item.span.clone()));
        Some(Self(items.iter().filter_map(word).collect()))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "array"], "items": { "type": "string" } })
    }
}

/// Things under names of the user's, in the order of the file.
#[derive(Debug, Clone)]
pub struct Table<T>(pub Vec<Named<T>>);

#[derive(Debug, Clone)]
pub struct Named<T> {
    pub name: String,
    pub key: Range<usize>,
    pub value: T,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Table<T> {
    pub fn get(&self, name: &str) -> Option<&Named<T>> {
        self.0.iter().find(|named| named.name == name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|named| named.name.as_str())
    }
}

impl<T: Shape> Shape for Table<T> {
    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let Content::Map(entries) = &node.content else {
            expected("a map of names", node, findings);
            return None;
        };
        let mut table = Self::default();
        for entry in entries {
            if let Some(first) = table.get(&entry.key) {
                twice(&entry.key, &first.key.clone(), &entry.key_span, findings);
            } else if let Some(value) = T::read(&entry.value, findings) {
                table.0.push(Named { name: entry.key.clone(), key: entry.key_span.clone(), value });
            }
        }
        Some(table)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let value = T::schema(generator);
        json_schema!({ "type": "object", "additionalProperties": value })
    }
}

/// Any value, for a recipe to judge.
impl Shape for Value {
    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        Some(match &node.content {
            Content::Null => Value::Null,
            Content::Bool(value) => (*value).into(),
            Content::Integer(number) => {
                let Ok(number) = i64::try_from(*number) else {
                    expected("a number of 64 bits", node, findings);
                    return None;
                };
                number.into()
            }
            Content::Float(number) => (*number).into(),
            Content::Text(text) => text.as_str().into(),
            Content::List(items) => items.iter().map(|item| Value::read(item, findings)).collect::<Option<_>>()?,
            Content::Map(entries) => {
                let pair = |entry: &super::yaml::Entry| Some((entry.key.clone(), Value::read(&entry.value, findings)?));
                Value::Object(entries.iter().map(pair).collect::<Option<_>>()?)
            }
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(true)
    }
}

/// How requests reach a route.
#[derive(Debug, Clone)]
pub enum Tls {
    Off,
    Internal,
    Auto,
    Own(OwnCertificate),
}

settings! {
    /// The user's own certificate.
    OwnCertificate requires [cert = "FILE", key = "FILE"] {
        /// The certificate chain, PEM, relative to stagecraft.yml.
        cert: String,
        /// The private key, PEM, relative to stagecraft.yml.
        key: String,
    }
}

/// What `tls` takes, for messages.
pub const TLS_CHOICES: &str =
    "`internal` (the environment's own CA), `off` (plain HTTP) or `{ cert: FILE, key: FILE }`";

impl Shape for Tls {
    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        match &node.content {
            Content::Map(_) => OwnCertificate::read(node, findings).map(Self::Own),
            Content::Text(text) => match text.as_str() {
                "off" => Some(Self::Off),
                "internal" => Some(Self::Internal),
                "auto" => Some(Self::Auto),
                _ => {
                    findings
                        .error(&node.span, format!("`tls` cannot be `{text}`"))
                        .help(format!("write {TLS_CHOICES}"));
                    None
                }
            },
            _ => {
                expected(TLS_CHOICES, node, findings);
                None
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let own = generator.subschema_for::<OwnCertificate>();
        json_schema!({ "anyOf": [{ "enum": ["off", "internal", "auto"] }, own] })
    }
}
