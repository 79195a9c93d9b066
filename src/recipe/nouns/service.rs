//! A service, and an image.

use std::rc::Rc;

use rhai::{Dynamic, Engine, Map};
use stdlib::model::{Image, JobTime, Service, Strategy};

use super::{HostNoun, array, show, texts};

#[derive(Debug, Clone, PartialEq)]
pub struct ServiceNoun(pub Rc<Service>);

#[derive(Debug, Clone, PartialEq)]
pub struct ImageNoun(pub Image);

pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<ServiceNoun>("Service");
    show!(engine, ServiceNoun, |service| service.0.name.to_string());
    engine
        .register_get("name", |service: &mut ServiceNoun| service.0.name.to_string())
        .register_get("hosts", |service: &mut ServiceNoun| array(service.0.hosts.iter().cloned().map(HostNoun)))
        .register_get("replicas", |service: &mut ServiceNoun| i64::from(service.0.replicas))
        .register_get("image", |service: &mut ServiceNoun| ImageNoun(service.0.image.clone()))
        .register_get("strategy", |service: &mut ServiceNoun| strategy(&service.0))
        .register_get("route", |service: &mut ServiceNoun| route(&service.0))
        .register_get("is_job", |service: &mut ServiceNoun| service.0.job.is_some())
        .register_get("job", |service: &mut ServiceNoun| job(&service.0))
        .register_get("environment", |service: &mut ServiceNoun| texts(service.0.environment.keys()))
        .register_get("depends_on", |service: &mut ServiceNoun| {
            texts(service.0.depends_on.iter().map(|dependency| &dependency.service))
        });
    engine.register_type_with_name::<ImageNoun>("Image");
    show!(engine, ImageNoun, |image| image.0.source.clone());
    engine
        .register_get("name", |image: &mut ImageNoun| image.0.source.clone())
        .register_get("digest", |image: &mut ImageNoun| image.0.digest.clone())
        .register_get("platform", |image: &mut ImageNoun| image.0.platform.clone());
}

fn strategy(service: &Service) -> &'static str {
    match service.rollout.strategy {
        Strategy::Rolling => "rolling",
        Strategy::StopFirst => "stop-first",
    }
}

fn job(service: &Service) -> Dynamic {
    match service.job {
        None => Dynamic::UNIT,
        Some(JobTime::Before) => "before".into(),
        Some(JobTime::After) => "after".into(),
        Some(JobTime::Manual) => "manual".into(),
    }
}

fn route(service: &Service) -> Dynamic {
    let Some(route) = &service.route else { return Dynamic::UNIT };
    let port = Dynamic::from(i64::from(route.port));
    let entries = [("host", route.host.clone().into()), ("path", route.path.clone().into()), ("port", port)];
    Dynamic::from_map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect::<Map>())
}
