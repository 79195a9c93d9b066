//! The values that a closure has captured, as data of the plan: copies, that can be read again in another process.

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use rhai::{Array, Dynamic, Map};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stdlib::model::{HostName, Image, Release, Service};

use super::nouns::{AppNoun, HostNoun, ImageNoun, ServiceNoun};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Captured {
    /// Text, number, truth value or nothing.
    Plain(Value),
    List(Vec<Captured>),
    Map(BTreeMap<String, Captured>),
    Host(HostName),
    Service(Box<Service>),
    Image(Image),
    App(Box<Release>),
}

/// The error is what in it is no data, such as a closure.
pub fn write(value: &Dynamic) -> Result<Value, Dynamic> {
    Ok(serde_json::to_value(captured(value)?).expect("plain data"))
}

/// What [`write`] has written.
pub fn read(value: &Value) -> serde_json::Result<Dynamic> {
    Ok(dynamic(Captured::deserialize(value)?))
}

fn captured(value: &Dynamic) -> Result<Captured, Dynamic> {
    if let Some(list) = value.read_lock::<Array>() {
        return list.iter().map(captured).collect::<Result<_, _>>().map(Captured::List);
    }
    if let Some(map) = value.read_lock::<Map>() {
        let entry = |(key, value): (&rhai::Identifier, _)| Ok((key.to_string(), captured(value)?));
        return map.iter().map(entry).collect::<Result<_, _>>().map(Captured::Map);
    }
    if let Some(host) = value.read_lock::<HostNoun>() {
        return Ok(Captured::Host(host.0.clone()));
    }
    if let Some(service) = value.read_lock::<ServiceNoun>() {
        return Ok(Captured::Service(Box::new(service.0.as_ref().clone())));
    }
    if let Some(image) = value.read_lock::<ImageNoun>() {
        return Ok(Captured::Image(image.0.clone()));
    }
    if let Some(app) = value.read_lock::<AppNoun>() {
        return Ok(Captured::App(Box::new(app.0.as_ref().clone())));
    }
    // JSON has no number that is not finite.
    let finite = value.as_float().is_ok_and(f64::is_finite);
    let plain = finite || value.is_unit() || value.is_bool() || value.is_int() || value.is_string();
    let kept = plain.then(|| rhai::serde::from_dynamic(value).ok()).flatten();
    kept.map(Captured::Plain).ok_or_else(|| value.clone())
}

fn dynamic(captured: Captured) -> Dynamic {
    match captured {
        Captured::Plain(value) => rhai::serde::to_dynamic(value).expect("every plain value is one of Rhai's"),
        Captured::List(list) => Dynamic::from_array(list.into_iter().map(dynamic).collect()),
        Captured::Map(map) => {
            Dynamic::from_map(map.into_iter().map(|(key, value)| (key.into(), dynamic(value))).collect())
        }
        Captured::Host(host) => Dynamic::from(HostNoun(host)),
        Captured::Service(service) => Dynamic::from(ServiceNoun(Rc::new(*service))),
        Captured::Image(image) => Dynamic::from(ImageNoun(image)),
        Captured::App(release) => Dynamic::from(AppNoun(Arc::from(release))),
    }
}
