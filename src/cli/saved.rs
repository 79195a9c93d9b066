//! `stagecraft deploy --plan FILE`: runs a plan that was saved.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use stdlib::{
    facts::{Facts, fingerprint},
    failure::Failure,
    host::Hosts,
    image::Source,
    model::{Application, Identity, Route, Tls, Values},
    plan::{Plan, Question, Read},
};

use super::{
    CliError, Exit, Global,
    confirm::confirm,
    deploy::How,
    execute::{Consent, connect},
    identity, lock,
    perform::{Performance, perform},
    prepare::{self, Ready},
    project,
    reporting::Reporting,
    session::Session,
};
use crate::{config::Project, engine, recipe};

pub async fn run(file: &Path, how: &How, global: &Global) -> Result<Exit, CliError> {
    let path = global.directory.join(file);
    let text = fs::read(&path).with_context(|| format!("the plan {} cannot be read", path.display()))?;
    let plan = engine::parse_plan(&text, &path).map_err(anyhow::Error::from)?;
    let project = project::load(global).await?;
    belongs(&plan, &project)?;
    let mut reporting = Reporting::start(global);
    reporting.plan(&plan, &[]).await;
    if how.consent() == Consent::Ask && !confirm("Do it?", "deploy")? {
        return Ok(Exit::Cancelled);
    }
    let (session, operator) = connect(project.leave_out(&how.without)?).await?;
    let done = async {
        let run = prepare::new_run();
        let read = async || tokio::try_join!(restore(&session, plan.clone()), session.audit());
        let (guard, (ready, audit)) = lock::take_and_read(&session, &run, "deploy", how.wait, read).await?;
        let performance = Performance {
            what: "deploy --plan".to_owned(),
            ready,
            audit,
            run,
            source: Arc::new(Source::new(operator)),
            guard,
            limit: how.limit,
            assume: None,
            approval: how.approval(),
        };
        perform(&session, performance, reporting).await
    };
    let done = done.await;
    session.close().await;
    done
}

pub fn belongs(plan: &Plan, project: &Project) -> Result<(), CliError> {
    let topology = &project.topology;
    if (&plan.project, &plan.environment) == (&topology.project, &topology.environment) {
        return Ok(());
    }
    Err(CliError::usage(
        format!(
            "the plan is for {} {}, and this is {} {}",
            plan.project, plan.environment, topology.project, topology.environment
        ),
        format!("choose its environment: `--env {}`", plan.environment),
    ))
}

/// What the plan needs when it runs, if hosts and files are still as it found them.
async fn restore(session: &Session, plan: Plan) -> Result<Ready, CliError> {
    let facts = session.facts().await?;
    let now = fingerprint(&facts);
    let again = format!("make a new plan: `stagecraft plan {} --out FILE`", plan.recipe);
    if let Some((host, _)) = now.iter().find(|(host, print)| plan.fingerprints.get(host) != Some(print)) {
        let failure = Failure::new(format!("the plan is out of date: {host} has changed since it was made"));
        return Err(failure.on(host).hint(again).into());
    }
    if let Some(host) = plan.fingerprints.keys().find(|host| !now.contains_key(host)) {
        return Err(Failure::new(format!("the plan is out of date: it has host {host}, which is not there"))
            .hint(again)
            .into());
    }
    let reads = ask_again(&plan.reads, &session.hosts).await?;
    if reads != plan.reads {
        let questions = differing(&plan.reads, &reads);
        let failure =
            Failure::new(format!("the plan is out of date: another answer has come since it was made: {questions}"));
        return Err(failure.hint(again).into());
    }
    let identity = identity::of(&session.project, &facts)?;
    let values = values(&session.project, &plan, &identity, &facts).map_err(|moved| {
        Failure::new(format!("the plan is out of date: {moved} has changed since it was made")).hint(again)
    })?;
    Ok(Ready { plan, values, identity, log: Vec::new() })
}

/// What the recipe asked, with today's answers. All are asked at once.
async fn ask_again(reads: &[Read], hosts: &Hosts) -> Result<Vec<Read>, Failure> {
    let asked = reads.iter().map(|Read { question, .. }| async move {
        let answer = recipe::ask(question, hosts).await.map_err(|failure| {
            let message = format!("what the plan was made from cannot be asked again: {}", failure.message);
            let hint = failure.hint.or_else(|| Some("see that it answers, and try again".to_owned()));
            Failure { message, hint, ..failure }
        })?;
        Ok(Read { question: question.clone(), answer })
    });
    try_join_all(asked).await
}

/// The questions that have another answer, or stand on one side only: each once, for people.
pub fn differing(before: &[Read], now: &[Read]) -> String {
    let gone = before.iter().filter(|read| !now.contains(read));
    let new = now.iter().filter(|read| !before.contains(read));
    let questions: BTreeSet<&Question> = gone.chain(new).map(|read| &read.question).collect();
    questions.into_iter().map(|question| format!("`{question}`")).collect::<Vec<_>>().join(", ")
}

/// The values that the plan was made with: today's, or those of a kept release. The error names what has moved.
pub fn values(project: &Project, plan: &Plan, identity: &Identity, facts: &Facts) -> Result<Values, String> {
    let Some(release) = &plan.release else { return Ok(project.values().clone()) };
    let today = project.values();
    let Some(moved) = moved(&release.application, today, identity) else { return Ok(today.clone()) };
    let kept = facts.hosts.iter().flat_map(|host| host.state.values.values());
    let mut fitting = kept.filter(|values| self::moved(&release.application, values, identity).is_none());
    fitting.next().cloned().ok_or(moved)
}

/// The first value that does not have the hash that the application has for it.
fn moved(application: &Application, values: &Values, identity: &Identity) -> Option<String> {
    application.services.iter().find_map(|service| {
        if let Some(Route { host, tls: Tls::Own { pem }, .. }) = &service.route
            && values.files.get(&format!("tls/{host}")).map(|now| identity.key.hash(now.expose())).as_ref() != Some(pem)
        {
            return Some(format!("the certificate of {host}"));
        }
        let now: std::collections::BTreeMap<_, _> = values
            .service(&service.name)
            .map(|(name, value)| (name.to_owned(), identity.key.hash(value.expose())))
            .collect();
        let names = service.environment.keys().chain(now.keys());
        let name = names.into_iter().find(|name| service.environment.get(*name) != now.get(*name))?;
        Some(format!("{name} of service {}", service.name))
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;
    use stdlib::{
        host::{CommandOutput, Hosts, fake::FakeHost},
        plan::{Question, Read},
    };

    use super::{ask_again, differing};

    fn read(question: &str, answer: &str) -> Read {
        Read { question: Question::try_from(question.to_owned()).unwrap(), answer: json!(answer) }
    }

    // spec: plan.saved
    #[tokio::test]
    async fn answers_are_asked_again_and_those_that_differ_are_named() {
        let host = FakeHost::new("web-1");
        host.on_shell(|command, _| {
            let (code, stdout) = if command == "false" { (1, "") } else { (0, "7\n") };
            CommandOutput { code: Some(code), stdout: Bytes::from_static(stdout.as_bytes()), stderr: Bytes::new() }
        });
        let hosts = Hosts::new(vec![host.host()]);
        let before = [read("web-1: cat version", "7"), read("web-1: cat count", "6"), read("web-1: cat count", "6")];
        let now = ask_again(&before, &hosts).await.unwrap();
        assert_eq!(now[0], before[0]);
        assert_eq!(differing(&before, &now), "`web-1: cat count`");
        let failure = ask_again(&[read("web-1: false", "")], &hosts).await.unwrap_err();
        assert_eq!(
            failure.message,
            "what the plan was made from cannot be asked again: host web-1: `false` ended with 1"
        );
        assert_eq!(failure.hint.as_deref(), Some("see that it answers, and try again"));
    }
}
