//! The audit of an environment: who did what, one JSON object a line, append-only.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stdlib::model::RunId;

use crate::engine::Outcome;

/// The version of the audit's format.
const VERSION: u32 = 1;

/// One line of the audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub version: u32,
    pub time: Timestamp,
    pub run: RunId,
    /// `user@machine`.
    pub who: String,
    /// The command, recipe or pipeline.
    pub what: String,
    /// The release that the run is for, such as `12 3fa9c1b+`.
    pub release: Option<String>,
    /// Where the run's bundle stands, until so many others have begun.
    pub slot: usize,
    #[serde(flatten)]
    pub deed: Deed,
    /// The first 16 hexadecimal digits of the SHA-256 of the line before: nothing in between can be changed unnoticed.
    pub previous: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "deed", rename_all = "snake_case")]
pub enum Deed {
    Began,
    Resumed,
    Undone,
    /// `who` of the line waited; this person has said yes.
    Approved {
        by: String,
    },
    Denied {
        by: String,
    },
    Ended {
        outcome: Outcome,
    },
}

/// Lines in one file of the audit. A new line is written with its whole file, and no more.
const LINES_IN_A_FILE: usize = 20;

/// The audit as it stands in its files, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    text: String,
    /// Lines that are in the files already.
    written: usize,
}

/// A line that does not follow from the one before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the audit {why}")]
pub struct Broken {
    /// 1 for the first.
    pub line: usize,
    pub why: String,
}

impl Audit {
    /// Of all its files, in the order of their names.
    pub fn new(text: String) -> Self {
        Self { written: text.lines().count(), text }
    }

    /// The files that have to be written for the lines that were appended, by name.
    pub fn unwritten(&self) -> Vec<(String, String)> {
        let lines: Vec<&str> = self.text.split_inclusive('\n').collect();
        let files = lines.chunks(LINES_IN_A_FILE).enumerate();
        let lacking = files.filter(|(number, lines)| number * LINES_IN_A_FILE + lines.len() > self.written);
        lacking.map(|(number, lines)| (format!("{number:06}.jsonl"), lines.concat())).collect()
    }

    /// What was unwritten is in the files.
    pub fn is_written(&mut self) {
        self.written = self.text.lines().count();
    }

    /// All lines, when each follows from the one before.
    pub fn lines(&self) -> Result<Vec<Line>, Broken> {
        let mut previous = String::new();
        let mut lines = Vec::new();
        for (number, text) in self.text.lines().enumerate() {
            let broken = |why: String| Broken { line: number + 1, why };
            let line: Line = serde_json::from_str(text).map_err(|error| broken(format!("cannot be read: {error}")))?;
            if line.version != VERSION {
                return Err(broken(format!("has format {}, and this Stagecraft knows {VERSION}", line.version)));
            }
            if line.previous != previous {
                return Err(broken("does not follow from the one before: something was changed or taken out".into()));
            }
            previous = sum(text);
            lines.push(line);
        }
        Ok(lines)
    }

    /// Appends a line; `line.previous` is filled in.
    pub fn append(&mut self, line: Line) {
        let previous = self.text.lines().last().map(sum).unwrap_or_default();
        let line = Line { previous, ..line };
        self.text.push_str(&serde_json::to_string(&line).expect("a line is plain data"));
        self.text.push('\n');
    }

    /// How many bundles have been written, and so the slot of the next one.
    pub fn bundles(&self) -> usize {
        let others = ["ended", "approved", "denied"].map(|deed| format!("\"deed\":\"{deed}\""));
        self.text.lines().filter(|line| !others.iter().any(|deed| line.contains(deed))).count()
    }
}

impl Line {
    pub fn new(deed: Deed, run: RunId, who: String, what: String) -> Self {
        Self {
            version: VERSION,
            time: Timestamp::now(),
            run,
            who,
            what,
            release: None,
            slot: 0,
            deed,
            previous: String::new(),
        }
    }
}

fn sum(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..8])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use stdlib::model::RunId;

    use super::{Audit, Deed, LINES_IN_A_FILE, Line};
    use crate::engine::Outcome;

    fn three() -> Audit {
        let mut audit = Audit::default();
        for deed in [Deed::Began, Deed::Resumed, Deed::Ended { outcome: Outcome::Done }] {
            audit.append(Line::new(deed, RunId::new("0199-a").unwrap(), "ann@desk".into(), "deploy".into()));
        }
        audit
    }

    // spec: run.audit
    #[test]
    fn a_line_that_was_changed_or_taken_out_is_noticed() {
        let audit = three();
        let deeds: Vec<Deed> = audit.lines().unwrap().into_iter().map(|line| line.deed).collect();
        assert_eq!(deeds, [Deed::Began, Deed::Resumed, Deed::Ended { outcome: Outcome::Done }]);
        assert_eq!(audit.bundles(), 2);
        let changed = Audit::new(audit.text.replacen("ann@desk", "bob@desk", 1));
        let notice = "line 2 of the audit does not follow from the one before: something was changed or taken out";
        assert_eq!(changed.lines().unwrap_err().to_string(), notice);
        let lines: Vec<&str> = audit.text.lines().collect();
        let without = Audit::new([lines[0], lines[2]].join("\n"));
        assert_eq!(without.lines().unwrap_err().to_string(), notice);
    }

    #[test]
    fn only_files_that_lack_a_line_are_written_until_they_are() {
        let mut audit = Audit::default();
        let append = |audit: &mut Audit, count: usize| {
            for _ in 0..count {
                audit.append(Line::new(Deed::Began, RunId::new("0199-a").unwrap(), "ann@desk".into(), "deploy".into()));
            }
        };
        let names = |audit: &Audit| audit.unwritten().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        append(&mut audit, LINES_IN_A_FILE - 1);
        let mut files: BTreeMap<String, String> = audit.unwritten().into_iter().collect();
        audit.is_written();
        // A write that has failed is made up for by the next one, also where that begins another file.
        append(&mut audit, 1);
        assert_eq!(names(&audit), ["000000.jsonl"]);
        append(&mut audit, 1);
        assert_eq!(names(&audit), ["000000.jsonl", "000001.jsonl"]);
        files.extend(audit.unwritten());
        audit.is_written();
        append(&mut audit, 1);
        assert_eq!(names(&audit), ["000001.jsonl"]);
        files.extend(audit.unwritten());
        let read = Audit::new(files.into_values().collect());
        assert_eq!(read.lines().unwrap().len(), LINES_IN_A_FILE + 2);
        assert_eq!(read.unwritten(), [] as [(String, String); 0]);
    }
}
