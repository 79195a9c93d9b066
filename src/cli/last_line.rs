//! The last line of `--json`, for commands that run no plan.

use std::time::Instant;

use stdlib::{host::Hosts, model::ReleaseId};

use super::{Exit, Global};
use crate::{
    engine::{Outcome, event::Seconds},
    report::{Format, Summary},
};

pub struct LastLine {
    format: Format,
    began: Instant,
}

impl LastLine {
    /// Of a command that begins now.
    pub fn start(global: &Global) -> Self {
        Self { format: Format::of(global), began: Instant::now() }
    }

    /// Prints the summary where there is to be one: what was looked at, and what it has cost the hosts.
    pub fn print(&self, exit: Exit, release: Option<ReleaseId>, hosts: &Hosts) {
        if self.format != Format::Json {
            return;
        }
        let summary = Summary {
            run: None,
            outcome: Outcome::Done,
            release,
            urls: Vec::new(),
            seconds: Seconds(self.began.elapsed()),
            exit: exit as u8,
            hosts: hosts.iter().map(|host| (host.name().clone(), host.usage())).collect(),
            failures: Vec::new(),
            left: Vec::new(),
        };
        println!("{}", summary.json());
    }
}
