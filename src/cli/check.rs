//! `stagecraft check`.

use futures_util::future::join_all;
use serde_json::json;

use super::{CliError, Exit, Global};
use crate::config::{self, Diagnostic, FILE, Project};

/// Check stagecraft.yml and the Compose files: every mistake at once, without a connection to a host
///
/// Without `--env`, every environment is checked.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(_: &Args, global: &Global) -> Result<Exit, CliError> {
    let (projects, warnings) = load(global).await.map_err(CliError::Configuration)?;
    if global.json {
        let environments: Vec<_> = projects
            .iter()
            .map(|project| {
                let (services, hosts) = size(project);
                json!({ "environment": project.topology.environment, "services": services, "hosts": hosts })
            })
            .collect();
        let warnings: Vec<_> = warnings.iter().map(Diagnostic::to_json).collect();
        println!(
            "{}",
            json!({
                "type": "summary", "version": 1, "outcome": "valid", "exit": 0,
                "environments": environments, "warnings": warnings,
            })
        );
        return Ok(Exit::Done);
    }
    config::print_warnings(&warnings);
    for project in &projects {
        let (services, hosts) = size(project);
        let environment =
            if projects.len() > 1 { format!("{}: ", project.topology.environment) } else { String::new() };
        println!("{FILE} is valid: {environment}{} on {}", count(services, "service"), count(hosts, "host"));
    }
    Ok(Exit::Done)
}

/// The environment that is named, or all of them; of all the mistakes, each once.
async fn load(global: &Global) -> Result<(Vec<Project>, Vec<Diagnostic>), Vec<Diagnostic>> {
    let wanted = match &global.environment {
        Some(name) => vec![Some(name.clone())],
        None => config::environments(&global.directory).into_iter().map(Some).collect(),
    };
    let wanted = if wanted.is_empty() { vec![None] } else { wanted };
    let loaded = join_all(wanted.iter().map(|name| config::load(&global.directory, name.as_deref()))).await;
    let (mut projects, mut warnings, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for result in loaded {
        match result {
            Ok((project, found)) => {
                projects.push(project);
                add(&mut warnings, found);
            }
            Err(found) => add(&mut errors, found),
        }
    }
    if errors.is_empty() { Ok((projects, warnings)) } else { Err(errors) }
}

fn add(all: &mut Vec<Diagnostic>, found: Vec<Diagnostic>) {
    for diagnostic in found {
        if !all.contains(&diagnostic) {
            all.push(diagnostic);
        }
    }
}

fn size(project: &Project) -> (usize, usize) {
    (project.services().len(), project.topology.hosts.len())
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
