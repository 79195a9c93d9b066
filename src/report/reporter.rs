//! Chooses who reports, and keeps it going.

use std::{
    env,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use jiff::tz::TimeZone;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    Summary,
    approval::Asking,
    failure::{print_failures, print_left},
    json,
    plain::Plain,
    terminal::Terminal,
};
use crate::engine::{EventReceiver, event::Emitted};

/// Between two looks at the clock of the live picture.
const REPAINT: Duration = Duration::from_millis(100);

/// For whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Human,
    Json,
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Errors and results.
    Quiet,
    Normal,
    Verbose,
}

/// Shows the events of a run as they come, and at the end its summary.
#[derive(Debug)]
pub struct Reporter(Kind);

#[derive(Debug)]
enum Kind {
    Json,
    /// A run that waits for its reader has to say so.
    Quiet(Asking),
    Plain(Plain),
    Live(Box<Terminal>),
}

impl Reporter {
    /// JSON on stdout; for people a live picture where stderr is a terminal, lines on stderr elsewhere.
    pub fn new(format: Format, detail: Detail) -> Self {
        Self(match (format, detail) {
            (Format::Json, _) => Kind::Json,
            (Format::Human, Detail::Quiet) => Kind::Quiet(Asking::default()),
            // The diagnostic log of `-v` would tear a picture apart.
            (Format::Human, Detail::Normal) if can_paint() => Kind::Live(Box::new(Terminal::new())),
            (Format::Human, Detail::Normal | Detail::Verbose) => Kind::Plain(Plain::new(TimeZone::system(), detail)),
        })
    }

    /// Shows events until every sender is gone.
    pub async fn follow(mut self, mut events: EventReceiver) -> Self {
        let mut repaint = interval(REPAINT);
        repaint.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                emitted = events.recv() => match emitted {
                    Some(emitted) => self.take(&emitted),
                    None => break,
                },
                _ = repaint.tick() => if let Kind::Live(terminal) = &mut self.0 {
                    terminal.paint();
                },
            }
        }
        if let Kind::Live(terminal) = &mut self.0 {
            terminal.finish();
        }
        self
    }

    fn take(&mut self, emitted: &Emitted) {
        match &mut self.0 {
            Kind::Json => say(&json::line(emitted)),
            Kind::Quiet(asking) => {
                if let Some(question) = asking.question(&emitted.event) {
                    anstream::eprintln!("{question}");
                }
            }
            Kind::Plain(plain) => {
                if let Some(line) = plain.line(emitted) {
                    anstream::eprintln!("{line}");
                }
            }
            Kind::Live(terminal) => terminal.take(emitted),
        }
    }

    /// The end: failures, what is left, and the result; or the last line of JSON.
    pub fn end(self, summary: &Summary) {
        match self.0 {
            Kind::Json => say(&summary.json()),
            Kind::Quiet(_) | Kind::Plain(_) | Kind::Live(_) => {
                print_failures(&summary.failures);
                print_left(&summary.left);
                anstream::print!("{}", summary.render());
            }
        }
    }
}

/// Whether stderr is a terminal that can move its cursor.
fn can_paint() -> bool {
    io::stderr().is_terminal() && env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// Writes a line to stdout. A reader that has gone away must not stop a run.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
