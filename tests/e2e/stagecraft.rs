//! Runs the binary.

use std::{
    path::Path,
    process::{Command, Output},
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

pub fn command(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagecraft"));
    command.arg("-C").arg(directory).args(args).env("NO_COLOR", "1").stdin(std::process::Stdio::null());
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
