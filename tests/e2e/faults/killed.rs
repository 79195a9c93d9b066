//! `kill -9` of the process, at every boundary of its journal.

use std::{thread::sleep, time::Duration};

use super::{fleet::Fleet, full, rows::row, sample};
use crate::{lab, stagecraft::stagecraft};

/// What is done after the kill.
#[derive(Debug, Clone, Copy)]
enum Then {
    Resume,
    Deploy,
}

impl Then {
    const BOTH: [Self; 2] = [Self::Resume, Self::Deploy];

    /// A run that was killed when it had ended already has nothing to resume.
    #[track_caller]
    fn act(self, fleet: &Fleet, after: &str) {
        let args: &[&str] = match self {
            Self::Resume => &["resume", "--yes"],
            Self::Deploy => &["deploy", "--yes"],
        };
        let ended = matches!(self, Self::Resume) && fleet.journal().last().is_some_and(|line| line.contains("\"end\""));
        let ran = stagecraft(fleet.app.path(), args);
        assert!(ran.code == 0 || ended, "{after}: exit {}\n{}\n{}", ran.code, ran.stdout, ran.stderr);
    }
}

// spec: fault.kill
#[test]
fn a_deploy_at_each_boundary_of_its_journal() {
    let fleet = Fleet::deployed("e2e-kill");
    fleet.version("undisturbed");
    stagecraft(fleet.app.path(), &["deploy", "--yes"]).exits(0);
    let boundaries: Vec<usize> = (1..=fleet.journal().len()).collect();
    let load = Fleet::load(&[1, 2, 3]);
    let mut kills = 0;
    for lines in sample(&boundaries, if full() { boundaries.len() } else { 5 }) {
        for then in if full() { &Then::BOTH[..] } else { &Then::BOTH[lines % 2..=lines % 2] } {
            let version = format!("v{lines}-{then:?}");
            let after = format!("a kill at line {lines} of {}, then {then:?}", boundaries.len());
            fleet.version(&version);
            let killed = fleet.killed_at(&["deploy", "--yes"], lines).is_some();
            if killed {
                kills += 1;
                then.act(&fleet, &after);
            }
            // A deploy that finds nothing more to do has no run.
            if !killed || matches!(then, Then::Resume) {
                let last = fleet.journal().pop().unwrap_or_default();
                assert!(last.contains("\"outcome\":\"done\""), "the run has not ended well after {after}: {last}");
            }
            fleet.is_on(&version, &[1, 2, 3], &after);
            fleet.migrated_once(&version, &after);
        }
    }
    let report = load.stop_without_a_failure(1000);
    row(
        "kill",
        &[
            "`kill -9` at each boundary of the journal of a deploy to 3 hosts",
            &format!("{kills} kills at {} boundaries, half resumed, half deployed again", boundaries.len()),
            &format!("one release, nothing left over, each migration once; 0 of {} requests failed", report["sent"]),
        ],
    );
}

// spec: fault.kill-undo
#[test]
fn an_undo_at_each_boundary_of_its_journal() {
    let fleet = Fleet::deployed("e2e-kill-undo");
    let bad = |name: &str| fleet.version_with(name, "ENV UNHEALTHY_ON=h3\nENV EXIT_AFTER_MS=300\n");
    // The migration is a point of no return; here it is the deploy without it that fails.
    fleet.app.write("stagecraft.yml", &fleet.app.read("stagecraft.yml").replace("job: before", "job: manual"));
    bad("undisturbed");
    stagecraft(fleet.app.path(), &["deploy", "--yes"]).exits(5);
    let journal = fleet.journal();
    let first = journal.iter().position(|line| line.contains("\"undo_start\"")).expect("something to undo") + 1;
    let boundaries: Vec<usize> = (first..=journal.len()).collect();
    let load = Fleet::load(&[1, 2, 3]);
    let mut kills = 0;
    for lines in sample(&boundaries, if full() { boundaries.len() } else { 4 }) {
        for then in if full() { &Then::BOTH[..] } else { &Then::BOTH[lines % 2..=lines % 2] } {
            let after = format!("a kill in the undo at line {lines} of {}, then {then:?}", boundaries.len());
            bad(&format!("bad{lines}-{then:?}"));
            if fleet.killed_at(&["deploy", "--yes"], lines).is_some() {
                kills += 1;
                match then {
                    Then::Resume => {
                        let ran = stagecraft(fleet.app.path(), &["resume", "--yes"]);
                        assert!([2, 5].contains(&ran.code), "{after}: {}\n{}\n{}", ran.code, ran.stdout, ran.stderr);
                    }
                    Then::Deploy => {
                        fleet.version("v1");
                        stagecraft(fleet.app.path(), &["deploy", "--yes"]).exits(0);
                    }
                }
            }
            fleet.is_on("v1", &[1, 2, 3], &after);
        }
    }
    let report = load.stop_without_a_failure(500);
    row(
        "kill",
        &[
            "`kill -9` at each boundary of the journal of its undo",
            &format!("{kills} kills at {} boundaries, half resumed, half deployed again", boundaries.len()),
            &format!("the old release everywhere, nothing left over; 0 of {} requests failed", report["sent"]),
        ],
    );
}

// spec: run.mirror
#[test]
fn a_run_whose_machine_is_gone() {
    let fleet = Fleet::deployed("e2e-gone");
    let boundaries: Vec<usize> = (2..=fleet.journal().len()).collect();
    let load = Fleet::load(&[1, 2, 3]);
    let mut kills = 0;
    for lines in sample(&boundaries, if full() { 10 } else { 3 }) {
        let (version, after) = (format!("v{lines}"), format!("a kill at line {lines}, then resume elsewhere"));
        fleet.version(&version);
        if fleet.killed_at(&["deploy", "--yes"], lines).is_none() {
            continue;
        }
        kills += 1;
        let run = fleet.newest_run();
        fleet.forget();
        // Today's files do not matter.
        fleet.version("never-built");
        let compose = fleet.app.read("compose.yaml");
        // Before the release is written to the hosts, only today's files have its values.
        if kills % 2 == 1 {
            fleet.app.write("compose.yaml", "services: [\n");
        } else {
            fleet.app.write("Dockerfile", "FROM scratch\nCOPY missing /\n");
        }
        let resumed = stagecraft(fleet.app.path(), &["resume", "--yes"]);
        fleet.app.write("compose.yaml", &compose);
        let ended = resumed.code == 2 && resumed.stderr.contains("has ended already");
        assert!(resumed.code == 0 || ended, "{after}: {}\n{}\n{}", resumed.code, resumed.stdout, resumed.stderr);
        assert!(ended || fleet.newest_run().file_name() == run.file_name(), "{after}: the same run");
        fleet.is_on(&version, &[1, 2, 3], &after);
        fleet.migrated_once(&version, &after);
    }
    let report = load.stop_without_a_failure(500);
    row(
        "kill",
        &[
            "`kill -9` and the machine with its journal is gone, resumed on another one, with other files",
            &format!("{kills} kills"),
            &format!("one release, nothing left over, each migration once; 0 of {} requests failed", report["sent"]),
        ],
    );
}

// spec: run.undo-command
#[test]
fn undo_of_a_run_that_was_cut_off() {
    let fleet = Fleet::deployed("e2e-undo");
    fleet.app.write("stagecraft.yml", &fleet.app.read("stagecraft.yml").replace("job: before", "job: manual"));
    // So that no kill comes as late as the commit.
    fleet.bake(1);
    fleet.version("v2");
    stagecraft(fleet.app.path(), &["deploy", "--yes"]).exits(0);
    let journal = fleet.journal();
    let commit = journal.iter().position(|line| line.contains("release.commit")).expect("a commit") + 1;
    let boundaries: Vec<usize> = (1..commit - 1).collect();
    let load = Fleet::load(&[1, 2, 3]);
    let mut kills = 0;
    for lines in sample(&boundaries, if full() { 10 } else { 3 }) {
        let after = format!("a kill at line {lines} of {}, then undo", journal.len());
        fleet.version(&format!("bad{lines}"));
        if fleet.killed_at(&["deploy", "--yes"], lines).is_none() {
            continue;
        }
        kills += 1;
        let run = fleet.newest_run();
        let run = run.file_name().and_then(|name| name.to_str()).expect("an id");
        // The undo is killed too, and gone on with.
        let undo = fleet
            .killed_when(&["undo", run, "--yes"], || fleet.journal().iter().any(|line| line.contains("\"undone\"")));
        let ended = fleet.journal().last().is_some_and(|line| line.contains("\"end\""));
        if undo.is_some() && !ended {
            stagecraft(fleet.app.path(), &["resume", "--yes"]).exits(0);
        }
        fleet.is_on("v2", &[1, 2, 3], &after);
        let again = stagecraft(fleet.app.path(), &["undo", run, "--yes"]).exits(2);
        assert!(again.stderr.contains("has ended already: undone"), "{}", again.stderr);
    }
    let report = load.stop_without_a_failure(300);
    row(
        "kill",
        &[
            "`kill -9` of a deploy, then `undo`, which is killed too and resumed",
            &format!("{kills} kills"),
            &format!("the old release, nothing left over; 0 of {} requests failed", report["sent"]),
        ],
    );
    stagecraft(fleet.app.path(), &["deploy", "--yes"]).exits(0);
    let run = fleet.newest_run();
    let run = run.file_name().and_then(|name| name.to_str()).expect("an id");
    let refused = stagecraft(fleet.app.path(), &["undo", run, "--yes"]).exits(2);
    assert!(refused.stderr.contains("stagecraft rollback"), "{}", refused.stderr);
}

// spec: run.cancel
#[test]
fn a_deploy_that_is_cancelled() {
    let fleet = Fleet::deployed("e2e-cancel");
    fleet.app.write("stagecraft.yml", &fleet.app.read("stagecraft.yml").replace("job: before", "job: manual"));
    stagecraft(fleet.app.path(), &["deploy", "--yes"]).exits(0);
    let load = Fleet::load(&[1, 2, 3]);
    fleet.version_with("v2", "ENV SLOW_START_MS=3000");
    let begun = |fleet: &Fleet| fleet.journal().iter().any(|line| line.contains("ingress.enroll"));
    for signal in ["INT", "TERM"] {
        let before = fleet.newest_run();
        let mut deploy = fleet.start(&["deploy", "--yes"]);
        while fleet.newest_run() == before || !begun(&fleet) {
            sleep(Duration::from_millis(10));
        }
        lab::local(&format!("kill -{signal} {}", deploy.id()));
        assert_eq!(deploy.wait().expect("it ends").code(), Some(130));
        fleet.is_on("v1", &[1, 2, 3], signal);
    }
    // The second ends at once.
    let before = fleet.newest_run();
    let mut deploy = fleet.start(&["deploy", "--yes"]);
    while fleet.newest_run() == before || !begun(&fleet) {
        sleep(Duration::from_millis(10));
    }
    lab::local(&format!("kill -INT {0}; kill -INT {0}; sleep 0.05; kill -INT {0}", deploy.id()));
    assert_eq!(deploy.wait().expect("it ends").code(), Some(130));
    let ended = fleet.journal().last().is_some_and(|line| line.contains("\"end\""));
    if !ended {
        let ran = stagecraft(fleet.app.path(), &["resume", "--yes"]);
        assert!([0, 5, 130].contains(&ran.code), "{}\n{}\n{}", ran.code, ran.stdout, ran.stderr);
    }
    let version = Fleet::agrees(&[1, 2, 3], "a second Ctrl-C and a resume");
    fleet.is_on(&version, &[1, 2, 3], "a second Ctrl-C and a resume");
    let report = load.stop_without_a_failure(300);
    row(
        "kill",
        &[
            "Ctrl-C or SIGTERM in the middle; twice, then resumed",
            "exit 130; the first puts everything back",
            &format!("one release, nothing left over; 0 of {} requests failed", report["sent"]),
        ],
    );
}
