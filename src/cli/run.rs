//! `stagecraft run NAME`.

use std::collections::BTreeMap;

use clap::CommandFactory as _;
use stdlib::image::Rebuild;

use super::{
    Cli, CliError, Exit, Global,
    deploy::{How, argument},
    execute::{self, Order},
    pipeline,
};
use crate::recipe::{self, Recipe};

/// Run a recipe or pipeline by its name
///
/// A pipeline is a recipe bound to an environment and arguments in stagecraft.yml. `stagecraft run NAME --help` shows the
/// parameters that a recipe declares; `stagecraft recipe list` shows the recipes.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// A pipeline of stagecraft.yml, a recipe, or the path of a .rhai file
    name: Option<String>,
    /// An argument of the recipe
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = argument)]
    given: Vec<(String, String)>,
    #[command(flatten)]
    how: How,
    /// Show this help, or with a NAME the recipe's parameters
    #[arg(short, long)]
    help: bool,
}

pub async fn run(args: &Args, global: &Global) -> Result<Exit, CliError> {
    let Some(name) = &args.name else {
        return usage(args);
    };
    if args.help {
        explain(&recipe::find(&global.directory, name)?)?;
        return Ok(Exit::Done);
    }
    let pipeline = pipeline::find(global, name).await?;
    let given: BTreeMap<String, String> = args.given.iter().cloned().collect();
    let request = pipeline.request(given)?;
    let order = Order { what: name.clone(), request, rebuild: Rebuild::Changed, how: args.how.clone() };
    execute::run(pipeline.project, order, global).await
}

/// The help of the command itself; asked for, or because no name was given.
fn usage(args: &Args) -> Result<Exit, CliError> {
    if !args.help {
        return Err(CliError::usage(
            "`run` takes the name of a recipe or pipeline",
            "see them: `stagecraft recipe list`",
        ));
    }
    let mut command = Cli::command();
    command.build();
    let run = command.find_subcommand_mut("run").expect("this command");
    run.print_long_help().map_err(anyhow::Error::from)?;
    Ok(Exit::Done)
}

fn explain(recipe: &Recipe) -> Result<(), CliError> {
    println!(
        "{}\n\nUsage: stagecraft run {} [--arg NAME=VALUE]…",
        recipe.docs().collect::<Vec<_>>().join("\n").trim_end(),
        recipe.name
    );
    let parameters = recipe::parameters(recipe)?;
    if parameters.is_empty() {
        println!("\nIt declares no parameters.");
        return Ok(());
    }
    println!("\nParameters:");
    for parameter in parameters {
        let fallback = match &parameter.fallback {
            None => "required".to_owned(),
            Some(value) => format!("default {value}"),
        };
        println!("  --arg {}={}  {} ({fallback})", parameter.name, parameter.kind, parameter.help);
    }
    Ok(())
}
