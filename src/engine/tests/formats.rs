//! The journal's and the run directory's files, those of older versions too.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use stdlib::{failure::Failure, model::RunId, plan::Key};

use super::world::{good, plan, run, sequence};
use crate::engine::{
    Outcome, RunDirectory,
    journal::{Entry, History},
    parse_plan,
};

const JOURNAL_V1: &[u8] = include_bytes!("../../../tests/data/journal-v1.jsonl");
const PLAN_V1: &[u8] = include_bytes!("../../../tests/data/plan-v1.json");

fn id(text: &str) -> RunId {
    RunId::new(text).unwrap()
}

#[test]
fn a_journal_of_version_1_is_read() {
    let history = History::read(JOURNAL_V1).unwrap();
    let key = Key::root().child("roll").child("container.start");
    let entries: Vec<Entry> = history.entries.into_iter().map(|recorded| recorded.entry).collect();
    let failure = Failure::new("web-1: shop-web-r3-1 exited with code 1").hint("see `stagecraft logs web`");
    assert_eq!(
        entries,
        [
            Entry::Begin { run: id("0199a1b2"), plan: "9f86d081884c7d65".into() },
            Entry::Start { key: key.clone() },
            Entry::Ok { key: key.clone(), output: serde_json::json!({ "id": "4f2a" }) },
            Entry::Resume,
            Entry::Failed { key: key.clone(), failure: failure.clone() },
            Entry::Stopped { key: key.clone() },
            Entry::UndoStart { key: key.clone() },
            Entry::UndoFailed { key: key.clone(), failure },
            Entry::Undone { key },
            Entry::End { outcome: Outcome::PutBack },
        ]
    );
}

#[test]
fn a_plan_of_version_1_is_read() {
    let plan = parse_plan(PLAN_V1, Path::new("plan-v1.json")).unwrap();
    let titles: Vec<&str> = plan.root.operations().map(|planned| planned.title.as_str()).collect();
    assert_eq!(titles, ["start shop-web-r3-1", "switch web to shop-web-r3-1", "say so", "commit release 3"]);
    assert_eq!(plan.changes[0].because, ["image", "environment DATABASE_URL"]);
    // What is written today is what was written then.
    assert_eq!(serde_json::to_string(&plan).unwrap(), String::from_utf8(PLAN_V1.to_vec()).unwrap().trim_end());
}

#[test]
fn a_plan_of_a_later_version_is_refused() {
    let error = parse_plan(br#"{"schema": 2}"#, Path::new("p.json")).unwrap_err();
    let expected = "p.json has format 2, and this Stagecraft knows 1; use the Stagecraft that made it";
    assert_eq!(error.to_string(), expected);
}

/// The journal of a real run, in memory.
async fn journal() -> Vec<u8> {
    let (_, _, disk) = run(sequence("", vec![good("a"), good("b")])).await;
    disk.bytes()
}

#[tokio::test]
async fn a_torn_last_line_is_dropped() {
    let bytes = journal().await;
    let whole = History::read(&bytes).unwrap();
    for length in 0..bytes.len() {
        let history = History::read(&bytes[..length]).unwrap();
        assert_eq!(history.entries, whole.entries[..history.entries.len()], "cut at {length}");
        let lines = bytes[..=length].split(|byte| *byte == b'\n').count() - 1;
        assert_eq!(history.entries.len(), lines, "cut at {length}");
    }
}

#[tokio::test]
async fn a_damaged_byte_is_never_read_as_something_else() {
    let bytes = journal().await;
    for place in 0..bytes.len() {
        for damage in [0x01, 0x20, 0x80] {
            let mut damaged = bytes.clone();
            damaged[place] ^= damage;
            assert!(History::read(&damaged).is_err(), "byte {place}");
        }
    }
}

#[tokio::test]
async fn a_broken_line_is_named() {
    let bytes = journal().await;
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let without_the_second = [lines[0], lines[2]].concat();
    let error = History::read(without_the_second.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "line 2: it has number 3; lines are missing or stand twice");
    let damaged = text.replacen("\"key\":\"/a\"", "\"key\":\"/x\"", 1);
    let error = History::read(damaged.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "line 2: its checksum does not hold");
}

#[tokio::test]
async fn a_run_directory_keeps_plan_and_journal_for_its_owner_alone() {
    let project = tempfile::tempdir().unwrap();
    let plan = plan(good("a"));
    let directory = RunDirectory::create(project.path(), &id("0199-b"), &plan).unwrap();
    RunDirectory::create(project.path(), &id("0199-c"), &plan).unwrap();
    let journal = directory.journal().unwrap();
    let begin = Entry::Begin { run: id("0199-b"), plan: String::new() };
    journal.commit(begin.clone()).await.unwrap();
    for file in ["plan.json", "journal.jsonl"] {
        let mode = fs::metadata(directory.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(RunDirectory::list(project.path()).unwrap(), [id("0199-c"), id("0199-b")]);
    let opened = RunDirectory::open(project.path(), &id("0199-b")).unwrap();
    assert_eq!(opened.plan().unwrap(), plan);
    assert_eq!(opened.history().unwrap().entries[0].entry, begin);
}

#[tokio::test]
async fn a_reopened_journal_goes_on_behind_its_last_whole_line() {
    let project = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(project.path(), &id("0199-b"), &plan(good("a"))).unwrap();
    let path = directory.path().join("journal.jsonl");
    let bytes = journal().await;
    let first_line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    // Torn in the second line; and the first line without its newline.
    for length in [first_line + 20, first_line] {
        fs::write(&path, &bytes[..length]).unwrap();
        let history = directory.history().unwrap();
        directory.reopen(&history).unwrap().commit(Entry::Resume).await.unwrap();
        let entries = directory.history().unwrap().entries;
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[1].entry, Entry::Resume);
    }
}

#[test]
fn a_run_that_is_not_there_is_named() {
    let project = tempfile::tempdir().unwrap();
    assert!(RunDirectory::list(project.path()).unwrap().is_empty());
    let error = RunDirectory::open(project.path(), &id("0199-x")).unwrap_err();
    assert_eq!(error.to_string(), "there is no run 0199-x here; `stagecraft runs` lists them");
}
