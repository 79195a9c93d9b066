//! Paints the live picture on the terminal that stderr is.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;

use super::{approval::Asking, tree::Tree};
use crate::engine::event::{Emitted, Event};

#[derive(Debug)]
pub(super) struct Terminal {
    tree: Tree,
    painter: MultiProgress,
    /// One for each line of the picture.
    bars: Vec<ProgressBar>,
    asking: Asking,
    /// What is typed must not be painted over.
    typing: Typing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Typing {
    Nobody,
    Somebody,
}

impl Terminal {
    pub fn new() -> Self {
        Self {
            tree: Tree::default(),
            painter: MultiProgress::new(),
            bars: Vec::new(),
            asking: Asking::default(),
            typing: Typing::Nobody,
        }
    }

    pub fn take(&mut self, emitted: &Emitted) {
        if let Event::Log { text } = &emitted.event {
            self.keep(text);
        }
        self.typing = Typing::Nobody;
        if let Some(question) = self.asking.question(&emitted.event) {
            self.clear();
            anstream::eprintln!("{question}");
            self.typing = Typing::Somebody;
        }
        self.tree.take(emitted);
    }

    /// Brings the picture, and the times in it, up to now.
    pub fn paint(&mut self) {
        if self.typing == Typing::Somebody {
            return;
        }
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
        self.clear();
        for line in self.tree.lines(Timestamp::now()) {
            anstream::eprintln!("{line}");
        }
    }

    /// Takes the picture away.
    fn clear(&mut self) {
        for bar in self.bars.drain(..) {
            self.painter.remove(&bar);
        }
        // What cannot be cleared is a terminal that is gone.
        let _ = self.painter.clear();
    }

    /// Writes a line above the picture, to stay.
    fn keep(&self, line: &str) {
        // A terminal that is gone must not stop a run.
        let _ = self.painter.println(line);
    }
}
