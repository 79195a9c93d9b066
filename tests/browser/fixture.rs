//! A run of the engine on hosts in memory: a second release whose worker dies on one host, with a log that would like to be a
//! page.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::Value;
use stagecraft::{
    engine::{self, Decode, Outcome, RunDirectory},
    report::{Standing, Timeline, render_html},
};
use stdlib::{
    failure::Failure,
    model::{Application, RunId},
    operation::{AnyOperation, Context, Probe, Result},
    plan::Plan,
};

use crate::shop::Shop;

/// What a hostile container has logged.
pub const LOG: &str = "panic: <script>document.title = 'taken over'; window.taken = 1</script>\n\
    <img src=x onerror=\"document.title='taken over'\"></pre></details></main><h1>taken over</h1>\n\
    \u{1b}[31mred\u{1b}[0m {{ version }} &lt;b&gt; '\"";

/// The page of the failed run.
pub async fn page() -> String {
    let shop = Shop::new(3, 5).await;
    let directory = tempfile::tempdir().expect("a directory");
    let first = plan(&shop, without_job(shop.application(1).await), 1).await;
    let ended = shop.execute(&first, directory.path(), 1, engine::library()).await;
    assert_eq!(ended.outcome, Outcome::Done, "{:?}", ended.failures);
    let second = plan(&shop, changed(without_job(shop.application(2).await)), 2).await;
    let ended = shop.execute(&second, directory.path(), 2, dying_worker()).await;
    assert_eq!(ended.outcome, Outcome::PutBack, "{:?}", ended.failures);
    render(&second, directory.path(), &first)
}

fn render(plan: &Plan, state: &Path, before: &Plan) -> String {
    let run = RunId::new("run-2").expect("a name");
    let history = RunDirectory::open(state, &run).expect("the run").history().expect("its journal");
    let timeline = Timeline::new(run, Some("ann@desk".into()), plan, &history, Standing::NotEnded);
    render_html(&timeline, plan, before.release.as_ref())
}

async fn plan(shop: &Shop, application: Application, run: u32) -> Plan {
    shop.plan("deploy", &Arc::new(shop.facts().await), application, run).await
}

fn without_job(mut application: Application) -> Application {
    application.services.retain(|service| service.job.is_none());
    application
}

fn changed(mut application: Application) -> Application {
    let web = application.services.iter_mut().find(|service| service.name.as_str() == "web").expect("web");
    web.replicas = 3;
    web.definition.user = Some("app".into());
    web.environment.clear();
    application
}

fn dying_worker() -> Decode {
    Arc::new(|planned| {
        let host = planned.host.as_ref().map(ToString::to_string);
        if planned.title.contains("worker-r2")
            && planned.title.contains("healthy")
            && host.as_deref() == Some("web-002")
        {
            return Ok(Box::new(Dies));
        }
        let took = Duration::from_millis(10 + 7 * (planned.title.len() as u64 % 8));
        Ok(Box::new(Slow { operation: stdlib::operation::decode(planned)?, took }))
    })
}

/// An operation that takes a while, so that the timeline has something to show.
#[derive(Debug)]
struct Slow {
    operation: Box<dyn AnyOperation>,
    took: Duration,
}

#[async_trait]
impl AnyOperation for Slow {
    async fn run(&self, cx: &Context) -> Result<Value> {
        tokio::time::sleep(self.took).await;
        self.operation.run(cx).await
    }
    async fn undo(&self, cx: &Context, output: Option<&Value>) -> Result<()> {
        tokio::time::sleep(self.took).await;
        self.operation.undo(cx, output).await
    }
    async fn probe(&self, cx: &Context) -> Result<Probe> {
        self.operation.probe(cx).await
    }
}

#[derive(Debug)]
struct Dies;

#[async_trait]
impl AnyOperation for Dies {
    async fn run(&self, cx: &Context) -> Result<Value> {
        let name = cx.host()?.name().clone();
        let detail = format!("{LOG}\n{}", "unbroken-".repeat(60));
        let failure = Failure::new("shop-worker-r2-1 on web-002 exited with code 1, 0.4 s after it was started");
        Err(failure.on(&name).detail(detail).hint("see all of it: `stagecraft logs worker --host web-002`"))
    }
    async fn undo(&self, _: &Context, _: Option<&Value>) -> Result<()> {
        Ok(())
    }
    async fn probe(&self, _: &Context) -> Result<Probe> {
        Ok(Probe::NotDone)
    }
}
