//! Makes sure that the host's ingress runs.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bollard::models::{
    ContainerCreateBody, HostConfig, Ipam, IpamConfig, NetworkCreateRequest, RestartPolicy, RestartPolicyNameEnum,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    CONTAINER, DIRECTORY, NETWORK,
    configuration::{Addresses, host_configuration},
    keeper,
    keeper::Files,
    runtime,
};
use crate::{
    compose,
    failure::Failure,
    host::{Host, HostError},
    labels,
    model::{IngressSettings, Span},
    operation::{Context, Operation, Probe, Result},
    plan::Effect,
};

/// How long HAProxy may take from its start until its runtime answers.
const START: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);
/// How long `stat` may take.
const STAT: Span = Span::secs(10);
const GRACE: Span = Span::secs(2);

/// Creates the ingress's network and container where they are missing, and starts the container where it is stopped. One that
/// runs is left as it is: it belongs to the host.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Up {
    pub settings: IngressSettings,
    /// The tag of HAProxy's image on the host.
    pub image: String,
    /// The subnet of the network, in CIDR notation, where the network has to be made.
    pub subnet: Option<String>,
}

impl Up {
    async fn network(&self, host: &Arc<dyn Host>) -> Result<bool> {
        let Some(subnet) = &self.subnet else { return Ok(false) };
        let config = IpamConfig { subnet: Some(subnet.clone()), ..Default::default() };
        let request = NetworkCreateRequest {
            name: NETWORK.into(),
            driver: Some("bridge".into()),
            ipam: Some(Ipam { config: Some(vec![config]), ..Default::default() }),
            labels: Some([(labels::ROLE.to_owned(), labels::role::INGRESS.to_owned())].into()),
            ..Default::default()
        };
        match host.create_network(request).await {
            Ok(()) => Ok(true),
            // Another project's run has been faster.
            Err(HostError::Engine { status: 409, .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn body(&self, cx: &Context, group: u32) -> ContainerCreateBody {
        let config = format!("{DIRECTORY}/config");
        let command = [
            "-W".to_owned(),
            "-db".to_owned(),
            "-S".to_owned(),
            format!("{},mode,660,gid,{group}", super::MASTER),
            "-f".to_owned(),
            format!("{config}/haproxy.cfg"),
            "-f".to_owned(),
            format!("{config}/apps"),
        ];
        let labels = [
            (labels::ROLE, labels::role::INGRESS.to_owned()),
            (labels::RUN, cx.run.to_string()),
            (labels::KEY, cx.key.to_string()),
        ];
        ContainerCreateBody {
            image: Some(self.image.clone()),
            // Neither the image's entrypoint nor its user: the binary's place differs between images, its name does not.
            entrypoint: Some(vec!["haproxy".into()]),
            cmd: Some(command.into()),
            user: Some("0:0".into()),
            env: Some(vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()]),
            labels: Some(labels.map(|(name, value)| (name.to_owned(), value)).into()),
            stop_signal: Some("SIGTERM".into()),
            host_config: Some(HostConfig {
                network_mode: Some("host".into()),
                binds: Some(vec![format!("{DIRECTORY}:{DIRECTORY}")]),
                restart_policy: Some(RestartPolicy {
                    name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
                    maximum_retry_count: None,
                }),
                readonly_rootfs: Some(true),
                cap_drop: Some(vec!["ALL".into()]),
                // To listen on low ports, to give up root in the workers, and to give its sockets their group.
                cap_add: Some(["NET_BIND_SERVICE", "SETUID", "SETGID", "CHOWN", "KILL"].map(Into::into).into()),
                security_opt: Some(vec!["no-new-privileges".into()]),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    async fn create(&self, cx: &Context, host: &Arc<dyn Host>) -> Result<()> {
        let (group, addresses) = ask_host(host).await?;
        match host.create_container(CONTAINER, self.body(cx, group)).await {
            Ok(_) | Err(HostError::Engine { status: 409, .. }) => {}
            Err(error) => return Err(error.into()),
        }
        // What another container of the ingress may have left is kept: it belongs to other projects.
        let fragments = keeper::fragments(host).await?;
        let configuration = host_configuration(&self.settings, group, addresses);
        Files::of(&fragments).with("config/haproxy.cfg", configuration).write(host).await
    }

    /// Starts it, and waits until its runtime answers.
    async fn start(&self, cx: &Context, host: &Arc<dyn Host>) -> Result<()> {
        host.start_container(CONTAINER).await?;
        let until = Instant::now() + START;
        while Instant::now() < until {
            if runtime::answers_yet(host.as_ref()).await? {
                return Ok(());
            }
            let state = host.container(CONTAINER).await?.and_then(|container| container.state);
            let restarting = state.as_ref().is_some_and(|state| state.restarting == Some(true));
            if restarting || state.is_none_or(|state| state.running != Some(true)) {
                break;
            }
            sleep(POLL).await;
        }
        Err(self.why_not(host, cx).await)
    }

    async fn why_not(&self, host: &Arc<dyn Host>, cx: &Context) -> Failure {
        let mut failure = compose::explain_exit(host, CONTAINER, &cx.values).await;
        let IngressSettings { http, https, .. } = self.settings;
        let said = failure.detail.clone().unwrap_or_default();
        let taken =
            [http, https].into_iter().find(|port| said.contains("in use") && said.contains(&format!(":{port}]")));
        if let Some(port) = taken {
            failure.message =
                format!("the ingress of {} cannot listen on port {port}: something else does", host.name());
            failure.hint = Some(format!(
                "find it with `stagecraft ssh {} ss -ltnp`, or choose another port: `ingress: {{ http: …, https: … }}`",
                host.name()
            ));
        }
        failure
    }

    async fn is_ours(&self, cx: &Context, host: &Arc<dyn Host>) -> Result<bool> {
        let labels = host.container(CONTAINER).await?.and_then(|found| found.config).and_then(|config| config.labels);
        let run = labels.and_then(|labels| labels.get(labels::RUN).cloned());
        Ok(run.as_deref() == Some(cx.run.as_str()))
    }
}

/// The group that may use the engine's socket, and whether the host has IPv6.
async fn ask_host(host: &Arc<dyn Host>) -> Result<(u32, Addresses)> {
    let question = "stat -L -c %g /var/run/docker.sock; test -e /proc/net/if_inet6 && echo ipv6; true";
    let output = host.shell(question, Bytes::new(), STAT).await?;
    let text = String::from_utf8_lossy(&output.stdout);
    let addresses = if text.contains("ipv6") { Addresses::Both } else { Addresses::Ipv4 };
    let group = text.lines().next().unwrap_or_default().trim().parse();
    group.map(|group| (group, addresses)).map_err(|_| {
        Failure::new(format!("the group of /var/run/docker.sock on {} cannot be found", host.name()))
            .on(host.name())
            .detail(String::from_utf8_lossy(&output.stderr).into_owned())
    })
}

#[async_trait]
impl Operation for Up {
    const KIND: &'static str = "ingress.up";

    fn title(&self) -> String {
        format!("start the ingress on ports {} and {}", self.settings.http, self.settings.https)
    }

    fn effect(&self) -> Effect {
        Effect::Reversible
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        let host = cx.host()?;
        keeper::locked(cx, async {
            let network = self.network(host).await?;
            // A killed run may have made the container and not its configuration.
            let configured = keeper::read(host.as_ref()).await?.is_some_and(|files| files.contains_key("haproxy.cfg"));
            if !configured {
                self.create(cx, host).await?;
            }
            self.start(cx, host).await?;
            Ok(json!({ "network": network }))
        })
        .await
    }

    /// What this run has made goes, unless another project has begun to use it.
    async fn undo(&self, cx: &Context, _: Option<&Value>) -> Result<()> {
        let host = cx.host()?;
        keeper::locked(cx, async {
            if !self.is_ours(cx, host).await? {
                return Ok(());
            }
            let fragments: BTreeMap<_, _> = keeper::fragments(host).await?;
            if fragments.values().any(|fragment| !fragment.routes.is_empty()) {
                return Ok(());
            }
            host.stop_container(CONTAINER, GRACE).await?;
            host.remove_container(CONTAINER).await?;
            if self.subnet.is_some() {
                match host.remove_network(NETWORK).await {
                    // Something of another project is in it.
                    Ok(()) | Err(HostError::Engine { status: 403 | 404 | 409, .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        })
        .await
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        let answers = runtime::answers(cx.host()?.as_ref()).await?;
        Ok(if answers { Probe::Done(Value::Null) } else { Probe::Partial })
    }
}
