//! `stagecraft runs report`.

use std::{fs, path::PathBuf};

use serde_json::json;

use super::{
    super::{CliError, Exit, Global, last_line::LastLine, table},
    Reach,
    record::{Record, find},
};
use crate::report::render_html;

/// Write a run as one HTML file that needs nothing else
///
/// Timeline, failures, plan, what the release changed, and outputs: to read, to send on, to keep. Values of the environment are
/// never in it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run (`stagecraft runs`); by default the environment's newest
    run: Option<String>,
    /// The file; by default `stagecraft-run-ID.html` in the current directory
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
}

pub async fn run(args: &Args, global: &Global) -> Result<Exit, CliError> {
    let last = LastLine::start(global);
    let Record { timeline, plan, predecessor, hosts } = find(args.run.as_deref(), args.reach, global).await?;
    let out = args.out.clone().unwrap_or_else(|| format!("stagecraft-run-{}.html", timeline.run).into());
    let page = render_html(&timeline, &plan, predecessor.as_ref());
    fs::write(&out, page)
        .map_err(|error| CliError::usage(format!("{}: {error}", out.display()), "write it elsewhere: `--out FILE`"))?;
    if global.json {
        let (run, path) = (&timeline.run, out.display().to_string());
        table::say(&format!("{}\n", json!({ "type": "report", "version": 1, "run": run, "path": path })));
    } else {
        table::say(&format!("{}\n", out.display()));
    }
    last.print(Exit::Done, None, &hosts);
    Ok(Exit::Done)
}
