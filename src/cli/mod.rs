//! The command line: one file for each command, whose `Args`' comments are its help.

mod approve;
mod ca;
mod cancel;
mod check;
mod commit;
mod completions;
mod confirm;
mod decider;
mod deploy;
mod desk;
mod error;
mod exec;
mod execute;
mod home;
mod identity;
mod images;
mod init;
mod last_line;
mod lock;
mod logs;
mod perform;
mod pipeline;
mod plan;
mod preflight;
mod prepare;
mod project;
mod recipe;
mod releases;
mod reporting;
mod resume;
mod rollback;
mod run;
mod runs;
mod saved;
mod session;
mod ssh;
mod state;
mod status;
mod table;
mod trace;
mod undo;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

pub use error::{CliError, Exit};

/// Deploy Docker Compose applications to machines that you own.
///
/// `stagecraft.yml` says what runs where. `stagecraft init` writes one; `stagecraft plan` shows what would happen;
/// `stagecraft deploy` does it, without a dropped request, on all hosts or none.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, infer_subcommands = false, max_term_width = 100)]
#[command(after_help = "Start with `stagecraft init`. Every command has its own --help.")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Run as if started in this directory
    #[arg(
        short = 'C',
        long = "directory",
        value_name = "DIR",
        global = true,
        default_value = ".",
        hide_default_value = true
    )]
    pub directory: PathBuf,
    /// The environment; not needed when there is only one
    #[arg(short, long = "env", value_name = "ENV", global = true)]
    pub environment: Option<String>,
    /// Print events as JSON, one a line, and a last line `{"type":"summary", …}`
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more: the steps of a plan, the requests to hosts
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Say nothing but errors and results: of a plan how much it would do, of a run how it ended
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Check(check::Args),
    Plan(plan::Args),
    Deploy(deploy::Args),
    Rollback(rollback::Args),
    Run(run::Args),
    Resume(resume::Args),
    Undo(undo::Args),
    Approve(approve::Args),
    Status(status::Args),
    Releases(releases::Args),
    Runs(runs::Args),
    Logs(logs::Args),
    Exec(exec::Args),
    Ssh(ssh::Args),
    Ca(ca::Args),
    Recipe(recipe::Args),
    Completions(completions::Args),
}

/// Runs the command line and returns its exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    trace(&cli.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return error::report(&CliError::Unexpected(error.into()), &cli.global),
    };
    let global = cli.global.clone();
    let exit = match runtime.block_on(run(cli)) {
        Ok(exit) => exit.into(),
        Err(error) => error::report(&error, &global),
    };
    // A blocked read of the terminal must not keep the process.
    runtime.shutdown_background();
    exit
}

async fn run(cli: Cli) -> Result<Exit, CliError> {
    let global = &cli.global;
    match cli.command {
        Command::Init(args) => init::run(&args, global).await,
        Command::Check(args) => check::run(&args, global).await,
        Command::Plan(args) => plan::run(&args, global).await,
        Command::Deploy(args) => deploy::run(&args, global).await,
        Command::Rollback(args) => rollback::run(&args, global).await,
        Command::Run(args) => run::run(&args, global).await,
        Command::Resume(args) => resume::run(&args, global).await,
        Command::Undo(args) => undo::run(&args, global).await,
        Command::Approve(args) => approve::run(&args, global).await,
        Command::Status(args) => status::run(&args, global).await,
        Command::Releases(args) => releases::run(&args, global).await,
        Command::Runs(args) => runs::run(&args, global).await,
        Command::Logs(args) => logs::run(&args, global).await,
        Command::Exec(args) => exec::run(&args, global).await,
        Command::Ssh(args) => ssh::run(&args, global).await,
        Command::Ca(args) => ca::run(&args, global).await,
        Command::Recipe(args) => recipe::run(&args, global),
        Command::Completions(args) => completions::run(&args),
    }
}

/// `STAGECRAFT_LOG` filters the diagnostic log on stderr, in the syntax of tracing's `EnvFilter`; `-v` is `stagecraft=debug`.
fn trace(global: &Global) {
    let filter =
        std::env::var("STAGECRAFT_LOG").ok().or_else(|| global.verbose.then(|| "stagecraft=debug,stdlib=debug".into()));
    if let Some(filter) = filter {
        let filter = tracing_subscriber::EnvFilter::new(filter);
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    }
}
