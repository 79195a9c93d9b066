//! Recipes evaluated: what they plan, and how they fail.

use super::{
    RecipeError,
    sample::{after, application, built_in, container, evaluated, inputs, logged, outline, planned, refused},
};

#[test]
fn structure_becomes_nodes() {
    let plan = planned(
        r#"
        step("first", #{ retry: 2, timeout: "30s" }, || {
            lab::touch(hosts("db"));
            step("inner", #{ retry: 0 }, || lab::touch(hosts("db")));
        });
        each(hosts(), |h| lab::touch(h));
        parallel(#{ one: || lab::touch(hosts("web-1")), two: || lab::touch(hosts("web-2")) });
        parallel([|| lab::touch(hosts("web-1")), || lab::touch(hosts("web-2"))]);
        step("nothing", || ());
        "#,
    );
    assert_eq!(
        plan,
        "\
sequence 
  sequence /first
    /first/container.stop on web-2 retry 2 timeout 30s
    sequence /first/inner
      /first/inner/container.stop on web-2 timeout 30s
  parallel /each
    sequence /each/web-1
      /each/web-1/container.stop on web-1
    sequence /each/web-2
      /each/web-2/container.stop on web-2
  parallel /parallel
    sequence /parallel/one
      /parallel/one/container.stop on web-1
    sequence /parallel/two
      /parallel/two/container.stop on web-2
  parallel /parallel~2
    sequence /parallel~2/lane
      /parallel~2/lane/container.stop on web-1
    sequence /parallel~2/lane~2
      /parallel~2/lane~2/container.stop on web-2"
    );
}

#[test]
fn guards_hold_a_body_and_what_runs_beside_it() {
    let plan = planned(
        r#"
        guard(|| lab::touch(hosts("web-1")), #{ on_failure: || lab::touch(hosts("web-2")), always: || lab::touch(hosts()) });
        step("s", #{ always: || lab::touch(hosts("db")) }, || lab::touch(hosts("web-1")));
        guard(|| (), #{ on_failure: || lab::touch(hosts()) });
        "#,
    );
    assert_eq!(
        plan,
        "\
sequence 
  sequence /guard
    guard /guard/guard on_failure always
      sequence /guard/body
        /guard/body/container.stop on web-1
      sequence /guard/on-failure
        /guard/on-failure/container.stop on web-2
      sequence /guard/always
        /guard/always/container.stop on web-1
        /guard/always/container.stop~2 on web-2
  sequence /s
    sequence /s/guard
      guard /s/guard/guard always
        sequence /s/guard/body
          /s/guard/body/container.stop on web-1
        sequence /s/guard/always
          /s/guard/always/container.stop on web-2"
    );
}

#[test]
fn nouns_answer() {
    let log = logged(
        r#"
        log(`${app.project} ${app.environment} ${app.services} ${app.images}`);
        let web = app.service("web");
        log(`${web.hosts} ${web.replicas} ${web.image.name} ${web.strategy} ${web.route.host}:${web.route.port} ${web.environment}`);
        log(`${app.services.in_order()} ${app.services.jobs("before")} ${app.services.filter(|s| s.is_job)}`);
        let host = hosts("db")[0];
        log(`${host} ${host.address} ${host.roles} ${host.labels.zone} ${host.engine} ${host.platform} ${host.release == ()}`);
        log(`${hosts(["db", "web-1"])} ${web == app.services.named("web")} ${app.releases.len()}`);
        fn inside() { app.project + args.len } 
        "#
        .replace("fn inside() { app.project + args.len } ", "fn inside() { app.project } log(inside());")
        .as_str(),
    );
    assert_eq!(
        log,
        [
            "shop default [db, migrate, web] [shop-db, shop-web]",
            "[web-1, web-2] 2 shop-web rolling shop.example.com:3000 [\"DATABASE_URL\"]",
            "[db, migrate, web] [migrate] [migrate]",
            "web-2 203.0.113.11 [\"web\", \"db\"] a 28.5.2 linux/amd64 true",
            "[web-1, web-2] true 0",
            "shop",
        ]
    );
}

// spec: recipe.own
#[test]
fn arguments_are_what_param_declares() {
    let source =
        r#"let keep = param("keep", #{ fallback: 5 }); log(keep + args.keep); step("x", || log(args.keep + 1));"#;
    let evaluated = evaluated(source, inputs(), &[("keep", "7")]).unwrap();
    assert_eq!(evaluated.log, ["14", "8"]);
    assert_eq!(serde_json::json!(evaluated.args), serde_json::json!({ "keep": 7 }));
}

// spec: recipe.builtin
#[test]
fn deploy_rolls_out_in_the_order_of_dependencies() {
    let mut inputs = after(&[application()]);
    let mut facts = inputs.facts.as_ref().clone();
    facts.hosts[1].containers = vec![container("worker", 1)];
    inputs.facts = facts.into();
    let (steps, evaluated) = built_in("deploy", inputs, &[]).unwrap();
    assert_eq!(
        steps,
        [
            "transfer shop-db+shop-web to web-1+web-2",
            "prepare web-1+web-2",
            "replace db",
            "run migrate",
            "replace web",
            "remove worker",
            "commit release 2",
        ]
    );
    assert_eq!(evaluated.release.map(|release| release.id.number), Some(2));
    assert_eq!(evaluated.restored, None);
}

// spec: recipe.builtin
#[test]
fn rollback_goes_to_an_earlier_release_and_runs_no_job() {
    let mut old = application();
    old.services[2].image.source = "shop-old-web".into();
    old.services[2].image.digest = "sha256:old".into();
    let inputs = after(&[old.clone(), application()]);
    let (steps, evaluated) = built_in("rollback", inputs.clone(), &[]).unwrap();
    assert_eq!(
        steps,
        [
            "transfer shop-db+shop-web+shop-old-web to web-1+web-2",
            "prepare web-1+web-2",
            "replace db",
            "replace web",
            "commit release 3",
        ]
    );
    let release = evaluated.release.unwrap();
    assert_eq!((release.id.to_string(), release.predecessor), ("3 c1".into(), Some(2)));
    assert_eq!(release.application, old);
    assert_eq!(evaluated.restored, Some(1));
    let (_, evaluated) = built_in("rollback", inputs.clone(), &[("release", "2")]).unwrap();
    assert_eq!(evaluated.restored, Some(2));
    let error = built_in("rollback", inputs, &[("release", "two")]).unwrap_err();
    assert_eq!(error.to_string(), "built-in recipe rollback:8: `two` is no release");
}

#[test]
fn services_that_left_the_application_are_named() {
    let mut inputs = after(&[application()]);
    let mut facts = inputs.facts.as_ref().clone();
    facts.hosts[1].containers = vec![container("worker", 1), container("web", 1)];
    inputs.facts = facts.into();
    assert_eq!(evaluated("log(app.removed);", inputs, &[]).unwrap().log, ["[\"worker\"]"]);
}

// spec: recipe.limits
#[test]
fn errors_name_file_line_and_what_to_write() {
    let cases = [
        ("let x = ;", "recipes/own.rhai:1: ", None),
        (
            "\nrollout::replaze(1);",
            "recipes/own.rhai:2: there is no function `rollout::replaze`",
            Some("did you mean `rollout::replace`?"),
        ),
        (
            "rollout::replace(\"web\");",
            "recipes/own.rhai:1: `rollout::replace` takes a Service as its service, not text",
            Some("such as `app.service(\"web\")`"),
        ),
        (
            "rollout::replace();",
            "recipes/own.rhai:1: `rollout::replace` takes 1 argument, not 0",
            Some("write `rollout::replace(service)`"),
        ),
        ("rolout::replace(1);", "recipes/own.rhai:1: there is no module `rolout`", Some("did you mean `rollout`?")),
        ("hosts(\"wbe\");", "recipes/own.rhai:1: there is no host or role `wbe`", Some("did you mean `web`?")),
        ("app.servces;", "recipes/own.rhai:1: `App` has no property `servces`", Some("did you mean `services`?")),
        ("app.service(\"wbe\");", "recipes/own.rhai:1: there is no service `wbe`", Some("did you mean `web`?")),
        ("log(ap);", "recipes/own.rhai:1: there is no variable `ap`", Some("did you mean `app`?")),
        (
            "lab::touch(hosts(), #{ grce: 1 });",
            "recipes/own.rhai:1: `lab::touch` has no option `grce`",
            Some("did you mean `grace`?"),
        ),
        ("lab::touch(hosts(), #{ grace: 1 });", "recipes/own.rhai:1: options: invalid type: integer `1`", None),
        (
            "lab::touch([1]);",
            "recipes/own.rhai:1: `lab::touch` takes a list of Host as its hosts, not a list of int",
            None,
        ),
        (
            "guard(|| (), #{ onfailure: || () });",
            "recipes/own.rhai:1: `guard` has no option `onfailure`",
            Some("did you mean `on_failure`?"),
        ),
        ("step(\"x\", #{ timeout: \"1\" }, || ());", "recipes/own.rhai:1: `timeout`: `1` is not a duration", None),
        ("args.keep;", "recipes/own.rhai:1: no parameter `keep` is declared", None),
        ("\n\nfail(\"no way\");", "recipes/own.rhai:3: no way", None),
        ("throw \"up\";", "recipes/own.rhai:1: up", None),
        ("import \"x\" as y;", "recipes/own.rhai:1: `import` is not available", None),
        ("eval(\"1\");", "recipes/own.rhai:1: ", None),
        ("sleep(1);", "recipes/own.rhai:1: `sleep` is not available", None),
        ("timestamp();", "recipes/own.rhai:1: `timestamp` is not available", None),
        ("param(\"x\", #{ default: 1 });", "recipes/own.rhai:1: `default` is a word", None),
        (
            "let hs = hosts(); hs.map(|h| hs.len());",
            "recipes/own.rhai:1: a list or map is used inside a closure that is given to its own method",
            None,
        ),
    ];
    let mut wrong = Vec::new();
    for (source, message, help) in cases {
        let (found, found_help) = refused(source);
        if !found.starts_with(message) || help.is_some_and(|help| found_help.as_deref() != Some(help)) {
            wrong.push(format!("{source}\n  {found}\n  {found_help:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// spec: recipe.limits
#[test]
fn errors_inside_functions_show_how_they_were_reached() {
    let source = "fn roll(name) {\n  app.service(name);\n}\n\neach([\"wbe\"], |name| {\n  roll(name);\n});\n";
    let error = evaluated(source, inputs(), &[]).unwrap_err();
    let diagnostic = error.diagnostic();
    assert_eq!(&source[diagnostic.span.unwrap()], "service");
    assert_eq!(
        diagnostic.message,
        "there is no service `wbe`\nin `roll`, called at line 6\nin a closure, called at line 5"
    );
}

// spec: recipe.limits
#[test]
fn scripts_have_limits() {
    for source in [
        "loop { }",
        "let s = \"x\"; loop { s += s; }",
        "let a = []; loop { a.push(a); }",
        "let a = [0]; loop { a += a; }",
        "let s = \"x\"; s.pad(100000000, \"y\");",
        "let a = []; a.pad(100000000, 1);",
        "let s = \"\"; for i in 0..100000000 { s += \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"; }",
        "fn f() { f() } f();",
        "fn f(x) { let y = x + \"y\"; f(y) } f(\"x\");",
        "each([1, 2], |x| { loop { } });",
        "let b = blob(10000000000);",
        "let f = || 1; loop { f = f.curry(f); }",
        "let f = || 1; loop { let g = f; f = || g; }",
        "let a = []; loop { let b = a; a = [|| b]; }",
        "let m = #{}; loop { let b = m; m = #{ a: || b, b: || b }; }",
        "let a = []; loop { a.push(hosts()); }",
    ] {
        let (message, _) = refused(source);
        assert!(message.starts_with("recipes/own.rhai:1: "), "{source}: {message}");
    }
}

#[test]
fn a_refusal_that_a_script_catches_still_ends_it() {
    let (message, _) = refused("try { rollout::replace(1); } catch { log(\"caught\"); }\nlog(\"on\");");
    assert_eq!(message, "recipes/own.rhai:1: `rollout::replace` takes a Service as its service, not int");
}

#[test]
fn a_question_without_an_answer_can_be_caught() {
    let log = logged("try { hosts(\"wbe\"); } catch (error) { log(error.message); log(`${error}`); }");
    assert_eq!(log, ["there is no host or role `wbe`"; 2]);
}

#[test]
fn hosts_are_asked_before_they_are_changed() {
    let (message, _) = refused("lab::touch(hosts(\"db\"));\nhosts(\"db\")[0].query(\"uptime\");");
    assert_eq!(message, "recipes/own.rhai:2: `web-2` is read after the plan has changed it; read it before");
}

#[test]
fn a_release_is_restored() {
    let old = {
        let mut application = application();
        application.services.retain(|service| service.name.as_str() != "migrate");
        application
    };
    let inputs = after(&[old.clone(), application()]);
    let source = "let old = release::restore(\"previous\"); log(old.services); log(old.removed); log(app.services);\n\
                  lab::touch(hosts());";
    let restored = evaluated(source, inputs.clone(), &[]).unwrap();
    assert_eq!(restored.restored, Some(1));
    assert_eq!(restored.log, ["[db, web]", "[\"migrate\"]", "[db, migrate, web]"]);
    assert_eq!(outline(&restored.root).lines().count(), 3);
    let error = |source: &str| evaluated(source, inputs.clone(), &[]).unwrap_err();
    assert_eq!(
        error("release::restore(7);").to_string(),
        "recipes/own.rhai:1: release 7 is not kept, or was never live"
    );
    assert_eq!(
        error("lab::touch(hosts()); release::restore(1);").to_string(),
        "recipes/own.rhai:1: `release::restore` comes before everything that changes a host"
    );
    assert_eq!(
        error("release::restore(1); release::restore(2);").to_string(),
        "recipes/own.rhai:1: this recipe restores release 1 already, and a plan makes one release"
    );
}

#[test]
fn with_nothing_to_go_back_to_a_rollback_says_so() {
    let (message, help) = refused("release::restore(\"previous\");");
    assert_eq!(message, "recipes/own.rhai:1: there is no release to go back to: nothing is deployed yet");
    assert_eq!(help.as_deref(), Some("`stagecraft deploy` makes the first"));
    let error = evaluated("release::restore(\"previous\");", after(&[application()]), &[]).unwrap_err();
    assert_eq!(error.to_string(), "recipes/own.rhai:1: there is no release to go back to: 1 c1 is the first");
}

#[test]
fn what_the_hosts_rule_out_is_no_mistake_in_a_built_in_recipe() {
    let error = built_in("rollback", after(&[application()]), &[]).unwrap_err();
    let message = "there is no release to go back to: 1 c1 is the first".to_owned();
    let hint = Some("deploy the older version from its files".to_owned());
    assert_eq!(*error, RecipeError::Refused { message, hint });
    let error = evaluated("release::restore(\"previous\");", after(&[application()]), &[]).unwrap_err();
    assert!(matches!(*error, RecipeError::RefusedAt { .. }), "a project's own recipe shows its line");
}

#[test]
fn a_release_on_a_host_that_is_gone_is_refused() {
    let mut old = application();
    old.services[0].hosts = vec![super::sample::host("old-1")];
    let error = evaluated("release::restore(1);", after(&[old, application()]), &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "recipes/own.rhai:1: release 1 c1 runs `db` on old-1, which stagecraft.yml no longer has"
    );
}

#[test]
fn what_is_documented_is_registered_and_the_other_way_round() {
    use std::{collections::BTreeSet, rc::Rc, sync::Arc};

    use super::{
        bind,
        catalog::{Catalog, NOUNS},
        choice, later, limits, nouns, pause,
        sample::functions,
        state::State,
        structure,
    };

    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let deadline = limits::Deadline::start(Arc::default());
    let hosts = stdlib::host::Hosts::default();
    let args = std::collections::BTreeMap::new();
    let state = State::new(inputs(), hosts, args, vec![], runtime.handle().clone(), deadline);
    let state = Rc::new(state);
    let names = |engine: &rhai::Engine| -> BTreeSet<(String, u64)> {
        let json: serde_json::Value = serde_json::from_str(&engine.gen_fn_metadata_to_json(false).unwrap()).unwrap();
        let functions = json["functions"].as_array().cloned().unwrap_or_default();
        let named =
            functions.iter().map(|one| (one["name"].as_str().unwrap().to_owned(), one["numParams"].as_u64().unwrap()));
        named.collect()
    };
    let mut engine = limits::sandbox();
    let before = names(&engine);
    bind::library(&mut engine, &state, &functions());
    structure::register(&mut engine, &state);
    choice::register(&mut engine, &state);
    later::register(&mut engine, &state);
    pause::register(&mut engine, &state);
    nouns::register(&mut engine, &state);
    let shown = ["to_string", "to_debug", "==", "!=", "index$get$"];
    let registered: BTreeSet<(String, u64)> =
        names(&engine).difference(&before).filter(|(name, _)| !shown.contains(&name.as_str())).cloned().collect();

    let catalog = Catalog::of(&functions());
    let structure = catalog.functions.iter().filter(|callable| callable.module.is_none());
    let mut documented: BTreeSet<(String, u64)> = structure
        .flat_map(|callable| callable.arities().map(|arity| (callable.name.to_owned(), arity as u64)))
        .collect();
    for member in NOUNS.iter().flat_map(|noun| noun.members) {
        documented.insert(match member.arguments {
            Some(arguments) => (member.name.to_owned(), 1 + arguments.len() as u64),
            None => (format!("get${}", member.name), 1),
        });
    }
    assert_eq!(registered, documented);
}

// spec: gate.choice
#[test]
fn every_arm_of_a_choice_is_planned() {
    let source = r#"
        choice(|| http::check("http://a.test/up"), #{
            passed: || lab::touch(hosts("web-1")),
            failed: || (),
        });
        lab::touch(hosts("web-1"));
    "#;
    let expected = "\
sequence 
  sequence /choice
    choice /choice/verdict: passed, failed
      sequence /choice/gate
        /choice/gate/http.check
      sequence /choice/passed
        /choice/passed/container.stop on web-1
      sequence /choice/failed
  /container.stop on web-1";
    assert_eq!(planned(source), expected);
}

// spec: gate.choice
#[test]
fn no_arm_sees_what_another_has_planned() {
    let both = r#"choice(|| http::check("http://a.test/"), #{
        passed: || release::commit(), failed: || { lab::touch(hosts("web-1")); release::commit(); } });"#;
    assert!(evaluated(both, inputs(), &[]).unwrap().release.is_some());
    let (message, _) = refused(&format!("{both}\nrelease::commit();"));
    assert!(message.contains("the release is committed already"), "{message}");
}

// spec: gate.choice
#[test]
fn a_gate_only_asks() {
    let (message, _) = refused("choice(|| lab::touch(hosts()), #{});");
    assert!(message.contains("a gate only asks, and `stop it` is not harmless to do again"), "{message}");
    let (message, _) = refused("choice(|| (), #{});");
    assert!(message.contains("the gate of this `choice` asks nothing"), "{message}");
    let (message, help) = refused("choice(|| (), #{ pased: || () });");
    assert!(message.contains("`choice` has no option `pased`"), "{message}");
    assert_eq!(help.as_deref(), Some("did you mean `passed`?"));
}

// spec: gate.approve
#[test]
fn a_person_is_asked_by_itself() {
    let source = r#"
        step("ask", #{ timeout: "1m" }, || {
            choice(|| approve("put it live?", #{ within: "30m" }), #{ failed: || wait("5m") });
            approve("really?");
        });
    "#;
    let outline = planned(source);
    // A step's time limit is not for a person.
    assert!(outline.contains("/ask/choice/gate/approve timeout 40m"), "{outline}");
    assert!(outline.contains("/ask/choice/failed/wait timeout 6m"), "{outline}");
    assert!(outline.contains("/ask/approve timeout 70m"), "{outline}");
    let (message, _) = refused(r#"each(hosts(), |h| approve("live?"));"#);
    assert!(message.contains("`approve` stands beside what runs at the same time"), "{message}");
    let (message, help) = refused(r#"approve("live?", #{ whithin: "1m" });"#);
    assert!(message.contains("`approve` has no option `whithin`"), "{message}");
    assert_eq!(help.as_deref(), Some("did you mean `within`?"));
    let (message, _) = refused(r#"wait("soon");"#);
    assert!(message.contains("`wait`: `soon` is not a duration"), "{message}");
}
