//! Failures for people: what and why, what shows the cause, and the next step.

use std::fmt::Write;

use owo_colors::OwoColorize;
use stdlib::failure::Failure;

use super::words::inert;
use crate::engine::Left;

/// Writes failures to stderr.
pub fn print_failures(failures: &[Failure]) {
    anstream::eprint!("{}", render_failures(failures));
}

/// Writes to stderr what a run has left.
pub fn print_left(left: &[Left]) {
    anstream::eprint!("{}", render_left(left));
}

/// Each failure's message, its detail indented, and a `next:` line.
pub fn render_failures(failures: &[Failure]) -> String {
    let mut text = String::new();
    for failure in failures {
        let _ = writeln!(text, "{} {}", "error:".red().bold(), inert(&failure.message));
        for line in failure.detail.iter().flat_map(|detail| detail.lines()) {
            let _ = writeln!(text, "    {}", inert(line));
        }
        if let Some(hint) = &failure.hint {
            let _ = writeln!(text, "  {} {hint}", "next:".bold());
        }
    }
    text
}

/// What stays, why, and the way on.
pub fn render_left(left: &[Left]) -> String {
    let mut text = String::new();
    for left in left {
        let host = left.host.as_ref().map(|host| format!("{host}: ")).unwrap_or_default();
        let _ = writeln!(text, "{} {host}{} ({})", "left:".yellow().bold(), left.what, left.why);
        let _ = writeln!(text, "  {} {}", "next:".bold(), left.next);
    }
    text
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use stdlib::{failure::Failure, model::HostName};

    use super::{render_failures, render_left};
    use crate::engine::Left;

    #[test]
    fn a_failure_shows_its_cause_and_the_next_step() {
        let failures = [
            Failure::new("web-1: shop-web-r3-1 exited with code 1, 0.4 s after it was started")
                .detail("panic: no DATABASE_URL\nmain.go:12")
                .hint("see all of it with `stagecraft logs web --host web-1`"),
            Failure::new("host web-2 did not answer"),
        ];
        let expected = "\
error: web-1: shop-web-r3-1 exited with code 1, 0.4 s after it was started
    panic: no DATABASE_URL
    main.go:12
  next: see all of it with `stagecraft logs web --host web-1`
error: host web-2 did not answer
";
        assert_eq!(strip_str(&render_failures(&failures)).to_string(), expected);
    }

    #[test]
    fn what_is_left_names_the_host_and_the_way_on() {
        let left = [Left {
            host: Some(HostName::new("web-1").unwrap()),
            what: "not undone: start shop-web-r3-1".into(),
            why: "the host did not answer".into(),
            next: "stagecraft deploy".into(),
        }];
        let expected = "\
left: web-1: not undone: start shop-web-r3-1 (the host did not answer)
  next: stagecraft deploy
";
        assert_eq!(strip_str(&render_left(&left)).to_string(), expected);
    }
}
