//! YAML as a tree in which every value knows its place. The only module that knows the YAML library.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Error, Location, Options, Spanned, budget::BudgetBreach, options::DuplicateKeyPolicy};

/// A file larger than this is not configuration.
const MAX_BYTES: usize = 1024 * 1024;
/// What a file of configuration may hold; an alias bomb holds more.
const MAX_NODES: usize = 20_000;
const MAX_DEPTH: usize = 32;

/// A value and the bytes of the text where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub content: Content,
    pub span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of the text; a key that stands twice is there twice.
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_span: Range<usize>,
    pub value: Node,
}

/// Why a text is not YAML that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub span: Option<Range<usize>>,
    pub message: String,
    pub help: Option<&'static str>,
}

/// Which tags (`!name`) a file may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tags {
    /// Only YAML's own.
    Standard,
    /// Any, ignored: Compose has `!reset` and `!override`.
    Any,
}

/// Parses one document. `None` when it is empty.
pub fn parse(text: &str, tags: Tags) -> Result<Option<Node>, Unreadable> {
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; at most {MAX_BYTES} are read", text.len());
        return Err(Unreadable { span: None, message, help: None });
    }
    serde_saphyr::from_str_with_options(text, options(tags)).map_err(|error| unreadable(&error, text))
}

fn options(tags: Tags) -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 4 * MAX_NODES,
            max_nodes: MAX_NODES,
            max_depth: MAX_DEPTH,
            max_documents: 1,
            max_total_scalar_bytes: MAX_BYTES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_NODES,
            max_replay_stack_depth: 8,
        },
        // The reader of the tree refuses them, all at once.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        legacy_octal_numbers: false,
        leading_zero_numbers_as_strings: true,
        strict_indentation: true,
        reject_unsupported_tags: tags == Tags::Standard,
        with_snippet: false,
    }
}

fn unreadable(error: &Error, text: &str) -> Unreadable {
    let location = error.location();
    let span = location.and_then(|location| range(&location).or_else(|| character(text, &location)));
    let (message, help) = match error {
        Error::AliasError { error, .. } if is_limit(error) => too_much(),
        error if is_limit(error) => too_much(),
        Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            ("a second YAML document begins here".to_owned(), Some("remove the `---`: one file holds one document"))
        }
        Error::Budget { .. } => too_much(),
        error => {
            let full = error.to_string();
            // The place is shown with the excerpt.
            let message = full.split(" at line ").next().unwrap_or(&full).to_owned();
            let help = message.contains("tabs").then_some("indent with spaces");
            (format!("not valid YAML: {message}"), help)
        }
    };
    Unreadable { span, message, help }
}

fn is_limit(error: &Error) -> bool {
    matches!(
        error,
        Error::AliasReplayLimitExceeded { .. }
            | Error::AliasExpansionLimitExceeded { .. }
            | Error::AliasReplayStackDepthExceeded { .. }
    )
}

fn too_much() -> (String, Option<&'static str>) {
    (
        format!("more than a configuration may hold: {MAX_NODES} values, {MAX_DEPTH} levels, aliases counted in full"),
        Some("write it without anchors and aliases"),
    )
}

fn range(location: &Location) -> Option<Range<usize>> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let length = usize::try_from(location.span().byte_len()?).ok()?;
    Some(start..start + length)
}

/// The character at a line and column, for errors that carry no bytes.
fn character(text: &str, location: &Location) -> Option<Range<usize>> {
    let (line, column) = (usize::try_from(location.line()).ok()?, usize::try_from(location.column()).ok()?);
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let (offset, character) = text[start..].char_indices().nth(column.checked_sub(1)?)?;
    Some(start + offset..start + offset + character.len_utf8())
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, defined, .. } = Spanned::<Content>::deserialize(deserializer)?;
        Ok(Self { content: value, span: range(&defined).unwrap_or_default() })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyContent)
    }
}

struct AnyContent;

impl<'de> Visitor<'de> for AnyContent {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Integer(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Integer(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Content::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Content, A::Error> {
        let mut map = Vec::new();
        while let Some((key, mut value)) = entries.next_entry::<Spanned<String>, Node>()? {
            let key_span = range(&key.defined).unwrap_or_default();
            // A map or nothing has no text of its own to point at.
            if matches!(value.content, Content::Map(_) | Content::Null) {
                value.span = key_span.clone();
            }
            map.push(Entry { key: key.value, key_span, value });
        }
        Ok(Content::Map(map))
    }
}
