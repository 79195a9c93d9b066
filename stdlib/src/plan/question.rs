//! What a recipe asks beyond the facts of the hosts.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::HostName;

/// What the text of a question to a URL begins with. No host's does: a name holds no space.
const GET: &str = "GET ";

/// In a plan it is the text that people see: `web-1: cat /etc/version` or `GET https://shop.example.com/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Question {
    /// `host.query(command)`: a shell command that only reads.
    Host { host: HostName, command: String },
    /// `facts.http(url)`.
    Url(String),
}

/// A question asked while the recipe was evaluated, and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Read {
    pub question: Question,
    pub answer: serde_json::Value,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host, command } => write!(f, "{host}: {command}"),
            Self::Url(url) => write!(f, "{GET}{url}"),
        }
    }
}

impl From<Question> for String {
    fn from(question: Question) -> Self {
        question.to_string()
    }
}

impl TryFrom<String> for Question {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(url) = text.strip_prefix(GET) {
            return Ok(Self::Url(url.to_owned()));
        }
        let (host, command) = text.split_once(": ").ok_or_else(|| format!("`{text}` asks neither a host nor a URL"))?;
        let host = HostName::new(host).map_err(|error| error.to_string())?;
        Ok(Self::Host { host, command: command.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::Question;

    #[test]
    fn the_text_of_a_question_is_read_again() {
        for text in ["web-1: echo a: b", "GET https://shop.example.com/a: b", "GET: true"] {
            assert_eq!(Question::try_from(text.to_owned()).unwrap().to_string(), text);
        }
        assert!(matches!(Question::try_from("GET: true".to_owned()), Ok(Question::Host { .. })));
        assert_eq!(Question::try_from("uptime".to_owned()).unwrap_err(), "`uptime` asks neither a host nor a URL");
    }
}
