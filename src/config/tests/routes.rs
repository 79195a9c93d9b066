//! Routes and their certificates.

use std::fs;

use super::{Case, services};

#[test]
fn routes_that_cannot_be() {
    let case = Case::new();
    let auto = "certificates by ACME (`tls: auto`, the default) are not available yet; write `tls` with `internal` (the \
                environment's own CA), `off` (plain HTTP) or `{ cert: FILE, key: FILE }`";
    case.refuses(
        &services("  web: { route: {} }\n  site: { route: { host: a.test, port: 1, tls: auto } }\n"),
        &[
            "8:10 the route has no `host`; add `host: shop.example.com`",
            "8:10 the route has no `port`; add `port: 3000`, the port that the container listens on",
            &format!("8:10 {auto}"),
            &format!("9:48 {auto}"),
        ],
    );
    case.refuses(&services("  web: { route: { host: \"a.test:80\", path: api, port: 80, tls: off } }\n"), &[
        "8:25 `a.test:80` is not a host name; write the host name alone; the ports of the ingress are `ingress.http` and `ingress.https`",
        "8:44 the path `api` does not begin with `/`; write `/api`",
    ]);
    let two = "  web: { route: { host: Shop.Test, path: /a/, port: 80, tls: off } }\n  \
                 site: { route: { host: shop.test, path: /a, port: 80, tls: off } }\n";
    case.refuses(
        &services(two),
        &["9:26 `site` has the route of `web`: shop.test/a; give one of them another `host` or `path`"],
    );
    case.refuses(&services(&two.replace("/a, port: 80, tls: off", "/b, port: 80, tls: internal")), &[
        "9:26 `site` and `web` have one host name and different `tls`; shop.test has one certificate: write the same `tls` for both",
    ]);
    case.refuses(&services("  web: { health: { path: /up } }\n  migrate: { job: before, replicas: 2 }\n"), &[
        "8:20 `health.path` is asked for at the route's port, and there is no route; add a `route`, or a `healthcheck` in the Compose file",
        "9:27 `migrate` is a job (line 9): it runs once, on one host, and has no `replicas`; remove `replicas` or `job`",
    ]);
}

/// What stands there goes into the ingress's configuration and commands.
#[test]
fn routes_that_the_ingress_cannot_hold() {
    let case = Case::new();
    let route = |host: &str, path: &str| {
        services(&format!("  web: {{ route: {{ host: \"{host}\", path: \"{path}\", port: 80, tls: off }} }}\n"))
    };
    let semicolon =
        "8:41 the ingress cannot route by a path with `;`, as in `/a;b`; write the segments before it, such as `/api`";
    case.refuses(&route("a.test", "/a;b"), &[semicolon]);
    for (written, read) in [(" ", " "), ("\\n", "\n"), ("\\x01", "\x01"), ("#", "#"), ("\\\"", "\""), ("\\\\", "\\")] {
        let path = format!(
            "8:41 `/a{read}b` is not the beginning of a URL's path; write whole segments, such as `/api`; other characters are percent-encoded"
        );
        case.refuses(&route("a.test", &format!("/a{written}b")), &[&path]);
        let health = format!(
            "  web: {{ route: {{ host: a.test, port: 80, tls: off }}, health: {{ path: \"/a{written}b\" }} }}\n"
        );
        let path = format!(
            "8:71 `/a{read}b` is not a URL's path; write a path such as `/up`, perhaps with a query; other characters are percent-encoded"
        );
        case.refuses(&services(&health), &[&path]);
    }
    for (written, read) in [(" ", " "), ("\\n", "\n"), (";", ";"), ("#", "#"), ("'", "'"), ("\\\"", "\"")] {
        let host = format!(
            "8:25 `a{read}b.test` is not a host name; write letters, digits, hyphens and dots, such as `shop.example.com`"
        );
        case.refuses(&route(&format!("a{written}b.test"), "/a"), &[&host]);
    }
    let health = "  web: { route: { host: a.test, path: \"/it's/a%3Bb\", port: 80, tls: off }, health: { path: \"/up?a=1;b\" } }\n";
    case.project(&services(health), None);
}

#[test]
fn a_certificate_is_seen_to_fit_its_key() {
    let case = Case::new();
    let write = |name: &str, text: &str| fs::write(case.directory.path().join(name), text).unwrap();
    let made = rcgen::generate_simple_self_signed(["s.test".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    write("site.crt", &certificate);
    write("site.key", &key);
    write("other.key", &rcgen::KeyPair::generate().unwrap().serialize_pem());
    let text = |cert: &str, key: &str| {
        services(&format!("  site: {{ route: {{ host: s.test, port: 80, tls: {{ cert: {cert}, key: {key} }} }} }}\n"))
    };
    let project = case.project(&text("site.crt", "site.key"), None);
    let pem = project.values().files["tls/s.test"].expose();
    assert_eq!(pem, format!("{}\n{}\n", certificate.trim_end(), key.trim_end()));
    case.refuses(
        &text("site.crt", "other.key"),
        &["8:44 the private key is not the certificate's; the chain begins with the certificate of the key"],
    );
    case.refuses(&text("site.key", "site.crt"), &[
        "8:57 the file is not a certificate chain in PEM form; it begins with `-----BEGIN CERTIFICATE-----`",
        "8:72 the file is not a private key in PEM form; it begins with `-----BEGIN PRIVATE KEY-----` and has no passphrase",
    ]);
    case.refuses(
        &text("no.crt", "site.key"),
        &["8:57 no.crt cannot be read: No such file or directory (os error 2); paths count from stagecraft.yml"],
    );
}
