//! The live picture of a run: a tree of steps, and what every host is doing.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use stdlib::{failure::Failure, model::HostName, plan::Key};

use super::{plain::undo, words::numbered};
use crate::engine::event::{Emitted, Event, OperationOutcome, Seconds, StepOutcome};

/// Lines that are shown at most, so that the picture fits on a small terminal whatever the number of hosts.
const MOST_LINES: usize = 20;

/// The picture, made of events alone.
#[derive(Debug, Default)]
pub(super) struct Tree {
    hosts: BTreeSet<String>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    key: Key,
    kind: Kind,
    label: String,
    began: Timestamp,
    end: Option<(Mark, Seconds)>,
    /// What the operation last said of itself.
    says: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Step,
    /// A step that is what one host does of the step around it.
    Lane,
    Operation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Ok,
    Stopped,
    Failed,
}

impl Mark {
    const fn symbol(self) -> char {
        match self {
            Self::Ok => '✓',
            Self::Stopped => '-',
            Self::Failed => '✗',
        }
    }
}

impl From<StepOutcome> for Mark {
    fn from(outcome: StepOutcome) -> Self {
        match outcome {
            StepOutcome::Ok => Self::Ok,
            StepOutcome::Stopped => Self::Stopped,
            StepOutcome::Failed => Self::Failed,
        }
    }
}

impl From<OperationOutcome> for Mark {
    fn from(outcome: OperationOutcome) -> Self {
        match outcome {
            OperationOutcome::Ok | OperationOutcome::Skipped => Self::Ok,
            OperationOutcome::Stopped => Self::Stopped,
            OperationOutcome::Failed | OperationOutcome::Unknown => Self::Failed,
        }
    }
}

impl Tree {
    pub fn take(&mut self, emitted: &Emitted) {
        let time = emitted.time;
        match &emitted.event {
            Event::RunStarted { hosts, .. } => self.hosts = hosts.iter().map(ToString::to_string).collect(),
            Event::StepStarted { key, name } => {
                let kind = if self.hosts.contains(name) { Kind::Lane } else { Kind::Step };
                let label = if kind == Kind::Lane { name.clone() } else { numbered(name) };
                self.open(key.clone(), kind, label, time);
            }
            Event::StepEnded { key, outcome, seconds, .. } => self.close(key, (*outcome).into(), *seconds),
            Event::OperationStarted { key, host, title } => {
                self.open(key.clone(), Kind::Operation, at(host.as_ref(), title), time);
            }
            Event::Progress { key, text, .. } => self.say(key, text),
            Event::OperationRetried { key, failure, .. } => self.say(key, &format!("again: {}", failure.message)),
            Event::OperationEnded { key, outcome, seconds, failure, .. } => {
                self.say(key, message(failure.as_ref()));
                self.close(key, (*outcome).into(), *seconds);
            }
            Event::UndoStarted { because } => self.open(back(), Kind::Step, undo(*because).to_owned(), time),
            Event::InverseStarted { key, host, title } => {
                self.open(inverse(key), Kind::Operation, at(host.as_ref(), &format!("undo: {title}")), time);
            }
            Event::InverseEnded { key, failure, seconds, .. } => {
                self.say(&inverse(key), message(failure.as_ref()));
                self.close(&inverse(key), if failure.is_some() { Mark::Failed } else { Mark::Ok }, *seconds);
            }
            Event::RunEnded { .. } => self.close_undo(time),
            // The arm is a step of the verdict's name.
            Event::ApprovalAsked { petition } => self.say(&petition.key, "waits for an answer"),
            // So are the operations that a `later` has decided on.
            Event::Decided { .. } | Event::Planned { .. } | Event::Log { .. } => {}
        }
    }

    /// The lines to show now.
    pub fn lines(&self, now: Timestamp) -> Vec<String> {
        let shown = self.rows.iter().filter(|row| row.kind != Kind::Lane);
        let mut lines: Vec<String> = shown.map(|row| self.line(row, now)).collect();
        if lines.len() > MOST_LINES {
            let more = lines.len() - (MOST_LINES - 1);
            lines.truncate(MOST_LINES - 1);
            lines.push(format!("… {more} more"));
        }
        lines
    }

    fn line(&self, row: &Row, now: Timestamp) -> String {
        let depth = self.above(row).filter(|step| step.kind == Kind::Step).count();
        let (mark, seconds) = match row.end {
            Some((mark, seconds)) => (mark.symbol(), seconds),
            None => ('•', since(row.began, now)),
        };
        let says = if row.kind == Kind::Step { self.lanes(row) } else { row.says.clone() };
        format!("{:indent$}{mark} {}  {seconds}  {says}", "", row.label, indent = depth * 2).trim_end().to_owned()
    }

    /// `3 of 10 hosts`, while a step with lanes is open.
    fn lanes(&self, row: &Row) -> String {
        let lanes =
            || self.rows.iter().filter(|lane| lane.kind == Kind::Lane && lane.key == row.key.child(&lane.label));
        match lanes().count() {
            0 => String::new(),
            _ if row.end.is_some() => String::new(),
            all => format!("{} of {all} hosts", lanes().filter(|lane| lane.end.is_some()).count()),
        }
    }

    fn above<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(|other| is_inside(&row.key, &other.key))
    }

    fn below<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(|other| is_inside(&other.key, key))
    }

    fn open(&mut self, key: Key, kind: Kind, label: String, began: Timestamp) {
        // Behind the last row of the innermost step around it.
        let step = self.rows.iter().filter(|row| is_inside(&key, &row.key)).max_by_key(|row| row.key.as_str().len());
        let last_of =
            |step: &Row| self.rows.iter().rposition(|row| row.key == step.key || is_inside(&row.key, &step.key));
        let place = step.and_then(last_of).map_or(self.rows.len(), |last| last + 1);
        self.rows.insert(place, Row { key, kind, label, began, end: None, says: String::new() });
    }

    /// Of what has ended, steps stay without what was inside, and operations only when they failed.
    fn close(&mut self, key: &Key, mark: Mark, seconds: Seconds) {
        if let Some(row) = self.rows.iter_mut().rfind(|row| row.key == *key) {
            row.end = Some((mark, seconds));
        }
        let failed = |row: &Row| row.kind == Kind::Operation && matches!(row.end, Some((Mark::Failed, _)));
        let over = |row: &Row| is_inside(&row.key, key) || (row.key == *key && row.kind == Kind::Operation);
        self.rows.retain(|row| failed(row) || !over(row));
    }

    fn close_undo(&mut self, time: Timestamp) {
        let failed = self.below(&back()).any(|row| matches!(row.end, Some((Mark::Failed, _))));
        if let Some(began) = self.rows.iter().find(|row| row.key == back()).map(|row| row.began) {
            self.close(&back(), if failed { Mark::Failed } else { Mark::Ok }, since(began, time));
        }
    }

    fn say(&mut self, key: &Key, text: &str) {
        if let Some(row) = self.rows.iter_mut().rfind(|row| row.key == *key) {
            text.clone_into(&mut row.says);
        }
    }
}

/// The step of going back, by a name that no recipe would give to a step of its own.
fn back() -> Key {
    Key::root().child("\u{1}back")
}

fn inverse(key: &Key) -> Key {
    back().child(key.as_str())
}

fn is_inside(key: &Key, step: &Key) -> bool {
    key.as_str().strip_prefix(step.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

fn at(host: Option<&HostName>, title: &str) -> String {
    host.map_or_else(|| title.to_owned(), |host| format!("{host}  {title}"))
}

fn message(failure: Option<&Failure>) -> &str {
    failure.map(|failure| failure.message.as_str()).unwrap_or_default()
}

fn since(began: Timestamp, now: Timestamp) -> Seconds {
    Seconds(Duration::try_from(now.duration_since(began)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use stdlib::{
        failure::Failure,
        model::{EnvironmentName, HostName, ProjectName, RunId},
        plan::Key,
    };

    use super::Tree;
    use crate::engine::{
        Outcome,
        event::{Emitted, Event, OperationOutcome, Seconds, StepOutcome, UndoReason},
    };

    fn key(path: &str) -> Key {
        path.split('/').skip(1).fold(Key::root(), |key, name| key.child(name))
    }

    fn host(name: &str) -> HostName {
        HostName::new(name).unwrap()
    }

    fn run_started(hosts: Vec<HostName>) -> Event {
        Event::RunStarted {
            run: RunId::new("0199").unwrap(),
            project: ProjectName::new("shop").unwrap(),
            environment: EnvironmentName::new("default").unwrap(),
            recipe: "deploy".into(),
            release: None,
            hosts,
            operations: 9,
        }
    }

    fn step(path: &str) -> Event {
        Event::StepStarted { key: key(path), name: key(path).name().to_owned() }
    }

    fn step_ended(path: &str, outcome: StepOutcome) -> Event {
        let seconds = Seconds(Duration::from_secs(1));
        Event::StepEnded { key: key(path), name: key(path).name().to_owned(), outcome, seconds }
    }

    fn operation(path: &str, on: &str, title: &str) -> Event {
        Event::OperationStarted { key: key(path), host: Some(host(on)), title: title.into() }
    }

    fn ended(path: &str, outcome: OperationOutcome, failure: Option<&str>) -> Event {
        let seconds = Seconds(Duration::from_millis(500));
        let failure = failure.map(Failure::new);
        Event::OperationEnded { key: key(path), host: None, title: String::new(), outcome, failure, seconds }
    }

    /// The picture after these events, one every half second.
    fn picture(events: Vec<Event>) -> Vec<String> {
        let mut tree = Tree::default();
        let mut time = Timestamp::constant(1_764_000_000, 0);
        for event in events {
            tree.take(&Emitted { time, event });
            time += Duration::from_millis(500);
        }
        tree.lines(time)
    }

    fn rolling() -> Vec<Event> {
        vec![
            run_started(vec![host("web-1"), host("web-2")]),
            step("/stage"),
            step_ended("/stage", StepOutcome::Ok),
            step("/roll web"),
            step("/roll web/start"),
            step("/roll web/start/web-1"),
            step("/roll web/start/web-2"),
            operation("/roll web/start/web-1/container.start", "web-1", "start shop-web-r3-1"),
            operation("/roll web/start/web-2/container.start", "web-2", "start shop-web-r3-2"),
            ended("/roll web/start/web-1/container.start", OperationOutcome::Ok, None),
            operation("/roll web/start/web-1/ready", "web-1", "wait until shop-web-r3-1 is healthy"),
            Event::Progress { key: key("/roll web/start/web-1/ready"), host: None, text: "1 of 2 passes".into() },
        ]
    }

    #[test]
    fn open_steps_show_what_each_host_is_doing() {
        assert_eq!(
            picture(rolling()),
            [
                "✓ stage  1.0 s",
                "• roll web  4.5 s",
                "  • start  4.0 s  0 of 2 hosts",
                "    • web-1  wait until shop-web-r3-1 is healthy  1.0 s  1 of 2 passes",
                "    • web-2  start shop-web-r3-2  2.0 s",
            ]
        );
    }

    #[test]
    fn a_failure_stays_in_the_picture_while_the_run_goes_back() {
        let mut events = rolling();
        let start = "/roll web/start/web-2/container.start";
        events.extend([
            ended(start, OperationOutcome::Failed, Some("it exited with code 1")),
            step_ended("/roll web/start", StepOutcome::Failed),
            step_ended("/roll web", StepOutcome::Failed),
            Event::UndoStarted { because: UndoReason::Failed },
            Event::InverseStarted { key: key(start), host: Some(host("web-2")), title: "start shop-web-r3-2".into() },
        ]);
        let failed = "  ✗ web-2  start shop-web-r3-2  0.5 s  it exited with code 1";
        assert_eq!(
            picture(events.clone()),
            [
                "✓ stage  1.0 s",
                "✗ roll web  1.0 s",
                failed,
                "• it failed; putting back what was before  1.0 s",
                "  • web-2  undo: start shop-web-r3-2  0.5 s",
            ]
        );
        let seconds = Seconds::default();
        events.extend([
            Event::InverseEnded { key: key(start), host: None, title: String::new(), failure: None, seconds },
            Event::RunEnded { outcome: Outcome::PutBack, failures: vec![], left: vec![], seconds },
        ]);
        assert_eq!(
            picture(events),
            ["✓ stage  1.0 s", "✗ roll web  1.0 s", failed, "✓ it failed; putting back what was before  1.5 s"]
        );
    }

    #[test]
    fn a_hundred_hosts_fit() {
        let hosts: Vec<HostName> = (0..100).map(|number| host(&format!("h{number}"))).collect();
        let mut events = vec![run_started(hosts.clone()), step("/start")];
        for host in &hosts {
            events.push(step(&format!("/start/{host}")));
            events.push(operation(&format!("/start/{host}/start"), host.as_str(), "start"));
        }
        let lines = picture(events);
        assert_eq!((lines.len(), lines[19].as_str()), (20, "… 82 more"));
    }
}
