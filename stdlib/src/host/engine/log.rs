//! Frames of a container's log as lines.

use bollard::container::LogOutput;
use futures_util::{StreamExt, stream::BoxStream};

use super::Result;
use crate::host::LogLine;

/// The engine cuts lines longer than 16 KiB into frames, each with the time before it; here they are whole again.
pub fn lines(frames: BoxStream<'static, Result<LogOutput>>) -> BoxStream<'static, Result<LogLine>> {
    let ends = frames.map(Some).chain(futures_util::stream::once(async { None }));
    ends.scan(Unfinished::default(), |unfinished, frame| {
        let items = match frame {
            Some(Ok(frame)) => unfinished.take(frame).map(Ok).into_iter().collect(),
            Some(Err(error)) => vec![Err(error)],
            None => unfinished.rest().map(Ok).collect(),
        };
        std::future::ready(Some(futures_util::stream::iter(items)))
    })
    .flatten()
    .boxed()
}

/// The beginnings of lines, of standard output and of standard error.
#[derive(Debug, Default)]
struct Unfinished([Option<LogLine>; 2]);

impl Unfinished {
    fn take(&mut self, frame: LogOutput) -> Option<LogLine> {
        let stderr = matches!(frame, LogOutput::StdErr { .. });
        let bytes = frame.into_bytes();
        let text = String::from_utf8_lossy(&bytes);
        let (time, text) = text.split_once(' ').unwrap_or((text.trim_end(), ""));
        let begun = &mut self.0[usize::from(stderr)];
        let line = begun.get_or_insert_with(|| LogLine { time: time.to_owned(), stderr, text: String::new() });
        line.text.push_str(text.trim_end_matches(['\n', '\r']));
        if bytes.ends_with(b"\n") { begun.take() } else { None }
    }

    fn rest(&mut self) -> impl Iterator<Item = LogLine> {
        std::mem::take(&mut self.0).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use bollard::container::LogOutput;

    use super::Unfinished;
    use crate::host::LogLine;

    fn out(text: &'static str) -> LogOutput {
        LogOutput::StdOut { message: text.into() }
    }

    #[test]
    fn a_line_that_was_cut_is_whole_again() {
        let mut unfinished = Unfinished::default();
        assert_eq!(unfinished.take(out("2026-01-02T03:04:05.000000001Z one ")), None);
        let other = LogOutput::StdErr { message: "2026-01-02T03:04:05.000000002Z oops\n".into() };
        let oops = LogLine { time: "2026-01-02T03:04:05.000000002Z".into(), stderr: true, text: "oops".into() };
        assert_eq!(unfinished.take(other), Some(oops));
        let whole = LogLine { time: "2026-01-02T03:04:05.000000001Z".into(), stderr: false, text: "one two".into() };
        assert_eq!(unfinished.take(out("2026-01-02T03:04:05.000000003Z two\r\n")), Some(whole));
    }

    #[test]
    fn an_empty_line_is_a_line_and_the_last_may_lack_its_end() {
        let mut unfinished = Unfinished::default();
        let empty = LogLine { time: "2026-01-02T03:04:05Z".into(), stderr: false, text: String::new() };
        assert_eq!(unfinished.take(out("2026-01-02T03:04:05Z \n")), Some(empty));
        unfinished.take(out("2026-01-02T03:04:06Z end"));
        assert_eq!(unfinished.rest().map(|line| line.text).collect::<Vec<_>>(), ["end"]);
    }
}
