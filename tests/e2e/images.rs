//! How images reach the hosts.

use crate::{app::App, lab::Place, stagecraft::stagecraft};

const HTTP: u16 = 8500;

/// A Dockerfile with a large layer that stays and a small one that changes.
fn version(app: &App, version: &str) {
    app.write("small", &format!("{version}\n").repeat(1000));
    app.write(
        "Dockerfile",
        &format!("FROM scratch\nCOPY app /app\nCOPY big /big\nCOPY small /small\nENV VERSION={version}\nENTRYPOINT [\"/app\", \"serve\"]\n"),
    );
}

/// Bytes that no compression makes smaller, the same each time.
fn noise(megabytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
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
