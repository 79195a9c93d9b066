//! Paints the live picture on the terminal that stderr is.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;

use super::tree::Tree;
use crate::engine::event::{Emitted, Event};

#[derive(Debug)]
pub(super) struct Terminal {
    tree: Tree,
    painter: MultiProgress,
    /// One for each line of the picture.
    bars: Vec<ProgressBar>,
}

impl Terminal {
    pub fn new() -> Self {
        Self { tree: Tree::default(), painter: MultiProgress::new(), bars: Vec::new() }
    }

    pub fn take(&mut self, emitted: &Emitted) {
        if let Event::Log { text } = &emitted.event {
            self.keep(text);
        }
        self.tree.take(emitted);
    }

    /// Brings the picture, and the times in it, up to now.
    pub fn paint(&mut self) {
        let lines = self.tree.lines(Timestamp::now());
        while self.bars.len() < lines.len() {
            let style = ProgressStyle::with_template("{wide_msg}").expect("a valid template");
            self.bars.push(self.painter.add(ProgressBar::new_spinner().with_style(style)));
        }
        for bar in self.bars.drain(lines.len()..) {
            self.painter.remove(&bar);
        }
        for (bar, line) in self.bars.iter().zip(lines) {
            bar.set_message(line);
            bar.tick();
        }
    }

    /// Leaves the last picture on the terminal as ordinary lines.
    pub fn finish(&mut self) {
        for bar in self.bars.drain(..) {
            self.painter.remove(&bar);
        }
        // What cannot be cleared is a terminal that is gone.
        let _ = self.painter.clear();
        for line in self.tree.lines(Timestamp::now()) {
            anstream::eprintln!("{line}");
        }
    }

    /// Writes a line above the picture, to stay.
    fn keep(&self, line: &str) {
        // A terminal that is gone must not stop a run.
        let _ = self.painter.println(line);
    }
}
