//! The report of a run in a real browser.

mod chromium;
mod fixture;
#[path = "../../benches/haproxy/mod.rs"]
mod haproxy;
#[path = "../../benches/shop/mod.rs"]
mod shop;

use std::{fs, path::Path};

use chromium::Chromium;
use serde_json::Value;

const PROBE: &str = include_str!("probe.js");
const PHONE: u32 = 390;
const DESK: u32 = 1280;
/// Of the pictures that are kept.
const HEIGHT: u32 = 1560;

/// Pictures stay here, to be looked at.
fn kept(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

// spec: runs.report
#[tokio::test]
async fn a_report_can_be_read_everywhere_and_does_nothing() {
    let page = kept("report.html");
    fs::write(&page, fixture::page().await).expect("a writable directory");
    let mut browser = Chromium::start();
    for width in [PHONE, DESK] {
        for scheme in ["light", "dark"] {
            let name = format!("{width} px, {scheme}");
            browser.look(width, scheme);
            browser.events.clear();
            browser.open(&page);
            fs::write(kept(&format!("report-{width}-{scheme}.png")), browser.picture(width, HEIGHT))
                .expect("a writable directory");
            let seen = browser.value(PROBE);
            readable(&seen, width, scheme, &name);
            inert(&seen, &name);
            silent(&browser.events, &name);
        }
    }
}

fn readable(seen: &Value, width: u32, scheme: &str, name: &str) {
    assert_eq!(seen["windowWidth"], width, "{name}");
    assert!(seen["pageWidth"].as_u64() <= Some(width.into()), "{name}: it scrolls sideways: {}", seen["wide"]);
    assert_eq!(seen["faint"], serde_json::json!([]), "{name}: less contrast than 4.5");
    assert_eq!(seen["squeezed"], serde_json::json!([]), "{name}: texts run over others");
    assert!(seen["texts"].as_u64() > Some(200), "{name}: {} texts", seen["texts"]);
    let ground = seen["ground"].as_f64().expect("a number");
    assert!(if scheme == "dark" { ground < 0.05 } else { ground > 0.8 }, "{name}: {ground}");
    assert_eq!(seen["language"], "en");
    assert_eq!(seen["title"], "deploy of release 2 in shop default: failed, put back");
    assert_eq!(seen["tablesWithoutHeaders"], 0, "{name}");
    let headings: Vec<u64> = seen["headings"].as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
    assert_eq!(headings.iter().filter(|level| **level == 1).count(), 1, "{name}");
    assert!(headings.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{name}: a level is left out: {headings:?}");
    let text = seen["text"].as_str().expect("a text");
    let words = ["failed, put back", "The cause, on web-002", "ann@desk", "replicas", "environment PASSWORD"];
    for words in words.into_iter().chain(["across hosts", "roll web", "put back", "Made by Stagecraft"]) {
        assert!(text.contains(words), "{name}: `{words}` is not in:\n{text}");
    }
    assert!(seen["bars"].as_u64() >= Some(10), "{name}: {} bars", seen["bars"]);
}

fn inert(seen: &Value, name: &str) {
    assert_eq!(seen["foreign"], 0, "{name}: the page has something that runs or loads");
    let text = seen["text"].as_str().expect("a text");
    for literal in ["<script>document.title", "<img src=x onerror=", "{{ version }} &lt;b&gt;"] {
        assert!(text.contains(literal), "{name}: `{literal}` is not shown as it is");
    }
    assert!(!text.contains('\u{1b}') && !text.contains("correct horse"), "{name}");
}

/// Nothing on the console, nothing asked for but the page itself.
fn silent(events: &[Value], name: &str) {
    for event in events {
        let method = event["method"].as_str().unwrap_or_default();
        let complains = ["Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"].contains(&method);
        assert!(!complains, "{name}: {event:#}");
        if method == "Network.requestWillBeSent" {
            let url = event["params"]["request"]["url"].as_str().unwrap_or_default();
            assert!(url.starts_with("file:///") && url.ends_with("report.html"), "{name}: it asks for {url}");
        }
    }
}
