//! A damaged journal is read right or refused, never as something else.

use std::{fs, process::Command, thread::sleep, time::Duration};

use stagecraft::engine::History;

use super::{fleet::Fleet, rows::row};
use crate::{
    lab,
    stagecraft::{stagecraft, state},
};

// spec: fault.journal
#[test]
fn every_damage_of_a_real_journal() {
    let fleet = Fleet::deployed("e2e-journal");
    fleet.version_with("v2", "ENV SLOW_START_MS=1500");
    let start = |line: &String| line.contains("ingress.enroll");
    let before = fleet.newest_run();
    let reached = || fleet.newest_run() != before && fleet.journal().iter().any(start);
    fleet.killed_when(&["deploy", "--yes"], reached).expect("killed in the middle");
    let path = fleet.newest_run().join("journal.jsonl");
    let real = fs::read(&path).expect("a journal");
    let whole = History::read(&real).expect("a whole journal");

    for length in 0..real.len() {
        let history = History::read(&real[..length]).expect("a torn last line is dropped");
        assert!(whole.entries.starts_with(&history.entries), "cut at {length}");
    }
    let mut refused = 0;
    for place in 0..real.len() {
        for bit in 0..8 {
            let mut damaged = real.clone();
            damaged[place] ^= 1 << bit;
            match History::read(&damaged) {
                Err(_) => refused += 1,
                Ok(history) => assert!(whole.entries.starts_with(&history.entries), "byte {place}, bit {bit}"),
            }
        }
    }

    // The command says which line, and the hosts stay as they are.
    let line = whole.entries.len() / 2;
    let offset: usize = real.split_inclusive(|byte| *byte == b'\n').take(line - 1).map(<[u8]>::len).sum();
    let mut damaged = real.clone();
    damaged[offset + 20] ^= 1;
    fs::write(&path, damaged).expect("a writable journal");
    let ran = stagecraft(fleet.app.path(), &["resume", "--yes"]);
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains(&format!("line {line}")), "{}", ran.stderr);
    fs::write(&path, real.clone()).expect("a writable journal");
    stagecraft(fleet.app.path(), &["resume", "--yes"]).exits(0);
    fleet.is_on("v2", &[1, 2, 3], "a journal that is whole again");
    row(
        "journal",
        &[
            &format!("a real journal of {} bytes: cut after each byte, each bit of each byte flipped", real.len()),
            &format!("{} cuts, {} flips, {refused} refused with their line", real.len(), real.len() * 8),
            "all others read as the journal or its beginning; never as something else",
        ],
    );
}

/// A file system of its own for what this machine keeps of runs.
struct Small(std::path::PathBuf);

impl Small {
    fn mount(at: std::path::PathBuf, bytes: u64) -> Self {
        fs::create_dir_all(&at).expect("a directory");
        lab::local(&format!("mount -t tmpfs -o size={bytes} tmpfs {}", at.display()));
        Self(at)
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).expect("a filler");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

// spec: fault.journal
#[test]
fn a_disk_that_is_full_while_the_journal_is_written() {
    let fleet = Fleet::deployed("e2e-full");
    fleet.forget();
    let disk = Small::mount(state(fleet.app.path()), 1 << 20);
    let load = Fleet::load(&[1, 2, 3]);
    fleet.version_with("v2", "ENV SLOW_START_MS=1500");
    let mut deploy = fleet.start(&["deploy", "--yes"]);
    while fleet.journal().len() < 3 {
        sleep(Duration::from_millis(2));
    }
    // The last page that the journal has begun takes some more lines.
    lab::local(&format!("dd if=/dev/zero of={}/filler bs=4k 2>/dev/null || :", disk.0.display()));
    let code = deploy.wait().expect("it ends").code();
    let said = fs::read_to_string(fleet.app.path().with_extension("log")).expect("a log");
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("cannot be written") && said.contains("stagecraft resume"), "{said}");
    disk.make_room();
    stagecraft(fleet.app.path(), &["resume", "--yes"]).exits(0);
    fleet.is_on("v2", &[1, 2, 3], "a full disk of the operator");
    fleet.migrated_once("v2", "a full disk of the operator");
    let report = load.stop_without_a_failure(300);
    row(
        "journal",
        &[
            "the disk with the journal is full in the middle of a run; then there is room, and it is resumed",
            "exit 6: nothing more is begun",
            &format!("one release, one migration; 0 of {} requests failed", report["sent"]),
        ],
    );
}
