//! How images reach the hosts.

use std::process::{Child, Command, Stdio};

use crate::{
    app::App,
    lab::{self, Place},
    stagecraft::stagecraft,
};

const HTTP: u16 = 8500;

/// A Dockerfile with a large layer that stays and a small one that changes.
fn version(app: &App, version: &str) {
    app.write("small", &format!("{version}\n").repeat(1000));
    app.write(
        "Dockerfile",
        &format!("FROM scratch\nCOPY app /app\nCOPY big /big\nCOPY small /small\nENV VERSION={version}\nENTRYPOINT [\"/app\", \"serve\"]\n"),
    );
}

/// Bytes that no compression makes smaller, others in each run: a host may have an earlier run's layers.
pub fn noise(megabytes: usize) -> Vec<u8> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let mut state = u64::from(now.subsec_nanos()) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..megabytes << 20).map(next).collect()
}

// spec: images.direct
// spec: images.build
// spec: hosts.usage
#[test]
fn only_layers_that_a_host_lacks() {
    // Hosts 1 and 3 have different image stores.
    let app = App::web("e2e-layers", &[Place::Host(1), Place::Host(3)], HTTP);
    std::fs::write(app.path().join("big"), noise(8)).expect("a writable directory");
    version(&app, "v1");
    let sent = |ran: &crate::stagecraft::Ran, host: &str| {
        ran.summary()["hosts"][host]["bytes_sent"].as_u64().expect("a count of bytes")
    };
    let first = stagecraft(app.path(), &["deploy", "--yes", "--json"]).exits(0);
    version(&app, "v2");
    let second = stagecraft(app.path(), &["deploy", "--yes", "--json"]).exits(0);
    for host in ["h1", "h3"] {
        assert!(sent(&first, host) > 8 << 20, "the big layer goes over once: {}", sent(&first, host));
        assert!(sent(&second, host) < 1 << 20, "and not again: {}", sent(&second, host));
    }
    assert_eq!(App::version_on(1, HTTP), "v2");
    assert_eq!(App::version_on(3, HTTP), "v2");
    // An unchanged tree builds nothing: the builder is not even asked.
    let again = stagecraft(app.path(), &["deploy", "--yes", "--json"]).exits(0);
    assert!(!again.stdout.contains("build web"), "{}", again.stdout);
    assert!(sent(&again, "h1") < 64 << 10, "{}", sent(&again, "h1"));
}

/// A registry on this machine, which a host reaches at the same loopback address through its own SSH connection.
struct Registry {
    server: Child,
    tunnel: Child,
    _directory: tempfile::TempDir,
}

const REGISTRY: u16 = 5055;

impl Registry {
    fn start(host: u8) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let configuration = directory.path().join("registry.yml");
        let text = format!(
            "version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: \"127.0.0.1:{REGISTRY}\" }}\n",
            directory.path().join("data").display()
        );
        std::fs::write(&configuration, text).expect("a writable directory");
        let quiet =
            |mut command: Command| command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        let mut serve = Command::new("docker-registry");
        serve.arg("serve").arg(&configuration);
        let server = quiet(serve);
        let mut ssh = lab::ssh_command();
        ssh.args(["-N", "-o", "ExitOnForwardFailure=yes", "-R", &format!("{REGISTRY}:127.0.0.1:{REGISTRY}")]);
        ssh.arg(lab::destination(host));
        let registry = Self { server, tunnel: quiet(ssh), _directory: directory };
        lab::ssh(
            host,
            &format!(
                "for i in $(seq 100); do curl -sf http://127.0.0.1:{REGISTRY}/v2/ && exit 0; sleep 0.1; done; exit 1"
            ),
        );
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        for child in [&mut self.tunnel, &mut self.server] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

// spec: images.registry
#[test]
fn pushed_once_and_pulled_by_digest() {
    let app = App::web("e2e-registry", &[Place::Host(2)], HTTP);
    let registry = Registry::start(2);
    let through = format!("images: {{ transfer: registry, registry: \"127.0.0.1:{REGISTRY}/shop\" }}\n");
    app.write("stagecraft.yml", &format!("{}{through}", app.read("stagecraft.yml")));
    let first = stagecraft(app.path(), &["deploy", "--yes", "--json"]).exits(0);
    assert_eq!(App::version_on(2, HTTP), "v1");
    let sent = first.summary()["hosts"]["h2"]["bytes_sent"].as_u64().expect("a count of bytes");
    assert!(sent < 1 << 19, "the image came from the registry, and {sent} bytes over our connection");
    let catalog = lab::ssh(2, &format!("curl -s http://127.0.0.1:{REGISTRY}/v2/_catalog"));
    assert!(catalog.contains("shop/"), "{catalog}");
    drop(registry);
    // What is there already needs no registry.
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
}
