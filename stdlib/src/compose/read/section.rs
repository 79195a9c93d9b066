//! Takes a map of Compose's JSON apart, key by key; what is left over is unsupported.

use std::{cell::RefCell, collections::BTreeMap};

use serde_json::{Map, Value};

use super::Problem;
use crate::model::Span;

/// All that is wrong, collected from every section.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub fn add(&self, path: Vec<String>, message: String, hint: Option<&str>) {
        self.0.borrow_mut().push(Problem { path, message, hint: hint.map(str::to_owned) });
    }

    pub fn into_inner(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// One map with its place. [`Section::finish`] makes a problem of every key that nobody has taken.
#[derive(Debug)]
pub struct Section<'p> {
    path: Vec<String>,
    left: Map<String, Value>,
    problems: &'p Problems,
}

impl<'p> Section<'p> {
    /// A map, or `null` for an empty one.
    pub fn new(path: Vec<String>, value: Value, problems: &'p Problems) -> Self {
        let left = match value {
            Value::Object(map) => map,
            Value::Null => Map::new(),
            other => {
                problems.add(path.clone(), not("a map", &other), None);
                Map::new()
            }
        };
        Self { path, left, problems }
    }

    fn below(&self, key: &str) -> Vec<String> {
        self.path.iter().cloned().chain([key.to_owned()]).collect()
    }

    /// A problem of one key.
    pub fn problem(&self, key: &str, message: impl Into<String>, hint: Option<&str>) {
        self.problems.add(self.below(key), message.into(), hint);
    }

    /// A problem of the whole section.
    pub fn wrong(&self, message: impl Into<String>) {
        self.problems.add(self.path.clone(), message.into(), None);
    }

    /// The value of a key, whatever it is; `None` for `null` too.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.left.shift_remove(key).filter(|value| !value.is_null())
    }

    /// A copy of the value of a key, which stays; `None` for `null` too.
    pub fn peek(&self, key: &str) -> Option<Value> {
        self.left.get(key).filter(|value| !value.is_null()).cloned()
    }

    /// The value of a key by `parse`, whose error is a problem.
    pub fn parsed<T>(&mut self, key: &str, parse: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        let value = self.take(key)?;
        match parse(&value) {
            Ok(parsed) => Some(parsed),
            Err(why) => {
                self.problem(key, why, None);
                None
            }
        }
    }

    pub fn text(&mut self, key: &str) -> Option<String> {
        self.parsed(key, text).filter(|text| !text.is_empty())
    }

    pub fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        self.parsed(key, |value| match value {
            Value::Array(items) => items.iter().map(text).collect(),
            other => Err(not("a list", other)),
        })
    }

    /// A map of texts; `null` is the empty text.
    pub fn map(&mut self, key: &str) -> BTreeMap<String, String> {
        let entry = |(name, value): (&String, &Value)| match value {
            Value::Null => Ok((name.clone(), String::new())),
            other => Ok((name.clone(), text(other)?)),
        };
        let parsed = self.parsed(key, |value| match value {
            Value::Object(map) => map.iter().map(entry).collect(),
            other => Err(not("a map", other)),
        });
        parsed.unwrap_or_default()
    }

    pub fn flag(&mut self, key: &str) -> Option<bool> {
        self.parsed(key, |value| value.as_bool().ok_or_else(|| not("true or false", value)))
    }

    /// A whole number, or the digits of one: Compose writes sizes in bytes as text.
    pub fn whole(&mut self, key: &str) -> Option<i64> {
        self.parsed(key, whole)
    }

    pub fn decimal(&mut self, key: &str) -> Option<f64> {
        self.parsed(key, |value| {
            let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
            number.ok_or_else(|| not("a number", value))
        })
    }

    pub fn span(&mut self, key: &str) -> Option<Span> {
        self.parsed(key, |value| go_duration(&text(value)?))
    }

    /// The map below a key; an empty one where there is none.
    pub fn section(&mut self, key: &str) -> Section<'p> {
        Section::new(self.below(key), self.take(key).unwrap_or_default(), self.problems)
    }

    /// The maps below a key by their names.
    pub fn named(&mut self, key: &str) -> Vec<(String, Section<'p>)> {
        let map = self.section(key);
        let section = |(name, value): (String, Value)| {
            let path = map.below(&name);
            (name, Section::new(path, value, map.problems))
        };
        map.left.clone().into_iter().map(section).collect()
    }

    /// The maps of a list below a key. Their paths end with their places, from 0.
    pub fn list(&mut self, key: &str) -> Vec<Section<'p>> {
        let items = self.parsed(key, |value| value.as_array().cloned().ok_or_else(|| not("a list", value)));
        let (path, problems) = (self.below(key), self.problems);
        let section = |(place, value): (usize, Value)| {
            Section::new(path.iter().cloned().chain([place.to_string()]).collect(), value, problems)
        };
        items.unwrap_or_default().into_iter().enumerate().map(section).collect()
    }

    /// Names every key that is left. What Compose emits for a key that nobody wrote (`null`, `{}`, `[]`) is none, and
    /// extensions (`x-…`) are nobody's.
    pub fn finish(self, hint: fn(&str) -> Option<&'static str>) {
        for (key, value) in &self.left {
            let empty = match value {
                Value::Null => true,
                Value::Array(items) => items.is_empty(),
                Value::Object(map) => map.is_empty(),
                _ => false,
            };
            if !empty && !key.starts_with("x-") {
                self.problem(key, format!("Stagecraft does not support `{key}`"), hint(key));
            }
        }
    }
}

/// For sections whose keys need no advice.
pub fn no_hint(_: &str) -> Option<&'static str> {
    None
}

/// Says what a value should be. The value itself may be secret.
fn not(wanted: &str, value: &Value) -> String {
    let is = match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    };
    format!("should be {wanted}, and is {is}")
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        other => Err(not("a text", other)),
    }
}

fn whole(value: &Value) -> Result<i64, String> {
    let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
    number.ok_or_else(|| not("a whole number", value))
}

/// Units of Go's durations with their length in nanoseconds. `ms` before `m`, which it begins with.
const UNITS: [(&str, f64); 7] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("h", 3.6e12), ("m", 6e10), ("s", 1e9)];

/// A duration as Compose writes it: `1m30s`, `1.5s`, `500ms`. No finer than a millisecond.
fn go_duration(text: &str) -> Result<Span, String> {
    let wrong = || format!("`{text}` is not a duration of whole milliseconds");
    let (mut rest, mut nanoseconds) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let (number, tail) = rest.split_at(digits);
        let (unit, length) = UNITS.into_iter().find(|(unit, _)| tail.starts_with(unit)).ok_or_else(wrong)?;
        nanoseconds += number.parse::<f64>().map_err(|_| wrong())? * length;
        rest = &tail[unit.len()..];
    }
    let milliseconds = nanoseconds / 1e6;
    if text.is_empty() || milliseconds.fract() != 0.0 || milliseconds > 1e15 {
        return Err(wrong());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, not negative, below 10^15")]
    Ok(Span::millis(milliseconds as u64))
}

#[cfg(test)]
mod tests {
    use super::go_duration;

    #[test]
    fn reads_durations_as_compose_writes_them() {
        let read = |text| go_duration(text).map(|span| span.as_millis());
        assert_eq!(read("1m30s"), Ok(90_000));
        assert_eq!(read("1h0m0s"), Ok(3_600_000));
        assert_eq!(read("500ms"), Ok(500));
        assert_eq!(read("1.5s"), Ok(1500));
        assert_eq!(read("0s"), Ok(0));
        assert_eq!(read("2m0.25s"), Ok(120_250));
        for wrong in ["", "5", "s", "-1s", "100us", "1d", "1..5s"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
