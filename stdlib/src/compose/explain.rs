//! Why a container is not as it should be.

use std::{future::ready, sync::Arc, time::Duration};

use bollard::models::{ContainerInspectResponse, ContainerState, HealthcheckResult};
use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::time::{sleep, timeout};

use crate::{
    failure::Failure,
    host::{Host, HostError, LogQuery},
    model::{HostName, Span, Values},
};

/// How many lines of a log show the cause.
const LOG_LINES: u32 = 10;
/// How much of one line, in characters, is shown of a log or of a probe.
const LINE_LENGTH: usize = 400;
/// How long reading the log may take: a cause without a log is better than none.
const LOG_DEADLINE: Duration = Duration::from_secs(5);
/// How often and how long a container that is started again and again is looked at, to see it between two starts.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS: u32 = 20;

/// Exit codes of signals are these and the signal's number.
const SIGNAL: i64 = 128;
const SIGKILL: i64 = 9;
const SIGSEGV: i64 = 11;
/// What a shell and the engine say when a program cannot be run, and when it is not there.
const CANNOT_RUN: i64 = 126;
const NOT_FOUND: i64 = 127;

/// Why a container ended: exit code, out of memory or not, last probe, last lines of its log, scrubbed.
pub async fn explain_exit(host: &Arc<dyn Host>, container: &str, values: &Values) -> Failure {
    match look(host, container).await {
        Ok(Some(evidence)) => evidence.exit(host.name(), container, values),
        Ok(None) => gone(host.name(), container),
        Err(error) => error.into(),
    }
}

/// Why a container that runs did not become ready within `timeout`.
pub async fn explain_unready(host: &Arc<dyn Host>, container: &str, values: &Values, timeout: Span) -> Failure {
    match look(host, container).await {
        Ok(Some(evidence)) => evidence.unready(host.name(), container, values, timeout),
        Ok(None) => gone(host.name(), container),
        Err(error) => error.into(),
    }
}

fn gone(host: &HostName, container: &str) -> Failure {
    Failure::new(format!("{container} on {host} is not there any more: something else has removed it"))
        .on(host)
        .hint("see who else changes containers on this host, and deploy again")
}

/// What a host says of a container.
#[derive(Debug, Default)]
struct Evidence {
    state: ContainerState,
    restarts: i64,
    /// In bytes; 0 where there is none.
    memory_limit: i64,
    log: Vec<String>,
}

async fn look(host: &Arc<dyn Host>, container: &str) -> Result<Option<Evidence>, HostError> {
    let (found, log) = tokio::join!(between_starts(host, container), last_lines(host, container));
    Ok(found?.map(|found| Evidence::new(found, log)))
}

/// The container as it is; one that its restart policy starts again and again, when it has just ended: while it runs, the
/// engine does not know how it ended before.
async fn between_starts(host: &Arc<dyn Host>, container: &str) -> Result<Option<ContainerInspectResponse>, HostError> {
    let looping = |found: &ContainerInspectResponse| {
        let runs = found.state.as_ref().is_some_and(runs_again);
        runs && found.restart_count.unwrap_or(0) > 0
    };
    let mut found = host.container(container).await?;
    for _ in 0..LOOKS {
        if !found.as_ref().is_some_and(looping) {
            break;
        }
        sleep(LOOK_EVERY).await;
        found = host.container(container).await?;
    }
    Ok(found)
}

fn runs_again(state: &ContainerState) -> bool {
    state.running == Some(true) && state.restarting != Some(true)
}

/// The end of the log; empty when it cannot be read, since some logging drivers keep none.
async fn last_lines(host: &Arc<dyn Host>, container: &str) -> Vec<String> {
    let query = LogQuery { tail: Some(LOG_LINES), ..LogQuery::default() };
    let read = async {
        let lines = host.logs(container, query).await.ok()?;
        Some(lines.filter_map(|line| ready(line.ok().map(|line| line.text))).collect::<Vec<_>>().await)
    };
    timeout(LOG_DEADLINE, read).await.ok().flatten().unwrap_or_default()
}

impl Evidence {
    fn new(found: ContainerInspectResponse, log: Vec<String>) -> Self {
        Self {
            state: found.state.unwrap_or_default(),
            restarts: found.restart_count.unwrap_or(0),
            memory_limit: found.host_config.and_then(|config| config.memory).unwrap_or(0),
            log,
        }
    }

    fn exit(&self, host: &HostName, container: &str, values: &Values) -> Failure {
        let failure = Failure::new(format!("{container} on {host} {}", values.scrub(&self.end()))).on(host);
        self.with_detail(failure, values).hint(self.exit_hint(host, container))
    }

    fn end(&self) -> String {
        let code = self.state.exit_code.unwrap_or(0);
        let after = self.lifetime().map(|seconds| format!(", {seconds} s after it started")).unwrap_or_default();
        let cause = if let Some(error) = self.not_started() {
            return format!("could not be started: {error}");
        } else if self.state.oom_killed == Some(true) {
            match self.memory_limit {
                0 => "was killed because the host ran out of memory".to_owned(),
                limit => format!("was killed because it needed more memory than its limit of {} MiB", limit >> 20),
            }
        } else if runs_again(&self.state) {
            return format!("has ended and been started again by its restart policy, {} times so far", self.restarts);
        } else if code > SIGNAL {
            format!("ended by signal {} (exit code {code}, not out of memory)", code - SIGNAL)
        } else {
            format!("ended with exit code {code} (not out of memory)")
        };
        let restarts = if self.restarts > 0 { format!(", after {} restarts", self.restarts) } else { String::new() };
        format!("{cause}{after}{restarts}")
    }

    /// The engine's words, when it could not start the program at all.
    fn not_started(&self) -> Option<&str> {
        self.state.error.as_deref().filter(|error| !error.is_empty())
    }

    /// Seconds with one decimal between the last start and the end.
    fn lifetime(&self) -> Option<String> {
        let at = |text: &Option<String>| text.as_deref()?.parse::<Timestamp>().ok();
        let lived = at(&self.state.finished_at)?.duration_since(at(&self.state.started_at)?);
        (!lived.is_negative()).then(|| format!("{:.1}", lived.as_secs_f64()))
    }

    fn exit_hint(&self, host: &HostName, container: &str) -> String {
        match self.state.exit_code.unwrap_or(0) {
            _ if self.state.oom_killed == Some(true) => {
                "raise its memory limit in the Compose file, or give it less to hold".to_owned()
            }
            code if self.not_started().is_some() && code != NOT_FOUND && code != CANNOT_RUN => {
                "the engine's own words say what it lacks; change that in the Compose file or on the host".to_owned()
            }
            CANNOT_RUN | NOT_FOUND => {
                "see whether the image has the program that `command` and `entrypoint` name, for this architecture"
                    .to_owned()
            }
            0 if !runs_again(&self.state) => {
                "a service must go on running; if it is meant to end, make it a job in stagecraft.yml: `job: before`"
                    .to_owned()
            }
            code if code == SIGNAL + SIGKILL => {
                format!("see what killed it: `stagecraft ssh {host}`, then `dmesg | tail`")
            }
            code if code == SIGNAL + SIGSEGV => {
                "the program crashed; see whether the image fits the host's architecture".to_owned()
            }
            _ if self.log.is_empty() => {
                format!("it has logged nothing; try `docker inspect {container}` on {host}")
            }
            _ => "the last lines of its log say why; deploy again when that is mended".to_owned(),
        }
    }

    fn unready(&self, host: &HostName, container: &str, values: &Values, timeout: Span) -> Failure {
        let why = match self.last_probe() {
            Some(probe) if probe.exit_code == Some(0) => "its last probe passed, too few of them did".to_owned(),
            Some(probe) => format!("its last probe failed with exit code {}", probe.exit_code.unwrap_or(-1)),
            None if self.state.health.is_some() => "its health check has not been asked yet".to_owned(),
            None => "it has no health check that could say so".to_owned(),
        };
        let hint = match self.last_probe() {
            Some(_) => {
                "see whether the health check asks the right port and path; raise `rollout.timeout` if it needs longer"
            }
            None if self.state.health.is_some() => {
                "lower the health check's `interval` or `start_period`, or raise `rollout.timeout` in stagecraft.yml"
            }
            None => "give the service a `healthcheck` in the Compose file, or a `health.path` in stagecraft.yml",
        };
        let failure =
            Failure::new(format!("{container} on {host} did not become ready within {timeout}: {why}")).on(host);
        self.with_detail(failure, values).hint(hint)
    }

    fn last_probe(&self) -> Option<&HealthcheckResult> {
        self.state.health.as_ref()?.log.as_ref()?.last()
    }

    /// The last probe's output and the end of the log.
    fn with_detail(&self, failure: Failure, values: &Values) -> Failure {
        let mut lines = Vec::new();
        if let Some(probe) = self.last_probe() {
            let output = probe.output.as_deref().unwrap_or_default().trim();
            let said = if output.is_empty() { "without output" } else { output };
            lines.push(format!("last probe (exit code {}): {said}", probe.exit_code.unwrap_or(-1)));
        }
        lines.extend(self.log.iter().cloned());
        if lines.is_empty() {
            return failure;
        }
        // Scrubbed before it is cut: half a secret would not be recognised.
        let shown: Vec<String> = values.scrub(&lines.join("\n")).lines().map(cut).collect();
        failure.detail(shown.join("\n"))
    }
}

fn cut(line: &str) -> String {
    let mut cut: String = line.chars().take(LINE_LENGTH).collect();
    if cut.len() < line.len() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerState, Health, HealthcheckResult};

    use super::Evidence;
    use crate::model::{HostName, SecretValue, ServiceName, Span, Values};

    fn host() -> HostName {
        HostName::new("web-1").unwrap()
    }

    fn values() -> Values {
        let mut values = Values::default();
        let web = ServiceName::new("web").unwrap();
        values.environment.entry(web).or_default().insert("PASSWORD".into(), SecretValue::new("s3cret"));
        values
    }

    fn ended(code: i64) -> ContainerState {
        ContainerState {
            exit_code: Some(code),
            running: Some(false),
            started_at: Some("2026-11-24T15:00:00.1Z".into()),
            finished_at: Some("2026-11-24T15:00:00.5Z".into()),
            ..ContainerState::default()
        }
    }

    #[test]
    fn an_exit_says_code_time_and_log_without_secrets() {
        let log = vec!["connecting with s3cret".into(), "refused".into()];
        let evidence = Evidence { state: ended(1), log, ..Evidence::default() };
        let failure = evidence.exit(&host(), "shop-web-r2-1", &values());
        assert_eq!(
            failure.message,
            "shop-web-r2-1 on web-1 ended with exit code 1 (not out of memory), 0.4 s after it started"
        );
        assert_eq!(failure.detail.as_deref(), Some("connecting with …\nrefused"));
        assert_eq!(
            failure.hint.as_deref(),
            Some("the last lines of its log say why; deploy again when that is mended")
        );
    }

    #[test]
    fn out_of_memory_names_the_limit() {
        let state = ContainerState { oom_killed: Some(true), ..ended(137) };
        let evidence = Evidence { state, memory_limit: 64 << 20, ..Evidence::default() };
        let failure = evidence.exit(&host(), "shop-web-r2-1", &values());
        assert_eq!(
            failure.message,
            "shop-web-r2-1 on web-1 was killed because it needed more memory than its limit of 64 MiB, 0.4 s after it started"
        );
    }

    #[test]
    fn a_service_that_ends_well_is_told_to_be_a_job() {
        let failure = Evidence { state: ended(0), ..Evidence::default() }.exit(&host(), "shop-web-r2-1", &values());
        assert!(failure.hint.unwrap().contains("job: before"));
    }

    #[test]
    fn a_container_that_is_not_ready_shows_its_last_probe() {
        let probe = HealthcheckResult {
            exit_code: Some(1),
            output: Some("503 with s3cret\n".into()),
            ..HealthcheckResult::default()
        };
        let health = Health { log: Some(vec![probe]), ..Health::default() };
        let state = ContainerState { running: Some(true), health: Some(health), ..ContainerState::default() };
        let evidence = Evidence { state, ..Evidence::default() };
        let failure = evidence.unready(&host(), "shop-web-r2-1", &values(), Span::secs(60));
        assert_eq!(
            failure.message,
            "shop-web-r2-1 on web-1 did not become ready within 1m: its last probe failed with exit code 1"
        );
        assert_eq!(failure.detail.as_deref(), Some("last probe (exit code 1): 503 with …"));
    }
}
