//! Lines for where there is no terminal: `12:00:03 web-1  start shop-web-r3-1  0.4 s`.

use jiff::{Timestamp, tz::TimeZone};
use stdlib::{
    model::HostName,
    plan::{Change, Verdict},
};

use crate::engine::event::{Emitted, Event, OperationOutcome, Seconds, UndoReason};

use super::{Detail, approval::Asking, plan};

/// Makes lines of events. The times are in the operator's zone.
#[derive(Debug, Clone)]
pub(super) struct Plain {
    zone: TimeZone,
    detail: Detail,
    /// The longest name of a host.
    width: usize,
    asking: Asking,
}

impl Plain {
    pub fn new(zone: TimeZone, detail: Detail) -> Self {
        Self { zone, detail, width: 0, asking: Asking::default() }
    }

    /// The line for an event, if it has one.
    pub fn line(&mut self, emitted: &Emitted) -> Option<String> {
        let (host, text) = self.words(&emitted.event)?;
        Some(self.at(emitted.time, host, &text))
    }

    fn at(&self, time: Timestamp, host: Option<&HostName>, text: &str) -> String {
        let time = time.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string();
        let host = host.map(HostName::as_str).unwrap_or_default();
        match self.width {
            0 => format!("{time} {text}"),
            width => format!("{time} {host:<width$}  {text}"),
        }
    }

    fn words<'a>(&mut self, event: &'a Event) -> Option<(Option<&'a HostName>, String)> {
        let verbose = self.detail == Detail::Verbose;
        if let Some(question) = self.asking.question(event) {
            return Some((None, question));
        }
        Some(match event {
            Event::RunStarted { run, recipe, environment, hosts, operations, .. } => {
                self.width = hosts.iter().map(|host| host.as_str().len()).max().unwrap_or(0);
                (None, format!("run {run}: {recipe} in {environment}, {operations} operations"))
            }
            Event::StepStarted { key, name } if key.as_str().matches('/').count() == 1 => (None, format!("{name}:")),
            Event::OperationStarted { host, title, .. } if verbose => (host.as_ref(), format!("{title} …")),
            Event::Progress { host, text, .. } if verbose => (host.as_ref(), text.clone()),
            Event::OperationRetried { host, title, failure, .. } => {
                (host.as_ref(), format!("{title}: tried again, because {}", failure.message))
            }
            Event::OperationEnded { host, title, outcome, failure, seconds, .. } => {
                let end = end(*outcome, *seconds);
                let why = failure.as_ref().map(|failure| format!(": {}", failure.message)).unwrap_or_default();
                (host.as_ref(), format!("{title}  {end}{why}"))
            }
            Event::Decided { verdict, .. } => (None, decided(*verdict)),
            Event::Planned { name, operations, changes, .. } => (None, planned(name, *operations, changes)),
            Event::UndoStarted { because } => (None, undo(*because).to_owned()),
            Event::InverseEnded { host, title, failure: None, seconds, .. } => {
                (host.as_ref(), format!("undone: {title}  {seconds}"))
            }
            Event::InverseEnded { host, title, failure: Some(failure), seconds, .. } => {
                (host.as_ref(), format!("not undone: {title}  {seconds}: {}", failure.message))
            }
            Event::Log { text } => (None, text.clone()),
            Event::StepStarted { .. }
            | Event::StepEnded { .. }
            | Event::OperationStarted { .. }
            | Event::Progress { .. }
            // Asked above.
            | Event::ApprovalAsked { .. }
            | Event::InverseStarted { .. }
            // The summary says it.
            | Event::RunEnded { .. } => return None,
        })
    }
}

fn end(outcome: OperationOutcome, seconds: Seconds) -> String {
    match outcome {
        OperationOutcome::Ok => seconds.to_string(),
        OperationOutcome::Skipped => "done before".into(),
        OperationOutcome::Failed => format!("failed after {seconds}"),
        OperationOutcome::Unknown => format!("failed after {seconds}, and may have happened"),
        OperationOutcome::Stopped => format!("stopped after {seconds}"),
    }
}

pub(super) fn decided(verdict: Verdict) -> String {
    format!("the answer: {}", verdict.word())
}

/// What a `later` has decided: as in a plan, a line for each service and host that changes.
fn planned(name: &str, operations: usize, changes: &[Change]) -> String {
    let what = match operations {
        0 => "nothing to do".to_owned(),
        1 => "1 operation".to_owned(),
        more => format!("{more} operations"),
    };
    let mut text = format!("{name}, decided: {what}\n");
    plan::changes(&mut text, changes);
    text.trim_end().to_owned()
}

pub(super) fn undo(because: UndoReason) -> &'static str {
    match because {
        UndoReason::Failed => "it failed; putting back what was before",
        UndoReason::Cancelled => "cancelled; putting back what was before",
        UndoReason::Asked => "putting back what was before",
        UndoReason::Resumed => "going on putting back what was before",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::tz::TimeZone;
    use stdlib::{
        failure::Failure,
        model::{EnvironmentName, HostName, ProjectName, RunId},
        plan::Key,
    };

    use super::{super::Detail, Plain};
    use crate::engine::event::{Emitted, Event, OperationOutcome, Seconds, UndoReason};

    fn host(name: &str) -> HostName {
        HostName::new(name).unwrap()
    }

    fn events() -> Vec<Event> {
        let key = Key::root().child("roll web").child("container.start");
        let (web, db) = (Some(host("web-1")), Some(host("db-1")));
        let seconds = Seconds(Duration::from_millis(400));
        let title = || "start shop-web-r3-1".to_owned();
        vec![
            Event::Log { text: "building web".into() },
            Event::RunStarted {
                run: RunId::new("0199").unwrap(),
                project: ProjectName::new("shop").unwrap(),
                environment: EnvironmentName::new("production").unwrap(),
                recipe: "deploy".into(),
                release: Some("3".into()),
                hosts: vec![host("db-1"), host("web-1")],
                operations: 7,
            },
            Event::StepStarted { key: Key::root().child("roll web"), name: "roll web".into() },
            Event::OperationStarted { key: key.clone(), host: web.clone(), title: title() },
            Event::Progress { key: key.clone(), host: web.clone(), text: "3 of 5 layers".into() },
            Event::OperationEnded {
                key: key.clone(),
                host: web.clone(),
                title: title(),
                outcome: OperationOutcome::Ok,
                failure: None,
                seconds,
            },
            Event::OperationEnded {
                key: key.clone(),
                host: db.clone(),
                title: title(),
                outcome: OperationOutcome::Failed,
                failure: Some(Failure::new("it exited with code 1")),
                seconds,
            },
            Event::UndoStarted { because: UndoReason::Failed },
            Event::InverseEnded { key: key.clone(), host: web, title: title(), failure: None, seconds },
            Event::InverseEnded { key, host: db, title: title(), failure: Some(Failure::new("no answer")), seconds },
        ]
    }

    fn lines(detail: Detail) -> Vec<String> {
        let mut plain = Plain::new(TimeZone::UTC, detail);
        let time = "2025-11-24T12:00:03Z".parse().unwrap();
        events().into_iter().filter_map(|event| plain.line(&Emitted { time, event })).collect()
    }

    #[test]
    fn a_line_has_time_host_what_and_how_long() {
        assert_eq!(
            lines(Detail::Normal),
            [
                "12:00:03 building web",
                "12:00:03        run 0199: deploy in production, 7 operations",
                "12:00:03        roll web:",
                "12:00:03 web-1  start shop-web-r3-1  0.4 s",
                "12:00:03 db-1   start shop-web-r3-1  failed after 0.4 s: it exited with code 1",
                "12:00:03        it failed; putting back what was before",
                "12:00:03 web-1  undone: start shop-web-r3-1  0.4 s",
                "12:00:03 db-1   not undone: start shop-web-r3-1  0.4 s: no answer",
            ]
        );
    }

    #[test]
    fn verbose_says_what_begins_and_how_far_it_is() {
        let lines = lines(Detail::Verbose);
        assert_eq!(lines[3], "12:00:03 web-1  start shop-web-r3-1 …");
        assert_eq!(lines[4], "12:00:03 web-1  3 of 5 layers");
    }
}
