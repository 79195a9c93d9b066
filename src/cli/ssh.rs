//! `stagecraft ssh HOST`, and the system's `ssh` for whoever needs a terminal on a host.

use std::process::Command;

use stdlib::model::{Address, HostSettings};

use super::{CliError, Exit, Global, project};

/// Open a shell on a host, or run a command there
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The host, as stagecraft.yml calls it
    host: String,
    /// A command to run instead of a shell
    #[arg(trailing_var_arg = true)]
    command: Vec<String>,
}

pub async fn run(args: &Args, global: &Global) -> Result<Exit, CliError> {
    let project = project::load(global).await?;
    let host = project.host(&args.host)?;
    let mut command = match &host.address {
        Address::Local => {
            let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".into());
            let mut command = Command::new(shell);
            if !args.command.is_empty() {
                command.arg("-c").arg(args.command.join(" "));
            }
            command
        }
        Address::Ssh { .. } => {
            let mut command = ssh(host, Terminal::Automatic);
            command.args(&args.command);
            command
        }
    };
    hand_over(&mut command)
}

/// Whether the far side gets a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// As `ssh` itself decides.
    Automatic,
    Force,
    None,
}

/// The system's `ssh` to a host, with the options of stagecraft.yml; host keys are checked.
pub fn ssh(host: &HostSettings, terminal: Terminal) -> Command {
    let Address::Ssh { address, user, port, identity, known_hosts, jump } = &host.address else {
        unreachable!("a local host is not reached by ssh")
    };
    let mut command = Command::new("ssh");
    command.args(["-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR"]);
    match terminal {
        Terminal::Automatic => {}
        Terminal::Force => {
            command.arg("-t");
        }
        Terminal::None => {
            command.arg("-T");
        }
    }
    if let Some(user) = user {
        command.args(["-l", user]);
    }
    if let Some(port) = port {
        command.args(["-p", &port.to_string()]);
    }
    if let Some(identity) = identity {
        command.arg("-i").arg(identity);
    }
    if let Some(known_hosts) = known_hosts {
        command.arg("-o").arg(format!("UserKnownHostsFile={}", known_hosts.display()));
    }
    if let Some(jump) = jump {
        command.args(["-J", jump]);
    }
    command.arg("--").arg(address);
    command
}

/// Runs a program with this process's input and output, and takes over its exit code.
pub fn hand_over(command: &mut Command) -> Result<Exit, CliError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|error| {
        CliError::usage(format!("`{program}` cannot be run: {error}"), format!("install `{program}` and try again"))
    })?;
    match status.code() {
        Some(0) => Ok(Exit::Done),
        // The program has said why; its code is the answer that a script waits for.
        Some(code) => std::process::exit(code),
        None => Ok(Exit::Unexpected),
    }
}
