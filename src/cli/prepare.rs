//! From a project to a plan: connect and build at once, read facts, evaluate the recipe.

use std::{collections::BTreeMap, fs, io::Write as _, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc};

use jiff::Timestamp;
use serde_json::Value;
use stdlib::{
    facts::{Facts, fingerprint},
    host::Host,
    model::{Application, Image, KeyedHash, Release, ReleaseId, RunId, SecretKey, Service, ServiceName, Values},
    plan::Plan,
};

use super::{CliError, project::Project, session::Session};
use crate::recipe::{self, Inputs, Recipe};

/// What is asked of a recipe.
#[derive(Debug, Clone)]
pub struct Request {
    pub recipe: Recipe,
    pub args: BTreeMap<String, String>,
}

/// What stays the same when the facts are read a second time, under the lock.
pub struct Prepared {
    pub session: Session,
    /// The operator's own engine.
    pub builder: Arc<dyn Host>,
    pub built: Built,
    pub request: Request,
    pub run: RunId,
}

/// The images of a project, built or found on the operator's engine.
#[derive(Debug, Default)]
pub struct Built {
    pub services: BTreeMap<ServiceName, Image>,
    pub ingress: Option<Image>,
}

/// A plan with what it needs when it runs and must not hold itself.
pub struct Ready {
    pub plan: Plan,
    pub values: Values,
    pub key: SecretKey,
    /// What the recipe had to say.
    pub log: Vec<String>,
    pub facts: Arc<Facts>,
}

impl Prepared {
    /// Reads the facts and evaluates the recipe. Changes nothing.
    pub async fn plan(&self) -> Result<Ready, CliError> {
        let facts = Arc::new(self.session.facts().await?);
        let project = &self.session.project;
        let key = secret_key(project, &facts)?;
        let application = application(project, &self.built, &key)?;
        let release = release(project, &facts, application, &self.run);
        let inputs = Inputs {
            topology: Arc::new(project.topology().clone()),
            facts: Arc::clone(&facts),
            release: Arc::new(release),
            ingress_image: self.built.ingress.clone(),
            run: self.run.clone(),
        };
        let evaluated = recipe::evaluate(&self.request.recipe, inputs, &self.request.args, self.session.hosts.clone()).await?;
        let values = match &evaluated.restored {
            Some(number) => kept_values(project, &facts, *number)?,
            None => project.values(),
        };
        let fingerprints = fingerprint(&facts);
        let plan = Plan {
            schema: Plan::SCHEMA,
            project: project.topology().project.clone(),
            environment: project.topology().environment.clone(),
            recipe: self.request.recipe.name.clone(),
            args: evaluated.args,
            reads: evaluated.reads,
            fingerprints,
            release: evaluated.release,
            changes: evaluated.changes,
            root: evaluated.root,
        };
        Ok(Ready { plan, values, key, log: evaluated.log, facts })
    }
}
