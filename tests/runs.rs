//! `runs` and what is below it, as far as this machine knows runs by itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stagecraft::engine::{Entry, Outcome, RunDirectory, parse_plan};
use stdlib::{
    failure::Failure,
    model::RunId,
    plan::{Key, Plan},
};
use tempfile::TempDir;

/// A directory without a project, and what this machine keeps of it.
struct Place {
    directory: TempDir,
    state: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() }
    }

    /// Where the runs are, as spec/runs.md has it.
    fn runs(&self) -> PathBuf {
        let path = self.directory.path().canonicalize().unwrap();
        let hash = hex::encode(&Sha256::digest(path.as_os_str().as_encoded_bytes())[..4]);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        self.state.path().join("stagecraft").join(format!("{name}-{hash}"))
    }

    async fn add(&self, run: &str, environment: &str, entries: Vec<Entry>) {
        let run = RunId::new(run).unwrap();
        let plan = Plan { environment: stdlib::model::EnvironmentName::new(environment).unwrap(), ..plan() };
        let journal = RunDirectory::create(&self.runs(), &run, &plan).unwrap().journal().unwrap();
        journal.commit(Entry::Begin { run, plan: String::new() }).await.unwrap();
        for entry in entries {
            journal.commit(entry).await.unwrap();
        }
    }

    fn stagecraft(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stagecraft"));
        command.args(args).current_dir(self.directory.path()).env("XDG_STATE_HOME", self.state.path());
        command.env("TZ", "UTC").env("NO_COLOR", "1").output().unwrap()
    }

    #[track_caller]
    fn prints(&self, args: &[&str]) -> String {
        let output = self.stagecraft(args);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn plan() -> Plan {
    parse_plan(include_bytes!("data/plan-v1.json"), Path::new("plan-v1.json")).unwrap()
}

fn start() -> Key {
    Key::root().child("start").child("container.start")
}

fn failed() -> Vec<Entry> {
    let failure = Failure::new("web-1: it exited with code 1").detail("panic <script>alert(1)</script>");
    vec![
        Entry::Start { key: start() },
        Entry::Failed { key: start(), failure },
        Entry::End { outcome: Outcome::PutBack },
    ]
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

// spec: runs.list
#[tokio::test]
async fn the_newest_run_is_first_and_an_environment_can_be_chosen() {
    let place = Place::new();
    assert_eq!(place.prints(&["runs", "--local"]), "no run yet; `stagecraft deploy` makes the first\n");
    place.add("0199-a", "production", failed()).await;
    place.add("0199-b", "staging", vec![Entry::Start { key: start() }]).await;
    let seen = lines(&place.prints(&["runs", "--local", "--json"]));
    let words = |line: &Value| [line["run"].clone(), line["environment"].clone(), line["outcome"].clone()];
    assert_eq!(words(&seen[0]), [json!("0199-b"), json!("staging"), json!("not_ended")]);
    assert_eq!(words(&seen[1]), [json!("0199-a"), json!("production"), json!("put_back")]);
    let table = place.prints(&["runs", "--local", "-e", "production"]);
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.contains("failed, put back"), "{table}");
}

// spec: runs.show
#[tokio::test]
async fn a_run_is_shown_and_one_that_is_not_there_is_named() {
    let place = Place::new();
    place.add("0199-a", "production", failed()).await;
    let shown = place.prints(&["runs", "show", "--local"]);
    assert!(shown.starts_with("run 0199-a: deploy in production\nfailed, put back"), "{shown}");
    assert!(shown.contains("✗ web-1  start shop-web-r3-1  web-1: it exited with code 1"), "{shown}");
    let data = &lines(&place.prints(&["runs", "show", "0199-a", "--local", "--json"]))[0];
    assert_eq!(data["failures"][0]["message"], "web-1: it exited with code 1");
    assert_eq!(data["parts"][0]["parts"][0]["mark"], "failed", "{data:#}");
    let missing = place.stagecraft(&["runs", "show", "0199-x", "--local"]);
    assert_eq!(missing.status.code(), Some(2));
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(said.contains("there is no run 0199-x") && said.contains("stagecraft runs"), "{said}");
}

// spec: runs.report
#[tokio::test]
async fn a_report_is_one_file_and_says_where() {
    let place = Place::new();
    place.add("0199-a", "production", failed()).await;
    assert_eq!(place.prints(&["runs", "report", "--local"]), "stagecraft-run-0199-a.html\n");
    let page = fs::read_to_string(place.directory.path().join("stagecraft-run-0199-a.html")).unwrap();
    assert!(page.contains("panic &lt;script&gt;alert(1)") && !page.contains("<script"), "{page}");
    for address in ["http://", "https://", "url(", "@import"] {
        assert!(!page.contains(address), "`{address}` is in the page");
    }
    let elsewhere = place.directory.path().join("no/such/directory.html");
    let refused = place.stagecraft(&["runs", "report", "--local", "--out", elsewhere.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--out FILE"));
}
