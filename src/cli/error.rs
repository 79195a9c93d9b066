//! Errors of commands: the one place that maps them to a message, a hint and an exit code.

use std::process::ExitCode;

use serde_json::json;
use stdlib::{
    failure::Failure,
    host::{HostError, LockHolder},
    model::environment_option,
};

use super::Global;
use crate::{config::Diagnostic, engine::Petition, mirror::Claim, recipe::RecipeError};

/// Exit codes, as documented in spec/commands.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Unexpected = 1,
    Usage = 2,
    Configuration = 3,
    /// `plan --check` found changes.
    Changes = 4,
    /// Failed; nothing changed, or everything was put back.
    PutBack = 5,
    /// Failed; something is left, or it cannot be known.
    Left = 6,
    Locked = 7,
    Cancelled = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line asks for what cannot be.
    #[error("{message}")]
    Usage { message: String, hint: Option<String> },
    #[error("stagecraft.yml or the Compose files have errors")]
    Configuration(Vec<Diagnostic>),
    #[error(transparent)]
    Recipe(Box<RecipeError>),
    /// Before anything changed: hosts that cannot be reached or used.
    #[error("hosts cannot be used")]
    Hosts(Vec<HostError>),
    /// Before anything changed.
    #[error("nothing was begun")]
    Preflight(Vec<Failure>),
    #[error("another run holds the lock of {environment}")]
    Locked { environment: String, holder: Option<LockHolder> },
    /// A run waits for a person's answer, and keeps all others out.
    #[error("run {} waits for an answer, and keeps others out of {environment}", claim.petition.run)]
    Claimed { environment: String, claim: Box<Claim> },
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        Self::Preflight(vec![failure])
    }
}

impl From<HostError> for CliError {
    fn from(error: HostError) -> Self {
        Self::Hosts(vec![error])
    }
}

impl From<Box<RecipeError>> for CliError {
    fn from(error: Box<RecipeError>) -> Self {
        match *error {
            RecipeError::Refused { message, hint } => Self::from(Failure { hint, ..Failure::new(message) }),
            _ => Self::Recipe(error),
        }
    }
}

impl CliError {
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Recipe(error) if matches!(**error, RecipeError::RefusedAt { .. }) => Exit::PutBack,
            Self::Configuration(_) | Self::Recipe(_) => Exit::Configuration,
            Self::Hosts(_) | Self::Preflight(_) => Exit::PutBack,
            Self::Locked { .. } | Self::Claimed { .. } => Exit::Locked,
            Self::Unexpected(_) => Exit::Unexpected,
        }
    }

    /// The failures to show, each with its own hint.
    fn failures(&self) -> Vec<Failure> {
        match self {
            Self::Hosts(errors) => errors.iter().map(unusable).collect(),
            Self::Preflight(failures) => failures.clone(),
            Self::Usage { message, hint } => {
                let mut failure = Failure::new(message);
                failure.hint.clone_from(hint);
                vec![failure]
            }
            Self::Locked { environment, holder } => vec![locked(environment, holder.as_ref())],
            Self::Claimed { environment, claim } => vec![claimed(environment, claim)],
            Self::Unexpected(error) => vec![Failure::new(format!("{error:#}"))],
            Self::Configuration(_) | Self::Recipe(_) => Vec::new(),
        }
    }
}

/// A host that nothing can be done about now can be gone without.
fn unusable(error: &HostError) -> Failure {
    let failure = Failure::from(error.clone());
    let (HostError::Unreachable { host, .. } | HostError::NoEngine { host, .. }) = error else { return failure };
    let next = failure.hint.clone().unwrap_or_default();
    failure.hint(format!("{next}; or go on without it: `--without {host}`"))
}

fn locked(environment: &str, holder: Option<&LockHolder>) -> Failure {
    let message = match holder {
        Some(holder) => format!(
            "another run holds the lock of {environment}: {} by {}, since {}, run {}",
            holder.what, holder.who, holder.since, holder.run
        ),
        None => format!("another run holds the lock of {environment}"),
    };
    let option = environment_option(environment);
    Failure::new(message).hint(format!("wait for it with `--wait 10m`, or look at it with `stagecraft runs{option}`"))
}

fn claimed(environment: &str, claim: &Claim) -> Failure {
    let Claim { who, what, petition, .. } = claim;
    let Petition { run, message, since, until, .. } = petition;
    let text = format!(
        "{environment} is kept for run {run} ({what} by {who}), which waits for an answer since {since:.0}, until \
         {until:.0}: {message}"
    );
    let option = environment_option(environment);
    Failure::new(text).hint(format!(
        "answer it with `stagecraft approve {run}{option}`, with --deny for no; or put it back: `stagecraft undo {run}{option}`"
    ))
}

/// Shows an error on stderr, or as the JSON summary on stdout, and gives its exit code.
pub fn report(error: &CliError, global: &Global) -> ExitCode {
    let exit = error.exit();
    if global.json {
        let diagnostics = match error {
            CliError::Configuration(diagnostics) => {
                json!(diagnostics.iter().map(Diagnostic::to_json).collect::<Vec<_>>())
            }
            CliError::Recipe(error) => json!([error.diagnostic().to_json()]),
            _ => json!([]),
        };
        let outcome = if exit == Exit::Locked { "locked" } else { "refused" };
        let summary = json!({
            "type": "summary", "version": 1, "outcome": outcome, "exit": exit as u8,
            "message": error.to_string(), "diagnostics": diagnostics, "failures": error.failures(),
        });
        println!("{summary}");
        return exit.into();
    }
    match error {
        CliError::Configuration(diagnostics) => crate::config::print_errors(diagnostics),
        CliError::Recipe(error) => crate::config::print_errors(&[error.diagnostic()]),
        _ => crate::report::print_failures(&error.failures()),
    }
    exit.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use stdlib::{model::RunId, plan::Key};

    use super::CliError;
    use crate::{engine::Petition, mirror::Claim};

    // spec: gate.approve
    #[test]
    fn who_is_kept_out_is_told_the_way_on_in_this_environment() {
        let (since, until) = (Timestamp::from_second(0).unwrap(), Timestamp::from_second(60).unwrap());
        let (run, key) = (RunId::new("0199-a").unwrap(), Key::root().child("approve"));
        let petition = Petition { run, key, message: "live?".into(), since, until };
        let claim = Box::new(Claim::new("ann@desk".into(), "deploy".into(), petition, BTreeMap::new()));
        let hint = |environment: &str| {
            let error = CliError::Claimed { environment: environment.into(), claim: claim.clone() };
            error.failures()[0].hint.clone().unwrap()
        };
        assert_eq!(
            hint("staging"),
            "answer it with `stagecraft approve 0199-a -e staging`, with --deny for no; or put it back: `stagecraft undo \
             0199-a -e staging`"
        );
        assert!(hint("default").contains("`stagecraft approve 0199-a`, with --deny"));
    }
}
