//! `stagecraft runs`.

use serde_json::json;
use stdlib::host::Hosts;

use super::{CliError, Exit, Global, last_line::LastLine, state, table};
use crate::engine::{Outcome, RunDirectory};

/// List the runs of this project that this machine knows, the newest first
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_: &Args, global: &Global) -> Result<Exit, CliError> {
    let last = LastLine::start(global);
    let mut rows = Vec::new();
    let state = state::directory(&global.directory);
    for run in RunDirectory::list(&state).map_err(anyhow::Error::from)? {
        let directory = RunDirectory::open(&state, &run).map_err(anyhow::Error::from)?;
        let plan = directory.plan().map_err(anyhow::Error::from)?;
        let history = directory.history().map_err(anyhow::Error::from)?;
        let began = history.began().map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        let ended = history.ended().map(|(_, outcome)| outcome);
        let release = plan.release.as_ref().map(|release| release.id.to_string());
        if global.json {
            println!(
                "{}",
                json!({
                    "type": "run", "version": 1, "run": run, "recipe": plan.recipe, "environment": plan.environment,
                    "release": release, "began": began, "outcome": ended, "directory": directory.path(),
                })
            );
        } else {
            let cells = [
                Some(run.to_string()),
                Some(plan.recipe),
                release,
                began,
                Some(ended.map_or("cut off", Outcome::words).to_owned()),
            ];
            rows.push(cells.into_iter().map(Option::unwrap_or_default).collect());
        }
    }
    if !global.json {
        if rows.is_empty() {
            println!("no run yet; `stagecraft deploy` makes the first");
        } else {
            table::print(&["RUN", "RECIPE", "RELEASE", "BEGAN", "OUTCOME"], &rows);
        }
    }
    last.print(Exit::Done, None, &Hosts::default());
    Ok(Exit::Done)
}
