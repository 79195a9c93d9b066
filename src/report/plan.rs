//! A plan for people: a line for each service and host, and a count.

use std::fmt::Write;

use owo_colors::OwoColorize;
use serde::Deserialize as _;
use stdlib::{
    later::Later,
    plan::{Action, Change, Effect, Node, Plan},
};

use super::Detail;

/// Writes a plan to stdout.
pub fn print_plan(plan: &Plan, detail: Detail) {
    anstream::print!("{}", render_plan(plan, detail));
}

/// What becomes of each service on each host, and how many of what; with [`Detail::Verbose`] every operation, too, with
/// [`Detail::Quiet`] only how many.
pub fn render_plan(plan: &Plan, detail: Detail) -> String {
    if detail == Detail::Quiet {
        return format!("{}\n", count(plan));
    }
    let mut text = String::new();
    let release = plan.release.as_ref().map(|release| format!(", release {}", release.id)).unwrap_or_default();
    let _ = writeln!(text, "{} in {}: {}{release}", plan.project, plan.environment, plan.recipe);
    if !plan.changes.is_empty() {
        text.push('\n');
        changes(&mut text, &plan.changes);
    }
    final_ones(&mut text, &plan.root);
    let open = open(&plan.root);
    if detail == Detail::Verbose && !plan.is_empty() {
        text.push_str("\noperations, in order:\n");
        tree(&mut text, &plan.root, 1);
    } else if !open.is_empty() {
        text.push_str("\ndecided when the run gets there:\n");
        for node in open {
            tree(&mut text, node, 1);
        }
    }
    let _ = writeln!(text, "\n{}", count(plan));
    text
}

pub(super) fn changes(text: &mut String, changes: &[Change]) {
    let width = |of: fn(&Change) -> &str| changes.iter().map(|change| of(change).chars().count()).max().unwrap_or(0);
    let (subjects, hosts) = (width(|change| &change.subject), width(|change| change.host.as_str()));
    for change in changes {
        let symbol = coloured(change.action);
        let mut line = format!("{:<subjects$}  {:<hosts$}  {}", change.subject, change.host, from_to(change));
        if !change.because.is_empty() {
            let _ = write!(line, "  ({})", change.because.join(", "));
        }
        let _ = writeln!(text, "  {symbol} {}", line.trim_end());
    }
}

/// What stays, with what came before it, when the run fails behind it. Behind the commit nothing is undone anyway.
fn final_ones(text: &mut String, root: &Node) {
    let before_commit = root.certain().take_while(|planned| planned.effect != Effect::Commit);
    let mut ones = before_commit.filter(|planned| planned.effect == Effect::Final).peekable();
    if ones.peek().is_some() {
        text.push_str("\nnot undone, once done:\n");
    }
    for planned in ones {
        let host = planned.host.as_ref().map(|host| format!("{host}: ")).unwrap_or_default();
        let _ = writeln!(text, "  {host}{}", planned.title);
    }
}

fn coloured(action: Action) -> String {
    let symbol = action.symbol();
    match action {
        Action::Create | Action::Run => symbol.green().to_string(),
        Action::ReplaceRolling | Action::ReplaceStopFirst => symbol.yellow().to_string(),
        Action::Remove => symbol.red().to_string(),
        Action::Nothing => symbol.to_string(),
    }
}

fn from_to(change: &Change) -> String {
    match (&change.from, &change.to) {
        (Some(from), Some(to)) if from == to => from.clone(),
        (Some(from), Some(to)) => format!("{from} → {to}"),
        (Some(from), None) => format!("{from} → nothing"),
        (None, Some(to)) => to.clone(),
        (None, None) => String::new(),
    }
}

/// `2 to replace, 1 to create, 3 unchanged`.
fn count(plan: &Plan) -> String {
    let of = |action| plan.changes.iter().filter(|change| change.action == action).count();
    let counted = [
        (of(Action::ReplaceRolling), "to replace"),
        (of(Action::ReplaceStopFirst), "to replace with a gap"),
        (of(Action::Create), "to create"),
        (of(Action::Remove), "to remove"),
        (of(Action::Run), "to run"),
        (of(Action::Nothing), "unchanged"),
    ];
    let parts: Vec<String> =
        counted.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    let operations = plan.root.operations().count();
    let changing = plan.changes.iter().any(|change| change.action != Action::Nothing);
    match (operations, changing) {
        (0, _) if parts.is_empty() => "nothing to do".into(),
        (0, _) => format!("nothing to do: {}", parts.join(", ")),
        (_, true) => parts.join(", "),
        // Such as tidying up after a run that was killed.
        (1, false) => parts.into_iter().chain(["1 other operation".to_owned()]).collect::<Vec<_>>().join(", "),
        (n, false) => parts.into_iter().chain([format!("{n} other operations")]).collect::<Vec<_>>().join(", "),
    }
}

/// What is decided when the run gets there: the outermost.
fn open(node: &Node) -> Vec<&Node> {
    match node {
        Node::Choice { .. } | Node::Later { .. } => vec![node],
        _ => node.children().into_iter().flat_map(open).collect(),
    }
}

fn tree(text: &mut String, node: &Node, depth: usize) {
    let indent = "  ".repeat(depth);
    match node {
        Node::Operation(planned) => {
            let host = planned.host.as_ref().map(|host| format!("{host}: ")).unwrap_or_default();
            let _ = writeln!(text, "{indent}{host}{}{}", planned.title, effect(planned.effect));
        }
        Node::Sequence { key, nodes } => {
            let depth = title(text, &indent, key.name(), "", depth);
            for node in nodes {
                tree(text, node, depth);
            }
        }
        Node::Parallel { key, nodes } => {
            let depth = title(text, &indent, key.name(), " (at once)", depth);
            for node in nodes {
                tree(text, node, depth);
            }
        }
        Node::Choice { gate, arms, .. } => {
            tree(text, gate, depth);
            for (verdict, arm) in arms.iter() {
                let _ = writeln!(text, "{indent}{}:", verdict.word());
                // The arm's own name says the same.
                arm.children().into_iter().for_each(|node| tree(text, node, depth + 1));
            }
        }
        Node::Later { key, ask, decided, .. } => {
            let _ = writeln!(text, "{indent}{}: {}", key.name(), may(ask));
            decided.get().into_iter().flat_map(Node::children).for_each(|node| tree(text, node, depth + 1));
        }
        Node::Leftover { of, decided, .. } => match decided.get() {
            Some(node) => tree(text, node, depth),
            None => {
                let _ = writeln!(text, "{indent}what {} has left", of.name());
            }
        },
        Node::Guard { body, on_failure, always, .. } => {
            tree(text, body, depth);
            for (name, node) in [("on failure:", on_failure), ("always:", always)] {
                if let Some(node) = node {
                    let _ = writeln!(text, "{indent}{name}");
                    tree(text, node, depth + 1);
                }
            }
        }
    }
}

/// What a `later` may call, by its own declaration.
fn may(ask: &Node) -> String {
    let later = ask.operations().next().map(|planned| Later::deserialize(&planned.args));
    match later {
        Some(Ok(later)) if later.may.is_empty() => "asks, and changes nothing".to_owned(),
        Some(Ok(later)) => format!("by its closure, which may call {}", later.may.join(", ")),
        _ => "by its closure".to_owned(),
    }
}

/// The line of a named node, and the depth of what is inside.
fn title(text: &mut String, indent: &str, name: &str, how: &str, depth: usize) -> usize {
    if name.is_empty() {
        return depth;
    }
    let _ = writeln!(text, "{indent}{name}{how}");
    depth + 1
}

/// Reversible is what is expected; the rest is said.
fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Reversible => "",
        Effect::Repeatable => "  [repeatable]",
        Effect::Final => "  [final]",
        Effect::Commit => "  [commit]",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use anstream::adapter::strip_str;
    use stdlib::{
        model::HostName,
        plan::{Action, Arms, Change, Effect, Key, Node, Plan, Planned, Verdict},
    };

    use super::{Detail, render_plan};
    use crate::engine::parse_plan;

    fn plan() -> Plan {
        let text = include_bytes!("../../tests/data/plan-v1.json");
        parse_plan(text, Path::new("plan-v1.json")).unwrap()
    }

    fn rendered(plan: &Plan, detail: Detail) -> String {
        strip_str(&render_plan(plan, detail)).to_string()
    }

    fn change(host: &str, subject: &str, action: Action, from: Option<&str>, to: Option<&str>) -> Change {
        Change {
            host: HostName::new(host).unwrap(),
            subject: subject.into(),
            action,
            from: from.map(Into::into),
            to: to.map(Into::into),
            because: vec![],
        }
    }

    // spec: plan.render
    #[test]
    fn every_action_has_its_symbol_and_is_counted() {
        let (old, new) = (Some("image 3f2a91c0"), Some("image 88aa01bc"));
        let mut plan = plan();
        plan.changes.truncate(1);
        plan.changes.extend([
            change("web-2", "web", Action::Create, None, new),
            change("db-1", "db", Action::ReplaceStopFirst, old, new),
            change("db-1", "migrate", Action::Run, None, new),
            change("web-2", "worker", Action::Remove, old, None),
            change("web-1", "worker", Action::Nothing, old, old),
        ]);
        let expected = "\
shop in production: deploy

  ± web      web-1  image 3f2a91c0 → image 88aa01bc  (image, environment DATABASE_URL)
  + web      web-2  image 88aa01bc
  ∓ db       db-1   image 3f2a91c0 → image 88aa01bc
  > migrate  db-1   image 88aa01bc
  - worker   web-2  image 3f2a91c0 → nothing
  = worker   web-1  image 3f2a91c0

1 to replace, 1 to replace with a gap, 1 to create, 1 to remove, 1 to run, 1 unchanged
";
        assert_eq!(rendered(&plan, Detail::Normal), expected);
    }

    #[test]
    fn verbose_shows_every_operation_with_its_effect() {
        let expected = "\
shop in production: deploy

  ± web      web-1  image 3f2a91c0 → image 88aa01bc  (image, environment DATABASE_URL)
  = ingress  web-1

operations, in order:
  start (at once)
    web-1: start shop-web-r3-1
  web-1: switch web to shop-web-r3-1
  on failure:
    say so  [final]
  web-1: commit release 3  [commit]

1 to replace, 1 unchanged
";
        assert_eq!(rendered(&plan(), Detail::Verbose), expected);
    }

    // spec: plan.render
    #[test]
    fn what_is_not_undone_is_said() {
        let mut plan = plan();
        let Node::Sequence { nodes, .. } = &mut plan.root else { panic!("a sequence") };
        let mut operations = nodes[0].operations().cloned();
        let mut migrate = operations.next().expect("an operation");
        drop(operations);
        (migrate.effect, migrate.title) = (Effect::Final, "run migrate".into());
        let after = Planned { title: "remove the old one".into(), ..migrate.clone() };
        nodes.insert(0, Node::Operation(Box::new(migrate)));
        nodes.push(Node::Operation(Box::new(after)));
        let shown = rendered(&plan, Detail::Normal);
        assert!(shown.contains("\nnot undone, once done:\n  web-1: run migrate\n\n"), "{shown}");
        assert!(!shown.contains("remove the old one"), "{shown}");
    }

    // spec: gate.choice
    #[test]
    fn what_is_decided_later_is_shown_with_its_arms() {
        let mut plan = plan();
        let (gate, arm) =
            (Box::new(plan.root.clone()), Node::Sequence { key: Key::root(), nodes: vec![plan.root.clone()] });
        let mut arms = Arms::default();
        arms.set(Verdict::Failed, arm);
        plan.root = Node::Choice { key: Key::root(), gate, arms };
        let shown = rendered(&plan, Detail::Normal);
        let place = |text| shown.find(text).unwrap_or_else(|| panic!("no {text} in:\n{shown}"));
        assert!(place("decided when the run gets there:") < place("  failed:\n"));
        assert!(place("  failed:\n") < shown.rfind("commit release 3").unwrap());
    }

    #[test]
    fn quiet_says_only_how_many() {
        assert_eq!(rendered(&plan(), Detail::Quiet), "1 to replace, 1 unchanged\n");
    }

    #[test]
    fn nothing_to_do_is_said() {
        let mut plan = plan();
        plan.root = Node::Sequence { key: Key::root(), nodes: vec![] };
        plan.changes = vec![change("web-1", "web", Action::Nothing, Some("image 88aa01bc"), Some("image 88aa01bc"))];
        let expected = "\
shop in production: deploy

  = web  web-1  image 88aa01bc

nothing to do: 1 unchanged
";
        assert_eq!(rendered(&plan, Detail::Normal), expected);
    }

    #[test]
    fn tidying_up_is_something_to_do() {
        let mut plan = plan();
        plan.changes.remove(0);
        assert!(rendered(&plan, Detail::Normal).ends_with("\n1 unchanged, 4 other operations\n"));
    }
}
