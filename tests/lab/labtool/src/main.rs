//! One static program for the lab: every service of the test applications, the load client, and the slow wire.

mod delay;
mod http;
mod load;
mod serve;
mod settings;
mod store;
mod worker;

use std::{future::Future, process::ExitCode};

use anyhow::{Result, bail};

const USAGE: &str = "\
labtool VERB

What containers run, set by the environment:
  serve                     an HTTP server: / /slow /up /healthz; a POST is echoed
                            PORT 8080 · VERSION dev · SLOW_START_MS (503 from /up until then; STRICT=1: not even listening)
                            LATENCY_MS · UNHEALTHY=1 · UNHEALTHY_ON=HOST,… · EXIT_AFTER_MS with EXIT_CODE
                            DRAIN_MS (on SIGTERM: unhealthy, but serving) · IDLE_CLOSE_MS (keep-alive ends after that)
  worker                    a line with VERSION each second
  store                     a database's stand-in on PORT 5432: `append TEXT` and `count` on $DATA_DIR/data.log
  job                       a migration's stand-in: appends `migrated $VERSION` at STORE_ADDR; FAIL=1: exits 3
  healthcheck               exit 0 when the server in this container is healthy
  tcpcheck ADDRESS:PORT     exit 0 when something listens there

On the operator's machine:
  load --to ADDRESS:PORT=RATE,… [--host NAME] [--until-file FILE] [--for SECONDS] [--json FILE] [--trace FILE] [--held N]
                            constant load; exit 1 when a request failed. The report and the trace are described in the
                            lab's README
  delay --rtt MS [--loss PERCENT] [--queue N] [--for SECONDS]
                            holds the packets of an NFQUEUE: a stand-in for netem
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().unwrap_or_default();
    match run(&verb, &arguments.collect::<Vec<_>>()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("labtool {verb}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: &str, arguments: &[String]) -> Result<ExitCode> {
    match verb {
        "serve" => block_on(serve::serve()),
        "worker" => block_on(worker::work()),
        "store" => block_on(store::serve()),
        "job" => block_on(store::migrate()),
        "healthcheck" => block_on(serve::check()),
        "tcpcheck" => block_on(store::reach(arguments)),
        "load" => block_on(load::run(arguments)),
        "delay" => delay::run(arguments),
        "" | "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("no such verb\n{USAGE}"),
    }
}

/// One thread is enough for all of it, and leaves the machine to what is measured.
fn block_on(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let code = runtime.block_on(local.run_until(work));
    runtime.shutdown_background();
    code
}
