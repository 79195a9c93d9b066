//! `stagecraft exec SERVICE CMD`.

use std::{io::IsTerminal, process::Command};

use stdlib::model::Address;

use super::{
    CliError, Exit, Global, project,
    session::Session,
    ssh::{self, Terminal, ssh},
};

/// Run a command in a running container of a service
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The service, as the Compose file calls it
    service: String,
    /// On this host instead of the first that runs the service
    #[arg(long)]
    host: Option<String>,
    /// Pass standard input on
    #[arg(short, long)]
    interactive: bool,
    /// Give the command a terminal
    #[arg(short, long)]
    tty: bool,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

pub async fn run(args: &Args, global: &Global) -> Result<Exit, CliError> {
    let project = project::load(global).await?;
    let service = project.service(&args.service)?;
    let wanted = project.optional_host(args.host.as_deref())?;
    let session = Session::connect(project).await?;
    let facts = session.facts().await?;
    let running =
        facts.hosts.iter().filter(|host| wanted.as_ref().is_none_or(|name| host.name == *name)).find_map(|host| {
            let container = host.containers.iter().find(|container| {
                container.running && container.ours.as_ref().is_some_and(|ours| !ours.job && ours.service == service)
            })?;
            Some((host.name.clone(), container.id.clone()))
        });
    let Some((host, container)) = running else {
        return Err(CliError::usage(format!("no container of {service} is running"), "look at `stagecraft status`"));
    };
    let host = session.project.host(host.as_str())?.clone();
    session.close().await;
    ssh::hand_over(&mut docker_exec(args, &host, &container))
}

fn docker_exec(args: &Args, host: &stdlib::model::HostSettings, container: &str) -> Command {
    let mut words = vec!["docker".to_owned(), "exec".to_owned()];
    if args.interactive {
        words.push("-i".to_owned());
    }
    if args.tty {
        words.push("-t".to_owned());
    }
    words.push(container.to_owned());
    words.extend(args.command.iter().cloned());
    if host.address == Address::Local {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        return command;
    }
    let terminal = if args.tty && std::io::stdin().is_terminal() { Terminal::Force } else { Terminal::None };
    let mut command = ssh(host, terminal);
    command.arg(words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "));
    command
}

/// For the far side's shell, which gets one string.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn words_survive_the_far_shell() {
        assert_eq!(quote("it's $HOME"), r"'it'\''s $HOME'");
    }
}
