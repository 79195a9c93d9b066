//! Runs the binary.

use std::{
    io::{BufRead as _, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// How a command ended.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ran {
    /// The exit code, or the whole output in the assertion's message.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The last line of `--json`.
    #[track_caller]
    pub fn summary(&self) -> Value {
        let last = self.stdout.lines().last().expect("a last line");
        let value: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("not JSON: {last}"));
        assert_eq!(value["type"], "summary", "{last}");
        value
    }
}

/// Between the times of two events.
pub fn seconds_between(earlier: &Value, later: &Value) -> f64 {
    let time = |event: &Value| event["time"].as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time");
    (time(later) - time(earlier)).total(jiff::Unit::Second).expect("a span of time")
}

/// A command under way, whose events are read as they come.
pub struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stdout: String,
}

impl Running {
    /// Starts it with `--json`.
    pub fn start(directory: &Path, args: &[&str]) -> Self {
        let mut command = command(directory, args);
        let mut child = command.arg("--json").stdout(Stdio::piped()).spawn().expect("stagecraft runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, lines, stdout: String::new() }
    }

    /// Reads until an event has all these words.
    #[track_caller]
    pub fn until(&mut self, words: &[&str]) {
        for line in self.lines.by_ref() {
            let line = line.expect("text");
            self.stdout = format!("{}{line}\n", self.stdout);
            if words.iter().all(|word| line.contains(word)) {
                return;
            }
        }
        panic!("{words:?} did not come:\n{}", self.stdout);
    }

    /// Of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn kill(mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("it is gone");
    }

    /// Waits for its end, and returns the code and all that it has written to stdout.
    pub fn end(mut self) -> (Option<i32>, String) {
        for line in self.lines.by_ref() {
            self.stdout = format!("{}{}\n", self.stdout, line.expect("text"));
        }
        (self.child.wait().expect("it ends").code(), self.stdout)
    }
}

impl Ran {
    /// Which line the first event of this type is on this host whose title contains this text.
    #[track_caller]
    pub fn place(&self, kind: &str, host: &str, title: &str) -> usize {
        let matches = |line: &str| {
            let event: Value = serde_json::from_str(line).unwrap_or_default();
            let titled = event["title"].as_str().is_some_and(|words| words.contains(title));
            event["type"] == kind && event["host"] == host && titled
        };
        let found = self.stdout.lines().position(matches);
        found.unwrap_or_else(|| panic!("no {kind} of `{title}` on {host} in:\n{}", self.stdout))
    }

    /// The first event of this type whose key ends with this name.
    #[track_caller]
    pub fn event(&self, kind: &str, name: &str) -> Value {
        let events = self.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let found = events
            .into_iter()
            .find(|event| event["type"] == kind && event["key"].as_str().is_some_and(|key| key.ends_with(name)));
        found.unwrap_or_else(|| panic!("no {kind} of {name} in:\n{}", self.stdout))
    }
}

/// Where the binary keeps what it knows of a project: beside its directory.
pub fn state(directory: &Path) -> PathBuf {
    directory.with_extension("state")
}

pub fn command(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagecraft"));
    command
        .arg("-C")
        .arg(directory)
        .args(args)
        .env("NO_COLOR", "1")
        .env("XDG_STATE_HOME", state(directory))
        .stdin(Stdio::null());
    command
}

pub fn stagecraft(directory: &Path, args: &[&str]) -> Ran {
    let began = Instant::now();
    let Output { status, stdout, stderr } = command(directory, args).output().expect("stagecraft runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran {
        code: status.code().expect("an exit code"),
        stdout: text(stdout),
        stderr: text(stderr),
        took: began.elapsed(),
    }
}
