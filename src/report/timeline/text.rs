//! A timeline as a tree of lines: when, how long, how it ended, what.

use std::fmt::Write;

use jiff::{Timestamp, tz::TimeZone};
use owo_colors::OwoColorize;

use super::{Deed, Mark, Order, Part, Spell, Standing, Step, Timeline};
use crate::{
    engine::Outcome,
    report::{
        Detail, render_failures,
        words::{counted, inert, short},
    },
};

/// Operations from which on what went well is folded.
const MANY: usize = 40;

/// All of it; times are in this zone. Of large runs what went well is folded, but for [`Detail::Verbose`].
pub fn render_timeline(timeline: &Timeline, zone: &TimeZone, detail: Detail) -> String {
    let folded = detail != Detail::Verbose && timeline.deeds().len() > MANY;
    let mut picture = Picture { text: String::new(), zone, folded };
    picture.header(timeline);
    picture.parts(&timeline.parts, 0);
    picture.undo(&timeline.undo);
    picture.text
}

struct Picture<'a> {
    text: String,
    zone: &'a TimeZone,
    folded: bool,
}

impl Picture<'_> {
    fn header(&mut self, timeline: &Timeline) {
        let Timeline { run, recipe, environment, standing, .. } = timeline;
        let release = timeline.release.as_ref().map(|release| format!(", release {release}")).unwrap_or_default();
        let _ = writeln!(self.text, "run {run}: {recipe} in {environment}{release}");
        let who = timeline.who.as_ref().map(|who| format!("by {who}"));
        let began = timeline.began.map(|began| format!("began {}", self.time(began, "%Y-%m-%d %H:%M:%S")));
        let how = match standing {
            Standing::Ended(Outcome::Done) => standing.words().green().to_string(),
            Standing::UnderWay | Standing::Asking => standing.words().to_owned(),
            _ => standing.words().red().to_string(),
        };
        let words = [Some(how), who, began, Some(timeline.seconds.to_string())];
        let _ = writeln!(self.text, "{}\n", words.into_iter().flatten().collect::<Vec<_>>().join(", "));
        if !timeline.failures.is_empty() {
            let _ = writeln!(self.text, "{}", render_failures(&timeline.failures));
        }
        for turn in &timeline.turns {
            let words = inert(&turn.kind.words());
            let _ = writeln!(self.text, "{}           {words}", self.time(turn.time, "%H:%M:%S"));
        }
    }

    fn parts(&mut self, parts: &[Part], depth: usize) {
        let mut deeds = Vec::new();
        for part in parts {
            match part {
                Part::Operation(deed) => deeds.push(deed),
                Part::Step(step) => {
                    self.deeds(&std::mem::take(&mut deeds), depth);
                    self.step(step, depth);
                }
            }
        }
        self.deeds(&deeds, depth);
    }

    fn step(&mut self, step: &Step, depth: usize) {
        // A lane is what its operations say: each names its host.
        if step.is_lane() {
            return self.parts(&step.parts, depth);
        }
        let closed = step.mark == Mark::Waiting || (self.folded && step.mark == Mark::Done);
        let mut what = step.name.clone();
        if closed {
            let _ =
                write!(what, "  ({})", counted(step.parts.iter().map(|part| part.deeds().len()).sum(), "operation"));
        } else if step.order == Order::AtOnce && step.parts.len() > 1 {
            what.push_str(", at once");
        }
        self.line(step.spell, step.mark, depth, &what);
        if closed {
            return;
        }
        if self.folded && step.order == Order::AtOnce {
            let (well, rest): (Vec<&Part>, Vec<&Part>) =
                step.parts.iter().partition(|part| matches!(part.mark(), Mark::Done | Mark::Waiting));
            for mark in [Mark::Done, Mark::Waiting] {
                let lanes = well.iter().filter(|part| part.mark() == mark);
                let operations: Vec<usize> = lanes.map(|part| part.deeds().len()).collect();
                self.fold(mark, operations.len(), operations.iter().sum(), depth + 1);
            }
            for part in rest {
                self.parts(std::slice::from_ref(part), depth + 1);
            }
            return;
        }
        self.parts(&step.parts, depth + 1);
    }

    fn fold(&mut self, mark: Mark, lanes: usize, operations: usize, depth: usize) {
        if lanes > 0 {
            let what = format!("{} {}: {}", counted(lanes, "lane"), mark.words(), counted(operations, "operation"));
            self.line(None, mark, depth, &what);
        }
    }

    fn undo(&mut self, undo: &[Deed]) {
        if undo.is_empty() {
            return;
        }
        self.text.push_str("\nput back, the last first:\n");
        let (well, rest): (Vec<&Deed>, Vec<&Deed>) =
            undo.iter().partition(|deed| self.folded && deed.mark == Mark::Done);
        if !well.is_empty() {
            self.line(None, Mark::Done, 0, &counted(well.len(), "operation"));
        }
        self.deeds(&rest, 0);
    }

    fn deeds(&mut self, deeds: &[&Deed], depth: usize) {
        for deed in deeds {
            let host = deed.host.as_ref().map(|host| format!("{host}  ")).unwrap_or_default();
            let says = match &deed.failure {
                Some(failure) => inert(&failure.message),
                None => short(&deed.output),
            };
            self.line(deed.spell, deed.mark, depth, format!("{host}{}  {says}", inert(&deed.title)).trim_end());
        }
    }

    fn line(&mut self, spell: Option<Spell>, mark: Mark, depth: usize, what: &str) {
        let began = spell.map(|spell| self.time(spell.began, "%H:%M:%S")).unwrap_or_default();
        let took = spell.and_then(|spell| spell.seconds).map(|seconds| seconds.to_string()).unwrap_or_default();
        let symbol = match mark {
            Mark::Done => mark.symbol().green().to_string(),
            Mark::Failed | Mark::Open => mark.symbol().red().to_string(),
            Mark::Waiting | Mark::Stopped => mark.symbol().to_string(),
        };
        let _ = writeln!(self.text, "{began:8}  {took:>8}  {:indent$}{symbol} {what}", "", indent = depth * 2);
    }

    fn time(&self, time: Timestamp, format: &str) -> String {
        time.to_zoned(self.zone.clone()).strftime(format).to_string()
    }
}

impl Step {
    /// What one host does of the step around it.
    pub(in crate::report) fn is_lane(&self) -> bool {
        let mut deeds = self.parts.iter().flat_map(Part::deeds).peekable();
        deeds.peek().is_some() && deeds.all(|deed| deed.host.as_ref().is_some_and(|host| host.as_str() == self.name))
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use jiff::tz::TimeZone;
    use stdlib::{
        failure::Failure,
        model::RunId,
        plan::{Key, Node, Plan},
    };

    use super::render_timeline;
    use crate::{
        engine::{Assume, Entry, History, Outcome, journal::Recorded, parse_plan},
        report::{Detail, Standing, Timeline},
    };

    fn plan() -> Plan {
        let text = include_bytes!("../../../tests/data/plan-v1.json");
        parse_plan(text, "plan-v1.json".as_ref()).unwrap()
    }

    fn key(path: &str) -> Key {
        path.split('/').skip(1).fold(Key::root(), |key, name| key.child(name))
    }

    /// A journal with an entry every half second.
    fn history(entries: Vec<Entry>) -> History {
        let time = |number| format!("2025-11-24T12:00:{:02}.{}Z", number / 2, number % 2 * 5).parse().unwrap();
        let recorded = |(number, entry)| Recorded { time: time(number), entry };
        History { entries: entries.into_iter().enumerate().map(recorded).collect(), length: 0 }
    }

    fn rendered(plan: &Plan, entries: Vec<Entry>, open: Standing) -> String {
        let who = Some("ann@desk".to_owned());
        let timeline = Timeline::new(RunId::new("0199").unwrap(), who, plan, &history(entries), open);
        strip_str(&render_timeline(&timeline, &TimeZone::UTC, Detail::Normal)).to_string()
    }

    fn begin() -> Entry {
        Entry::Begin { run: RunId::new("0199").unwrap(), plan: String::new() }
    }

    // spec: runs.show
    #[test]
    fn a_failed_run_has_its_cause_first_and_what_was_put_back_last() {
        let (start, switch) = (key("/start/container.start"), key("/ingress.switch"));
        let failure = Failure::new("web-1: the ingress does not run").detail("\u{1b}[2Jpanic").hint("look at its log");
        let entries = vec![
            begin(),
            Entry::Start { key: start.clone() },
            Entry::Ok { key: start.clone(), output: serde_json::json!({ "id": "4f2a" }) },
            Entry::Start { key: switch.clone() },
            Entry::Failed { key: switch, failure },
            Entry::UndoStart { key: start.clone() },
            Entry::Undone { key: start },
            Entry::End { outcome: Outcome::PutBack },
        ];
        let expected = "\
run 0199: deploy in production
failed, put back, by ann@desk, began 2025-11-24 12:00:00, 3.5 s

error: web-1: the ingress does not run
    panic
  next: look at its log

12:00:00     0.5 s  ✓ start
12:00:00     0.5 s    ✓ web-1  start shop-web-r3-1  id 4f2a
12:00:01     0.5 s  ✗ web-1  switch web to shop-web-r3-1  web-1: the ingress does not run
                    · web-1  commit release 3

put back, the last first:
12:00:02     0.5 s  ✓ web-1  start shop-web-r3-1
";
        assert_eq!(rendered(&plan(), entries, Standing::NotEnded), expected);
    }

    // spec: runs.show
    #[test]
    fn a_run_that_was_cut_off_tells_what_was_under_way_and_who_went_on() {
        let (start, switch) = (key("/start/container.start"), key("/ingress.switch"));
        let entries = vec![
            begin(),
            Entry::Start { key: start.clone() },
            Entry::Resume,
            Entry::Assumed { key: start, assume: Assume::Done },
            Entry::Start { key: switch },
        ];
        let expected = "\
run 0199: deploy in production
cut off, by ann@desk, began 2025-11-24 12:00:00, 1.5 s

12:00:01           gone on with, after it had been cut off
12:00:01           a person says of /start/container.start: it is done
12:00:00     0.5 s  ✓ start
12:00:00     0.5 s    ✓ web-1  start shop-web-r3-1
12:00:02            ? web-1  switch web to shop-web-r3-1
                    · web-1  commit release 3
";
        assert_eq!(rendered(&plan(), entries, Standing::CutOff), expected);
    }

    // spec: runs.show
    #[test]
    fn of_a_large_run_what_went_well_is_folded() {
        let mut plan = plan();
        let Node::Sequence { nodes, .. } = &mut plan.root else { panic!("a sequence") };
        let Node::Parallel { key: parent, nodes: lanes } = &mut nodes[0] else { panic!("lanes") };
        let Node::Operation(first) = lanes[0].clone() else { panic!("an operation") };
        lanes.clear();
        let mut entries = vec![begin()];
        for number in 0..50 {
            let mut planned = first.clone();
            planned.key = parent.child(&format!("start~{number}"));
            entries.push(Entry::Start { key: planned.key.clone() });
            entries.push(match number {
                7 => Entry::Failed { key: planned.key.clone(), failure: Failure::new("it fell") },
                _ => Entry::Ok { key: planned.key.clone(), output: serde_json::Value::Null },
            });
            lanes.push(Node::Operation(planned));
        }
        let text = rendered(&plan, entries, Standing::CutOff);
        let tail: Vec<&str> = text.lines().skip(5).collect();
        assert_eq!(tail[0], "12:00:00    49.5 s  ✗ start, at once");
        assert_eq!(tail[1], "                      ✓ 49 lanes done: 49 operations");
        assert_eq!(tail[2], "12:00:07     0.5 s    ✗ web-1  start shop-web-r3-1  it fell");
        assert_eq!(tail.len(), 5, "{text}");
    }
}
