//! `stagecraft undo`.

use super::{
    CliError, Exit, Global,
    deploy::How,
    resume::{Order, go_on},
};
use crate::engine::{Assume, Heading};

/// Put back what a run has changed that did not get to its end
///
/// For a run that was cut off, or that could not put everything back by itself. What a run has committed is not undone:
/// `stagecraft rollback` brings the release before.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run (`stagecraft runs`)
    run: String,
    /// Your word on what may have happened and cannot be asked of a host, such as a command
    #[arg(long, value_name = "ANSWER")]
    assume: Option<Assume>,
    #[command(flatten)]
    how: How,
}

pub async fn run(args: &Args, global: &Global) -> Result<Exit, CliError> {
    let order = Order { run: Some(&args.run), heading: Heading::Back, assume: args.assume, how: &args.how };
    go_on(&order, global).await
}
