//! A line of the journal.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use stdlib::{failure::Failure, model::RunId, plan::Key};

use crate::engine::{Answer, Assume, Outcome};

/// The version of the journal's format.
pub const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    Begin {
        run: RunId,
        /// SHA-256 of the plan, so that no journal is read with another run's plan.
        plan: String,
    },
    Resume,
    /// What follows was taken from a copy that may have been behind: whatever has no entry before this may have begun.
    Lagging,
    /// The run goes back, because a person wants it to.
    Back,
    /// The run goes back from here. It stands before the first inverse, in the copy too.
    Turned,
    /// A person's word on an operation that cannot tell whether it has happened.
    Assumed {
        key: Key,
        assume: Assume,
    },
    Start {
        key: Key,
    },
    Ok {
        key: Key,
        output: Value,
    },
    /// A person's answer to an operation that asks for it.
    Answered {
        key: Key,
        answer: Answer,
    },
    Failed {
        key: Key,
        failure: Failure,
    },
    Stopped {
        key: Key,
    },
    UndoStart {
        key: Key,
    },
    Undone {
        key: Key,
    },
    UndoFailed {
        key: Key,
        failure: Failure,
    },
    End {
        outcome: Outcome,
    },
}

/// An entry as it stands in the file, but for the checksum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub version: u32,
    /// 1 for the first line, then one more each.
    pub seq: u64,
    pub time: Timestamp,
    #[serde(flatten)]
    pub entry: Entry,
}

/// How a line ends, around its checksum of 16 hexadecimal digits.
const BEFORE: &str = ",\"checksum\":\"";
const AFTER: &str = "\"}";
const DIGITS: usize = 16;

/// The line with its checksum and newline. The checksum is over the object as it would be without it.
pub(super) fn seal(line: &Line) -> String {
    let object = serde_json::to_string(line).expect("a line is plain data");
    let sum = checksum(object.as_bytes());
    format!("{}{BEFORE}{sum}{AFTER}\n", &object[..object.len() - 1])
}

/// The object without its checksum, if the checksum holds. `line` is without its newline.
pub(super) fn unseal(line: &[u8]) -> Option<Vec<u8>> {
    let rest = line.strip_suffix(AFTER.as_bytes())?;
    let (rest, sum) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    let mut object = rest.strip_suffix(BEFORE.as_bytes())?.to_vec();
    object.push(b'}');
    (checksum(&object).as_bytes() == sum).then_some(object)
}

/// The length of a whole sealed line at the beginning of `bytes`, whatever follows it.
pub(super) fn sealed_prefix(bytes: &[u8]) -> Option<usize> {
    let ends = bytes.windows(AFTER.len()).enumerate().filter(|(_, window)| *window == AFTER.as_bytes());
    ends.map(|(start, _)| start + AFTER.len()).find(|end| unseal(&bytes[..*end]).is_some())
}

fn checksum(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..DIGITS / 2])
}
