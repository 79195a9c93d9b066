//! Library functions as values: what `src/recipe` binds, checks and documents.
//!
//! A function is typed Rust that appends to a plan. Its descriptor says what a recipe may call it with; the Rhai binding,
//! `recipe check`, the reference and the editor definitions are all made from it.

use schemars::Schema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    command, compose,
    facts::Facts,
    http, image,
    model::{Application, HostName, Image, Release, RunId, Service, Topology},
    plan::{Scope, ScopeError},
    release, rollout,
};

/// What planning may look at.
#[derive(Debug, Clone, Copy)]
pub struct Planning<'a> {
    pub topology: &'a Topology,
    pub facts: &'a Facts,
    /// The application as today's files have it, images built.
    pub application: &'a Application,
    /// The release that this run would make. Its application is today's, until the recipe names another release.
    pub release: &'a Release,
    /// The ingress's own image, when the environment has an ingress.
    pub ingress_image: Option<&'a Image>,
    pub run: &'a RunId,
}

impl Planning<'_> {
    /// The release that is live, by the home host's account.
    pub fn live(&self) -> Option<&Release> {
        self.facts.live(&self.topology.home)
    }
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Service,
    Hosts,
    Images,
    Release,
    Text,
}

#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    pub name: &'static str,
    pub kind: Kind,
}

/// An argument that a recipe has given.
#[derive(Debug, Clone)]
pub enum Argument {
    Service(Box<Service>),
    Hosts(Vec<HostName>),
    Images(Vec<Image>),
    Release(Box<Release>),
    Text(String),
}

/// The arguments of one call, in the order of the descriptor's parameters, and its options map.
#[derive(Debug)]
pub struct Call {
    pub arguments: Vec<Argument>,
    pub options: Value,
}

macro_rules! argument {
    ($name:ident, $variant:ident, $type:ty) => {
        /// The argument at this place; the binding has checked its kind.
        pub fn $name(&self, index: usize) -> &$type {
            match &self.arguments[index] {
                Argument::$variant(value) => value,
                other => unreachable!("argument {index} is {other:?}"),
            }
        }
    };
}

impl Call {
    argument!(service, Service, Service);
    argument!(hosts, Hosts, [HostName]);
    argument!(images, Images, [Image]);
    argument!(release, Release, Release);
    argument!(text, Text, str);

    /// The options, unknown keys refused.
    pub fn options<T: DeserializeOwned>(&self) -> Result<T, PlanError> {
        serde_json::from_value(self.options.clone()).map_err(|error| PlanError::Options(error.to_string()))
    }
}

/// Why a call cannot be planned. Shown at the recipe's line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Scope(#[from] ScopeError),
    #[error("options: {0}")]
    Options(String),
    /// What the host's facts rule out, such as a port in use.
    #[error("{message}")]
    Refused { message: String, hint: Option<String> },
}

/// A library function.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// The static module it stands in, such as `rollout`.
    pub module: &'static str,
    pub name: &'static str,
    /// Markdown: a first sentence that says what it does, then defaults, errors, and what it maps to.
    pub docs: &'static str,
    pub parameters: &'static [Parameter],
    /// The schema of the trailing options map, for a function that has one. Its fields' comments are their docs.
    pub options: Option<fn() -> Schema>,
    pub call: fn(&Planning<'_>, &mut Scope, &Call) -> Result<(), PlanError>,
}

/// Every library function: one line each.
pub fn registry() -> Vec<Function> {
    vec![
        command::RUN,
        http::CHECK,
        release::functions::COMMIT,
        rollout::functions::REMOVE,
        rollout::functions::REPLACE,
        rollout::functions::START,
        rollout::functions::READY,
        rollout::functions::RETIRE,
        rollout::functions::SWITCH,
        compose::functions::PREPARE,
        compose::functions::RUN_JOB,
        compose::functions::UP,
        image::functions::TRANSFER,
    ]
}
