//! Plans and runs, as the commands do it once the images are there.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use stagecraft::{
    engine::{self, Decode, Ended, Execution, Journal, RunDirectory, Timing},
    recipe::{self, Inputs, RecipeError},
};
use stdlib::{
    facts::{self, Facts, fingerprint},
    image::Source,
    model::{Application, Release, ReleaseId, RunId},
    plan::Plan,
};
use tokio_util::sync::CancellationToken;

use super::{Shop, values};

impl Shop {
    pub async fn facts(&self) -> Facts {
        facts::gather(&self.hosts, "shop").await.unwrap()
    }

    /// What the recipe leads to, with today's files saying `application`.
    pub async fn plan(&self, recipe: &str, facts: &Arc<Facts>, application: Application, run: u32) -> Plan {
        self.evaluate(recipe, facts, application, run).await.unwrap()
    }

    /// [`Self::plan`], or why there is none.
    pub async fn evaluate(
        &self,
        recipe: &str,
        facts: &Arc<Facts>,
        application: Application,
        run: u32,
    ) -> Result<Plan, Box<RecipeError>> {
        let recipe = recipe::built_in(recipe).unwrap();
        let run = run_id(run);
        let inputs = Inputs {
            topology: Arc::clone(&self.topology),
            facts: Arc::clone(facts),
            release: Arc::new(self.next(facts, application, run.clone())),
            ingress_image: if recipe.restores() { None } else { Some(self.ingress.clone()) },
            run,
        };
        let evaluated = recipe::evaluate(&recipe, inputs, &BTreeMap::new(), self.hosts.clone()).await?;
        Ok(Plan {
            schema: Plan::SCHEMA,
            project: self.topology.project.clone(),
            environment: self.topology.environment.clone(),
            recipe: recipe.name,
            args: evaluated.args,
            reads: evaluated.reads,
            fingerprints: fingerprint(facts),
            release: evaluated.release,
            changes: evaluated.changes,
            root: evaluated.root,
            script: evaluated.script,
        })
    }

    /// The release that a run would make: its number is above every record's.
    fn next(&self, facts: &Facts, application: Application, run: RunId) -> Release {
        let records = facts.hosts.iter().flat_map(|host| &host.state.releases);
        let last = records.map(|release| release.id.number).max().unwrap_or(0);
        Release {
            schema: Release::SCHEMA,
            id: ReleaseId { number: last + 1, commit: None, dirty: false },
            predecessor: facts.host(&self.topology.home).and_then(|host| host.state.current),
            run,
            created: "2026-01-01T00:00:00Z".into(),
            author: "ann@desk".into(),
            without: vec![],
            application,
        }
    }

    /// Runs the plan to its end, with the journal in `directory`.
    pub async fn execute(&self, plan: &Plan, directory: &Path, run: u32, decode: Decode) -> Ended {
        let directory = RunDirectory::create(directory, &run_id(run), plan).unwrap();
        engine::execute(self.execution(plan, run, directory.journal().unwrap(), decode)).await
    }

    pub fn execution(&self, plan: &Plan, run: u32, journal: Journal, decode: Decode) -> Execution {
        let (events, _receiver) = engine::channel();
        Execution {
            plan: Arc::new(plan.clone()),
            run: run_id(run),
            hosts: self.hosts.clone(),
            source: Some(Arc::new(Source::new(Arc::clone(&self.operator)))),
            release: plan.release.clone().map(Arc::new),
            values: Arc::new(values()),
            identity: Arc::new(self.identity.clone()),
            lock: None,
            journal,
            desk: None,
            decider: None,
            mirror: None,
            assume: None,
            limit: engine::HOSTS_AT_ONCE,
            timing: Timing::default(),
            cancel: CancellationToken::new(),
            events,
            decode,
        }
    }
}

fn run_id(number: u32) -> RunId {
    RunId::new(format!("run-{number}")).unwrap()
}
