//! A command's reporter: progress while it works, and between that what stands for itself, such as the plan.

use std::time::Instant;

use serde_json::json;
use stdlib::plan::Plan;
use tokio::task::JoinHandle;

use super::Global;
use crate::{
    engine::{self, EventSender, event},
    report::{Detail, Format, Reporter, Summary, print_plan},
};

pub struct Reporting {
    format: Format,
    detail: Detail,
    began: Instant,
    following: Option<Following>,
}

/// A reporter at work.
struct Following {
    events: EventSender,
    reporter: JoinHandle<Reporter>,
}

impl Following {
    fn of(reporter: Reporter) -> Self {
        let (events, receiver) = engine::channel();
        Self { events, reporter: tokio::spawn(reporter.follow(receiver)) }
    }

    /// Ends once all that was said before is shown. No other sender may be left.
    async fn end(self) -> Reporter {
        drop(self.events);
        self.reporter.await.expect("a reporter does not panic")
    }
}

impl Format {
    /// What the command line asks for.
    pub(super) fn of(global: &Global) -> Self {
        if global.json { Self::Json } else { Self::Human }
    }
}

impl Reporting {
    pub fn start(global: &Global) -> Self {
        let format = Format::of(global);
        let detail = match (global.quiet, global.verbose) {
            (true, _) => Detail::Quiet,
            (_, true) => Detail::Verbose,
            _ => Detail::Normal,
        };
        let following = Some(Following::of(Reporter::new(format, detail)));
        Self { format, detail, began: Instant::now(), following }
    }

    pub fn events(&self) -> &EventSender {
        &self.following.as_ref().expect("it ends only with the command").events
    }

    /// Shows a plan, and what its recipe had to say.
    pub async fn plan(&mut self, plan: &Plan, log: &[String]) {
        for text in log {
            self.events().send(event::Event::Log { text: text.clone() });
        }
        // The picture of what is under way must not be torn by the plan.
        let reporter = self.following.take().expect("it ends only with the command").end().await;
        match (self.format, self.detail) {
            (Format::Json, _) => println!("{}", json!({ "type": "plan", "version": event::VERSION, "plan": plan })),
            (Format::Human, _) => print_plan(plan, self.detail),
        }
        self.following = Some(Following::of(reporter));
    }

    /// Since the command began.
    pub fn elapsed(&self) -> event::Seconds {
        event::Seconds(self.began.elapsed())
    }

    /// Shows how it ended.
    pub async fn end(mut self, summary: &Summary) {
        let reporter = self.following.take().expect("it ends only here").end().await;
        reporter.end(summary);
    }

    /// Ends without a run.
    pub async fn finish(mut self) {
        self.following.take().expect("it ends only here").end().await;
    }
}
