//! Gives a service a backend, and its host name a certificate: what takes a reload.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    certificate,
    fragment::{Backend, Certificate, Fragment},
    keeper,
    keeper::Files,
    runtime,
};
use crate::{
    host::Host,
    operation::{Context, Operation, Probe, Result},
    plan::Effect,
};

/// Adds a backend without servers beside those that serve, and loads the certificate. Requests go on as before until the switch.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    pub project: String,
    pub backend: Backend,
    /// A host name and its certificate.
    pub certificate: Option<(String, Certificate)>,
    /// The certificate that the host name had before.
    pub certificate_before: Option<Certificate>,
}

impl Route {
    fn apply(&self, fragment: &mut Fragment) {
        // What no request of this service can reach any more is let go with the reload that is due anyway. Another service's
        // empty backend may be one that this very run has just made.
        let routed: Vec<String> = fragment.routes.iter().map(|entry| entry.backend.clone()).collect();
        let others = |backend: &Backend| backend.service != self.backend.service;
        let served = |backend: &Backend| !backend.servers.is_empty() || routed.contains(&backend.name);
        fragment.backends.retain(|backend| others(backend) || served(backend) || backend.name == self.backend.name);
        if fragment.backend_mut(&self.backend.name).is_none() {
            fragment.backends.push(self.backend.clone());
        }
        if let Some((host, certificate)) = &self.certificate {
            fragment.certificates.insert(host.clone(), certificate.clone());
        }
    }

    async fn write(&self, cx: &Context, host: &Arc<dyn Host>, fragment: Fragment) -> Result<()> {
        let mut fragments = keeper::fragments(host).await?;
        let before = fragments.clone();
        fragments.insert(self.project.clone(), fragment);
        let mut files = Files::of(&fragments);
        if let Some((name, wanted)) = &self.certificate
            && fragments[&self.project].certificates.get(name) == Some(wanted)
        {
            files.certificate(name, wanted, &certificate::pem(cx, name, wanted)?);
        }
        files.write(host).await?;
        match runtime::reload(host).await {
            Ok(()) => Ok(()),
            Err(refused) => {
                // The old worker goes on; what a restart would load must be what it has.
                Files::of(&before).write(host).await?;
                Err(refused)
            }
        }
    }
}

#[async_trait]
impl Operation for Route {
    const KIND: &'static str = "ingress.route";

    fn title(&self) -> String {
        format!("give {} a backend in the ingress", self.backend.service)
    }

    fn effect(&self) -> Effect {
        Effect::Reversible
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        let host = cx.host()?;
        keeper::locked(cx, async {
            let mut fragment = keeper::fragments(host).await?.remove(&self.project).unwrap_or_default();
            self.apply(&mut fragment);
            self.write(cx, host, fragment).await?;
            Ok(Value::Null)
        })
        .await
    }

    /// The backend goes, if no request can reach it, and the certificate that was there comes back.
    async fn undo(&self, cx: &Context, _: Option<&Value>) -> Result<()> {
        let host = cx.host()?;
        if keeper::read(host.as_ref()).await?.is_none() {
            return Ok(());
        }
        keeper::locked(cx, async {
            let mut fragment = keeper::fragments(host).await?.remove(&self.project).unwrap_or_default();
            let routed = fragment.routes.iter().any(|entry| entry.backend == self.backend.name);
            let used = |backend: &Backend| routed || !backend.servers.is_empty() || backend.name != self.backend.name;
            fragment.backends.retain(used);
            if let Some((name, _)) = &self.certificate {
                let needed = fragment.routes.iter().any(|entry| entry.host == *name);
                match &self.certificate_before {
                    Some(certificate) => drop(fragment.certificates.insert(name.clone(), certificate.clone())),
                    // A service that shares the host name may have it still.
                    None if needed => {}
                    None => drop(fragment.certificates.remove(name)),
                }
            }
            self.write(cx, host, fragment).await
        })
        .await
    }

    async fn probe(&self, _: &Context) -> Result<Probe> {
        // Doing it again does no harm.
        Ok(Probe::Partial)
    }
}

#[cfg(test)]
mod tests {
    use super::{Backend, Fragment, Route};
    use crate::{
        ingress::fragment::Check,
        model::{ServiceName, Span},
    };

    fn backend(service: &str, name: &str) -> Backend {
        let (interval, timeout) = (Span::secs(1), Span::secs(5));
        let check = Check { path: None, host: "shop.test".into(), interval, timeout, passes: 2 };
        Backend { name: name.into(), service: ServiceName::new(service).unwrap(), check, servers: vec![] }
    }

    /// Two services may both be started before either is switched.
    #[test]
    fn only_the_services_own_empty_backends_go() {
        let backends = vec![backend("web", "shop:web:0"), backend("api", "shop:api:0")];
        let mut fragment = Fragment { backends, ..Fragment::default() };
        Route {
            project: "shop".into(),
            backend: backend("web", "shop:web:1"),
            certificate: None,
            certificate_before: None,
        }
        .apply(&mut fragment);
        let names: Vec<&str> = fragment.backends.iter().map(|backend| backend.name.as_str()).collect();
        assert_eq!(names, ["shop:api:0", "shop:web:1"]);
    }
}
