//! `stagecraft rollback`.

use std::collections::BTreeMap;

use stdlib::image::Rebuild;

use super::{
    CliError, Exit, Global,
    deploy::How,
    execute::{self, Order},
    pipeline,
};

/// Go back to the previous release, by digest and with its own configuration
///
/// Runs no job, and makes a new release record. Like a deploy it drops no request, and puts every host back when it fails.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The number of a kept release (`stagecraft releases`); by default the one before the live one
    release: Option<String>,
    #[command(flatten)]
    how: How,
}

pub async fn run(args: &Args, global: &Global) -> Result<Exit, CliError> {
    let pipeline = pipeline::find(global, "rollback").await?;
    let given: BTreeMap<String, String> =
        args.release.iter().map(|number| ("release".into(), number.clone())).collect();
    let order = Order {
        what: "rollback".into(),
        request: pipeline.request(given)?,
        rebuild: Rebuild::Changed,
        how: args.how.clone(),
    };
    execute::run(pipeline.project, order, global).await
}
