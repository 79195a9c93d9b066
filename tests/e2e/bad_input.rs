//! Bad input: an error that names the thing and the next step, the right exit code, and every host as it was.

use std::fmt::Write as _;

use crate::{
    app::App,
    images::noise,
    lab::{self, Place},
    stagecraft::{Ran, stagecraft},
};

const HTTP: u16 = 8100;

/// An application on host 1 that is deployed once, so that there is something that could be broken.
fn deployed(project: &str) -> App {
    let app = App::web(project, &[Place::Host(1)], HTTP);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    app
}

/// Deploys, expects this exit code and these words on stderr, and that nothing on the hosts has changed.
#[track_caller]
fn refused(app: &App, code: i32, words: &[&str]) -> Ran {
    let before = app.snapshot();
    let ran = stagecraft(app.path(), &["deploy", "--yes"]).exits(code);
    for word in words {
        assert!(ran.stderr.contains(word), "`{word}` is not in:\n{}", ran.stderr);
    }
    assert_eq!(app.snapshot(), before);
    ran
}

// spec: config.diagnostics
// spec: config.names
// spec: cli.exit-codes
#[test]
fn mistakes_in_stagecraft_yml() {
    let app = deployed("e2e-bad-yml");
    let good = app.read("stagecraft.yml");
    let cases: [(String, &[&str]); 6] = [
        (good.replace("services:", "services: ["), &["stagecraft.yml", "not valid YAML"]),
        (good.replace("route:", "rout:").replace("health:", "helth:"), &["rout", "`route`", "helth", "`health`"]),
        (format!("{good}project: twice\n"), &["project"]),
        (good.replace("  web:", "  wbe:"), &["wbe", "web"]),
        (good.replace("  web:", "  web:\n    on: nowhere"), &["nowhere"]),
        (bomb(&good), &["stagecraft.yml"]),
    ];
    for (text, words) in cases {
        app.write("stagecraft.yml", &text);
        refused(&app, 3, words);
    }
    app.write("stagecraft.yml", &good);
}

/// A billion laughs.
fn bomb(good: &str) -> String {
    let mut text = "bomb: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        let _ = writeln!(text, "bomb{level}: &a{level} [{inner}]");
    }
    text + good
}

// spec: config.compose
// spec: compose.unsupported
#[test]
fn mistakes_in_the_compose_file() {
    let app = deployed("e2e-bad-compose");
    let good = app.read("compose.yaml");
    app.write("compose.yaml", &good.replace("build: .", "build: .\n    imgae: x"));
    refused(&app, 3, &["imgae"]);
    app.write("compose.yaml", &good.replace("build: .", "build: .\n    privileged: true"));
    refused(&app, 3, &["compose.yaml:4", "privileged"]);
    app.write("compose.yaml", &good.replace("build: .", "build: .\n    ports: [\"8123:8080\"]"));
    refused(&app, 3, &["8123", "stop-first"]);
    app.write("compose.yaml", &good);
}

// spec: recipe.limits
#[test]
fn mistakes_in_a_recipe() {
    let app = deployed("e2e-bad-recipe");
    std::fs::create_dir(app.path().join("recipes")).expect("a writable directory");
    let cases: [(&str, &[&str]); 6] = [
        ("let x = ;", &["recipes/deploy.rhai", "1"]),
        ("rollout::replaze(1);", &["replaze", "rollout::replace"]),
        ("loop { }", &["recipes/deploy.rhai"]),
        ("let s = \"x\"; loop { s += s; }", &["recipes/deploy.rhai"]),
        ("let a = []; loop { a.push(a); }", &["recipes/deploy.rhai"]),
        ("image::transfer(app.images, hosts(\"nowhere\"));", &["nowhere"]),
    ];
    for (text, words) in cases {
        app.write("recipes/deploy.rhai", text);
        refused(&app, 3, words);
    }
}

// spec: hosts.unreachable
#[test]
fn an_unreachable_host() {
    let app = deployed("e2e-bad-unreachable");
    let (good, nobody) = (app.read("stagecraft.yml"), lab::in_network(99));
    app.write("stagecraft.yml", &good.replace(&lab::address(1), &nobody));
    let ran = refused(&app, 5, &["h1", &nobody]);
    assert!(ran.took.as_secs() < 13, "{:?}", ran.took);
    app.write("stagecraft.yml", &good);
}

// spec: hosts.keys
#[test]
fn a_wrong_and_an_unknown_host_key() {
    let app = deployed("e2e-bad-key");
    let good = app.read("stagecraft.yml");
    let known = lab::cache().join("run/known_hosts");
    let real = std::fs::read_to_string(&known).expect("known_hosts");
    // The key of another host under this one's address.
    let (first, second) = (lab::address(1), lab::address(2));
    let wrong: Vec<String> =
        real.lines().filter(|line| line.starts_with(&second)).map(|line| line.replace(&second, &first)).collect();
    for text in [wrong.join("\n") + "\n", String::new()] {
        app.write("known_hosts", &text);
        let other = app.path().join("known_hosts");
        app.write("stagecraft.yml", &good.replace(&known.display().to_string(), &other.display().to_string()));
        refused(&app, 5, &["h1", "key", "ssh"]);
    }
    app.write("stagecraft.yml", &good);
}

#[test]
fn no_permission_on_the_engines_socket() {
    let app = deployed("e2e-bad-permission");
    let good = app.read("stagecraft.yml");
    lab::ssh(
        1,
        "id nodocker >/dev/null 2>&1 || useradd -m -s /bin/sh -p '*' nodocker; \
        mkdir -p ~nodocker/.ssh && cp ~/.ssh/authorized_keys ~nodocker/.ssh/ && chown -R nodocker ~nodocker/.ssh",
    );
    app.write("stagecraft.yml", &good.replace("user: root", "user: nodocker"));
    refused(&app, 5, &["h1", "nodocker", "usermod -aG docker nodocker"]);
    app.write("stagecraft.yml", &good);
    // A member of the docker group needs nothing else.
    app.write("stagecraft.yml", &good.replace("user: root", "user: deploy"));
    let same = stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    assert!(same.stdout.contains("nothing to do"), "{}", same.stdout);
}

// spec: run.preflight
#[test]
fn a_port_in_use() {
    let app = App::web("e2e-bad-port", &[Place::Host(1)], HTTP);
    lab::ssh(
        1,
        &format!(
            "nohup perl -MIO::Socket::INET -e 'my $s=IO::Socket::INET->new(LocalPort=>{HTTP},Listen=>1,ReuseAddr=>1) or die; sleep 60' >/dev/null 2>&1 </dev/null & echo $! >/run/e2e-port.pid; sleep 0.3"
        ),
    );
    // It is seen before anything is built.
    app.write("Dockerfile", "FROM scratch\nCOPY missing /\n");
    let ran = stagecraft(app.path(), &["deploy", "--yes"]).exits(5);
    app.version("v1");
    assert!(ran.stderr.contains(&HTTP.to_string()) && ran.stderr.contains("h1"), "{}", ran.stderr);
    lab::ssh(1, "kill $(cat /run/e2e-port.pid)");
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
}

#[test]
fn no_engine_on_a_host() {
    let app = App::web("e2e-bad-engine", &[Place::Host(2)], HTTP);
    // dockerd ends as a service would stop it, with all containers.
    lab::ssh(2, "pid=$(cat /var/run/docker.pid); kill $pid; while kill -0 $pid 2>/dev/null; do sleep 0.1; done");
    let ran = stagecraft(app.path(), &["deploy", "--yes"]);
    lab::ssh(
        2,
        "rm -f /var/run/docker.pid; setsid dockerd >/var/log/dockerd.log 2>&1 </dev/null & for i in $(seq 100); do docker info >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1",
    );
    let ran = ran.exits(5);
    for word in ["h2", "no Docker engine answers", "systemctl"] {
        assert!(ran.stderr.contains(word), "`{word}` is not in:\n{}", ran.stderr);
    }
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
}

// spec: images.room
#[test]
fn no_room_for_the_layers_on_one_of_two_hosts() {
    let app = App::web("e2e-bad-room", &[Place::Host(1), Place::Host(2)], HTTP);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    let mut big = noise(1);
    big.resize(80 << 20, 7);
    std::fs::write(app.path().join("big"), big).expect("a writable directory");
    app.version_with("v2", "COPY big /big");
    // More than the preflight wants, less than the layer takes as it arrives and unpacked.
    lab::ssh(
        2,
        "mount -o remount,size=$(($(df --output=used -k /var/lib/docker | tail -1) + 135 * 1024))k /var/lib/docker",
    );
    let images = || [1, 2].map(|host| lab::ssh(host, "docker images --all --no-trunc --quiet | sort"));
    let before = (app.snapshot(), images());
    let ran = stagecraft(app.path(), &["deploy", "--yes"]);
    let after = (app.snapshot(), images());
    lab::host(2, "empty");
    let ran = ran.exits(5);
    for word in ["h2 has 13", "free in /var/lib/docker", "the images that it lacks need 225 MB", "`stagecraft ssh h2 "]
    {
        assert!(ran.stderr.contains(word), "`{word}` is not in:\n{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("no space left on device") && !ran.stderr.contains("putting back"), "{}", ran.stderr);
    assert_eq!(after, before);
    // It was no run yet.
    let runs = stagecraft(app.path(), &["runs"]).exits(0);
    assert!(!runs.stdout.contains("put back"), "{}", runs.stdout);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
}

#[test]
fn no_free_disk() {
    let app = deployed("e2e-bad-disk");
    std::fs::write(app.path().join("big"), noise(4)).expect("a writable directory");
    app.version_with("v2", "COPY big /big");
    // Where the engine unpacks what it loads there is room for nothing.
    lab::ssh(1, "mount -t tmpfs -o size=64k tmpfs /var/lib/docker/tmp");
    let before = app.snapshot();
    let ran = stagecraft(app.path(), &["deploy", "--yes"]);
    lab::ssh(1, "umount /var/lib/docker/tmp");
    let ran = ran.exits(5);
    for word in ["h1", "no space left on device"] {
        assert!(ran.stderr.contains(word), "`{word}` is not in:\n{}", ran.stderr);
    }
    assert_eq!(app.snapshot(), before);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
}
