//! `stagecraft recipe`: list, show, new, eject, check, docs.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use serde_json::json;
use stdlib::host::Hosts;

use super::{CliError, Exit, Global, last_line::LastLine, table};
use crate::recipe::{self, Recipe};

/// What `recipe new` writes.
const TEMPLATE: &str = include_str!("recipe_template.rhai");

/// List, show, write and check recipes
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the project's recipes and the built-in ones
    List,
    /// Print a recipe
    Show {
        /// A recipe's name, or the path of a `.rhai` file
        name: String,
    },
    /// Write a new recipe into recipes/
    New {
        /// Letters, digits, `-` and `_`
        name: String,
    },
    /// Copy a built-in recipe into recipes/, where it takes the built-in one's place
    Eject { name: String },
    /// Look for mistakes without a host: unknown functions and options, wrong numbers of arguments
    Check {
        /// A recipe's name, or the path of a `.rhai` file; by default every recipe of the project
        name: Option<String>,
    },
    /// Print the reference of what a recipe can call, as Markdown
    Docs {
        /// Print the definitions for an editor instead (`.d.rhai`)
        #[arg(long)]
        definitions: bool,
    },
}

pub fn run(args: &Args, global: &Global) -> Result<Exit, CliError> {
    let directory = &global.directory;
    match &args.command {
        Command::List => list(global)?,
        Command::Show { name } => print!("{}", recipe::find(directory, name)?.source),
        Command::New { name } => new(directory, name)?,
        Command::Eject { name } => eject(directory, name)?,
        Command::Check { name } => check(directory, name.as_deref())?,
        Command::Docs { definitions: true } => print!("{}", recipe::definitions()),
        Command::Docs { definitions: false } => print!("{}", recipe::reference()),
    }
    Ok(Exit::Done)
}

fn list(global: &Global) -> Result<(), CliError> {
    let last = LastLine::start(global);
    let recipes = recipe::list(&global.directory)?;
    if global.json {
        for recipe in &recipes {
            println!(
                "{}",
                json!({
                    "type": "recipe", "version": 1, "name": recipe.name, "path": recipe.path, "summary": recipe.summary(),
                })
            );
        }
        last.print(Exit::Done, None, &Hosts::default());
        return Ok(());
    }
    let from = |recipe: &Recipe| recipe.path.as_ref().map_or("built-in".to_owned(), |path| path.display().to_string());
    let row = |recipe: &Recipe| vec![recipe.name.clone(), from(recipe), recipe.summary().to_owned()];
    table::print_wrapped(&["RECIPE", "FROM", ""], &recipes.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

fn new(directory: &Path, name: &str) -> Result<(), CliError> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if name.is_empty() || !name.chars().all(valid) {
        return Err(CliError::usage(format!("`{name}` cannot be a recipe's name"), "use letters, digits, `-` and `_`"));
    }
    if recipe::built_in(name).is_some() {
        return Err(CliError::usage(
            format!("`{name}` is a built-in recipe"),
            format!("`stagecraft recipe eject {name}` copies it into the project, where it can be changed"),
        ));
    }
    write(directory, name, TEMPLATE)
}

fn eject(directory: &Path, name: &str) -> Result<(), CliError> {
    let built_in = recipe::built_in(name).ok_or_else(|| {
        CliError::usage(format!("there is no built-in recipe `{name}`"), "`stagecraft recipe list` shows what there is")
    })?;
    write(directory, name, &built_in.source)
}

/// Writes the project's own recipe of this name, which must not be there yet.
fn write(directory: &Path, name: &str, source: &str) -> Result<(), CliError> {
    let path = recipe::own_path(name);
    let file = directory.join(&path);
    let written = fs::create_dir_all(file.parent().unwrap_or(directory))
        .and_then(|()| OpenOptions::new().write(true).create_new(true).open(&file))
        .and_then(|mut file| file.write_all(source.as_bytes()));
    match written {
        Ok(()) => {
            println!("wrote {}", path.display());
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(CliError::usage(
            format!("{} is there already", path.display()),
            format!("change it, or remove it first; `stagecraft recipe show {name}` prints it"),
        )),
        Err(error) => Err(CliError::Unexpected(
            anyhow::Error::new(error).context(format!("{} cannot be written", path.display())),
        )),
    }
}

fn check(directory: &Path, name: Option<&str>) -> Result<(), CliError> {
    let recipes = match name {
        Some(name) => vec![recipe::find(directory, name)?],
        None => recipe::list(directory)?,
    };
    let mistakes: Vec<_> = recipes.iter().flat_map(recipe::check).collect();
    if mistakes.is_empty() {
        let names: Vec<&str> = recipes.iter().map(|recipe| recipe.name.as_str()).collect();
        println!("no mistakes in {}", names.join(", "));
        return Ok(());
    }
    Err(CliError::Configuration(mistakes))
}
