//! A run as a trace: what arrives at a collector.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{Span, status::StatusCode},
};
use prost::Message;
use stagecraft::{
    engine::{Entry, History, Outcome, journal::Recorded, parse_plan},
    report::{self, Standing, Timeline},
};
use stdlib::{failure::Failure, model::RunId, plan::Key};

const RUN: &str = "0199a1b2-0000-7000-8000-000000000001";

fn timeline() -> Timeline {
    let plan = parse_plan(include_bytes!("data/plan-v1.json"), Path::new("plan-v1.json")).unwrap();
    let run = RunId::new(RUN).unwrap();
    let (start, switch) = (Key::root().child("start").child("container.start"), Key::root().child("ingress.switch"));
    let entries = vec![
        Entry::Begin { run: run.clone(), plan: String::new() },
        Entry::Start { key: start.clone() },
        Entry::Ok { key: start.clone(), output: serde_json::Value::Null },
        Entry::Start { key: switch.clone() },
        Entry::Failed { key: switch, failure: Failure::new("the ingress does not run") },
        Entry::UndoStart { key: start.clone() },
        Entry::Undone { key: start },
        Entry::End { outcome: Outcome::PutBack },
    ];
    let time = |number| format!("2025-11-24T12:00:{number:02}Z").parse().unwrap();
    let recorded = |(number, entry)| Recorded { time: time(number), entry };
    let history = History { entries: entries.into_iter().enumerate().map(recorded).collect(), length: 0 };
    Timeline::new(run, Some("ann@desk".into()), &plan, &history, Standing::NotEnded)
}

/// The other process of these tests, which the variables are set for; by itself it sees that without them nothing is sent.
#[tokio::test]
async fn sender() {
    if env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_none() {
        assert!(!report::is_wanted());
        return;
    }
    if report::is_wanted() {
        match report::export(&timeline()).await {
            Ok(()) => println!("sent"),
            Err(why) => println!("not sent: {why}"),
        }
    }
}

fn send(endpoint: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "sender", "--nocapture"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    command.env("NO_PROXY", "127.0.0.1").envs(variables.iter().copied()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Answers one request with 200; its path and what its body says.
fn collect(listener: &TcpListener) -> (String, ExportTraceServiceRequest) {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let path = line.split_whitespace().nth(1).unwrap().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let answer =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let mut stream: TcpStream = reader.into_inner();
    stream.write_all(answer).unwrap();
    (path, ExportTraceServiceRequest::decode(body.as_slice()).unwrap())
}

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    (listener, endpoint)
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.clone();
    match value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => Some(text),
        _ => None,
    }
}

/// `name < parent: status`, and the host.
fn outline(spans: &[Span]) -> Vec<String> {
    let name = |id: &[u8]| spans.iter().find(|span| span.span_id == id).map_or("", |span| span.name.as_str());
    let line = |span: &Span| {
        let status = span.status.clone().unwrap_or_default();
        let how = match status.code() {
            StatusCode::Ok => "ok".to_owned(),
            StatusCode::Error => status.message,
            StatusCode::Unset => "unset".to_owned(),
        };
        let host = text(&span.attributes, "host.name").map(|host| format!(" on {host}")).unwrap_or_default();
        let took = (span.end_time_unix_nano - span.start_time_unix_nano) / 1_000_000_000;
        format!("{} < {}: {how}{host}, {took} s", span.name, name(&span.parent_span_id))
    };
    spans.iter().map(line).collect()
}

// spec: run.otel
#[test]
fn a_run_arrives_as_a_trace() {
    let (listener, endpoint) = listener();
    let collector = thread::spawn(move || collect(&listener));
    let sent = send(&endpoint, &[]);
    assert!(said(&sent).contains("sent") && !said(&sent).contains("not sent"), "{}", said(&sent));
    let (path, request) = collector.join().unwrap();
    assert_eq!(path, "/v1/traces");
    let resource = request.resource_spans[0].resource.clone().unwrap();
    assert_eq!(text(&resource.attributes, "service.name").as_deref(), Some("stagecraft"));
    let spans = &request.resource_spans[0].scope_spans[0].spans;
    assert_eq!(
        outline(spans),
        [
            "deploy < : the ingress does not run, 6 s",
            "start < deploy: ok, 1 s",
            "start shop-web-r3-1 < start: ok on web-1, 1 s",
            "switch web to shop-web-r3-1 < deploy: the ingress does not run on web-1, 1 s",
            "put back < deploy: ok, 1 s",
            "start shop-web-r3-1 < put back: ok on web-1, 1 s",
        ]
    );
    let trace = RUN.replace('-', "");
    assert!(spans.iter().all(|span| hex::encode(&span.trace_id) == trace));
    let root = &spans[0].attributes;
    assert_eq!(text(root, "stagecraft.outcome").as_deref(), Some("put_back"));
    assert_eq!(text(root, "stagecraft.who").as_deref(), Some("ann@desk"));
}

// spec: run.otel
#[test]
fn the_service_has_the_name_that_it_is_given() {
    let (listener, endpoint) = listener();
    let collector = thread::spawn(move || collect(&listener));
    send(&endpoint, &[("OTEL_SERVICE_NAME", "deploys")]);
    let resource = collector.join().unwrap().1.resource_spans[0].resource.clone().unwrap();
    assert_eq!(text(&resource.attributes, "service.name").as_deref(), Some("deploys"));
}

// spec: run.otel
#[test]
fn a_collector_that_is_not_there_or_silent_is_given_up() {
    let (closed, endpoint) = listener();
    drop(closed);
    let refused = said(&send(&endpoint, &[]));
    assert!(refused.contains(&format!("not sent: {endpoint} did not take it")), "{refused}");
    // It accepts, and never answers.
    let (_silent, endpoint) = listener();
    let began = Instant::now();
    assert!(said(&send(&endpoint, &[])).contains("not sent: "));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let disabled = said(&send(&endpoint, &[("OTEL_SDK_DISABLED", "true")]));
    assert!(!disabled.contains("sent"), "{disabled}");
}
