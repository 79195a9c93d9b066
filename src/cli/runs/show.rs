//! `stagecraft runs show`.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{
    super::{CliError, Exit, Global, table},
    Reach,
    record::find,
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
    let timeline = find(args.run.as_deref(), args.reach, global).await?.timeline;
    if global.json {
        let mut line = json!({ "type": "timeline", "version": TIMELINE_VERSION });
        if let (Value::Object(line), Ok(Value::Object(fields))) = (&mut line, serde_json::to_value(&timeline)) {
            line.extend(fields);
        }
        table::say(&line.to_string());
    } else {
        let detail = if global.verbose { Detail::Verbose } else { Detail::Normal };
        table::say(render_timeline(&timeline, &TimeZone::system(), detail).trim_end());
    }
    Ok(Exit::Done)
}
