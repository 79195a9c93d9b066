//! The files that HAProxy reads, made of the projects' fragments.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    DIRECTORY, ROUTES,
    fragment::{Backend, Fragment},
};
use crate::model::IngressSettings;

/// What is the host's own, not a project's: ports, time-outs, log, how a request finds its backend.
///
/// `group` is the numeric group of the engine's socket: whoever may use the engine may use the ingress's sockets.
pub fn host_configuration(settings: &IngressSettings, group: u32) -> String {
    let (http, https) = (settings.http, settings.https);
    format!(
        r#"# Written by Stagecraft. Projects stand in apps/.
global
    log stdout format raw local0
    uid 65532
    gid 65532
    fd-hard-limit 40000
    no strict-limits
    hard-stop-after 10m
    stats socket {DIRECTORY}/run/admin.sock mode 660 gid {group} level admin
    stats timeout 1h
    ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
    mode http
    log global
    balance leastconn
    option idle-close-on-response
    option redispatch
    retries 3
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout http-request 10s
    timeout http-keep-alive 60s
    timeout queue 10s
    timeout tunnel 1h
    log-format "%{{+json}}o %(time)[accept_date(ms)] %(client)[src] %(method)HM %(host)[var(txn.host)] %(path)HP %(status)ST %(service)b %(container)[srv_name] %(release)[var(txn.release)] %(total_ms)Ta %(response_ms)Tr %(bytes)B %(end)ts"

frontend http
    bind :{http}
    bind :::{http} v6only
{ROUTING}
    http-request redirect location https://%[var(txn.host)]{port}%[pathq] code 308 if {{ var(txn.route),field(2,/) -m str tls }}
{FORWARDING}    http-request set-header X-Forwarded-Proto http
    use_backend %[var(txn.route),field(1,/)]

frontend https
    bind :{https} ssl crt-list {DIRECTORY}/certs/list.txt strict-sni alpn h2,http/1.1
    bind :::{https} v6only ssl crt-list {DIRECTORY}/certs/list.txt strict-sni alpn h2,http/1.1
{ROUTING}
{FORWARDING}    http-request set-header X-Forwarded-Proto https
    use_backend %[var(txn.route),field(1,/)]

frontend metrics
    bind unix@{DIRECTORY}/run/metrics.sock mode 660 gid {group}
    no log
    http-request use-service prometheus-exporter if {{ path /metrics }}
    stats enable
    stats uri /
"#,
        port = if https == 443 { String::new() } else { format!(":{https}") },
    )
}

/// From a request's host and path to the value of the longest key of the map that they begin with, by whole segments.
const ROUTING: &str = r#"    http-request set-var(txn.host) req.hdr(host),host_only,lower
    http-request set-var-fmt(txn.address) "%[var(txn.host)]%[path]/"
    http-request set-var(txn.route) var(txn.address),map_beg(/var/lib/stagecraft/ingress/config/routes.map)
    http-request return status 404 content-type text/plain string "nothing is routed here\n" if !{ var(txn.route) -m found }"#;

/// What the application is told of the client, and the log of the release: a server's name ends with `-rRELEASE-REPLICA`.
const FORWARDING: &str = "    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-response set-var(txn.release) srv_name,word(-2,-),bytes(1) if { srv_name -m reg -- -r[0-9]+-[0-9]+$ }
";

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
    debug_assert!(ROUTES.ends_with("routes.map"));
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
    for host in fragments.values().flat_map(|fragment| fragment.certificates.keys()) {
        let _ = writeln!(list, "{DIRECTORY}/certs/{host}.pem {host}");
    }
    list
}
