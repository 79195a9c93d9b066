//! What journaling costs: an entry that is on the disk before its effect, and reading a long journal.
//!
//!     cargo bench --bench journal

use std::time::{Duration, Instant};

use serde_json::json;
use stagecraft::engine::{Entry, History, Journal};
use stdlib::plan::Key;

const ENTRIES: u32 = 200;
const LINES: u32 = 10_000;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("journal.jsonl");
    let mut times: Vec<Duration> = runtime.block_on(async {
        let journal = Journal::new(std::fs::File::create(&path).expect("a file"), 1);
        let mut times = Vec::new();
        for number in 0..ENTRIES {
            let began = Instant::now();
            journal.commit(Entry::Start { key: key(number) }).await.expect("written");
            journal.note(Entry::Ok { key: key(number), output: json!({ "id": "4f2a91c0" }) });
            times.push(began.elapsed());
        }
        times
    });
    times.sort();
    let at = |part: usize| times[times.len() * part / 100].as_secs_f64() * 1000.0;
    println!("an operation's two entries, durable before the effect: {:.2} ms (p50), {:.2} ms (p95)", at(50), at(95));

    let text = runtime.block_on(async {
        let journal = Journal::new(std::fs::File::create(&path).expect("a file"), 1);
        for number in 0..LINES - 1 {
            journal.note(Entry::Start { key: key(number) });
        }
        journal.commit(Entry::Resume).await.expect("written");
        std::fs::read(&path).expect("a journal")
    });
    let began = Instant::now();
    let history = History::read(&text).expect("whole");
    assert_eq!(history.entries.len(), LINES as usize);
    println!("{LINES} lines read: {:.0} ms", began.elapsed().as_secs_f64() * 1000.0);
}

fn key(number: u32) -> Key {
    Key::root().child("roll").child("web").child(&format!("web-{number}")).child("container.start")
}
