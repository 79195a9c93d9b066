//! `stagecraft releases`.

use serde_json::json;

use super::{CliError, Exit, Global, last_line::LastLine, project, session::Session, table};

/// List the releases kept on the home host, the live one marked
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(_: &Args, global: &Global) -> Result<Exit, CliError> {
    let last = LastLine::start(global);
    let session = Session::connect(project::load(global).await?).await?;
    let facts = session.facts().await?;
    let home = &session.project.topology.home;
    let state = facts.host(home).map(|host| host.state.clone()).unwrap_or_default();
    // A staged record with a number above the live one never became a release.
    let live = state.current.unwrap_or(0);
    let releases = state.releases.iter().filter(|release| release.id.number <= live);
    if global.json {
        for release in releases {
            println!(
                "{}",
                json!({
                    "type": "release", "version": 1, "release": release.id.to_string(), "number": release.id.number,
                    "live": release.id.number == live, "predecessor": release.predecessor, "created": release.created,
                    "author": release.author, "run": release.run,
                })
            );
        }
    } else {
        let rows: Vec<Vec<String>> = releases
            .rev()
            .map(|release| {
                vec![
                    release.id.to_string(),
                    if release.id.number == live { "live".into() } else { String::new() },
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
    last.print(Exit::Done, state.live().map(|release| release.id.clone()), &session.hosts);
    session.close().await;
    Ok(Exit::Done)
}
