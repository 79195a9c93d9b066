//! What a plan leaves open is decided here: the recipe's closure, with the facts of now.

use std::sync::Arc;

use async_trait::async_trait;
use stdlib::{
    facts::{self, Facts},
    failure::Failure,
    host::Hosts,
    later::{Decided, Later, Ran},
    model::RunId,
    plan::{Key, Plan},
};

use super::session::Session;
use crate::{
    engine::{Decider, Event, EventSender},
    recipe::{self, Now, RecipeError},
};

pub struct Evaluator {
    pub plan: Arc<Plan>,
    pub run: RunId,
    hosts: Hosts,
    compose_project: String,
    events: EventSender,
}

impl Evaluator {
    pub fn new(session: &Session, plan: &Arc<Plan>, run: &RunId, events: &EventSender) -> Self {
        Self {
            plan: Arc::clone(plan),
            run: run.clone(),
            hosts: session.hosts.clone(),
            compose_project: session.project.compose.project.clone(),
            events: events.clone(),
        }
    }
}

#[async_trait]
impl Decider for Evaluator {
    async fn decide(&self, key: &Key, later: &Later, ran: Vec<Ran>) -> Result<Decided, Failure> {
        let facts = gather(&self.hosts, &self.compose_project).await?;
        let now = Now { facts, run: self.run.clone(), hosts: self.hosts.clone() };
        let decided = recipe::decide(&self.plan, key, later, ran, now).await;
        let (decided, log) = decided.map_err(|error| undecided(&error))?;
        for text in log {
            self.events.send(Event::Log { text });
        }
        Ok(decided)
    }
}

/// The facts of a run's hosts while it is under way. Of several that do not answer, the first is the failure.
pub async fn gather(hosts: &Hosts, compose_project: &str) -> Result<Facts, Failure> {
    facts::gather(hosts, compose_project).await.map_err(|errors| {
        let first = errors.into_iter().next();
        first.map_or_else(|| Failure::new("the hosts do not answer"), Failure::from)
    })
}

/// The place in the recipe is in the message; its line shows the cause.
fn undecided(error: &RecipeError) -> Failure {
    let diagnostic = error.diagnostic();
    let line = diagnostic.span.as_ref().and_then(|span| {
        let start = diagnostic.source[..span.start].rfind('\n').map_or(0, |end| end + 1);
        diagnostic.source[start..].lines().next()
    });
    let failure = Failure::new(error.to_string());
    Failure {
        detail: line.map(|line| line.trim().to_owned()),
        hint: Some(diagnostic.help.unwrap_or_else(|| "mend the recipe, and deploy again".to_owned())),
        ..failure
    }
}
