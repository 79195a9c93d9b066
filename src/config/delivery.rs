//! How images reach the hosts, and what takes requests in.

use stdlib::model::{IngressProvider, IngressSettings, Transfer};

use super::{file::File, findings::Findings, values::HowTransferred};

const INGRESS_IMAGE: &str = "haproxy:3.2";
const HTTP: u16 = 80;
const HTTPS: u16 = 443;

pub fn transfer(file: &File, findings: &mut Findings) -> Transfer {
    let Some(images) = file.images.given() else { return Transfer::Direct };
    let registry = images.value.registry.given();
    match images.value.transfer.given() {
        Some(given) if given.value == HowTransferred::Registry => {
            if images.value.registry.is_absent() {
                findings
                    .error(&given.span, "`transfer: registry` needs the place to push to")
                    .help("add `registry: registry.example.com/shop`");
            }
            let Some(given) = registry else { return Transfer::Direct };
            let prefix = given.value.trim_end_matches('/');
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "./:_-".contains(c);
            if prefix.is_empty() || !prefix.chars().all(plain) || prefix.contains("//") {
                findings
                    .error(&given.span, format!("`{}` is not a registry with a path", given.value))
                    .help("write it as in `docker push`, without a scheme or tag, such as `registry.example.com/shop`");
            }
            Transfer::Registry { prefix: prefix.to_owned() }
        }
        _ => {
            if let Some(given) = registry {
                findings
                    .error(&given.key, "`registry` is for `transfer: registry`")
                    .help("add `transfer: registry`, or remove `registry`");
            }
            Transfer::Direct
        }
    }
}

pub fn ingress(file: &File, findings: &mut Findings) -> IngressSettings {
    let given = file.ingress.value().cloned().unwrap_or_default();
    let settings = IngressSettings {
        provider: given.provider.or(IngressProvider::Haproxy),
        image: given.image.or(INGRESS_IMAGE.to_owned()),
        http: given.http.or(HTTP),
        https: given.https.or(HTTPS),
    };
    let ports = [given.https.given(), given.http.given()];
    if let Some(port) = ports.into_iter().flatten().next().filter(|_| settings.http == settings.https) {
        findings
            .error(&port.span, format!("HTTP and HTTPS cannot both have port {}", settings.http))
            .help("give each its own, with `http` and `https`");
    }
    settings
}
