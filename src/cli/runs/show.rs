//! `stagecraft runs show`.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{
    super::{CliError, Exit, Global, last_line::LastLine, table},
    Reach,
    record::{Record, find},
};
use crate::report::{Detail, TIMELINE_VERSION, render_timeline};

/// Show a run as a tree of steps and operations: when, how long, how it ended
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run (`stagecraft runs`); by default the environment's newest
    run: Option<String>,
    #[command(flatten)]
    reach: Reach,
}

pub async fn run(args: &Args, global: &Global) -> Result<Exit, CliError> {
    let last = LastLine::start(global);
    let Record { timeline, hosts, .. } = find(args.run.as_deref(), args.reach, global).await?;
    if global.json {
        let mut line = json!({ "type": "timeline", "version": TIMELINE_VERSION });
        if let (Value::Object(line), Ok(Value::Object(fields))) = (&mut line, serde_json::to_value(&timeline)) {
            line.extend(fields);
        }
        table::say(&format!("{line}\n"));
    } else {
        let detail = if global.verbose { Detail::Verbose } else { Detail::Normal };
        table::say(&render_timeline(&timeline, &TimeZone::system(), detail));
    }
    last.print(Exit::Done, None, &hosts);
    Ok(Exit::Done)
}
