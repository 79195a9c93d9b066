//! The files that HAProxy reads, made of the projects' fragments.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    DIRECTORY, ROUTES,
    fragment::{Backend, Fragment},
};
use crate::model::IngressSettings;

/// Workers give up root for this user, which owns nothing.
const NOBODY: u32 = 65532;

/// On which of the host's addresses requests come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    Ipv4,
    Both,
}

/// What is the host's own, not a project's: ports, time-outs, log, how a request finds its backend.
///
/// `group` is the numeric group of the engine's socket: whoever may use the engine may use the ingress's sockets.
pub fn host_configuration(settings: &IngressSettings, group: u32, addresses: Addresses) -> String {
    let (http, https) = (settings.http, settings.https);
    let tls = format!(" ssl crt-list {DIRECTORY}/certs/list.txt strict-sni alpn h2,http/1.1");
    format!(
        r"# Written by Stagecraft. Projects stand in apps/.
global
    log stdout format raw local0
    uid {NOBODY}
    gid {NOBODY}
    # Bounds the memory that connections may take where the engine allows a million of them.
    fd-hard-limit 40000
    no strict-limits
    # How long a worker that a reload has replaced may go on with what it has, such as a WebSocket.
    hard-stop-after 30m
    stats socket {DIRECTORY}/run/admin.sock mode 660 gid {group} level admin
    # Longer than any drain: a request waits here until a server has nothing in flight.
    stats timeout 24h
    ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
    mode http
    balance leastconn
    option idle-close-on-response
    # A server that closes an idle connection just as a request is written to it would cost that request.
    option http-server-close
    option redispatch
    retries 3
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout http-request 10s
    timeout http-keep-alive 60s
    timeout queue 10s
    timeout tunnel 1h

frontend http
{bind_http}{routing_http}    http-request redirect location https://%[var(txn.host)]{port}%[pathq] code 308 if !replaced {{ var(txn.route),field(2,/) -m str tls }}
    use_backend handover-http if replaced
    use_backend %[var(txn.route),field(1,/)]

frontend https
{bind_https}{routing_https}    use_backend handover-https if replaced
    use_backend %[var(txn.route),field(1,/)]

backend handover-http
    server current unix@{DIRECTORY}/run/handover-http send-proxy-v2

backend handover-https
    server current unix@{DIRECTORY}/run/handover-https send-proxy-v2

frontend metrics
    bind unix@{DIRECTORY}/run/metrics.sock mode 660 gid {group}
    http-request use-service prometheus-exporter if {{ path /metrics }}
    stats enable
    stats uri /
",
        bind_http = binds(addresses, http, ""),
        bind_https = binds(addresses, https, &tls),
        routing_http = routing("http"),
        routing_https = routing("https"),
        port = if https == 443 { String::new() } else { format!(":{https}") },
    )
}

/// The HTTP and the HTTPS port of a host configuration, where it is one.
pub fn ports(configuration: &str) -> Option<(u16, u16)> {
    let port = |line: &str| line.trim().strip_prefix("bind :")?.split(' ').next()?.parse().ok();
    let mut ports = configuration.lines().filter_map(port);
    Some((ports.next()?, ports.next()?))
}

fn binds(addresses: Addresses, port: u16, options: &str) -> String {
    let ipv4 = format!("    bind :{port}{options}\n");
    match addresses {
        Addresses::Ipv4 => ipv4,
        Addresses::Both => format!("{ipv4}    bind :::{port} v6only{options}\n"),
    }
}

/// A line of the access log. The query is left out: it may hold what is secret.
const LOG: &str = "%{+json}o %(time)[accept_date(ms)] %(client)[src] %(method)HM %(host)[var(txn.host)] %(path)HP \
    %(status:sint)ST %(service)b %(container)[srv_name] %(release)[var(txn.release)] %(total_ms:sint)Ta \
    %(response_ms:sint)Tr %(bytes:sint)B %(end)ts";

/// From a request's host and path to the value of the longest key of the map that they begin with, by whole segments; and
/// what the application and the log are told of the request. A server's name ends with `-rRELEASE-REPLICA`.
fn routing(scheme: &str) -> String {
    format!(
        r#"    bind unix@{DIRECTORY}/run/handover-{scheme} accept-proxy mode 660 gid {NOBODY}
    log global
    log-format "{LOG}"
    # A connection that was idle when a reload came brings one more request to the worker that had it, which knows nothing
    # of what has changed since: it is handed over to the current one.
    acl replaced stopping
    http-request set-log-level silent if replaced
    http-request set-var(txn.host) req.hdr(host),host_only,lower
    http-request set-var-fmt(txn.address) "%[var(txn.host)]%[path]/"
    http-request set-var(txn.route) var(txn.address),map_beg({ROUTES})
    http-request return status 404 content-type text/plain string "nothing is routed here\n" if !replaced !{{ var(txn.route) -m found }}
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Proto {scheme}
    http-response set-var(txn.release) srv_name,word(-2,-),bytes(1) if {{ srv_name -m reg -- -r[0-9]+-[0-9]+$ }}
"#
    )
}

/// All files of all projects, by their path below the configuration directory.
pub fn files(fragments: &BTreeMap<String, Fragment>) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut routes = String::new();
    for (project, fragment) in fragments {
        let text = serde_json::to_string_pretty(fragment).expect("plain data");
        files.insert(Fragment::file(project), text);
        files.insert(format!("apps/{project}.cfg"), backends(project, fragment));
        for entry in &fragment.routes {
            let _ = writeln!(routes, "{} {}", entry.key(), entry.value());
        }
    }
    files.insert("routes.map".to_owned(), routes);
    files
}

fn backends(project: &str, fragment: &Fragment) -> String {
    let mut text = format!("# Written by Stagecraft from {project}.json.\n");
    for backend in &fragment.backends {
        let _ = write!(text, "\n{}", render(backend));
    }
    text
}

fn render(backend: &Backend) -> String {
    let check = &backend.check;
    let mut text = format!("backend {}\n    timeout check {}\n", backend.name, check.timeout);
    if let Some(path) = &check.path {
        text += "    option httpchk\n";
        let _ = writeln!(text, "    http-check send meth GET uri {} hdr Host {}", quoted(path), check.host);
        text += "    http-check expect status 200-399\n";
    }
    for server in &backend.servers {
        let options = server_options(backend);
        let _ = writeln!(text, "    server {} {}:{} {options}", server.name, server.address, server.port);
    }
    text
}

/// Checks come every 100 ms until a server is up and while it wavers, and at the check's own interval when it is settled.
pub fn server_options(backend: &Backend) -> String {
    let check = &backend.check;
    format!("check inter {} fastinter 100ms downinter 100ms rise {} fall 2", check.interval, check.passes)
}

/// A word for HAProxy's parser; within single quotes nothing has a meaning of its own.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The list of certificates of all projects: a file and the host name that it is for, a line each.
pub fn certificate_list(fragments: &BTreeMap<String, Fragment>) -> String {
    let mut list = String::new();
    for (host, certificate) in fragments.values().flat_map(|fragment| &fragment.certificates) {
        let _ = writeln!(list, "{DIRECTORY}/{} {host}", certificate.file(host));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::{Addresses, host_configuration, ports};
    use crate::model::{IngressProvider, IngressSettings};

    #[test]
    fn the_ports_are_found_again() {
        let image = "haproxy:3.2".to_owned();
        let settings = IngressSettings { provider: IngressProvider::Haproxy, image, http: 8080, https: 443 };
        assert_eq!(ports(&host_configuration(&settings, 996, Addresses::Both)), Some((8080, 443)));
        assert_eq!(ports("frontend http\n    bind unix@/run/a.sock\n"), None);
    }
}
