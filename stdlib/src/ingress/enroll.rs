//! Sees new containers ready over the ingress's own path, before they take a request.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::select_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::{
    runtime::{self, Row, Runtime, SERVERS},
    seats::Seat,
};
use crate::{
    compose,
    failure::Failure,
    host::Host,
    model::Span,
    operation::{Context, Operation, Probe, Result},
    plan::Effect,
};

/// From one look at the checks to the next, for as long as [`SOON`].
const POLL: Duration = Duration::from_millis(100);
/// Most containers are ready by then.
const SOON: Duration = Duration::from_secs(5);
/// From one look at the checks to the next after that.
const LATER_POLL: Duration = Duration::from_millis(300);

/// Adds servers without traffic, and waits until HAProxy's checks have passed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enroll {
    pub seats: Vec<Seat>,
    /// The longest it may take until all are ready.
    pub timeout: Span,
}

/// Whether the runtime has this server.
pub(super) fn find<'a>(rows: &'a [Row], seat: &Seat) -> Option<&'a Row> {
    rows.iter().find(|row| row.backend == seat.backend && row.name == seat.server.name)
}

/// Adds those seats that are missing, and returns all rows as they were before.
async fn add_missing(runtime: &mut Runtime<'_>, seats: &[Seat]) -> Result<Vec<Row>> {
    let rows = runtime::rows(&runtime.command(&[SERVERS.to_owned()]).await?);
    add_to(runtime, seats, &rows).await?;
    Ok(rows)
}

/// Adds those seats that these rows lack.
async fn add_to(runtime: &mut Runtime<'_>, seats: &[Seat], rows: &[Row]) -> Result<()> {
    let mut commands: Vec<String> = Vec::new();
    for seat in seats {
        match find(rows, seat) {
            None => commands.extend(seat.add()),
            // A container of a fixed name has been made anew, at another address.
            Some(row) if row.address != seat.server.address.to_string() => commands.push(seat.move_there()),
            Some(_) => {}
        }
    }
    if commands.is_empty() {
        return Ok(());
    }
    let answer = runtime.command(&commands).await?;
    if answer.contains("No such backend") {
        let name = runtime.host().name();
        let mut failure = Failure::new(format!("the ingress of {name} lacks a backend that it should have"));
        failure.detail = Some(answer);
        return Err(failure.on(name).hint("deploy again: what differs is made good"));
    }
    Ok(())
}

/// Sees to it that all seats are up, where these rows do not show them so; `None` when `timeout` has passed before.
pub(super) async fn see_up(
    runtime: &mut Runtime<'_>,
    seats: &[Seat],
    rows: &[Row],
    timeout: Span,
) -> Result<Option<()>> {
    add_to(runtime, seats, rows).await?;
    if seats.iter().all(|seat| find(rows, seat).is_some_and(|row| row.up)) {
        return Ok(Some(()));
    }
    all_up(runtime, seats, timeout).await
}

/// Waits until all seats are up; `None` when `timeout` has passed before.
async fn all_up(runtime: &mut Runtime<'_>, seats: &[Seat], timeout: Span) -> Result<Option<()>> {
    let began = Instant::now();
    loop {
        let asked = Instant::now();
        // Another project's reload may lose those that are only enrolled, at any time.
        let rows = add_missing(runtime, seats).await?;
        if seats.iter().all(|seat| find(&rows, seat).is_some_and(|row| row.up)) {
            return Ok(Some(()));
        }
        if began.elapsed() >= timeout.duration() {
            return Ok(None);
        }
        if began.elapsed() < SOON {
            sleep_until(asked + POLL).await;
        } else {
            runtime.pause();
            sleep_until(asked + LATER_POLL).await;
        }
    }
}

/// Takes servers out, waits until nothing is in flight on them, at most `drain`, and returns the rows as they are then.
pub(super) async fn remove(runtime: &mut Runtime<'_>, seats: &[Seat], drain: Span) -> Result<Vec<Row>> {
    let removal = || seats.iter().map(Seat::remove).chain([SERVERS.to_owned()]);
    // A server with nothing in flight goes at once; HAProxy refuses to remove any other.
    let commands: Vec<String> = seats.iter().map(Seat::dismiss).chain(removal()).collect();
    let (answer, old_workers) = runtime.command_and_old_workers(&commands).await?;
    let rows = runtime::rows(&answer);
    let left: Vec<&Seat> = seats.iter().filter(|seat| find(&rows, seat).is_some()).collect();
    if left.is_empty() && old_workers.is_empty() {
        return Ok(rows);
    }
    runtime.pause();
    let host = runtime.host();
    let current = async {
        if left.is_empty() {
            return Ok(String::new());
        }
        let milliseconds = drain.as_millis();
        let commands: Vec<String> = left.iter().flat_map(|seat| [seat.wait(milliseconds), seat.remove()]).collect();
        // Each is waited for in turn, and all drain at once.
        runtime::wait(host, &commands, Span::millis(milliseconds.saturating_mul(left.len() as u64))).await
    };
    let old = async {
        for seat in seats {
            runtime::drained_in(host, &old_workers, &seat.backend, &[seat.name()], drain).await?;
        }
        Ok(())
    };
    tokio::try_join!(current, old)?;
    // Where an old worker has answered the wait, the current one still has them.
    let commands: Vec<String> = removal().collect();
    Ok(runtime::rows(&runtime.command(&commands).await?))
}

impl Enroll {
    /// Resolves when one of the containers ends, which none of them should.
    async fn ended(&self, cx: &Context, host: &Arc<dyn Host>) -> Result<()> {
        let waits = self.seats.iter().map(|seat| {
            Box::pin(async move {
                host.wait_container(seat.name()).await?;
                Ok::<_, Failure>(seat)
            })
        });
        let (ended, ..) = select_all(waits).await;
        let seat = ended?;
        let failure = compose::explain_exit(host, seat.name(), &cx.values).await;
        let answer = runtime::ask(host.as_ref(), &[format!("show stat {}", seat.backend)]).await?.unwrap_or_default();
        Err(with_last_check(failure, &answer, seat))
    }

    async fn unready(&self, cx: &Context, host: &Arc<dyn Host>) -> Result<()> {
        let status: Vec<String> = self.seats.iter().map(|seat| format!("show stat {}", seat.backend)).collect();
        let mut runtime = Runtime::of(host);
        let answer = runtime.command(&status).await?;
        let rows = runtime::rows(&runtime.command(&[SERVERS.to_owned()]).await?);
        let slow = self.seats.iter().find(|seat| find(&rows, seat).is_none_or(|row| !row.up)).unwrap_or(&self.seats[0]);
        let failure = compose::explain_unready(host, slow.name(), &cx.values, self.timeout).await;
        Err(with_last_check(failure, &answer, slow))
    }
}

/// What the ingress saw last of the container.
fn with_last_check(mut failure: Failure, answer: &str, seat: &Seat) -> Failure {
    if let Some(check) = last_check(answer, seat.name()) {
        let asked = seat.check.path.as_ref().map_or("a TCP connect".to_owned(), |path| format!("GET {path}"));
        let (said, port) = (&failure.message, seat.server.port);
        failure.message = format!("{said}; the ingress's last check ({asked}, port {port}) said {check}");
    }
    failure
}

/// `check_status`, with HAProxy's own word for it, of a server in `show stat`.
fn last_check(answer: &str, server: &str) -> Option<String> {
    let header: Vec<&str> = answer.lines().find_map(|line| line.strip_prefix("# "))?.split(',').collect();
    let column = |name: &str| header.iter().position(|known| *known == name);
    let (name, status) = (column("svname")?, column("check_status")?);
    let (code, words) = (column("check_code"), column("check_desc"));
    let row =
        answer.lines().map(|line| line.split(',').collect::<Vec<_>>()).find(|row| row.get(name) == Some(&server))?;
    let cell = |place: Option<usize>| place.and_then(|place| row.get(place).copied()).filter(|cell| !cell.is_empty());
    let parts = [cell(Some(status)), cell(code), cell(words)];
    let said: Vec<&str> = parts.into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join(" "))
}

#[async_trait]
impl Operation for Enroll {
    const KIND: &'static str = "ingress.enroll";

    fn title(&self) -> String {
        let names: Vec<&str> = self.seats.iter().map(Seat::name).collect();
        format!("see {} ready", names.join(", "))
    }

    fn effect(&self) -> Effect {
        Effect::Reversible
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        let host = cx.host()?;
        let began = Instant::now();
        let watched = async {
            match all_up(&mut Runtime::of(host), &self.seats, self.timeout).await? {
                Some(()) => Ok(()),
                None => self.unready(cx, host).await,
            }
        };
        // An exit ends the wait at once, whatever the checks would say later.
        tokio::select! {
            done = watched => done?,
            ended = self.ended(cx, host) => ended?,
        }
        cx.progress.say(cx.host.as_ref(), &format!("ready after {:.1} s", began.elapsed().as_secs_f64()));
        Ok(Value::Null)
    }

    async fn undo(&self, cx: &Context, _: Option<&Value>) -> Result<()> {
        let host = cx.host()?;
        if !runtime::answers(host.as_ref()).await? {
            // A restart comes back without them.
            return Ok(());
        }
        remove(&mut Runtime::of(host), &self.seats, Span::secs(1)).await?;
        Ok(())
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        let host = cx.host()?;
        let answer = runtime::ask(host.as_ref(), &[SERVERS.to_owned()]).await?.unwrap_or_default();
        let rows = runtime::rows(&answer);
        let states: Vec<Option<&Row>> = self.seats.iter().map(|seat| find(&rows, seat)).collect();
        Ok(match states.iter().filter(|row| row.is_some_and(|row| row.up)).count() {
            ready if ready == self.seats.len() => Probe::Done(Value::Null),
            _ if states.iter().all(Option::is_none) => Probe::NotDone,
            _ => Probe::Partial,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::last_check;

    #[test]
    fn the_last_check_in_haproxys_words() {
        let stat = "# pxname,svname,status,check_status,check_code,check_desc\n\
            shop:web:0,shop-web-r2-1,DRAIN,L7STS,503,Layer7 wrong status\n";
        assert_eq!(last_check(stat, "shop-web-r2-1").unwrap(), "L7STS 503 Layer7 wrong status");
        assert_eq!(last_check(stat, "another"), None);
    }
}
