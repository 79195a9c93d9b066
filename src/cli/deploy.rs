//! `stagecraft deploy`.

use std::{collections::BTreeMap, path::PathBuf};

use stdlib::image::Rebuild;

use super::{
    CliError, Exit, Global,
    desk::Approval,
    execute::{self, Consent, Order},
    pipeline, saved,
};

/// Put the project's current state on its hosts, without a dropped request
///
/// Builds what has changed, shows the plan, and runs it: new containers start beside the old ones, are seen ready, take over,
/// and only then the old ones go. When anything fails on any host, every host goes back to the release it had.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    how: How,
    /// Run a plan that `plan --out` has saved, if the hosts are still as it found them
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rebuild", "given"])]
    plan: Option<PathBuf>,
    /// Build all images anew, also those whose content has not changed
    #[arg(long)]
    rebuild: bool,
    /// An argument of the recipe
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = argument)]
    given: Vec<(String, String)>,
}

/// What every command that changes hosts takes.
#[derive(Debug, Clone, clap::Args)]
pub struct How {
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Approve what the recipe asks of a person
    #[arg(long)]
    pub approve: bool,
    /// Wait so long for another run's lock, such as `10m`
    #[arg(long, value_name = "DURATION", value_parser = span)]
    pub wait: Option<stdlib::model::Span>,
    /// Go on without this host, which cannot be reached; the next deploy that reaches it brings it up to date
    #[arg(long, value_name = "HOST")]
    pub without: Vec<String>,
    /// Change at most so many hosts at once
    #[arg(long, value_name = "HOSTS", default_value_t = 32)]
    pub limit: usize,
}

impl How {
    pub fn approval(&self) -> Approval {
        if self.approve { Approval::Given } else { Approval::Ask }
    }

    pub fn consent(&self) -> Consent {
        if self.yes { Consent::Given } else { Consent::Ask }
    }
}

pub fn span(text: &str) -> Result<stdlib::model::Span, String> {
    text.parse()
}

/// `NAME=VALUE`.
pub fn argument(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub async fn run(args: &Args, global: &Global) -> Result<Exit, CliError> {
    if let Some(file) = &args.plan {
        return saved::run(file, &args.how, global).await;
    }
    let pipeline = pipeline::find(global, "deploy").await?;
    let rebuild = if args.rebuild { Rebuild::All } else { Rebuild::Changed };
    let given: BTreeMap<String, String> = args.given.iter().cloned().collect();
    let order = Order { what: "deploy".into(), request: pipeline.request(given)?, rebuild, how: args.how.clone() };
    execute::run(pipeline.project, order, global).await
}
