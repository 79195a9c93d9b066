//! `app`, and the lists of services that it gives.

use std::{collections::BTreeSet, rc::Rc, sync::Arc};

use rhai::{Array, Dynamic, Engine};
use stdlib::model::{Image, JobTime, Release, Service, ServiceName};

use super::{ImageNoun, ServiceNoun, array, release, show};
use crate::recipe::{
    nearest::suggestion,
    order,
    state::State,
    trouble::{Raised, Trouble},
};

/// The application of a release: of the one that today's files make, or of an earlier one.
#[derive(Debug, Clone, PartialEq)]
pub struct AppNoun(pub Arc<Release>);

impl AppNoun {
    fn services(&self) -> Vec<Rc<Service>> {
        self.0.application.services.iter().cloned().map(Rc::new).collect()
    }
}

pub fn register(engine: &mut Engine, state: &Rc<State>) {
    engine.register_type_with_name::<AppNoun>("App");
    show!(engine, AppNoun, |app| app.0.application.project.to_string());
    engine
        .register_get("images", |app: &mut AppNoun| array(images(&app.0).into_iter().map(ImageNoun)))
        .register_get("project", |app: &mut AppNoun| app.0.application.project.to_string())
        .register_get("environment", |app: &mut AppNoun| app.0.application.environment.to_string())
        .register_get("services", |app: &mut AppNoun| array(app.services().into_iter().map(ServiceNoun)))
        .register_fn("service", |app: AppNoun, name: &str| named(&app.services(), name));
    let own = Rc::clone(state);
    engine.register_get("removed", move |app: &mut AppNoun| super::texts(removed(&own, &app.0)));
    let own = Rc::clone(state);
    engine.register_get("releases", move |_: &mut AppNoun| array(release::kept(&own)));
    let own = Rc::clone(state);
    engine.register_fn("release", move |_: AppNoun, which: Dynamic| -> Result<_, Raised> {
        Ok(release::find(&own, &which)?)
    });
    lists(engine);
}

/// What any list of services can be asked.
fn lists(engine: &mut Engine) {
    let nouns = |services: Vec<Rc<Service>>| array(services.into_iter().map(ServiceNoun));
    engine.register_fn("in_order", move |list: Array| -> Result<Array, Raised> {
        Ok(nouns(order::in_order(&services(list, "in_order")?)))
    });
    engine.register_fn("jobs", move |list: Array, when: &str| -> Result<Array, Raised> {
        Ok(nouns(order::jobs(&services(list, "jobs")?, time(when)?)))
    });
    engine.register_fn("named", |list: Array, name: &str| named(&services(list, "named")?, name));
}

fn services(list: Array, method: &str) -> Result<Vec<Rc<Service>>, Trouble> {
    let service = |element: Dynamic| element.flatten().try_cast::<ServiceNoun>().map(|service| service.0);
    let services: Option<Vec<Rc<Service>>> = list.into_iter().map(service).collect();
    services.ok_or_else(|| Trouble::new(format!("`{method}` is for lists of services, such as `app.services`")))
}

fn named(services: &[Rc<Service>], name: &str) -> Result<ServiceNoun, Raised> {
    let found = services.iter().find(|service| service.name.as_str() == name);
    let missing = || {
        let known = services.iter().map(|service| service.name.as_str());
        Trouble::new(format!("there is no service `{name}`")).help(suggestion(name, known))
    };
    Ok(ServiceNoun(Rc::clone(found.ok_or_else(missing)?)))
}

fn time(when: &str) -> Result<JobTime, Trouble> {
    match when {
        "before" => Ok(JobTime::Before),
        "after" => Ok(JobTime::After),
        "manual" => Ok(JobTime::Manual),
        other => Err(Trouble::new(format!("jobs run before or after the rollout, or by hand, not `{other}`"))
            .help(suggestion(other, ["before", "after", "manual"]))),
    }
}

/// Every image once, by content.
fn images(release: &Release) -> Vec<Image> {
    let mut images: Vec<Image> = Vec::new();
    for image in release.application.services.iter().map(|service| &service.image) {
        if !images.iter().any(|other| other.digest == image.digest && other.platform == image.platform) {
            images.push(image.clone());
        }
    }
    images
}

/// Names of services that the hosts or the live release have, and this application has not, or has as a job only.
fn removed(state: &State, release: &Release) -> BTreeSet<String> {
    let wanted = |name: &ServiceName| release.application.service(name);
    let containers = state.inputs.facts.hosts.iter().flat_map(|host| &host.containers);
    let running = containers.filter_map(|container| container.ours.as_ref()).map(|ours| (&ours.service, ours.job));
    let live = state.live().into_iter().flat_map(|live| &live.application.services);
    let live = live.map(|service| (&service.name, service.job.is_some()));
    let gone = running.chain(live).filter(|(name, was_job)| match wanted(name) {
        None => true,
        Some(service) => service.job.is_some() && !was_job,
    });
    gone.map(|(name, _)| name.to_string()).collect()
}
