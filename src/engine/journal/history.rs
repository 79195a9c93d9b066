//! Reading a journal.

use jiff::Timestamp;
use serde_json::Value;

use super::entry::{Entry, Line, VERSION, sealed_prefix, unseal};
use crate::engine::Outcome;

/// What a journal says, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    pub entries: Vec<Recorded>,
    /// The length in bytes of what is whole: a torn last line begins here.
    pub length: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    pub time: Timestamp,
    pub entry: Entry,
}

/// A line that cannot be trusted. Nothing is resumed from such a journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Broken {
    /// 1 for the first.
    pub line: u64,
    pub why: String,
}

impl History {
    /// Reads a journal's bytes. A last line that was cut off while it was written is dropped: nothing that it announces has
    /// begun. Any other line that does not hold is an error.
    pub fn read(bytes: &[u8]) -> Result<Self, Broken> {
        let mut history = Self::default();
        for chunk in bytes.split_inclusive(|byte| *byte == b'\n') {
            let number = history.entries.len() as u64 + 1;
            let broken = |why: String| Broken { line: number, why };
            let (text, whole) = match chunk.strip_suffix(b"\n") {
                Some(text) => (text, chunk.len()),
                None => match sealed_prefix(chunk) {
                    Some(end) if end == chunk.len() => (chunk, end),
                    Some(_) => return Err(broken("its end is damaged".into())),
                    None => break,
                },
            };
            let object = unseal(text).ok_or_else(|| broken("its checksum does not hold".into()))?;
            let line = parse(&object).map_err(broken)?;
            if line.seq != number {
                return Err(broken(format!("it has number {}; lines are missing or stand twice", line.seq)));
            }
            history.entries.push(Recorded { time: line.time, entry: line.entry });
            history.length += whole as u64;
        }
        Ok(history)
    }

    /// The number of the next line.
    pub fn next(&self) -> u64 {
        self.entries.len() as u64 + 1
    }

    pub fn began(&self) -> Option<Timestamp> {
        self.entries.first().map(|recorded| recorded.time)
    }

    /// When and how the run ended; `None` when it was cut off, or is under way.
    pub fn ended(&self) -> Option<(Timestamp, Outcome)> {
        match self.entries.last() {
            Some(Recorded { time, entry: Entry::End { outcome } }) => Some((*time, *outcome)),
            _ => None,
        }
    }

    /// Whether the run had begun to go backwards.
    pub fn turned_back(&self) -> bool {
        self.entries
            .iter()
            .any(|recorded| matches!(recorded.entry, Entry::UndoStart { .. } | Entry::Back | Entry::Turned))
    }

    /// Whether another process has gone on with the run behind these first bytes of the journal.
    pub fn was_taken_up(&self, beginning: &[u8]) -> bool {
        let known = Self::read(beginning).map_or(0, |history| history.entries.len());
        let taken_up = |entry: &Entry| matches!(entry, Entry::Resume | Entry::Back | Entry::Lagging);
        self.entries.iter().skip(known).any(|recorded| taken_up(&recorded.entry))
    }

    /// Whether a person had the run go back.
    pub fn asked_back(&self) -> bool {
        self.entries.iter().any(|recorded| recorded.entry == Entry::Back)
    }

    /// Whether this is what a copy had of a journal: what has no entry may have begun all the same.
    pub fn lags(&self) -> bool {
        self.entries.iter().any(|recorded| recorded.entry == Entry::Lagging)
    }
}

fn parse(object: &[u8]) -> Result<Line, String> {
    let value: Value = serde_json::from_slice(object).map_err(|error| error.to_string())?;
    match value.get("version").and_then(Value::as_u64) {
        Some(version) if version == u64::from(VERSION) => {
            serde_json::from_value(value).map_err(|error| error.to_string())
        }
        Some(version) => Err(format!("it has format {version}, and this Stagecraft knows {VERSION}")),
        None => Err("it has no version".into()),
    }
}
