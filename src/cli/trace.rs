//! Sends a run that has ended as a trace, where the environment asks for it.

use owo_colors::OwoColorize;
use stdlib::{model::RunId, plan::Plan};

use super::prepare::author;
use crate::{
    engine::RunDirectory,
    report::{self, Standing, Timeline},
};

/// A collector that does not answer is a warning: the run has ended as it has.
pub async fn send(run: &RunId, plan: &Plan, directory: &RunDirectory) {
    if !report::is_wanted() {
        return;
    }
    let sent = match directory.history() {
        Ok(history) => {
            let timeline = Timeline::new(run.clone(), Some(author()), plan, &history, Standing::CutOff);
            report::export(&timeline).await
        }
        Err(error) => Err(error.to_string()),
    };
    if let Err(why) = sent {
        anstream::eprintln!("{} the run was not exported as a trace: {why}", "warning:".yellow().bold());
        anstream::eprintln!("  {} see OTEL_EXPORTER_OTLP_ENDPOINT, or unset it", "next:".bold());
    }
}
