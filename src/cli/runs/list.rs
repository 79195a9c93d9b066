//! `stagecraft runs`: the list.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde_json::{Value, json};
use stdlib::{failure::Failure, host::Hosts, model::RunId};

use super::{
    super::{
        CliError, Exit, Global,
        home::{Home, say_what_is_missing},
        last_line::LastLine,
        project, state, table,
    },
    Reach,
};
use crate::{
    config::Project,
    engine::{Outcome, RunDirectory, Seconds},
    mirror::{Tally, tally},
    report::{Clock, Standing},
};

pub async fn run(reach: Reach, global: &Global) -> Result<Exit, CliError> {
    let last = LastLine::start(global);
    let (runs, hosts) = if reach.local {
        (of_this_machine(&global.directory, global.environment.as_deref())?, Hosts::default())
    } else {
        of_the_environment(project::load(global).await?).await?
    };
    if global.json {
        runs.values().rev().for_each(|run| table::say(&format!("{}\n", run.json())));
    } else if runs.is_empty() {
        table::say("no run yet; `stagecraft deploy` makes the first\n");
    } else {
        let rows: Vec<Vec<String>> = runs.values().rev().map(Row::cells).collect();
        table::print(&["RUN", "WHO", "WHAT", "ENVIRONMENT", "RELEASE", "BEGAN", "TOOK", "OUTCOME"], &rows);
    }
    last.print(Exit::Done, None, &hosts);
    Ok(Exit::Done)
}

/// One run of the list.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    run: RunId,
    who: Option<String>,
    what: String,
    environment: String,
    release: Option<String>,
    began: Option<Timestamp>,
    ended: Option<(Timestamp, Outcome)>,
    /// How many processes have had it, one after the other, and how long, where that is known.
    processes: usize,
    took: Option<Seconds>,
    /// How it stands when it has no end.
    open: Standing,
    /// On this machine.
    directory: Option<PathBuf>,
}

/// Ids sort by the time they were made.
type Rows = BTreeMap<RunId, Row>;

fn of_this_machine(project: &Path, environment: Option<&str>) -> Result<Rows, CliError> {
    let state = state::directory(project);
    let mut rows = Rows::new();
    for run in RunDirectory::list(&state).map_err(anyhow::Error::from)? {
        let directory = RunDirectory::open(&state, &run).map_err(anyhow::Error::from)?;
        let plan = directory.plan().map_err(anyhow::Error::from)?;
        if environment.is_some_and(|wanted| plan.environment.as_str() != wanted) {
            continue;
        }
        let history = directory.history().map_err(anyhow::Error::from)?;
        let clock = Clock::of(&history);
        let row = Row {
            run: run.clone(),
            who: plan.release.as_ref().map(|release| release.author.clone()),
            what: plan.recipe,
            environment: plan.environment.to_string(),
            release: plan.release.map(|release| release.id.to_string()),
            began: history.began(),
            ended: history.ended(),
            processes: clock.processes(),
            took: history.ended().map(|(ended, _)| clock.at(ended)),
            open: Standing::NotEnded,
            directory: Some(directory.path().to_owned()),
        };
        rows.insert(run, row);
    }
    Ok(rows)
}

async fn of_the_environment(project: Project) -> Result<(Rows, Hosts), CliError> {
    let environment = project.topology.environment.to_string();
    let mut rows = of_this_machine(&project.directory, Some(&environment))?;
    let home = match Home::connect(project).await {
        Ok(home) => home,
        Err(failure) => {
            say_what_is_missing(&failure);
            return Ok((rows, Hosts::default()));
        }
    };
    if let Err(failure) = add_what_it_knows(&mut rows, &home, &environment).await {
        say_what_is_missing(&failure);
    }
    home.close().await;
    Ok((rows, home.hosts()))
}

async fn add_what_it_knows(rows: &mut Rows, home: &Home, environment: &str) -> Result<(), Failure> {
    for run in tally(&home.audit().await?) {
        merge(rows, run, environment);
    }
    // Only a run without an end can be under way.
    if rows.values().all(|row| row.ended.is_some()) {
        return Ok(());
    }
    let stage = home.stage().await?;
    for row in rows.values_mut() {
        row.open = stage.of(&row.run);
    }
    Ok(())
}

/// The audit knows who; of two ends the later one holds. The journal knows better how long it took, where no other machine has
/// gone on with the run.
fn merge(rows: &mut Rows, known: Tally, environment: &str) {
    let here = rows.remove(&known.run);
    let whole = here.as_ref().filter(|row| row.processes == known.processes);
    let row = Row {
        processes: known.processes,
        took: whole.and_then(|row| row.took).or(known.took),
        ended: later(known.ended, here.as_ref().and_then(|row| row.ended)),
        run: known.run.clone(),
        who: Some(known.who),
        what: known.what,
        environment: environment.to_owned(),
        release: known.release,
        began: here.as_ref().and_then(|row| row.began).or(Some(known.began)),
        open: Standing::NotEnded,
        directory: here.and_then(|row| row.directory),
    };
    rows.insert(known.run, row);
}

fn later(one: Option<(Timestamp, Outcome)>, other: Option<(Timestamp, Outcome)>) -> Option<(Timestamp, Outcome)> {
    one.into_iter().chain(other).max_by_key(|(time, _)| *time)
}

impl Row {
    fn standing(&self) -> Standing {
        self.ended.map_or(self.open, |(_, outcome)| Standing::Ended(outcome))
    }

    fn took(&self) -> Option<Seconds> {
        self.took.filter(|_| self.ended.is_some())
    }

    fn cells(&self) -> Vec<String> {
        let cells = [
            Some(self.run.to_string()),
            self.who.clone(),
            Some(self.what.clone()),
            Some(self.environment.clone()),
            self.release.clone(),
            self.began.map(table::time),
            self.took().map(|took| took.to_string()),
            Some(self.standing().words().to_owned()),
        ];
        cells.into_iter().map(Option::unwrap_or_default).collect()
    }

    fn json(&self) -> Value {
        json!({
            "type": "run", "version": 1, "run": self.run, "recipe": self.what, "environment": self.environment,
            "who": self.who, "release": self.release, "began": self.began.map(table::time), "seconds": self.took(),
            "outcome": self.standing(), "directory": self.directory,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::Duration};

    use jiff::Timestamp;
    use stdlib::model::RunId;

    use super::{Row, Rows, merge};
    use crate::{
        engine::{Outcome, Seconds},
        mirror::{Deed, Line, tally},
        report::Standing,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn audit(deeds: Vec<(i64, Deed)>) -> Vec<Line> {
        let line = |deed| Line::new(deed, RunId::new("0199-a").unwrap(), "ann@desk".into(), "deploy".into());
        deeds.into_iter().map(|(second, deed)| Line { time: at(second), ..line(deed) }).collect()
    }

    /// How long a run took by the audit, of which this machine knows that `processes` had it for 9 s and it ended after `ended`.
    fn took(lines: &[Line], processes: usize, ended: Option<i64>) -> Option<u64> {
        let run = RunId::new("0199-a").unwrap();
        let here = Row {
            run: run.clone(),
            who: None,
            what: "deploy".into(),
            environment: "staging".into(),
            release: None,
            began: Some(at(0)),
            ended: ended.map(|ended| (at(ended), Outcome::Left)),
            processes,
            took: ended.map(|_| Seconds(Duration::from_secs(9))),
            open: Standing::NotEnded,
            directory: Some(PathBuf::from("/here")),
        };
        let mut rows = Rows::from([(run.clone(), here)]);
        for known in tally(lines) {
            merge(&mut rows, known, "staging");
        }
        rows[&run].took().map(|took| took.0.as_secs())
    }

    // spec: runs.list
    #[test]
    fn a_run_took_as_long_as_it_was_under_way() {
        let end = || Deed::Ended { outcome: Outcome::Left };
        let cut_off = audit(vec![(0, Deed::Began), (1000, Deed::Resumed), (1004, end())]);
        assert_eq!(took(&cut_off, 2, Some(1004)), Some(9), "the journal knows when it was cut off");
        assert_eq!(took(&cut_off, 1, None), None, "another machine has gone on with it");
        let undone = audit(vec![(0, Deed::Began), (5, end()), (1000, Deed::Undone), (1001, end())]);
        assert_eq!(took(&undone, 1, Some(5)), Some(6));
        let open = audit(vec![(0, Deed::Began)]);
        assert_eq!(took(&open, 1, None), None);
    }
}
