//! What became of the requests.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write as _},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    ask::{Ask, Kind, Wire},
    client::Client,
    options::Load,
};

/// Failures that are listed one by one.
const LISTED_FAILURES: usize = 20;

/// The counts of all targets, or of one.
#[derive(Debug, Default)]
struct Counts {
    sent: u64,
    failed: u64,
    reasons: BTreeMap<String, u64>,
    versions: BTreeMap<String, u64>,
    /// Microseconds from the decision to send a request, a connect included, to its whole answer; slow ones left out.
    latencies: Vec<u64>,
    connects: u64,
    closed_while_idle: u64,
}

impl Counts {
    fn add(&mut self, ask: Ask, latency: Duration, outcome: &Result<String, String>) {
        self.sent += 1;
        match outcome {
            Ok(version) => *self.versions.entry(version.clone()).or_default() += 1,
            Err(reason) => {
                self.failed += 1;
                *self.reasons.entry(reason.clone()).or_default() += 1;
            }
        }
        if ask.kind != Kind::Slow {
            self.latencies.push(latency.as_micros().try_into().unwrap_or(u64::MAX));
        }
    }

    fn json(&mut self) -> Value {
        self.latencies.sort_unstable();
        json!({
            "sent": self.sent, "failed": self.failed, "by": self.reasons, "versions": self.versions,
            "connects": self.connects, "idle_closed": self.closed_while_idle,
            "p50_ms": percentile(&self.latencies, 50), "p99_ms": percentile(&self.latencies, 99),
            "max_ms": percentile(&self.latencies, 100),
        })
    }
}

/// In milliseconds; of sorted microseconds.
#[expect(clippy::cast_precision_loss, reason = "microseconds of a request are far below 2^52")]
fn percentile(sorted: &[u64], percent: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * percent / 100).map_or(0.0, |micros| *micros as f64 / 1000.0)
}

#[derive(Debug)]
pub struct Report {
    began: Instant,
    /// How long requests were sent; answers came for a while longer.
    sending: Option<Duration>,
    /// The moment `began` in the time of day, in milliseconds.
    began_at: u128,
    all: Counts,
    targets: Vec<(String, Counts)>,
    /// When the first and the last request that failed was sent, in seconds from the start.
    failures_between: Option<(f64, f64)>,
    failures: Vec<Value>,
    trace: Option<BufWriter<File>>,
    trace_error: Option<std::io::Error>,
}

/// A report that is complete.
pub struct Finished {
    pub sent: u64,
    pub failed: u64,
    pub json: Value,
}

impl Finished {
    /// For a person: who answered, how fast, at what rate.
    pub fn summary(&self) -> String {
        let versions = self.json["versions"].as_object().into_iter().flatten();
        let versions: Vec<String> = versions.map(|(version, count)| format!("{count} answered by {version}")).collect();
        let reasons = self.json["by"].as_object().into_iter().flatten();
        let reasons: Vec<String> = reasons.map(|(reason, count)| format!("{count} × {reason}")).collect();
        let speed = format!("{} requests/s, p99 {} ms", self.json["rate"], self.json["p99_ms"]);
        [versions, reasons, vec![speed]].concat().join(", ")
    }
}

impl Report {
    pub fn new(load: &Load, trace: Option<File>) -> Self {
        let mut report = Self {
            began: Instant::now(),
            sending: None,
            began_at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis(),
            all: Counts::default(),
            targets: load.targets.iter().map(|target| (target.address.to_string(), Counts::default())).collect(),
            failures_between: None,
            failures: Vec::new(),
            trace: trace.map(BufWriter::new),
            trace_error: None,
        };
        report.write_trace("unix_ms,latency_ms,target,kind,connection,outcome\n");
        report
    }

    pub fn add(&mut self, place: usize, ask: Ask, sent: Instant, outcome: &Result<String, String>) {
        let latency = sent.elapsed();
        let since_start = sent.saturating_duration_since(self.began);
        self.all.add(ask, latency, outcome);
        self.targets[place].1.add(ask, latency, outcome);
        let (kind, wire) = (kind_name(ask.kind), wire_name(ask.wire));
        let target = &self.targets[place].0;
        let words = match outcome {
            Ok(version) => version,
            Err(reason) => {
                let at = since_start.as_secs_f64();
                self.failures_between = Some(self.failures_between.map_or((at, at), |(a, b)| (a.min(at), b.max(at))));
                if self.failures.len() < LISTED_FAILURES {
                    self.failures.push(json!({
                        "at_s": rounded(at), "target": target, "kind": kind, "connection": wire, "reason": reason,
                        "ms": rounded(latency.as_secs_f64() * 1000.0),
                    }));
                }
                reason
            }
        };
        let unix = self.began_at + since_start.as_millis();
        let milliseconds = latency.as_secs_f64() * 1000.0;
        let line = format!("{unix},{milliseconds:.3},{target},{kind},{wire},{}\n", words.replace(',', ";"));
        self.write_trace(&line);
    }

    pub fn add_connections(&mut self, place: usize, client: &Client) {
        for counts in [&mut self.all, &mut self.targets[place].1] {
            counts.connects += client.connects.get();
            counts.closed_while_idle += client.closed_while_idle.get();
        }
    }

    /// No request is sent any more.
    pub fn end(&mut self) {
        self.sending = Some(self.began.elapsed());
    }

    fn write_trace(&mut self, line: &str) {
        if let Some(trace) = &mut self.trace
            && let Err(error) = trace.write_all(line.as_bytes())
        {
            self.trace_error.get_or_insert(error);
        }
    }

    pub fn finish(mut self) -> Result<Finished> {
        if let Some(mut trace) = self.trace.take() {
            trace.flush().context("--trace")?;
        }
        if let Some(error) = self.trace_error {
            return Err(error).context("--trace");
        }
        let mut json = self.all.json();
        let seconds = self.sending.unwrap_or_else(|| self.began.elapsed());
        json["seconds"] = json!(rounded(seconds.as_secs_f64()));
        json["rate"] = json!(u128::from(self.all.sent) * 1000 / seconds.as_millis().max(1));
        json["failures_between_s"] = json!(self.failures_between.map(|(first, last)| (rounded(first), rounded(last))));
        json["failures"] = Value::Array(self.failures);
        json["targets"] = self.targets.iter_mut().map(|(name, counts)| (name.clone(), counts.json())).collect();
        Ok(Finished { sent: self.all.sent, failed: self.all.failed, json })
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Get => "get",
        Kind::Post => "post",
        Kind::Slow => "slow",
    }
}

fn wire_name(wire: Wire) -> &'static str {
    match wire {
        Wire::Held => "held",
        Wire::New => "new",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_latencies() {
        let micros: Vec<u64> = (1..=1000).map(|value| value * 100).collect();
        let found = [0, 50, 99, 100].map(|percent| percentile(&micros, percent).to_string());
        assert_eq!(found, ["0.1", "50", "99", "100"]);
        assert_eq!(percentile(&[], 99).to_string(), "0");
    }

    #[test]
    fn failures_are_counted_by_reason_and_slow_requests_leave_no_latency() {
        let mut counts = Counts::default();
        let slow = Ask { number: 0, kind: Kind::Slow, wire: Wire::Held };
        counts.add(slow, Duration::from_secs(1), &Ok("v1".to_owned()));
        counts.add(Ask::number(0), Duration::from_millis(5), &Err("503 Service Unavailable".to_owned()));
        let json = counts.json();
        assert_eq!((&json["sent"], &json["failed"]), (&json!(2), &json!(1)));
        assert_eq!(json["by"], json!({ "503 Service Unavailable": 1 }));
        assert_eq!((&json["versions"]["v1"], &json["max_ms"]), (&json!(1), &json!(5.0)));
    }
}
