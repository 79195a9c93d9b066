//! `stagecraft releases`.

use serde_json::json;

use super::{CliError, Exit, Global, last_line::LastLine, project, session::Session, table};

/// List the releases that are kept, the live one marked
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(_: &Args, global: &Global) -> Result<Exit, CliError> {
    let last = LastLine::start(global);
    let session = Session::connect(project::load(global).await?).await?;
    let facts = session.facts().await?;
    let home = &session.project.topology.home;
    let checked = facts.check_home(home);
    session.close().await;
    checked?;
    // The live one first.
    let releases = facts.history(home);
    let live = releases.first().map(|release| release.id.number);
    if global.json {
        for release in releases.iter().rev() {
            println!(
                "{}",
                json!({
                    "type": "release", "version": 1, "release": release.id.to_string(), "number": release.id.number,
                    "live": Some(release.id.number) == live, "predecessor": release.predecessor, "created": release.created,
                    "author": release.author, "run": release.run,
                })
            );
        }
    } else {
        let rows: Vec<Vec<String>> = releases
            .iter()
            .map(|release| {
                vec![
                    release.id.to_string(),
                    if Some(release.id.number) == live { "live".into() } else { String::new() },
                    release.created.clone(),
                    release.author.clone(),
                ]
            })
            .collect();
        if rows.is_empty() {
            println!("nothing is deployed yet; `stagecraft deploy` makes the first release");
        } else {
            table::print(&["RELEASE", "", "CREATED", "BY"], &rows);
        }
    }
    last.print(Exit::Done, releases.first().map(|release| release.id.clone()), &session.hosts);
    Ok(Exit::Done)
}
