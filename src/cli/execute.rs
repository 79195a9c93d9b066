//! From an order to its end: build, lock, plan, ask, run. What `deploy`, `rollback` and `run` share.

use std::sync::Arc;

use stdlib::{
    failure::Failure,
    host::{Ahead, Host},
    image::{Rebuild, Source},
    model::{RunId, Transfer},
};

use super::{
    CliError, Exit, Global,
    confirm::confirm,
    deploy::How,
    images::{self, Images},
    lock,
    perform::{Performance, finish, perform},
    preflight,
    prepare::{self, Ready, Request},
    reporting::Reporting,
    saved,
    session::Session,
};
use crate::{config::Project, mirror::Audit};

/// Whether the person has to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    Given,
    Ask,
}

/// What is to be done.
#[derive(Debug)]
pub struct Order {
    /// The command, recipe or pipeline, as the lock's note shows it.
    pub what: String,
    pub request: Request,
    pub rebuild: Rebuild,
    pub how: How,
}

pub async fn run(project: Project, order: Order, global: &Global) -> Result<Exit, CliError> {
    let (session, operator) = connect(project.leave_out(&order.how.without)?).await?;
    let done = carry_out(&session, operator, &order, Reporting::start(global)).await;
    session.close().await;
    done
}

/// The hosts and the operator's own engine, at once.
pub async fn connect(project: Project) -> Result<(Session, Arc<dyn Host>), CliError> {
    tokio::try_join!(Session::connect(project), images::operator())
}

async fn carry_out(
    session: &Session,
    operator: Arc<dyn Host>,
    order: &Order,
    mut reporting: Reporting,
) -> Result<Exit, CliError> {
    let Order { what, request, rebuild, how } = order;
    let run = prepare::new_run();
    // Building needs no lock and may take long; that another run has it, or that a host has no room, is said before.
    let ((), (), images) = tokio::try_join!(
        preflight::check(session, &request.recipe),
        lock::look(session, &run, what, how.wait),
        prepare::images(session, &operator, request, *rebuild, reporting.events(), || expect_images(session)),
    )?;
    let source = Arc::new(Source::new(operator));
    if let (Images::Built(built), Transfer::Direct) = (&images, &session.project.topology.transfer) {
        built.made.iter().for_each(|image| source.export_ahead(image));
    }
    let read = async || plan(session, &images, request, &run).await;
    let (guard, (ready, audit)) = match how.consent() {
        Consent::Given => lock::take_and_read(session, &run, what, how.wait, read).await?,
        Consent::Ask => {
            // No lock is held while a person thinks.
            let shown = prepare::plan(session, &images, request, &run).await?;
            reporting.plan(&shown.plan, &shown.log).await;
            if shown.plan.is_empty() {
                return Ok(finish(session, &shown.plan, run, None, reporting).await);
            }
            if !confirm("Do it?", what)? {
                return Ok(Exit::Cancelled);
            }
            let same = async || {
                let (ready, audit) = read().await?;
                Ok((same(&shown, ready)?, audit))
            };
            lock::take_and_read(session, &run, what, how.wait, same).await?
        }
    };
    if how.consent() == Consent::Given {
        reporting.plan(&ready.plan, &ready.log).await;
    }
    let (limit, approval) = (how.limit, how.approval());
    let performance =
        Performance { what: what.clone(), ready, audit, run, source, guard, limit, assume: None, approval };
    perform(session, performance, reporting).await
}

/// What is built now will be sent to hosts and run there: the time of the build serves to open what that takes.
fn expect_images(session: &Session) {
    session.open_ahead(Ahead::Locks);
    if session.project.topology.transfer == Transfer::Direct {
        session.open_ahead(Ahead::Images);
    }
}

/// The plan, and the audit that the run would be written into: under the lock.
async fn plan(session: &Session, images: &Images, request: &Request, run: &RunId) -> Result<(Ready, Audit), CliError> {
    tokio::try_join!(prepare::plan(session, images, request, run), session.audit())
}

/// The plan that was shown, if the hosts are still as it found them.
fn same(shown: &Ready, now: Ready) -> Result<Ready, CliError> {
    let differs = now.plan.fingerprints.iter().find(|(host, print)| shown.plan.fingerprints.get(host) != Some(print));
    let again = "look at the plan again, and decide anew";
    match differs {
        None if now.plan.reads != shown.plan.reads => {
            let questions = saved::differing(&shown.plan.reads, &now.plan.reads);
            Err(Failure::new(format!("since the plan was shown another answer has come: {questions}"))
                .hint(again)
                .into())
        }
        None if now.plan.changes != shown.plan.changes => {
            Err(Failure::new("the plan is another one than was shown").hint(again).into())
        }
        None => Ok(now),
        Some((host, _)) => {
            Err(Failure::new(format!("{host} has changed since the plan was shown")).on(host).hint(again).into())
        }
    }
}
