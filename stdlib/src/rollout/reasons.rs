//! Why a service's containers are replaced, in words for the plan's table.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::Service;

/// The parts in which two definitions of a service differ, such as `image` or `environment DATABASE_URL`.
pub fn reasons(old: &Service, new: &Service) -> Vec<String> {
    let mut reasons = Vec::new();
    if old.image.digest != new.image.digest {
        reasons.push("image".to_owned());
    }
    let variables: BTreeSet<&String> = old.environment.keys().chain(new.environment.keys()).collect();
    for name in variables {
        if old.environment.get(name) != new.environment.get(name) {
            reasons.push(format!("environment {name}"));
        }
    }
    let (was, is) = (fields(old), fields(new));
    let keys: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    for key in keys {
        // The image is named above, by its content.
        if key != "image" && was.get(key) != is.get(key) {
            reasons.push(key.clone());
        }
    }
    reasons.extend(ingress_reasons(old, new));
    if old.replicas != new.replicas {
        reasons.push("replicas".to_owned());
    }
    reasons
}

/// The parts in which two definitions of a service differ for the ingress alone: `route`, `health`.
pub fn ingress_reasons(old: &Service, new: &Service) -> Vec<String> {
    let settings = [("route", old.route != new.route), ("health", old.health != new.health)];
    settings.iter().filter(|(_, differs)| *differs).map(|(name, _)| (*name).to_owned()).collect()
}

fn fields(service: &Service) -> serde_json::Map<String, Value> {
    match serde_json::to_value(&service.definition) {
        Ok(Value::Object(map)) => map,
        other => unreachable!("a definition is a map: {other:?}"),
    }
}
