//! Hosts, and what was read from them.

use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, Map};
use stdlib::{
    facts::{ContainerFact, HostFacts, OurContainer},
    model::{Address, HostName, HostSettings},
};

use super::{array, release::number, show, texts};
use crate::recipe::{
    nearest::suggestion,
    state::State,
    trouble::{Raised, Trouble},
};

#[derive(Debug, Clone, PartialEq)]
pub struct HostNoun(pub HostName);

pub fn register(engine: &mut Engine, state: &Rc<State>) {
    engine.register_type_with_name::<HostNoun>("Host");
    show!(engine, HostNoun, |host| host.0.to_string());
    engine.register_get("name", |host: &mut HostNoun| host.0.to_string());
    setting(engine, state, "address", |host| address(host).into());
    setting(engine, state, "roles", |host| texts(&host.roles).into());
    setting(engine, state, "labels", |host| {
        let labels = host.labels.iter().map(|(key, value)| (key.as_str().into(), value.clone().into()));
        Dynamic::from_map(labels.collect())
    });
    fact(engine, state, "engine", |facts| facts.engine.version.clone().into());
    fact(engine, state, "platform", |facts| facts.engine.platform.clone().into());
    fact(engine, state, "release", |facts| facts.state.current.map_or(Dynamic::UNIT, |live| number(live).into()));
    fact(engine, state, "containers", |facts| {
        let ours = facts.containers.iter().filter_map(|container| Some((container, container.ours.as_ref()?)));
        Dynamic::from_array(array(ours.map(|(container, ours)| describe(container, ours))))
    });
    let own = Rc::clone(state);
    engine.register_fn("hosts", move || all(&own));
    let own = Rc::clone(state);
    engine.register_fn("hosts", move |which: &str| -> Result<Array, Raised> { Ok(some(&own, &[which.to_owned()])?) });
    let own = Rc::clone(state);
    engine.register_fn("hosts", move |which: Array| -> Result<Array, Raised> {
        let names: Vec<String> = which.into_iter().map(|name| name.to_string()).collect();
        Ok(some(&own, &names)?)
    });
}

/// A property from `stagecraft.yml`.
fn setting(engine: &mut Engine, state: &Rc<State>, name: &str, read: fn(&HostSettings) -> Dynamic) {
    let own = Rc::clone(state);
    engine.register_get(name, move |host: &mut HostNoun| own.inputs.topology.host(&host.0).map_or(Dynamic::UNIT, read));
}

/// A property from the facts.
fn fact(engine: &mut Engine, state: &Rc<State>, name: &str, read: fn(&HostFacts) -> Dynamic) {
    let own = Rc::clone(state);
    engine.register_get(name, move |host: &mut HostNoun| own.facts(&host.0).map_or(Dynamic::UNIT, read));
}

fn address(host: &HostSettings) -> String {
    match &host.address {
        Address::Local => "local".to_owned(),
        Address::Ssh { address, .. } => address.clone(),
    }
}

fn describe(container: &ContainerFact, ours: &OurContainer) -> Dynamic {
    let entries = [
        ("name", container.name.clone().into()),
        ("service", ours.service.to_string().into()),
        ("release", number(ours.release).into()),
        ("running", container.running.into()),
        ("is_job", ours.job.into()),
    ];
    Dynamic::from_map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect::<Map>())
}

fn all(state: &State) -> Array {
    array(state.inputs.topology.hosts.iter().map(|host| HostNoun(host.name.clone())))
}

/// The hosts that have one of these names, or one of them as a role, in the order of `stagecraft.yml`.
fn some(state: &State, names: &[String]) -> Result<Array, Trouble> {
    let hosts = &state.inputs.topology.hosts;
    let is = |host: &HostSettings, name: &String| host.name.as_str() == name || host.roles.contains(name);
    if let Some(unknown) = names.iter().find(|name| !hosts.iter().any(|host| is(host, name))) {
        let mut known: Vec<&str> = hosts.iter().flat_map(|host| &host.roles).map(String::as_str).collect();
        known.extend(hosts.iter().map(|host| host.name.as_str()));
        known.sort_unstable();
        known.dedup();
        return Err(Trouble::new(format!("there is no host or role `{unknown}`")).help(suggestion(unknown, known)));
    }
    let chosen = hosts.iter().filter(|host| names.iter().any(|name| is(host, name)));
    Ok(array(chosen.map(|host| HostNoun(host.name.clone()))))
}
