//! From a project to a plan: connect, build, read facts, evaluate the recipe.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Instant,
};

use jiff::Timestamp;
use stdlib::{
    facts::{Facts, fingerprint},
    failure::Failure,
    host::Host,
    image::Rebuild,
    model::{Application, Identity, Release, ReleaseId, RunId, Values},
    plan::{Key, Plan},
};

use super::{
    CliError, commit, identity,
    images::{self, Images},
    preflight,
    session::Session,
};
use crate::{
    config::Project,
    engine::{Event, EventSender, Seconds, StepOutcome},
    recipe::{self, Inputs, Recipe},
};

/// What is asked of a recipe.
#[derive(Debug, Clone)]
pub struct Request {
    pub recipe: Recipe,
    pub args: BTreeMap<String, String>,
}

/// A plan with what it needs when it runs and must not hold itself.
pub struct Ready {
    pub plan: Plan,
    pub values: Values,
    pub identity: Identity,
    /// What the recipe had to say.
    pub log: Vec<String>,
}

pub fn new_run() -> RunId {
    RunId::new(uuid::Uuid::now_v7().to_string()).expect("a UUID is letters, digits and hyphens")
}

/// The images of the application that the recipe is about, built where that is today's. `begins` is called when there is
/// something to build or to pull.
pub async fn images(
    session: &Session,
    operator: &Arc<dyn Host>,
    request: &Request,
    rebuild: Rebuild,
    events: &EventSender,
    begins: impl Fn() + Send + Sync,
) -> Result<Images, CliError> {
    if request.recipe.restores() {
        return Ok(Images::Live);
    }
    let (key, name) = (Key::root().child("build"), "build".to_owned());
    // Where nothing is built there is no such step.
    let began = OnceLock::new();
    let say = |text: &str| {
        began.get_or_init(|| {
            begins();
            events.send(Event::StepStarted { key: key.clone(), name: name.clone() });
            Instant::now()
        });
        events.send(Event::Progress { key: key.clone(), host: None, text: text.to_owned() });
    };
    let built = images::build(&session.project, &session.hosts, operator, rebuild, &say).await;
    if let Some(began) = began.get() {
        let outcome = if built.is_ok() { StepOutcome::Ok } else { StepOutcome::Failed };
        let seconds = Seconds(began.elapsed());
        events.send(Event::StepEnded { key: key.clone(), name: name.clone(), outcome, seconds });
    }
    Ok(Images::Built(built?))
}

/// Reads the facts and evaluates the recipe. Changes nothing.
pub async fn plan(session: &Session, images: &Images, request: &Request, run: &RunId) -> Result<Ready, CliError> {
    let facts = Arc::new(session.facts().await?);
    let project = &session.project;
    facts.check_home(&project.topology.home)?;
    let identity = identity::of(project, &facts)?;
    let mut application = match images {
        Images::Built(built) => project.application(&built.services, &identity.key),
        Images::Live => live(project, &facts)?.application.clone(),
    };
    application.leave_out(&project.without).map_err(|service| {
        Failure::new(format!("service {service} runs on no other host"))
            .hint("place it on another one with `on` in stagecraft.yml, or wait for the host")
    })?;
    let release = release(project, &facts, application, run);
    let inputs = Inputs {
        topology: Arc::new(project.topology.clone()),
        facts: Arc::clone(&facts),
        release: Arc::new(release),
        ingress_image: images.ingress().cloned(),
        run: run.clone(),
    };
    let evaluated = recipe::evaluate(&request.recipe, inputs, &request.args, session.hosts.clone()).await?;
    let values = match evaluated.restored {
        Some(number) => kept_values(project, &facts, number)?,
        None => project.values().clone(),
    };
    let plan = Plan {
        schema: Plan::SCHEMA,
        project: project.topology.project.clone(),
        environment: project.topology.environment.clone(),
        recipe: request.recipe.name.clone(),
        args: evaluated.args,
        reads: evaluated.reads,
        fingerprints: fingerprint(&facts),
        release: evaluated.release,
        changes: evaluated.changes,
        root: evaluated.root,
        script: evaluated.script,
    };
    preflight::room_for_images(session, images, &plan).await?;
    Ok(Ready { plan, values, identity, log: evaluated.log })
}

fn live<'a>(project: &Project, facts: &'a Facts) -> Result<&'a Release, CliError> {
    facts.live(&project.topology.home).ok_or_else(|| {
        Failure::new(format!("{} has no release to go back from", project.topology.environment))
            .hint("make the first one: `stagecraft deploy`")
            .into()
    })
}

/// The release that this run would make. Its number is above every record's, also above those of runs that never committed, so
/// that no name of theirs can be in the way.
fn release(project: &Project, facts: &Facts, application: Application, run: &RunId) -> Release {
    let records = facts.hosts.iter().flat_map(|host| &host.state.releases);
    let last = records.map(|release| release.id.number).max().unwrap_or(0);
    let commit = commit::of(&project.directory);
    Release {
        schema: Release::SCHEMA,
        id: ReleaseId {
            number: last + 1,
            commit: commit.as_ref().map(|commit| commit.short.clone()),
            dirty: commit.is_some_and(|commit| commit.dirty),
        },
        predecessor: facts.host(&project.topology.home).and_then(|host| host.state.current),
        run: run.clone(),
        created: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        author: author(),
        without: project.without.clone(),
        application,
    }
}

/// `user@machine`.
pub fn author() -> String {
    let named =
        ["USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok()).find(|name| !name.is_empty());
    // Services and containers have no such variables.
    let listed = || uzers::get_current_username().map(|name| name.to_string_lossy().into_owned());
    let user = named.or_else(listed).unwrap_or_else(|| format!("uid-{}", uzers::get_current_uid()));
    let machine = std::fs::read_to_string("/etc/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    format!("{user}@{}", machine.as_deref().map_or("unknown", str::trim))
}

/// The values of a kept release, from whichever host has them, the home host first.
pub fn kept_values(project: &Project, facts: &Facts, number: u64) -> Result<Values, CliError> {
    let home = facts.host(&project.topology.home).into_iter();
    let kept = home.chain(&facts.hosts).find_map(|host| host.state.values.get(&number));
    kept.cloned().ok_or_else(|| {
        Failure::new(format!("the values of release {number} are on no host any more"))
            .hint("choose another one: `stagecraft releases`")
            .into()
    })
}
