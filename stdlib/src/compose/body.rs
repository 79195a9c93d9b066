//! A definition as the engine's create request, as Docker Compose would write it.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount as EngineMount, MountBindOptions,
    MountBindOptionsPropagationEnum, MountTmpfsOptions, MountType, MountVolumeOptions, PortBinding, ResourcesUlimits,
    RestartPolicy, RestartPolicyNameEnum,
};

use super::definition::{Definition, HealthCheck, Mount, Port, Restart};
use crate::model::{Application, Span, VolumeName};

/// The request without environment, networks and the labels that tell one container from another.
pub fn body(application: &Application, definition: &Definition, image: String) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(image),
        hostname: definition.hostname.clone(),
        user: definition.user.clone(),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        exposed_ports: none_if_empty(definition.ports.iter().map(container_port).collect()),
        cmd: definition.command.clone(),
        entrypoint: definition.entrypoint.clone(),
        working_dir: definition.working_dir.clone(),
        healthcheck: definition.healthcheck.as_ref().map(health_check),
        labels: Some(definition.labels.clone().into_iter().collect()),
        stop_signal: definition.stop_signal.clone(),
        stop_timeout: definition.stop_grace_period.map(|grace| whole(grace.as_millis() / 1000)),
        host_config: Some(host_config(application, definition)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(application: &Application, definition: &Definition) -> HostConfig {
    let limits = &definition.limits;
    let (binds, mounts) = mounts(application, &definition.volumes);
    HostConfig {
        binds: none_if_empty(binds),
        mounts: none_if_empty(mounts),
        tmpfs: Some(definition.tmpfs.clone().into_iter().collect()).filter(|tmpfs: &HashMap<_, _>| !tmpfs.is_empty()),
        cap_add: none_if_empty(definition.cap_add.clone()),
        cap_drop: none_if_empty(definition.cap_drop.clone()),
        init: definition.init,
        readonly_rootfs: definition.read_only.then_some(true),
        restart_policy: definition.restart.map(restart_policy),
        port_bindings: port_bindings(&definition.ports),
        extra_hosts: none_if_empty(definition.extra_hosts.clone()),
        log_config: definition.logging.as_ref().map(|logging| HostConfigLogConfig {
            typ: logging.driver.clone(),
            config: Some(logging.options.clone().into_iter().collect()),
        }),
        memory: limits.memory,
        memory_swap: limits.memory_swap,
        memory_reservation: limits.memory_reservation,
        nano_cpus: limits.nano_cpus,
        pids_limit: limits.pids,
        ulimits: none_if_empty(ulimits(definition)),
        oom_kill_disable: Some(false),
        ..HostConfig::default()
    }
}

fn none_if_empty<T>(items: Vec<T>) -> Option<Vec<T>> {
    Some(items).filter(|items| !items.is_empty())
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn nanoseconds(span: Span) -> i64 {
    whole(span.as_millis().saturating_mul(1_000_000))
}

fn container_port(port: &Port) -> String {
    format!("{}/{}", port.target, port.protocol)
}

fn port_bindings(ports: &[Port]) -> Option<HashMap<String, Option<Vec<PortBinding>>>> {
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in ports {
        let binding = PortBinding {
            host_ip: Some(port.host_ip.clone().unwrap_or_default()),
            host_port: Some(port.published.clone().unwrap_or_default()),
        };
        bindings.entry(container_port(port)).or_default().get_or_insert_default().push(binding);
    }
    Some(bindings).filter(|bindings| !bindings.is_empty())
}

fn health_check(check: &HealthCheck) -> HealthConfig {
    HealthConfig {
        test: none_if_empty(check.test.clone()),
        interval: check.interval.map(nanoseconds),
        timeout: check.timeout.map(nanoseconds),
        retries: check.retries,
        start_period: check.start_period.map(nanoseconds),
        start_interval: check.start_interval.map(nanoseconds),
    }
}

fn restart_policy(restart: Restart) -> RestartPolicy {
    let (name, attempts) = match restart {
        Restart::No => (RestartPolicyNameEnum::NO, 0),
        Restart::Always => (RestartPolicyNameEnum::ALWAYS, 0),
        Restart::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, 0),
        Restart::OnFailure { attempts } => (RestartPolicyNameEnum::ON_FAILURE, attempts),
    };
    RestartPolicy { name: Some(name), maximum_retry_count: Some(attempts.into()) }
}

fn ulimits(definition: &Definition) -> Vec<ResourcesUlimits> {
    let ulimit = |(name, ulimit): (&String, &super::definition::Ulimit)| ResourcesUlimits {
        name: Some(name.clone()),
        soft: Some(ulimit.soft),
        hard: Some(ulimit.hard),
    };
    definition.ulimits.iter().map(ulimit).collect()
}

/// What Compose gives as `Binds` (it makes the missing directory on the host) and what as `Mounts`.
fn mounts(application: &Application, volumes: &[Mount]) -> (Vec<String>, Vec<EngineMount>) {
    let names: BTreeMap<&VolumeName, &str> =
        application.volumes.iter().map(|volume| (&volume.key, volume.name.as_str())).collect();
    let (mut binds, mut mounts) = (Vec::new(), Vec::new());
    for volume in volumes {
        match volume {
            Mount::Volume { source, target, read_only, nocopy } => {
                let name = names.get(source).map_or(source.as_str(), |name| name);
                if *nocopy {
                    mounts.push(volume_mount(name, target, *read_only));
                } else {
                    binds.push(format!("{name}:{target}:{}", access(*read_only)));
                }
            }
            Mount::Bind { source, target, read_only, create_host_path: true, propagation: None, selinux } => {
                let label = selinux.as_ref().map(|label| format!(",{label}")).unwrap_or_default();
                binds.push(format!("{source}:{target}:{}{label}", access(*read_only)));
            }
            Mount::Bind { source, target, read_only, create_host_path, propagation, .. } => {
                mounts.push(bind_mount(source, target, *read_only, *create_host_path, propagation.as_deref()));
            }
            Mount::Tmpfs { target, read_only, size, mode } => {
                mounts.push(EngineMount {
                    typ: Some(MountType::TMPFS),
                    target: Some(target.clone()),
                    read_only: read_only.then_some(true),
                    tmpfs_options: (size.is_some() || mode.is_some()).then(|| MountTmpfsOptions {
                        size_bytes: *size,
                        mode: mode.map(i64::from),
                        options: None,
                    }),
                    ..EngineMount::default()
                });
            }
        }
    }
    (binds, mounts)
}

fn access(read_only: bool) -> &'static str {
    if read_only { "ro" } else { "rw" }
}

fn volume_mount(name: &str, target: &str, read_only: bool) -> EngineMount {
    EngineMount {
        typ: Some(MountType::VOLUME),
        source: Some(name.to_owned()),
        target: Some(target.to_owned()),
        read_only: read_only.then_some(true),
        volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
        ..EngineMount::default()
    }
}

fn bind_mount(
    source: &str,
    target: &str,
    read_only: bool,
    create_host_path: bool,
    propagation: Option<&str>,
) -> EngineMount {
    EngineMount {
        typ: Some(MountType::BIND),
        source: Some(source.to_owned()),
        target: Some(target.to_owned()),
        read_only: read_only.then_some(true),
        bind_options: Some(MountBindOptions {
            propagation: propagation.and_then(|text| text.parse::<MountBindOptionsPropagationEnum>().ok()),
            create_mountpoint: create_host_path.then_some(true),
            ..MountBindOptions::default()
        }),
        ..EngineMount::default()
    }
}
