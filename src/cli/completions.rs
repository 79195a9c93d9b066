//! `stagecraft completions SHELL`.

use clap::CommandFactory;

use super::{Cli, CliError, Exit};

/// Print the completions of a shell: `stagecraft completions bash > /etc/bash_completion.d/stagecraft`
#[derive(Debug, clap::Args)]
pub struct Args {
    shell: clap_complete::Shell,
}

#[expect(clippy::unnecessary_wraps, reason = "every command has this signature")]
pub fn run(args: &Args) -> Result<Exit, CliError> {
    clap_complete::generate(args.shell, &mut Cli::command(), "stagecraft", &mut std::io::stdout());
    Ok(Exit::Done)
}
