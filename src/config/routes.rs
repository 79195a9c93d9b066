//! Routes, checked by themselves and against one another.

use std::{ops::Range, path::Path};

use stdlib::model::{IngressProvider, SecretValue};

use super::{
    certificate,
    file::Route,
    findings::Findings,
    shape::{Given, Setting},
    values::{TLS_CHOICES, Tls},
};

/// The longest host name of DNS, and the longest of its parts.
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;
/// What ends a command of `HAProxy`'s runtime API, and so cannot stand in the key of a map.
const ENDS_COMMAND: char = ';';

/// A route that is valid by itself.
#[derive(Debug, Clone)]
pub struct Entrance {
    pub host: String,
    pub path: String,
    pub port: u16,
    pub tls: Protection,
    /// Where the host stands in the file.
    pub place: Range<usize>,
}

/// How requests of a route are protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    Off,
    Internal,
    /// Chain and key, PEM.
    Own(SecretValue),
}

pub fn resolve(
    given: &Given<Route>,
    provider: IngressProvider,
    directory: &Path,
    findings: &mut Findings,
) -> Option<Entrance> {
    let route = &given.value;
    if provider == IngressProvider::None {
        findings
            .error(&given.key, "there is a route, and `ingress.provider` is `none`")
            .help("remove the route, or let `ingress.provider` be `haproxy`");
    }
    if route.host.is_absent() {
        missing(given, "host", "`host: shop.example.com`", findings);
    }
    if route.port.is_absent() {
        missing(given, "port", "`port: 3000`, the port that the container listens on", findings);
    }
    let host = route.host.given();
    let name = host.and_then(|host| host_name(&host.value, &host.span, findings));
    let path = match &route.path {
        Setting::Absent => Some("/".to_owned()),
        Setting::Wrong => None,
        Setting::Given(path) => path_prefix(&path.value, &path.span, findings),
    };
    let tls = protection(given, directory, findings);
    let port = route.port.value()?.0;
    Some(Entrance { host: name?, path: path?, port, tls: tls?, place: host?.span.clone() })
}

fn missing(given: &Given<Route>, key: &str, example: &str, findings: &mut Findings) {
    findings.error(&given.key, format!("the route has no `{key}`")).help(format!("add {example}"));
}

/// A host name of DNS, lower case.
fn host_name(text: &str, span: &Range<usize>, findings: &mut Findings) -> Option<String> {
    let valid = |label: &str| {
        !label.is_empty()
            && label.len() <= MAX_LABEL
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if text.len() <= MAX_HOST && text.split('.').all(valid) {
        return Some(text.to_ascii_lowercase());
    }
    let help = if text.contains("://") || text.contains('/') {
        "write the host name alone; a path goes to `path`, and `tls` decides between HTTP and HTTPS"
    } else if text.contains(':') {
        "write the host name alone; the ports of the ingress are `ingress.http` and `ingress.https`"
    } else if text.contains('*') {
        "wildcards are not supported: write one route for each host name"
    } else if !text.is_ascii() {
        "write it in its ASCII form, which begins with `xn--`"
    } else {
        "write letters, digits, hyphens and dots, such as `shop.example.com`"
    };
    findings.error(span, format!("`{text}` is not a host name")).help(help);
    None
}

/// What may stand in a URL's path.
fn of_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@%".contains(c)
}

/// Whether a text is a path that HTTP can ask for, perhaps with a query.
pub fn is_target(text: &str) -> bool {
    text.chars().all(|c| of_path(c) || c == '?')
}

/// A path without a slash at its end, but for `/` itself.
fn path_prefix(text: &str, span: &Range<usize>, findings: &mut Findings) -> Option<String> {
    if !text.starts_with('/') {
        findings.error(span, format!("the path `{text}` does not begin with `/`")).help(format!("write `/{text}`"));
        return None;
    }
    if text.contains(ENDS_COMMAND) {
        findings
            .error(span, format!("the ingress cannot route by a path with `{ENDS_COMMAND}`, as in `{text}`"))
            .help("write the segments before it, such as `/api`");
        return None;
    }
    if !text.chars().all(of_path) || text.contains("//") {
        findings
            .error(span, format!("`{text}` is not the beginning of a URL's path"))
            .help("write whole segments, such as `/api`; other characters are percent-encoded");
        return None;
    }
    let trimmed = text.trim_end_matches('/');
    Some(if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() })
}

fn protection(given: &Given<Route>, directory: &Path, findings: &mut Findings) -> Option<Protection> {
    let place = match &given.value.tls {
        Setting::Given(Given { value: Tls::Off, .. }) => return Some(Protection::Off),
        Setting::Given(Given { value: Tls::Internal, .. }) => return Some(Protection::Internal),
        Setting::Given(Given { value: Tls::Own(own), key, .. }) => {
            return certificate::read(own, key, directory, findings).map(Protection::Own);
        }
        Setting::Wrong => return None,
        Setting::Given(Given { value: Tls::Auto, span, .. }) => span,
        Setting::Absent => &given.key,
    };
    findings
        .error(place, "certificates by ACME (`tls: auto`, the default) are not available yet")
        .help(format!("write `tls` with {TLS_CHOICES}"));
    None
}

/// Refuses what two routes of a project cannot share: the same requests, or one host name protected in two ways.
pub fn conflicts<'a>(routes: impl IntoIterator<Item = (&'a str, &'a Entrance)>, findings: &mut Findings) {
    let mut seen: Vec<(&str, &Entrance)> = Vec::new();
    for (service, route) in routes {
        let same_host = || seen.iter().filter(|(_, other)| other.host == route.host);
        if let Some((other, _)) = same_host().find(|(_, other)| other.path == route.path) {
            findings
                .error(&route.place, format!("`{service}` has the route of `{other}`: {}{}", route.host, route.path))
                .help("give one of them another `host` or `path`");
        } else if let Some((other, _)) = same_host().find(|(_, other)| other.tls != route.tls) {
            findings
                .error(&route.place, format!("`{service}` and `{other}` have one host name and different `tls`"))
                .help(format!("{} has one certificate: write the same `tls` for both", route.host));
        }
        seen.push((service, route));
    }
}
