//! `release::commit`.

use std::collections::BTreeSet;

use super::{Commit, Follow, Stage, Trim};
use crate::{
    function::{Call, Function, PlanError, Planning},
    plan::Scope,
};

pub const COMMIT: Function = Function {
    module: "release",
    name: "commit",
    docs: "Makes what the recipe has put on the hosts the live release.\n\n\
        Before the plan's first change the release's record (definitions, values, images, routes) is written into the \
        environment's state on every host; here the home host's `current` is replaced, which *is* the commit; the other \
        hosts follow; then what was kept for an undo is removed, and records and images beyond `retain` with it. \
        What came before the commit is not undone any more.\n\n\
        Appends nothing when nothing changes. It is an error to call it twice.",
    parameters: &[],
    options: None,
    call: commit,
};

fn commit(planning: &Planning<'_>, scope: &mut Scope, _: &Call) -> Result<(), PlanError> {
    scope.outside_later("release::commit")?;
    scope.before_commit()?;
    let home = &planning.topology.home;
    let live = planning.facts.host(home).and_then(|host| host.state.current);
    if !scope.has_operations() && live == planning.live().map(|release| release.id.number) && unchanged(planning) {
        follow(planning, scope, live);
        // What a killed run left behind and nothing runs in.
        scope.run_deferred();
        return Ok(());
    }
    let compose_project = planning.release.application.compose_project();
    let number = planning.release.id.number;
    scope.parallel("stage", |scope| {
        for host in &planning.topology.hosts {
            scope.operation(Some(&host.name), &Stage { compose_project: compose_project.clone(), number });
        }
    });
    scope.move_last_to_front();
    scope.sequence("commit", |scope| {
        let predecessor = planning.release.predecessor;
        scope.operation(Some(home), &Commit { compose_project: compose_project.clone(), number, predecessor });
        scope.parallel("follow", |scope| {
            for host in planning.topology.hosts.iter().filter(|host| host.name != *home) {
                scope.operation(Some(&host.name), &Follow { compose_project: compose_project.clone(), number });
            }
        });
    });
    trim(planning, scope, &compose_project);
    scope.run_deferred();
    Ok(())
}

/// The live release is the very same application.
fn unchanged(planning: &Planning<'_>) -> bool {
    planning.live().is_some_and(|live| live.application == planning.release.application)
}

/// Hosts that a crash left behind the commit.
fn follow(planning: &Planning<'_>, scope: &mut Scope, live: Option<u64>) {
    let Some(number) = live else { return };
    let compose_project = planning.release.application.compose_project();
    scope.parallel("follow", |scope| {
        for host in planning.facts.hosts.iter().filter(|host| host.state.current != live) {
            scope.operation(Some(&host.name), &Follow { compose_project: compose_project.clone(), number });
        }
    });
}

/// Keeps the new release and the newest `retain - 1` of its predecessors; the rest goes, with the images only they use.
fn trim(planning: &Planning<'_>, scope: &mut Scope, compose_project: &str) {
    for host in &planning.facts.hosts {
        let mut kept = vec![planning.release];
        while let Some(before) = kept.last().and_then(|release| release.predecessor) {
            if kept.len() >= planning.topology.retain as usize {
                break;
            }
            match host.state.releases.iter().find(|release| release.id.number == before) {
                Some(release) => kept.push(release),
                None => break,
            }
        }
        let numbers: BTreeSet<u64> = kept.iter().map(|release| release.id.number).collect();
        let gone: Vec<u64> = host
            .state
            .releases
            .iter()
            .map(|release| release.id.number)
            .filter(|number| !numbers.contains(number))
            .collect();
        if !gone.is_empty() {
            scope.defer(&host.name, &Trim { compose_project: compose_project.to_owned(), releases: gone });
        }
        let used: BTreeSet<String> =
            kept.iter().flat_map(|release| &release.application.services).map(|service| service.image.tag()).collect();
        crate::image::forget_unused(host, &used, scope);
    }
}
