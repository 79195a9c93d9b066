//! Takes servers into service, and others out of it, without a dropped request.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ROUTES,
    enroll::{find, remove, see_up},
    fragment::{Certificate, Entry, Fragment},
    keeper::{self, Files},
    runtime::{self, Row, Runtime, SERVERS},
    seats::Seat,
};
use crate::{
    failure::Failure,
    host::Host,
    model::{ServiceName, Span},
    operation::{Context, Operation, Probe, Result},
    plan::Effect,
};

/// The new ones in, then the old ones out: `entering` take requests, routes lead to them, and the disk says so; then `leaving`
/// take no more, and are removed when nothing is in flight.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    pub project: String,
    pub service: ServiceName,
    pub entering: Vec<Seat>,
    pub leaving: Vec<Seat>,
    /// Servers without a running container, which only go: no undo could see them ready.
    pub dead: Vec<Seat>,
    /// They serve before and after. An undo leaves them as they are.
    pub staying: Vec<Seat>,
    /// The entries in the map of routes that the service has or takes over, before and after.
    pub routes_before: Vec<Entry>,
    pub routes_after: Vec<Entry>,
    /// The certificates of the hosts in `routes_before`: an undo brings them back.
    pub certificates_before: BTreeMap<String, Certificate>,
    /// How long `leaving` may take to answer what they have.
    pub drain: Span,
    /// How long `entering` may take to be ready, where they are not yet: in an undo they have just been started again.
    pub timeout: Span,
}

/// One direction of a switch.
struct Turn<'a> {
    switch: &'a Switch,
    entering: Vec<Seat>,
    leaving: Vec<Seat>,
    routes: &'a [Entry],
}

impl Switch {
    fn forward(&self) -> Turn<'_> {
        // What stays should serve already, and is made to where it does not.
        let entering = self.staying.iter().chain(&self.entering).cloned().collect();
        let leaving = self.leaving.iter().chain(&self.dead).cloned().collect();
        Turn { switch: self, entering, leaving, routes: &self.routes_after }
    }

    fn backward(&self) -> Turn<'_> {
        Turn {
            switch: self,
            entering: self.leaving.clone(),
            leaving: self.entering.clone(),
            routes: &self.routes_before,
        }
    }
}

impl Turn<'_> {
    async fn take(&self, cx: &Context, host: &Arc<dyn Host>) -> Result<()> {
        let mut runtime = Runtime::of(host);
        keeper::locked(cx, async {
            let question = [SERVERS.to_owned(), runtime::show_map()];
            let (mut fragments, answer) = tokio::try_join!(keeper::fragments(host), runtime.command(&question))?;
            self.refuse_taken(host, &fragments)?;
            self.see_ready(&mut runtime, &runtime::rows(&answer)).await?;
            self.record(fragments.entry(self.switch.project.clone()).or_default());
            let there = runtime::map(&answer);
            // Both are seen to their end: a late write would come after the undo's own.
            let (admitted, recorded) =
                tokio::join!(self.admit(&mut runtime, &there, &fragments), Files::of(&fragments).write(host));
            admitted.and(recorded)
        })
        .await?;
        self.dismiss(cx, &mut runtime).await
    }

    /// A reload by another project, or a restart, may have lost servers that were only enrolled.
    async fn see_ready(&self, runtime: &mut Runtime<'_>, rows: &[Row]) -> Result<()> {
        if see_up(runtime, &self.entering, rows, self.switch.timeout).await?.is_some() {
            return Ok(());
        }
        let names: Vec<&str> = self.entering.iter().map(Seat::name).collect();
        let host = runtime.host().name();
        Err(Failure::new(format!("{} on {host} is not ready any more", names.join(", ")))
            .on(host)
            .hint("look at its log: `stagecraft logs`"))
    }

    /// What enters takes requests, and then they go where the fragments say, whatever the runtime's map said.
    async fn admit(
        &self,
        runtime: &mut Runtime<'_>,
        there: &BTreeMap<String, String>,
        fragments: &BTreeMap<String, Fragment>,
    ) -> Result<()> {
        let entries = fragments.values().flat_map(|fragment| &fragment.routes);
        let wanted = entries.map(|entry| (entry.key(), entry.value())).collect();
        let admitted = self.entering.iter().map(Seat::admit);
        let commands: Vec<String> = admitted.chain(map_commands(there, &wanted)).collect();
        if commands.is_empty() {
            return Ok(());
        }
        let answer = runtime.command(&commands).await?;
        if answer.trim().is_empty() {
            return Ok(());
        }
        let host = runtime.host().name();
        Err(Failure::new(format!("the ingress of {host} refuses a server or a route")).on(host).detail(answer))
    }

    /// Another project may have taken the host name since the plan was made.
    fn refuse_taken(&self, host: &Arc<dyn Host>, fragments: &BTreeMap<String, Fragment>) -> Result<()> {
        let others = fragments.iter().filter(|(project, _)| **project != self.switch.project);
        for (project, fragment) in others {
            let taken = |entry: &&Entry| fragment.routes.iter().any(|other| other.host == entry.host);
            if let Some(entry) = self.routes.iter().find(taken) {
                let what = format!("{} has been routed to project {project} on {}", entry.host, host.name());
                return Err(Failure::new(what).on(host.name()).hint("choose another host name"));
            }
        }
        Ok(())
    }

    /// What a restart comes back with.
    fn record(&self, fragment: &mut Fragment) {
        let before = fragment.routes_of(&self.switch.service);
        fragment.set_routes(&self.switch.service, self.routes);
        for gone in before {
            if !fragment.routes.iter().any(|entry| entry.host == gone.host) {
                fragment.certificates.remove(&gone.host);
            }
        }
        for entry in self.routes {
            if let Some(certificate) = self.switch.certificates_before.get(&entry.host) {
                fragment.certificates.entry(entry.host.clone()).or_insert_with(|| certificate.clone());
            }
        }
        for backend in &mut fragment.backends {
            let gone = |name: &str| self.leaving.iter().any(|seat| seat.backend == backend.name && seat.name() == name);
            backend.servers.retain(|server| !gone(&server.name));
        }
        for seat in &self.entering {
            if fragment.backend_mut(&seat.backend).is_none() {
                fragment.backends.push(seat.empty_backend());
            }
            let backend = fragment.backend_mut(&seat.backend).expect("pushed above");
            backend.servers.retain(|server| server.name != seat.server.name);
            backend.servers.push(seat.server.clone());
        }
    }

    /// Drains what leaves, and reads back that all is as it should be.
    async fn dismiss(&self, cx: &Context, runtime: &mut Runtime<'_>) -> Result<()> {
        let host = runtime.host();
        let rows = if self.leaving.is_empty() {
            runtime::rows(&runtime.command(&[SERVERS.to_owned()]).await?)
        } else {
            remove(runtime, &self.leaving, self.switch.drain).await?
        };
        let missing = |seat: &&Seat| !find(&rows, seat).is_some_and(|row| row.admitted);
        if let Some(seat) = self.entering.iter().find(missing) {
            let what = format!("{} is not in the ingress of {} after the switch", seat.name(), host.name());
            return Err(Failure::new(what).on(host.name()).hint("deploy again: what differs is made good"));
        }
        if let Some(seat) = self.leaving.iter().find(|seat| find(&rows, seat).is_some()) {
            // It is in maintenance, and takes nothing new; what it has is cut off when it stops.
            let drain = self.switch.drain;
            cx.progress.say(cx.host.as_ref(), &format!("{} still has requests in flight after {drain}", seat.name()));
        }
        Ok(())
    }
}

/// From one map to another.
fn map_commands(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let set = after.iter().filter_map(|(key, value)| match before.get(key) {
        Some(old) if old == value => None,
        Some(_) => Some(format!("set map {ROUTES} {key} {value}")),
        None => Some(format!("add map {ROUTES} {key} {value}")),
    });
    let gone = before.keys().filter(|key| !after.contains_key(*key)).map(|key| format!("del map {ROUTES} {key}"));
    set.chain(gone).collect()
}

#[async_trait]
impl Operation for Switch {
    const KIND: &'static str = "ingress.switch";

    fn title(&self) -> String {
        let names = |seats: &[Seat]| seats.iter().map(Seat::name).collect::<Vec<_>>().join(", ");
        match (self.entering.is_empty(), self.leaving.is_empty()) {
            (false, false) => format!("switch from {} to {}", names(&self.leaving), names(&self.entering)),
            (false, true) => format!("let {} take requests", names(&self.entering)),
            (true, false) => format!("drain {}", names(&self.leaving)),
            (true, true) => format!("set the routes of {}", self.service),
        }
    }

    fn effect(&self) -> Effect {
        Effect::Reversible
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        self.forward().take(cx, cx.host()?).await?;
        Ok(Value::Null)
    }

    async fn undo(&self, cx: &Context, _: Option<&Value>) -> Result<()> {
        if keeper::read(cx.host()?.as_ref()).await?.is_none() {
            return Ok(());
        }
        self.backward().take(cx, cx.host()?).await
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        let answer = runtime::ask(cx.host()?.as_ref(), &[SERVERS.to_owned()]).await?.unwrap_or_default();
        let rows = runtime::rows(&answer);
        let entered = self.entering.iter().any(|seat| find(&rows, seat).is_some_and(|row| row.admitted));
        let left = self.leaving.iter().any(|seat| find(&rows, seat).is_none());
        // What the servers show is a part of it, and nothing where only routes change; doing it again does no harm.
        let only_routes = self.entering.is_empty() && self.leaving.is_empty();
        Ok(if entered || left || only_routes { Probe::Partial } else { Probe::NotDone })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::map_commands;

    #[test]
    fn only_what_differs_is_told_to_the_map() {
        let map = "/var/lib/stagecraft/ingress/config/routes.map";
        let of = |entries: &[(&str, &str)]| -> BTreeMap<String, String> {
            entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(map_commands(&of(&[("a.test/", "x/tls")]), &of(&[("a.test/", "x/tls")])), Vec::<String>::new());
        assert_eq!(
            map_commands(
                &of(&[("a.test/", "x/plain"), ("a.test/old/", "x/plain")]),
                &of(&[("a.test/", "y/plain"), ("a.test/new/", "y/plain")])
            ),
            [
                format!("set map {map} a.test/ y/plain"),
                format!("add map {map} a.test/new/ y/plain"),
                format!("del map {map} a.test/old/"),
            ]
        );
    }
}
