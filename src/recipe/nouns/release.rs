//! Releases, and going back to one.

use std::sync::Arc;

use rhai::{Dynamic, Engine};
use stdlib::model::{Application, Release, ReleaseId};

use super::{AppNoun, show};
use crate::recipe::{
    state::{State, of_scope_error},
    trouble::Trouble,
};

/// A release that is kept, with whether it is live.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseNoun(pub Arc<Release>, pub Standing);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Live,
    Earlier,
}

pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<ReleaseNoun>("Release");
    show!(engine, ReleaseNoun, |release| release.0.id.to_string());
    engine
        .register_get("number", |release: &mut ReleaseNoun| number(release.0.id.number))
        .register_get("name", |release: &mut ReleaseNoun| release.0.id.to_string())
        .register_get("is_live", |release: &mut ReleaseNoun| release.1 == Standing::Live)
        .register_get("created", |release: &mut ReleaseNoun| release.0.created.clone())
        .register_get("author", |release: &mut ReleaseNoun| release.0.author.clone());
}

/// Counters are far below the largest number of a script.
pub fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The live release and what it came from, as far as records are kept. A record that never became live is not among them.
pub fn kept(state: &State) -> Vec<ReleaseNoun> {
    let history = state.inputs.facts.history(&state.inputs.topology.home);
    let standing = std::iter::once(Standing::Live).chain(std::iter::repeat(Standing::Earlier));
    let noun = |(release, standing): (&Release, Standing)| ReleaseNoun(Arc::new(release.clone()), standing);
    history.into_iter().zip(standing).map(noun).collect()
}

/// The release that a recipe means: a number, `previous`, or a release.
pub fn find(state: &State, which: &Dynamic) -> Result<ReleaseNoun, Trouble> {
    if let Some(release) = which.read_lock::<ReleaseNoun>() {
        return Ok(release.clone());
    }
    let text = which.to_string();
    let kept = kept(state);
    let Some(live) = kept.first() else {
        return Err(Trouble::refusal("there is no release to go back to: nothing is deployed yet")
            .help("`stagecraft deploy` makes the first".to_owned()));
    };
    if text == "previous" {
        return kept.get(1).cloned().ok_or_else(|| none_before(&live.0));
    }
    let wrong = || Trouble::new(format!("`{text}` is no release")).help("write its number, or `previous`".to_owned());
    let number: u64 = text.parse().map_err(|_| wrong())?;
    kept.iter().find(|release| release.0.id.number == number).cloned().ok_or_else(|| {
        let known: Vec<String> = kept.iter().map(|release| release.0.id.number.to_string()).collect();
        Trouble::refusal(format!("release {number} is not kept, or was never live"))
            .help(format!("there are {}; `retain` in stagecraft.yml says how many are kept", known.join(", ")))
    })
}

fn none_before(live: &Release) -> Trouble {
    match live.predecessor {
        Some(before) => {
            Trouble::refusal(format!("the record of release {before}, which {} came from, is not kept", live.id)).help(
                "raise `retain` in stagecraft.yml for the future; deploy the older version from its files".to_owned(),
            )
        }
        None => Trouble::refusal(format!("there is no release to go back to: {} is the first", live.id))
            .help("deploy the older version from its files".to_owned()),
    }
}

/// Makes an earlier release the one that the plan puts on the hosts: a new release with the old one's application.
pub fn restore(state: &State, which: &Dynamic) -> Result<AppNoun, Trouble> {
    let old = find(state, which)?.0;
    let mut growing = state.grow();
    if let Some(before) = growing.restored {
        return Err(Trouble::new(format!(
            "this recipe restores release {before} already, and a plan makes one release"
        )));
    }
    growing.scope.outside_later("release::restore").map_err(|error| of_scope_error(&error))?;
    if growing.scope.has_operations() {
        return Err(Trouble::new("`release::restore` comes before everything that changes a host"));
    }
    let today = &state.inputs.release;
    let mut application = old.application.clone();
    application.leave_out(&today.without).map_err(|service| {
        Trouble::refusal(format!("release {} runs `{service}` on no other host", old.id))
            .help("go back to another release, or wait for the host".to_owned())
    })?;
    missing_host(state, &old.id, &application)?;
    let id = ReleaseId { number: today.id.number, commit: old.id.commit.clone(), dirty: old.id.dirty };
    // What the old release was put live without, this one is too.
    let mut without = today.without.clone();
    let still = old.without.iter().filter(|host| state.inputs.topology.host(host).is_some());
    without.extend(still.filter(|host| !today.without.contains(host)).cloned());
    let release = Arc::new(Release { id, application, without, ..today.as_ref().clone() });
    growing.release = Arc::clone(&release);
    growing.restored = Some(old.id.number);
    Ok(AppNoun(release))
}

/// A host that the old release runs on and today's file does not have would be left out without a word.
fn missing_host(state: &State, old: &ReleaseId, application: &Application) -> Result<(), Trouble> {
    let topology = &state.inputs.topology;
    for service in &application.services {
        if let Some(host) = service.hosts.iter().find(|host| topology.host(host).is_none()) {
            let message =
                format!("release {old} runs `{}` on {host}, which stagecraft.yml no longer has", service.name);
            return Err(
                Trouble::refusal(message).help(format!("put {host} back into `hosts`, or deploy from today's files"))
            );
        }
    }
    Ok(())
}
