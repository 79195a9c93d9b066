//! The end of a command.

use std::fmt::Write;

use owo_colors::OwoColorize;
use serde_json::{Map, json};
use stdlib::{
    failure::Failure,
    host::{Hosts, Usage},
    model::{HostName, ReleaseId, RunId},
};

use crate::engine::{Ended, Left, Outcome, event::Seconds};

#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The run, of a command that ran a plan.
    pub run: Option<RunId>,
    pub outcome: Outcome,
    /// The release that the command was about, when it was about one.
    pub release: Option<ReleaseId>,
    /// Where the application can be reached.
    pub urls: Vec<String>,
    /// From the beginning of the command.
    pub seconds: Seconds,
    /// The exit code.
    pub exit: u8,
    pub hosts: Vec<(HostName, Usage)>,
    pub failures: Vec<Failure>,
    pub left: Vec<Left>,
}

impl Summary {
    /// How a run ended and what it has cost the hosts so far. `seconds` is the run's own duration.
    pub fn of(ended: Ended, run: RunId, release: Option<ReleaseId>, hosts: &Hosts, exit: u8) -> Self {
        Self {
            run: Some(run),
            outcome: ended.outcome,
            release,
            urls: Vec::new(),
            seconds: ended.duration,
            exit,
            hosts: hosts.iter().map(|host| (host.name().clone(), host.usage())).collect(),
            failures: ended.failures,
            left: ended.left,
        }
    }

    /// The last line of `--json`.
    pub fn json(&self) -> String {
        let hosts: Map<_, _> = self.hosts.iter().map(|(host, usage)| (host.to_string(), json!(usage))).collect();
        json!({
            "type": "summary",
            "version": crate::engine::event::VERSION,
            "outcome": self.outcome,
            "run": self.run,
            "release": self.release.as_ref().map(ToString::to_string),
            "urls": self.urls,
            "seconds": self.seconds,
            "exit": self.exit,
            "hosts": hosts,
            "failures": self.failures,
            "left": self.left,
        })
        .to_string()
    }

    /// The result in words, for stdout.
    pub fn render(&self) -> String {
        let release = self.release.as_ref().map(|release| format!("release {release}"));
        let mut text = match (self.outcome, release) {
            (Outcome::Done, Some(release)) => format!("{} {} is live", "done:".green().bold(), release),
            (Outcome::Done, None) => {
                let run = self.run.as_ref().map(|run| format!(" run {run}")).unwrap_or_default();
                format!("{}{run}", "done:".green().bold())
            }
            (Outcome::PutBack, _) => format!("{} everything is as it was", "failed:".red().bold()),
            (Outcome::Undone, _) => format!("{} everything is as it was before the run", "undone:".green().bold()),
            (Outcome::Cancelled, _) => format!("{} everything is as it was", "cancelled:".yellow().bold()),
            (Outcome::Left, _) => format!("{} see what is left", "not finished:".red().bold()),
        };
        let _ = writeln!(text, ", {}", self.seconds);
        for url in &self.urls {
            let _ = writeln!(text, "  {url}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anstream::adapter::strip_str;
    use stdlib::{
        host::Usage,
        model::{HostName, ReleaseId, RunId},
    };

    use super::Summary;
    use crate::engine::{Outcome, event::Seconds};

    fn summary(outcome: Outcome) -> Summary {
        Summary {
            run: Some(RunId::new("0199").unwrap()),
            outcome,
            release: Some(ReleaseId { number: 12, commit: Some("3fa9c1b".into()), dirty: true }),
            urls: vec!["https://shop.example.com/".into()],
            seconds: Seconds(Duration::from_millis(4321)),
            exit: 0,
            hosts: vec![(
                HostName::new("web-1").unwrap(),
                Usage { sessions: 2, forwarded: 5, requests: 31, bytes_sent: 20_480, bytes_received: 4096 },
            )],
            failures: vec![],
            left: vec![],
        }
    }

    // spec: run.json
    #[test]
    fn the_summary_is_the_last_line_of_json() {
        assert_eq!(
            summary(Outcome::Done).json(),
            r#"{"type":"summary","version":1,"outcome":"done","run":"0199","release":"12 3fa9c1b+","urls":["https://shop.example.com/"],"seconds":4.321,"exit":0,"hosts":{"web-1":{"sessions":2,"forwarded":5,"requests":31,"bytes_sent":20480,"bytes_received":4096}},"failures":[],"left":[]}"#
        );
    }

    #[test]
    fn the_result_in_words() {
        let words = |outcome| strip_str(&summary(outcome).render()).to_string();
        assert_eq!(words(Outcome::Done), "done: release 12 3fa9c1b+ is live, 4.3 s\n  https://shop.example.com/\n");
        let failed = Summary { urls: vec![], ..summary(Outcome::PutBack) };
        assert_eq!(strip_str(&failed.render()).to_string(), "failed: everything is as it was, 4.3 s\n");
    }
}
