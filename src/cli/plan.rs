//! `stagecraft plan`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::Context as _;
use stdlib::image::Rebuild;

use super::{
    CliError, Exit, Global, deploy::argument, execute::connect, last_line::LastLine, pipeline, prepare,
    reporting::Reporting,
};

/// Show what would happen, without changing a host
///
/// Builds what has changed on this machine, reads the hosts, and shows what each service goes from and to on each host:
/// `+` create, `±` replace without a gap, `∓` replace with a gap, `-` remove, `>` run, `=` nothing. With `-q` only how many
/// of each.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A pipeline of stagecraft.yml, or a recipe
    #[arg(default_value = "deploy")]
    pipeline: String,
    /// Save the plan; `stagecraft deploy --plan FILE` runs it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit with 4 when there is something to do
    #[arg(long)]
    check: bool,
    /// An argument of the recipe
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = argument)]
    given: Vec<(String, String)>,
}

pub async fn run(args: &Args, global: &Global) -> Result<Exit, CliError> {
    let last = LastLine::start(global);
    let pipeline = pipeline::find(global, &args.pipeline).await?;
    let given: BTreeMap<String, String> = args.given.iter().cloned().collect();
    let request = pipeline.request(given)?;
    let (session, operator) = connect(pipeline.project).await?;
    let mut reporting = Reporting::start(global);
    let planned = async {
        let images =
            prepare::images(&session, &operator, &request, Rebuild::Changed, reporting.events(), || ()).await?;
        prepare::plan(&session, &images, &request, &prepare::new_run()).await
    };
    let planned = planned.await;
    session.close().await;
    let ready = planned?;
    if let Some(file) = &args.out {
        let text = serde_json::to_vec_pretty(&ready.plan).map_err(anyhow::Error::from)?;
        let path = global.directory.join(file);
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    reporting.plan(&ready.plan, &ready.log).await;
    reporting.finish().await;
    let nothing = ready.plan.is_empty();
    let exit = if args.check && !nothing { Exit::Changes } else { Exit::Done };
    last.print(exit, ready.plan.release.as_ref().map(|release| release.id.clone()), &session.hosts);
    if let (Some(file), false, false) = (&args.out, nothing, global.quiet) {
        eprintln!("saved; run it: `stagecraft deploy --plan {}`", file.display());
    }
    Ok(exit)
}
