//! The lab of SSH hosts, and this machine's own engine.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Where the lab keeps its programs and keys.
pub fn cache() -> PathBuf {
    env::var_os("LAB_CACHE")
        .map_or_else(|| Path::new(&env::var("HOME").expect("HOME")).join(".cache/stagecraft-lab"), Into::into)
}

/// `labtool`, which is the load client and every service of the test applications.
pub fn labtool() -> PathBuf {
    cache().join("bin/labtool")
}

/// An address in the lab's network, by its last number.
pub fn in_network(last: u8) -> String {
    format!("{}.{last}", env::var("NET").unwrap_or_else(|_| "10.66.0".into()))
}

pub fn address(host: u8) -> String {
    in_network(10 + host)
}

/// What the names of the lab's network namespaces begin with.
pub fn prefix() -> String {
    env::var("PFX").unwrap_or_else(|_| "lab".into())
}

fn run_dir() -> PathBuf {
    env::var_os("LAB_RUN").map_or_else(|| cache().join("run"), Into::into)
}

/// A line of `hosts:` for stagecraft.yml.
pub fn host_line(host: u8, roles: &str) -> String {
    let (key, known) = (run_dir().join("id"), run_dir().join("known_hosts"));
    format!(
        "  h{host}: {{ address: {}, user: root, identity: {}, known_hosts: {}, roles: [{roles}] }}",
        address(host),
        key.display(),
        known.display()
    )
}

/// `ssh` with the lab's key and known hosts; the destination is still to come.
pub fn ssh_command() -> Command {
    let mut command = Command::new("ssh");
    command.args(["-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", "-i"]).arg(run_dir().join("id"));
    command.arg("-o").arg(format!("UserKnownHostsFile={}", run_dir().join("known_hosts").display()));
    command
}

pub fn destination(host: u8) -> String {
    format!("root@{}", address(host))
}

/// Runs a shell command on a host as root.
pub fn ssh(host: u8, command: &str) -> String {
    text(ssh_command().arg(destination(host)).arg(command).output().expect("ssh runs"), command)
}

/// What can happen to a host: `isolate`, `join`, `freeze`, `thaw`, as tests/lab/host has it.
pub fn host(host: u8, what: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/host");
    local(&format!("{} {what} {host}", script.display()));
}

/// Runs a shell command on this machine.
pub fn local(command: &str) -> String {
    text(Command::new("sh").args(["-c", command]).output().expect("sh runs"), command)
}

fn text(output: Output, command: &str) -> String {
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command}: {}{}", said(&output.stdout), said(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Where containers run in a test: this machine's engine, or hosts of the lab.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    Here,
    Host(u8),
}

impl Place {
    pub fn sh(self, command: &str) -> String {
        match self {
            Self::Here => local(command),
            Self::Host(host) => ssh(host, command),
        }
    }

    /// All that a deploy could have left or changed for a project: containers with their start, networks, volumes, and the
    /// ingress's files.
    pub fn snapshot(self, project: &str) -> String {
        self.sh(&format!(
            "for c in $(docker ps -aq --no-trunc --filter label=com.docker.compose.project={project} | sort); do \
             docker inspect -f '{{{{.Id}}}} {{{{.State.StartedAt}}}} {{{{.State.Running}}}}' $c; done; \
             docker network ls -q --filter name={project} | sort; docker volume ls -q --filter name={project} | sort; \
             docker ps -q --filter name=stagecraft-ingress; \
             find /var/lib/stagecraft -type f -not -path '*/run/*' -exec sha256sum {{}} + 2>/dev/null | sort -k2"
        ))
    }

    /// Removes what a test's project has made, and the ingress, which is the tests' own where they run. One that serves a
    /// project of somebody's stays, and loses only the test's.
    pub fn clean(self, project: &str) {
        self.sh(&format!(
            "ids=$(docker ps -aq --filter name=^{project}); [ -z \"$ids\" ] || docker rm -f $ids >/dev/null; \
             if [ -n \"$({OTHERS})\" ]; then rm -f {APPS}/{project}.json {APPS}/{project}.cfg; else \
             ids=$(docker ps -aq --filter name=^stagecraft-ingress$); [ -z \"$ids\" ] || docker rm -f $ids >/dev/null; \
             rm -rf /var/lib/stagecraft/ingress; rmdir /var/lib/stagecraft 2>/dev/null; \
             docker network rm stagecraft-ingress >/dev/null 2>&1; fi; \
             ids=$(docker volume ls -q --filter name=^{project}); [ -z \"$ids\" ] || docker volume rm $ids >/dev/null; \
             ids=$(docker network ls -q --filter name=^{project}); [ -z \"$ids\" ] || docker network rm $ids >/dev/null"
        ));
    }

    /// Ends the test before it does anything where the ingress serves projects that are no test's: it would go with them.
    #[track_caller]
    pub fn refuse_others(self) {
        let others = self.sh(OTHERS);
        let others: Vec<&str> = others.lines().collect();
        assert!(
            others.is_empty(),
            "the ingress of {self:?} serves {}, and this test would replace it; run it on another machine, or end that \
             ingress, and with it these routes until they are deployed again: \
             `docker rm -f stagecraft-ingress && rm -r /var/lib/stagecraft/ingress`",
            others.join(", ")
        );
    }
}

/// Where the ingress has a file for each project.
const APPS: &str = "/var/lib/stagecraft/ingress/config/apps";

/// Lists the projects of the ingress that are no test's, as scripts/test.sh does.
const OTHERS: &str = "for app in /var/lib/stagecraft/ingress/config/apps/*.json; do [ ! -e \"$app\" ] || basename \"$app\" .json; \
                      done | sed '/^e2e-/d'";
