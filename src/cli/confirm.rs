//! Asks a person, where there is one.

use std::io::{IsTerminal, Write};

use super::CliError;

/// Whether the person at the terminal says yes. Without a terminal, `--yes` is needed.
pub fn confirm(question: &str, command: &str) -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() {
        return Err(CliError::usage(
            format!("`stagecraft {command}` asks before it changes hosts, and there is no terminal to ask on"),
            format!("look at `stagecraft plan`, then run `stagecraft {command} --yes`"),
        ));
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush().map_err(anyhow::Error::from)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(anyhow::Error::from)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
