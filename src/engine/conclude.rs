//! What stays after a run that did not reach its end, in words, each with the way on.

use stdlib::{
    failure::Failure,
    model::environment_option,
    plan::{Effect, Node, Plan, Planned},
};

use super::{
    Left,
    ledger::{Ledger, State},
    run::{Kept, Run, Why},
};

/// The command that evaluates the plan's recipe anew, for its environment.
pub(super) fn again(plan: &Plan) -> String {
    let environment = environment_option(plan.environment.as_str());
    match plan.recipe.as_str() {
        command @ ("deploy" | "rollback") => format!("stagecraft {command}{environment}"),
        own => format!("stagecraft run {own}{environment}"),
    }
}

/// What finishes a run that has committed.
fn finish(plan: &Plan) -> String {
    match plan.recipe.as_str() {
        // A second rollback would go one release further back.
        "rollback" => "the next deploy finishes it".into(),
        _ => again(plan),
    }
}

/// The operations of the ordinary way forward: all but those that answer a failure, or a verdict that was not given.
fn ordinary<'a>(node: &'a Node, ledger: &Ledger) -> Vec<&'a Planned> {
    match node {
        Node::Operation(planned) => vec![planned],
        Node::Sequence { .. } | Node::Parallel { .. } | Node::Later { .. } | Node::Leftover { .. } => {
            node.children().into_iter().flat_map(|node| ordinary(node, ledger)).collect()
        }
        Node::Guard { body, always, .. } => {
            [Some(body), always.as_ref()].into_iter().flatten().flat_map(|node| ordinary(node, ledger)).collect()
        }
        Node::Choice { gate, arms, .. } => {
            let arm = ledger.arm(gate, arms);
            arm.into_iter().chain([gate.as_ref()]).flat_map(|node| ordinary(node, ledger)).collect()
        }
    }
}

impl Run {
    /// What stays, once nothing more is undone.
    pub(super) fn left(&self) -> Vec<Left> {
        if self.course.is_cut() {
            return self.cut_short();
        }
        let kept = self.kept.lock().expect("nothing panics while it holds what is kept").clone();
        if self.course.committed() {
            return self.live(&kept);
        }
        kept.iter().map(|kept| self.one(kept)).collect()
    }

    /// The lock or the journal was lost: the run ends where it is.
    fn cut_short(&self) -> Vec<Left> {
        let begun = self.plan.root.operations().filter(|planned| self.stands(planned)).count();
        if begun == 0 {
            return Vec::new();
        }
        vec![Left {
            host: None,
            what: format!("the run stands where it was, {begun} operations in"),
            why: "nothing may begin any more, not even putting back".into(),
            next: self.resume(),
        }]
    }

    /// Whether the operation has changed something that may still be so.
    fn stands(&self, planned: &Planned) -> bool {
        planned.effect != Effect::Repeatable
            && !matches!(self.ledger.state(&planned.key), None | Some(State::Undone | State::Doubtful))
    }

    /// The commit has happened: the release is live, and what should have followed is named.
    fn live(&self, kept: &[Kept]) -> Vec<Left> {
        let what = match &self.plan.release {
            Some(release) => format!("release {} is live", release.id),
            None => "the commit stays".into(),
        };
        let why = "what failed came after the commit".to_owned();
        let mut left = vec![Left { host: None, what, why, next: "stagecraft status".into() }];
        let undone = kept.iter().filter(|kept| !matches!(kept.because, Why::Final));
        left.extend(undone.map(|kept| self.one(kept)));
        for planned in ordinary(&self.plan.root, &self.ledger) {
            let why = match self.ledger.state(&planned.key) {
                Some(State::Done(_) | State::Undone) => continue,
                Some(State::Failed(failure)) => failure.message,
                _ => "it comes after what failed".into(),
            };
            let (host, what) = (planned.host.clone(), format!("not done: {}", planned.title));
            left.push(Left { host, what, why, next: finish(&self.plan) });
        }
        left
    }

    fn one(&self, kept: &Kept) -> Left {
        let title = &kept.planned.title;
        let next = again(&self.plan);
        let (what, why, next) = match &kept.because {
            Why::Final => {
                (format!("done, and stays: {title}"), "it cannot be undone, nor what came before it".to_owned(), next)
            }
            Why::MaybeFinal(failure) => (
                format!("may have happened: {title}"),
                failure.message.clone(),
                look(failure).unwrap_or_else(|| "stagecraft status".into()),
            ),
            Why::InverseFailed(failure) => {
                (format!("not undone: {title}"), failure.message.clone(), look(failure).unwrap_or(next))
            }
            Why::NeededBy(later) => {
                (format!("not undone: {title}"), format!("`{later}` is not undone, and may need it"), next)
            }
        };
        Left { host: kept.planned.host.clone(), what, why, next }
    }
}

fn look(failure: &Failure) -> Option<String> {
    failure.hint.clone()
}
