//! `stagecraft init`.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
};

use anyhow::Context as _;
use serde_json::json;
use stdlib::model::ServiceName;

use super::{CliError, Exit, Global};
use crate::config::{self, FILE, SCHEMA_FILE, Starter, StarterHost};

/// Write stagecraft.yml from the Compose file that is there
///
/// Asks only what the Compose file cannot say, and only on a terminal. The file is valid as it is written:
/// `stagecraft plan` shows what it would do.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A host to deploy to, once for each; `local`, the default, is the engine of this machine
    #[arg(long = "host", value_name = "USER@ADDRESS")]
    hosts: Vec<StarterHost>,
}

pub async fn run(args: &Args, global: &Global) -> Result<Exit, CliError> {
    let directory = fs::canonicalize(&global.directory)
        .with_context(|| format!("the directory {} cannot be used", global.directory.display()))?;
    let file = directory.join(FILE);
    if file.exists() {
        let hint = "edit it, or remove it to start anew; `stagecraft check` says whether it is right";
        return Err(CliError::usage(format!("{} is there already", file.display()), hint));
    }
    let starter = Starter::read(&directory).await.map_err(CliError::Configuration)?;
    let answers = answers(args, &starter, global)?;
    let text = starter.text(&answers.hosts, &answers.names);
    let (_, warnings) = config::load_text(&directory, &text, None).await.map_err(CliError::Configuration)?;

    let mut written = vec![write(&directory, FILE, &text)?];
    let schema = serde_json::to_string_pretty(&config::schema()).map_err(anyhow::Error::from)?;
    written.push(write(&directory, SCHEMA_FILE, &schema)?);
    written.extend(ignore(&directory)?);
    if global.json {
        println!("{}", json!({ "type": "summary", "version": 1, "outcome": "done", "exit": 0, "written": written }));
        return Ok(Exit::Done);
    }
    config::print_warnings(&warnings);
    if !global.quiet {
        println!("wrote {}", written.join(", "));
        println!("look at {FILE}, then at `stagecraft plan`");
    }
    Ok(Exit::Done)
}

/// What the Compose files cannot say.
struct Answers {
    hosts: Vec<StarterHost>,
    /// The host names of services' requests.
    names: BTreeMap<ServiceName, String>,
}

fn answers(args: &Args, starter: &Starter, global: &Global) -> Result<Answers, CliError> {
    let mut answers = Answers { hosts: args.hosts.clone(), names: BTreeMap::new() };
    if io::stdin().is_terminal() && !global.json {
        if answers.hosts.is_empty() {
            let text = ask("Hosts to deploy to, as USER@ADDRESS with spaces between (empty: this machine)")?;
            let hosts: Result<Vec<StarterHost>, String> = text.split_whitespace().map(str::parse).collect();
            answers.hosts = hosts.map_err(|message| CliError::usage(message, "run `stagecraft init` again"))?;
        }
        for (service, port) in starter.routable() {
            let name = ask(&format!("Host name of requests for {service}, port {port} (empty: no route)"))?;
            if !name.is_empty() {
                answers.names.insert(service.clone(), name);
            }
        }
    }
    if answers.hosts.is_empty() {
        answers.hosts.push(StarterHost::local());
    }
    Ok(answers)
}

fn ask(question: &str) -> Result<String, CliError> {
    eprint!("{question}: ");
    io::stderr().flush().map_err(anyhow::Error::from)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(anyhow::Error::from)?;
    Ok(answer.trim().to_owned())
}

/// Writes a file of the project, and returns its name.
fn write(directory: &Path, name: &str, text: &str) -> Result<String, CliError> {
    let path = directory.join(name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(name.to_owned())
}

/// Adds Stagecraft's own directory to `.gitignore`, where git is used. Returns what was written.
fn ignore(directory: &Path) -> Result<Option<String>, CliError> {
    const LINE: &str = ".stagecraft/";
    let path = directory.join(".gitignore");
    let uses_git = path.exists() || directory.ancestors().any(|folder| folder.join(".git").exists());
    let text = fs::read_to_string(&path).unwrap_or_default();
    if !uses_git
        || text.lines().any(|line| [LINE, ".stagecraft", "/.stagecraft/", "/.stagecraft"].contains(&line.trim()))
    {
        return Ok(None);
    }
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    write(directory, ".gitignore", &format!("{text}{gap}{LINE}\n")).map(|name| Some(format!("{name} ({LINE})")))
}
