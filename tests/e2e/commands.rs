//! Commands beside `deploy`, and recipes of a project's own.

use crate::{
    app::App,
    lab::Place,
    stagecraft::{Running, command, stagecraft},
};

const HTTP: u16 = 8700;

// spec: recipe.own
// spec: recipe.builtin
#[test]
fn a_recipe_of_the_projects_own() {
    let app = App::web("e2e-recipe", &[Place::Host(1), Place::Host(2)], HTTP);
    std::fs::create_dir(app.path().join("recipes")).expect("a writable directory");
    app.write(
        "recipes/greet.rhai",
        "//! Leaves a greeting on the hosts.\n\
         param(\"name\", #{ fallback: \"world\", help: \"Who is greeted\" });\n\
         host::run(hosts(), `echo hello ${args.name} > /run/e2e-greeting`, #{ undo: \"rm -f /run/e2e-greeting\" });\n",
    );
    let help = stagecraft(app.path(), &["run", "greet", "--help"]).exits(0).stdout;
    assert!(help.contains("name") && help.contains("Who is greeted"), "{help}");
    stagecraft(app.path(), &["run", "greet", "--arg", "name=lab", "--yes"]).exits(0);
    for host in [1, 2] {
        assert_eq!(crate::lab::ssh(host, "cat /run/e2e-greeting; rm /run/e2e-greeting"), "hello lab\n");
    }
    let wrong = stagecraft(app.path(), &["run", "greet", "--arg", "nam=lab", "--yes"]).exits(3);
    assert!(wrong.stderr.contains("nam") && wrong.stderr.contains("name"), "{}", wrong.stderr);
    let listed = stagecraft(app.path(), &["recipe", "list"]).exits(0).stdout;
    for word in ["deploy", "rollback", "greet", "Leaves a greeting"] {
        assert!(listed.contains(word), "`{word}` is not in:\n{listed}");
    }
    // The built-in recipe, copied into the project, makes the same plan.
    let built_in = stagecraft(app.path(), &["plan"]).exits(0).stdout;
    stagecraft(app.path(), &["recipe", "eject", "deploy"]).exits(0);
    assert!(app.path().join("recipes/deploy.rhai").is_file());
    assert_eq!(stagecraft(app.path(), &["plan"]).exits(0).stdout, built_in);
}

// spec: run.json
// spec: run.journal
// spec: cli.status
#[test]
fn events_runs_and_status() {
    let app = App::web("e2e-events", &[Place::Host(1)], HTTP);
    let ran = stagecraft(app.path(), &["deploy", "--yes", "--json"]).exits(0);
    for line in ran.stdout.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        assert!(event["type"].is_string() && event["version"].is_u64(), "{line}");
    }
    let summary = ran.summary();
    assert_eq!((&summary["outcome"], &summary["exit"]), (&"done".into(), &0.into()), "{summary:#}");
    assert!(summary["release"].as_str().expect("a name").starts_with('1'), "{summary:#}");
    let usage = &summary["hosts"]["h1"];
    for key in ["sessions", "forwarded", "requests", "bytes_sent"] {
        assert!(usage[key].as_u64().expect(key) > 0, "{key}: {summary:#}");
    }
    // Each effect has its `start` in the journal before its `ok`.
    let runs = stagecraft(app.path(), &["runs", "--json"]).exits(0).stdout;
    let run: serde_json::Value = serde_json::from_str(runs.lines().next().expect("a run")).expect("JSON");
    let directory = std::path::Path::new(run["directory"].as_str().expect("a directory"));
    let journal = std::fs::read_to_string(directory.join("journal.jsonl")).expect("a journal");
    let starts = journal.lines().filter(|line| line.contains("\"start\"")).count();
    let oks = journal.lines().filter(|line| line.contains("\"ok\"")).count();
    assert!(starts > 3 && starts == oks, "{journal}");
    let status = stagecraft(app.path(), &["status"]).exits(0).stdout;
    for word in ["h1", "web", "running", "in", "release 1"] {
        assert!(status.contains(word), "`{word}` is not in:\n{status}");
    }
    for args in [&["status"][..], &["releases"], &["plan"], &["logs"]] {
        let summary = stagecraft(app.path(), &[args, &["--json"]].concat()).exits(0).summary();
        assert_eq!((&summary["outcome"], &summary["exit"]), (&"done".into(), &0.into()), "{args:?}: {summary:#}");
        assert!(summary["hosts"]["h1"]["requests"].as_u64().expect("a number") > 0, "{args:?}: {summary:#}");
    }
    assert_eq!(stagecraft(app.path(), &["plan", "-q"]).exits(0).stdout, "nothing to do: 1 unchanged\n");
}

// spec: runs.list
// spec: runs.show
// spec: runs.report
// spec: run.audit
#[test]
fn runs_are_seen_from_another_machine() {
    let app = App::web("e2e-runs", &[Place::Host(1), Place::Host(2)], HTTP);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    app.version_with("v2", "ENV EXIT_AFTER_MS=200\nENV EXIT_CODE=42");
    stagecraft(app.path(), &["deploy", "--yes"]).exits(5);
    app.version_with("v3", "ENV SLOW_START_MS=4000");
    let mut killed = Running::start(app.path(), &["deploy", "--yes"]);
    killed.until(&["operation_ended", "container.start"]);
    // That machine knows nothing by itself.
    let other = tempfile::tempdir().expect("a directory");
    let elsewhere = |args: &[&str]| {
        let mut command = command(app.path(), args);
        let output = command.env("XDG_STATE_HOME", other.path()).output().expect("stagecraft runs");
        let said = |bytes| String::from_utf8(bytes).expect("text");
        assert!(output.status.success(), "{args:?}: {}", said(output.stderr));
        said(output.stdout)
    };
    let outcomes = || -> Vec<String> {
        let lines = elsewhere(&["runs", "--json"]);
        let lines = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        let runs = lines.filter(|line| line["type"] == "run");
        runs.map(|line| line["outcome"].as_str().expect("an outcome").to_owned()).collect()
    };
    assert_eq!(outcomes(), ["under_way", "put_back", "done"]);
    killed.kill();
    // The holder notices that its connection has ended.
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(outcomes(), ["cut_off", "put_back", "done"]);
    assert!(elsewhere(&["runs", "--local"]).starts_with("no run yet"));
    assert_eq!(elsewhere(&["runs", "--audit"]).matches("began").count(), 3);
    let all = elsewhere(&["runs", "--json"]);
    let failed: serde_json::Value = serde_json::from_str(all.lines().nth(1).expect("a run")).expect("JSON");
    let failed = failed["run"].as_str().expect("an id");
    let shown = elsewhere(&["runs", "show", failed]);
    for words in ["failed, put back", "exit code 42", "✗ h", "put back, the last first:"] {
        assert!(shown.contains(words), "`{words}` is not in:\n{shown}");
    }
    let page = other.path().join("report.html");
    elsewhere(&["runs", "report", failed, "--out", page.to_str().expect("text")]);
    let page = std::fs::read_to_string(page).expect("a page");
    for words in ["Why it failed", "exit code 42", "What differs from release 1"] {
        assert!(page.contains(words), "`{words}` is not in the page");
    }
    assert!(!page.contains("tops3cret"));
    // A broken chain is named by its line.
    let store = "/var/lib/docker/volumes/e2e-runs-stagecraft-runs/_data/audit/000000.jsonl";
    crate::lab::ssh(1, &format!("sed -i '2s/deploy/depl0y/' {store}"));
    let broken = stagecraft(app.path(), &["runs", "--audit"]).exits(5).stderr;
    assert!(broken.contains("line 3 of the audit"), "{broken}");
    let resumed = stagecraft(app.path(), &["resume", "--yes"]).exits(5).stderr;
    assert_eq!(resumed, broken, "it is told in one way");
    let home_away = stagecraft(app.path(), &["runs"]).exits(0);
    assert!(home_away.stderr.contains("this is all that this machine knows"), "{}", home_away.stderr);
}

// spec: cli.help
#[test]
fn every_command_explains_itself() {
    let app = App::empty("e2e-help", &[]);
    let help = stagecraft(app.path(), &["--help"]).exits(0).stdout;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        // Names are indented by two; what is indented further is the rest of a description.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() == 18, "{commands:?}");
    for name in commands {
        let help = stagecraft(app.path(), &[name, "--help"]).exits(0).stdout;
        assert!(help.contains("Usage:") && help.lines().next().is_some_and(|line| line.len() > 15), "{name}: {help}");
    }
    let wrong = stagecraft(app.path(), &["deplo"]).exits(2);
    assert!(wrong.stderr.contains("deploy"), "{}", wrong.stderr);
}

// spec: config.init
#[test]
fn init_writes_what_check_accepts() {
    let app = App::empty("e2e-init", &[]);
    app.write("compose.yaml", "services:\n  web:\n    build: .\n  db:\n    image: db:1\n    volumes: [\"data:/data\"]\nvolumes: { data: {} }\n");
    stagecraft(app.path(), &["init"]).exits(0);
    assert!(app.read("stagecraft.yml").starts_with("# yaml-language-server: $schema="));
    stagecraft(app.path(), &["check"]).exits(0);
    stagecraft(app.path(), &["init"]).exits(2);
}

// spec: cli.exec
#[test]
fn exec_and_ssh() {
    let app = App::web("e2e-exec", &[Place::Host(1)], HTTP);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    stagecraft(app.path(), &["exec", "web", "/app", "healthcheck"]).exits(0);
    assert_eq!(stagecraft(app.path(), &["ssh", "h1", "hostname"]).exits(0).stdout, "h1\n");
    let failing = command(app.path(), &["ssh", "h1", "exit 7"]).status().expect("stagecraft runs");
    assert_eq!(failing.code(), Some(7), "the command's own code");
}
