//! What a plan leaves open is decided here: the recipe's closure, with the facts of now.

use std::sync::Arc;

use async_trait::async_trait;
use stdlib::{
    failure::Failure,
    host::Hosts,
    later::{Decided, Later, Past},
    model::{HostName, RunId, environment_option},
    plan::{Key, Plan},
};

use super::session::{Session, gather};
use crate::{
    engine::{Decider, Event, EventSender},
    recipe::{self, Now, RecipeError},
};

pub struct Evaluator {
    plan: Arc<Plan>,
    run: RunId,
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

    /// The hosts that the plan was made for, whatever stagecraft.yml has today.
    fn hosts(&self) -> Result<Hosts, Failure> {
        let planned = self.plan.script.iter().flat_map(|kept| &kept.topology.hosts);
        let known = |name: &HostName| self.hosts.get(name).cloned().ok_or_else(|| self.gone(name));
        Ok(Hosts::new(planned.map(|host| known(&host.name)).collect::<Result<_, _>>()?))
    }

    fn gone(&self, host: &HostName) -> Failure {
        let option = environment_option(self.plan.environment.as_str());
        let resume =
            format!("with it in stagecraft.yml, and without `--without`: `stagecraft resume {}{option}`", self.run);
        Failure::new(format!("{host} is in the plan of this run, which goes on without it")).on(host).hint(resume)
    }
}

#[async_trait]
impl Decider for Evaluator {
    async fn decide(&self, key: Key, later: Later, past: Past) -> Result<Decided, Failure> {
        let hosts = self.hosts()?;
        let facts = gather(&hosts, &self.compose_project).await?;
        let now = Now { facts, run: self.run.clone(), hosts };
        let decided = recipe::decide(&self.plan, key, later, past, now).await;
        let (decided, log) = decided.map_err(|error| undecided(&error))?;
        for text in log {
            self.events.send(Event::Log { text });
        }
        Ok(decided)
    }
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
        hint: Some(
            diagnostic.help.unwrap_or_else(|| "when what the recipe found has changed, deploy again".to_owned()),
        ),
        ..failure
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use stdlib::{
        host::{Hosts, fake::FakeHost},
        later::Script,
        model::{HostName, RunId},
    };

    use super::Evaluator;
    use crate::{engine::channel, engine::parse_plan, recipe::sample};

    // spec: gate.later
    #[test]
    fn the_hosts_are_those_of_the_plan() {
        let mut plan = parse_plan(include_bytes!("../../tests/data/plan-v1.json"), "plan".as_ref()).unwrap();
        let mut topology = sample::topology();
        topology.hosts.truncate(1);
        plan.script = Some(Box::new(Script {
            path: None,
            source: String::new(),
            topology,
            release: sample::release(1, None, sample::application()),
            restored: None,
            ingress_image: None,
            steps_without_operations: vec![],
        }));
        let plan = Arc::new(plan);
        let with = |names: &[&str]| Evaluator {
            plan: Arc::clone(&plan),
            run: RunId::new("0199").unwrap(),
            hosts: Hosts::new(names.iter().map(|name| FakeHost::new(name).host()).collect()),
            compose_project: "shop".into(),
            events: channel().0,
        };
        let both = with(&["web-1", "web-2"]).hosts().unwrap();
        assert_eq!(both.iter().map(|host| host.name().as_str()).collect::<Vec<_>>(), ["web-1"]);
        let failure = with(&["web-2"]).hosts().unwrap_err();
        assert_eq!(failure.host, Some(HostName::new("web-1").unwrap()));
        assert!(failure.hint.unwrap().contains("stagecraft resume 0199"));
    }
}
