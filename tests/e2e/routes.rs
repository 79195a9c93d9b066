//! What the ingress does with requests.

use crate::{
    app::App,
    lab::{self, Place, local},
    stagecraft::stagecraft,
};

const HTTP: u16 = 8600;
const HTTPS: u16 = HTTP + 1;

fn status(arguments: &str) -> String {
    local(&format!("curl -s -o /dev/null -w '%{{http_code}}' --max-time 5 {arguments}"))
}

// spec: ingress.routes
#[test]
fn by_host_and_path_whole_segments_longest_first() {
    let app = App::web("e2e-routes", &[Place::Host(1)], HTTP);
    app.write("compose.yaml", "services:\n  web: { build: . }\n  api: { build: ., environment: { VERSION: api } }\n");
    app.write(
        "stagecraft.yml",
        &app.manifest(
            HTTP,
            "  web: { route: { host: app.test, port: 8080, tls: off }, health: { path: /up } }\n  \
               api: { route: { host: app.test, path: /api, port: 8080, tls: off }, health: { path: /up } }\n",
        ),
    );
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    let version = |path: &str| {
        let url = format!("http://{}:{HTTP}{path}", lab::address(1));
        local(&format!(
            "curl -s -D- -o /dev/null -H 'Host: app.test' {url} | tr -d '\\r' | sed -n 's/^x-version: //Ip'"
        ))
        .trim()
        .to_owned()
    };
    for (path, wanted) in
        [("/", "v1"), ("/apix", "v1"), ("/api", "api"), ("/api/x", "api"), ("/api?q=1", "api"), ("/a", "v1")]
    {
        assert_eq!(version(path), wanted, "{path}");
    }
    let unknown = status(&format!("-H 'Host: other.test' http://{}:{HTTP}/", lab::address(1)));
    assert_eq!(unknown, "404");
    // Another project must not take the host name.
    let other = App::web("e2e-routes-other", &[], HTTP);
    other.write(
        "stagecraft.yml",
        &app.read("stagecraft.yml").replace("project: e2e-routes", "project: e2e-routes-other").replace(
            "  api: { route: { host: app.test, path: /api, port: 8080, tls: off }, health: { path: /up } }\n",
            "",
        ),
    );
    let before = app.snapshot();
    let refused = stagecraft(other.path(), &["deploy", "--yes"]).exits(5);
    assert!(refused.stderr.contains("app.test") && refused.stderr.contains("e2e-routes"), "{}", refused.stderr);
    assert_eq!(app.snapshot(), before);
}

#[test]
fn other_ports_are_refused_although_nothing_else_differs() {
    let app = App::web("e2e-ports", &[Place::Host(1)], HTTP);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    let manifest = app.read("stagecraft.yml");
    app.write("stagecraft.yml", &manifest.replace(&format!("http: {HTTP},"), "http: 8690,"));
    let before = app.snapshot();
    for args in [&["plan"][..], &["deploy", "--yes"]] {
        let refused = stagecraft(app.path(), args).exits(5);
        let (is, wanted) = (format!("listens on ports {HTTP} and {HTTPS}"), format!("not on 8690 and {HTTPS}"));
        assert!(refused.stderr.contains(&is) && refused.stderr.contains(&wanted), "{}", refused.stderr);
        assert!(refused.stderr.contains("docker rm -f stagecraft-ingress"), "{}", refused.stderr);
    }
    assert_eq!(app.snapshot(), before);
    app.write("stagecraft.yml", &manifest);
    let same = stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    assert!(same.stdout.contains("nothing to do"), "{}", same.stdout);
}

// spec: ingress.tls-internal
#[test]
fn certificates_of_the_environments_own_authority() {
    let app = App::web("e2e-tls", &[Place::Host(1)], HTTP);
    app.write("stagecraft.yml", &app.read("stagecraft.yml").replace("tls: off", "tls: internal"));
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    let authority = stagecraft(app.path(), &["ca"]).exits(0).stdout;
    app.write("ca.pem", &authority);
    let to = format!("--resolve app.test:{HTTPS}:{} --resolve app.test:{HTTP}:{}", lab::address(1), lab::address(1));
    let with = format!("--cacert {}", app.path().join("ca.pem").display());
    for version in ["--http1.1", "--http2"] {
        assert_eq!(status(&format!("{version} {to} {with} https://app.test:{HTTPS}/")), "200");
    }
    let negotiated =
        local(&format!("curl -s -o /dev/null -w '%{{http_version}}' {to} {with} https://app.test:{HTTPS}/"));
    assert_eq!(negotiated, "2");
    let redirect =
        local(&format!("curl -s -o /dev/null -w '%{{http_code}} %{{redirect_url}}' {to} http://app.test:{HTTP}/x?y=1"));
    assert_eq!(redirect, format!("308 https://app.test:{HTTPS}/x?y=1"));
    let untrusted =
        std::process::Command::new("sh").args(["-c", &format!("curl -s {to} https://app.test:{HTTPS}/")]).status();
    assert_eq!(untrusted.expect("curl runs").code(), Some(60), "the authority is not one that everybody trusts");
    // The same authority after the next deploy.
    app.version("v2");
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    assert_eq!(stagecraft(app.path(), &["ca"]).exits(0).stdout, authority);
    assert_eq!(status(&format!("{to} {with} https://app.test:{HTTPS}/")), "200");
}

// spec: ingress.tls-own
#[test]
fn the_users_own_certificate() {
    let app = App::web("e2e-own", &[Place::Host(1)], HTTP);
    let make = |serial: u8| {
        local(&format!(
            "cd {} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 \
             -subj /CN=app.test -addext subjectAltName=DNS:app.test -set_serial {serial} 2>/dev/null",
            app.path().display()
        ))
    };
    make(1);
    app.write(
        "stagecraft.yml",
        &app.read("stagecraft.yml").replace("tls: off", "tls: { cert: cert.pem, key: key.pem }"),
    );
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    let trusted = || {
        let certificate = app.path().join("cert.pem");
        status(&format!(
            "--resolve app.test:{HTTPS}:{} --cacert {} https://app.test:{HTTPS}/",
            lab::address(1),
            certificate.display()
        ))
    };
    assert_eq!(trusted(), "200");
    // A renewed certificate is a change, and no container is replaced for it.
    make(2);
    let containers = lab::ssh(1, "docker ps -q --filter label=com.docker.compose.project=e2e-own");
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    assert_eq!(trusted(), "200");
    assert_eq!(lab::ssh(1, "docker ps -q --filter label=com.docker.compose.project=e2e-own"), containers);
}
