//! `stagecraft runs`.

mod audit;
mod list;
mod record;
mod report;
mod show;

use clap::Subcommand;

use super::{CliError, Exit, Global};

/// List the runs of the environment, the newest first
///
/// Those of this machine and those of others, by the audit on the environment's home host. `runs show` and `runs report` tell
/// of one in full.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    reach: Reach,
    /// Print the whole audit of the environment in order: who did what, and when
    #[arg(long, conflicts_with = "local")]
    audit: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(show::Args),
    Report(report::Args),
}

/// How far to look.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Reach {
    /// Ask no host: only what this machine knows
    #[arg(long)]
    local: bool,
}

pub async fn run(args: &Args, global: &Global) -> Result<Exit, CliError> {
    match &args.command {
        Some(Command::Show(args)) => show::run(args, global).await,
        Some(Command::Report(args)) => report::run(args, global).await,
        None if args.audit => audit::run(global).await,
        None => list::run(args.reach, global).await,
    }
}
