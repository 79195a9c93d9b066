//! Names, texts and outputs as people see them.

use anstream::adapter::strip_str;
use serde_json::Value;

/// The most characters of an output in short.
const SHORT: usize = 60;
/// Of digests and ids so much is shown as tells them apart.
const DIGITS: usize = 12;

/// The second step of a name is `start~2` in keys, and `start 2` for a person.
pub(super) fn numbered(name: &str) -> String {
    match name.rsplit_once('~') {
        Some((name, number)) if number.parse::<u32>().is_ok() => format!("{name} {number}"),
        _ => name.to_owned(),
    }
}

/// `1 host`, `3 hosts`.
pub(super) fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// The text without what a terminal or a browser would obey: escape sequences and control characters.
pub(super) fn inert(text: &str) -> String {
    let text = strip_str(text).to_string();
    text.chars().filter(|char| *char == '\n' || *char == '\t' || !char.is_control()).collect()
}

/// An operation's output in a few words: `id 4f2a9be01c77`; empty where it says nothing.
pub(super) fn short(output: &Value) -> String {
    let text = inert(&said(output)).split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= SHORT {
        return text;
    }
    text.chars().take(SHORT - 1).chain(['…']).collect()
}

fn said(output: &Value) -> String {
    match output {
        Value::Null => String::new(),
        Value::String(text) => digits(text).to_owned(),
        // A gate's answer, and why.
        Value::Object(map) if map.contains_key("verdict") => {
            let why = map.get("failure").and_then(|failure| failure.get("message")).and_then(Value::as_str);
            let verdict = said(&map["verdict"]);
            why.map_or_else(|| verdict.clone(), |why| format!("{verdict}: {why}"))
        }
        Value::Object(map) => {
            let words = map.iter().map(|(key, value)| (key, said(value))).filter(|(_, value)| !value.is_empty());
            let words = words.map(|(key, value)| match key.as_str() {
                // What a command has said speaks for itself.
                "stdout" => value,
                _ => format!("{key} {value}"),
            });
            words.collect::<Vec<_>>().join(", ")
        }
        Value::Array(values) => values.iter().map(said).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// The beginning of an id or digest; any other text as it is.
fn digits(text: &str) -> &str {
    let bare = text.strip_prefix("sha256:").unwrap_or(text);
    if bare.len() >= 32 && bare.bytes().all(|byte| byte.is_ascii_hexdigit()) { &bare[..DIGITS] } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{counted, inert, numbered, short};

    #[test]
    fn the_second_step_of_a_name_has_its_number() {
        assert_eq!([numbered("start~2"), numbered("a~b")], ["start 2", "a~b"]);
        assert_eq!([counted(1, "host"), counted(2, "host")], ["1 host", "2 hosts"]);
    }

    #[test]
    fn an_output_in_short() {
        let id = "be25bb2c01e29f923b198e9305beeb4113e13622c4f0fbbeed149fc62070eb3e";
        assert_eq!(short(&json!({ "id": id })), "id be25bb2c01e2");
        assert_eq!(short(&json!({ "stdout": "hello\nlab" })), "hello lab");
        assert_eq!(short(&json!({ "h1": { "layers": 3, "bytes": 17 } })), "h1 layers 3, bytes 17");
        let ruling = json!({ "verdict": "failed", "failure": { "message": "it answers 503" }, "output": null });
        assert_eq!(short(&ruling), "failed: it answers 503");
        assert_eq!(short(&json!(null)), "");
        assert_eq!(short(&json!({ "certificates": {} })), "");
        assert_eq!(short(&json!("x".repeat(80))).chars().count(), 60);
    }

    #[test]
    fn nothing_in_a_text_moves_a_terminal() {
        assert_eq!(inert("\u{1b}[31mred\u{1b}[0m\u{7}\u{8}\r\nnext\tcell"), "red\nnext\tcell");
    }
}
