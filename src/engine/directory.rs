//! The directory of a run on the operator's machine: its plan and its journal.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde_json::Value;
use sha2::{Digest, Sha256};
use stdlib::{model::RunId, plan::Plan};

use super::journal::{Broken, Entry, History, Journal};

/// Below the directory that keeps the project's state on this machine.
const RUNS: &str = "runs";
const PLAN: &str = "plan.json";
const JOURNAL: &str = "journal.jsonl";

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("there is no run {run} here; `stagecraft runs` lists them")]
    Missing { run: String },
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error("{path} has format {version}, and this Stagecraft knows {}; use the Stagecraft that made it", Plan::SCHEMA)]
    Version { path: PathBuf, version: u64 },
    #[error("{path} cannot be read as a plan: {why}")]
    Plan { path: PathBuf, why: String },
    /// The hosts, not the journal, are then the only source of truth.
    #[error(
        "{path}, {broken}; nothing can be resumed from it, and `stagecraft deploy` starts from what the hosts have"
    )]
    Journal { path: PathBuf, broken: Broken },
}

/// `runs/ID/`, for its owner alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// Makes the directory and writes the plan into it. `project` is where this machine keeps what it knows of the project.
    pub fn create(project: &Path, run: &RunId, plan: &Plan) -> Result<Self, RunError> {
        let path = project.join(RUNS).join(run.as_str());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|error| io_error(&path, error))?;
        let directory = Self { path };
        let text = serde_json::to_vec(plan).expect("a plan is plain data");
        let mut file = directory.new_file(PLAN)?;
        let written = file.write_all(&text).and_then(|()| file.sync_all());
        written.map_err(|error| io_error(&directory.path.join(PLAN), error))?;
        Ok(directory)
    }

    /// Takes over a run whose plan and journal come from elsewhere. The journal may have been behind, and says so.
    pub async fn receive(project: &Path, run: &RunId, plan: &[u8], journal: &[u8]) -> Result<Self, RunError> {
        let plan = parse_plan(plan, Path::new(PLAN))?;
        let history = History::read(journal)
            .map_err(|broken| RunError::Journal { path: Path::new(JOURNAL).to_owned(), broken })?;
        let directory = Self::create(project, run, &plan)?;
        let path = directory.path.join(JOURNAL);
        let whole = usize::try_from(history.length).expect("it is in memory");
        let written = directory.new_file(JOURNAL)?.write_all(&journal[..whole]);
        written.map_err(|error| io_error(&path, error))?;
        let lagging = directory.reopen(&history)?.commit(Entry::Lagging).await;
        lagging.map_err(|error| io_error(&path, error))?;
        Ok(directory)
    }

    pub fn open(project: &Path, run: &RunId) -> Result<Self, RunError> {
        let path = project.join(RUNS).join(run.as_str());
        if path.join(PLAN).is_file() { Ok(Self { path }) } else { Err(RunError::Missing { run: run.to_string() }) }
    }

    /// Every run of the project, the newest first.
    pub fn list(project: &Path) -> Result<Vec<RunId>, RunError> {
        let path = project.join(RUNS);
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| io_error(&path, error))?,
        };
        let mut runs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| io_error(&path, error))?;
            let run = entry.file_name().into_string().ok().and_then(|name| RunId::new(name).ok());
            runs.extend(run.filter(|_| entry.path().join(PLAN).is_file()));
        }
        // Ids sort by the time they were made.
        runs.sort_by(|one, other| other.cmp(one));
        Ok(runs)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn plan(&self) -> Result<Plan, RunError> {
        let path = self.path.join(PLAN);
        let text = fs::read(&path).map_err(|error| io_error(&path, error))?;
        parse_plan(&text, &path)
    }

    /// The journal of a run that has not begun.
    pub fn journal(&self) -> Result<Journal, RunError> {
        let file = self.new_file(JOURNAL)?;
        // The names of both files must outlive a crash too.
        let synced = File::open(&self.path).and_then(|directory| directory.sync_all());
        synced.map_err(|error| io_error(&self.path, error))?;
        Ok(Journal::new(file, 1))
    }

    /// The journal's bytes; none for a run that has not begun.
    pub fn bytes(&self) -> Result<Vec<u8>, RunError> {
        let path = self.path.join(JOURNAL);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            bytes => bytes.map_err(|error| io_error(&path, error)),
        }
    }

    /// Replaces the journal by a copy that has more of it.
    pub fn restore(&self, journal: &[u8]) -> Result<(), RunError> {
        let path = self.path.join(JOURNAL);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(journal).and_then(|()| file.sync_all()));
        written.map_err(|error| io_error(&path, error))
    }

    /// What the journal says.
    pub fn history(&self) -> Result<History, RunError> {
        History::read(&self.bytes()?).map_err(|broken| RunError::Journal { path: self.path.join(JOURNAL), broken })
    }

    /// The journal of a run that goes on, behind what `history` has read. A torn last line goes.
    pub fn reopen(&self, history: &History) -> Result<Journal, RunError> {
        let path = self.path.join(JOURNAL);
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).and_then(|mut file| {
            file.set_len(history.length)?;
            // The last line may have lost its newline only.
            if history.length > 0 && !fs::read(&path)?.ends_with(b"\n") {
                file.write_all(b"\n")?;
            }
            Ok(file)
        });
        Ok(Journal::new(opened.map_err(|error| io_error(&path, error))?, history.next()))
    }

    fn new_file(&self, name: &str) -> Result<File, RunError> {
        let path = self.path.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        file.map_err(|error| io_error(&path, error))
    }
}

/// Reads a plan from its file's text. `path` is for the message.
pub fn parse_plan(text: &[u8], path: &Path) -> Result<Plan, RunError> {
    let wrong = |error: serde_json::Error| RunError::Plan { path: path.to_owned(), why: error.to_string() };
    let value: Value = serde_json::from_slice(text).map_err(wrong)?;
    match value.get("schema").and_then(Value::as_u64) {
        Some(version) if version != u64::from(Plan::SCHEMA) => {
            Err(RunError::Version { path: path.to_owned(), version })
        }
        _ => {
            let plan: Plan = serde_json::from_value(value).map_err(wrong)?;
            if plan.root.is_open() && plan.script.is_none() {
                let why = "it has a `later`, and not the recipe that decides it".to_owned();
                return Err(RunError::Plan { path: path.to_owned(), why });
            }
            Ok(plan)
        }
    }
}

/// SHA-256 of a plan, by which its journal knows it.
pub(super) fn digest(plan: &Plan) -> String {
    hex::encode(Sha256::digest(serde_json::to_vec(plan).expect("a plan is plain data")))
}

fn io_error(path: &Path, error: io::Error) -> RunError {
    RunError::Io { path: path.to_owned(), error }
}
