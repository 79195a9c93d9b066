//! A headless Chromium, spoken to in its `DevTools` protocol over a pair of pipes: messages of JSON, each ended by a NUL.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Seconds that a browser may live.
const AT_MOST: &str = "60";

pub struct Chromium {
    child: Child,
    requests: File,
    answers: BufReader<File>,
    last: u64,
    /// The page's, once there is one.
    session: Option<String>,
    /// What the page has caused and nobody asked for.
    pub events: Vec<Value>,
    _directory: TempDir,
}

impl Chromium {
    /// With an empty page. `CHROMIUM` names another program.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        let (requests, answers) = (at("requests"), at("answers"));
        let made = Command::new("mkfifo").args([&requests, &answers]).status().expect("mkfifo runs");
        assert!(made.success(), "pipes");
        let program = env::var_os("CHROMIUM").unwrap_or_else(|| "chromium".into());
        // The browser reads descriptor 3 and writes 4.
        let child = Command::new("sh")
            .args(["-c", "exec timeout --foreground \"$0\" \"$@\" 3<\"$REQUESTS\" 4>\"$ANSWERS\"", AT_MOST])
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"])
            .args(["--disable-background-networking", "--disable-component-update", "--no-first-run"])
            .arg(format!("--user-data-dir={}", at("profile").display()))
            .args(["--remote-debugging-pipe", "about:blank"])
            .env("REQUESTS", &requests)
            .env("ANSWERS", &answers)
            .stderr(Stdio::null())
            .spawn()
            .expect("sh runs");
        let requests = OpenOptions::new().write(true).open(requests).expect("the browser reads");
        let answers = BufReader::new(File::open(answers).expect("the browser writes"));
        let mut browser =
            Self { child, requests, answers, last: 0, session: None, events: vec![], _directory: directory };
        let target = browser.ask("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.ask("Target.attachToTarget", &attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// A window so wide, with this preference.
    pub fn look(&mut self, width: u32, scheme: &str) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.ask("Emulation.setDeviceMetricsOverride", &size);
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.ask("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Opens a file and waits until it is there.
    pub fn open(&mut self, page: &Path) {
        self.ask("Page.navigate", &json!({ "url": format!("file://{}", page.display()) }));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.read();
            self.events.push(event);
        }
    }

    /// The value of an expression in the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let answer = self.ask("Runtime.evaluate", &json!({ "expression": expression, "returnByValue": true }));
        assert!(answer["exceptionDetails"].is_null(), "{answer:#}");
        answer["result"]["value"].clone()
    }

    /// A picture of the page from its top, as PNG.
    pub fn picture(&mut self, width: u32, height: u32) -> Vec<u8> {
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let picture = self.ask("Page.captureScreenshot", &json!({ "captureBeyondViewport": true, "clip": clip }));
        STANDARD.decode(picture["data"].as_str().expect("a picture")).expect("base64")
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let mut request = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = &self.session {
            request["sessionId"] = session.clone().into();
        }
        write!(self.requests, "{request}\0").expect("the browser reads");
        loop {
            let answer = self.read();
            if answer["id"] == self.last {
                assert!(answer["error"].is_null(), "{method}: {answer:#}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn read(&mut self) -> Value {
        let mut text = Vec::new();
        self.answers.read_until(0, &mut text).expect("the browser writes");
        text.pop();
        serde_json::from_slice(&text).expect("the browser speaks JSON, and has not ended")
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        self.session = None;
        let close = json!({ "id": 0, "method": "Browser.close" });
        // A browser that has gone already needs no closing.
        let _ = write!(self.requests, "{close}\0");
        let _ = self.child.wait();
    }
}
