//! A run as a trace of OpenTelemetry, sent over OTLP/HTTP when it has ended.
//!
//! The usual variables decide: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT` (and their `_HEADERS`)
//! where to, `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` as what, `OTEL_SDK_DISABLED` and `OTEL_TRACES_EXPORTER=none`
//! that nothing is sent. The body is always protobuf.

mod spans;

use std::env;

use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{Resource, trace::SpanExporter as _};
use stdlib::{http, model::Span};

use super::Timeline;

/// The longest that a run's end may wait for the collector.
const DEADLINE: Span = Span::secs(3);

const SERVICE: &str = "stagecraft";
/// What the SDK calls a service that nobody has named.
const UNNAMED: &str = "unknown_service";

/// Whether the environment asks for traces.
pub fn is_wanted() -> bool {
    let is = |name, wanted: &str| set(name).is_some_and(|value| value.eq_ignore_ascii_case(wanted));
    endpoint().is_some() && !is("OTEL_SDK_DISABLED", "true") && !is("OTEL_TRACES_EXPORTER", "none")
}

fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn endpoint() -> Option<String> {
    set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| set("OTEL_EXPORTER_OTLP_ENDPOINT"))
}

/// The collector, for people: without a user's name and password.
fn collector() -> String {
    let endpoint = endpoint().unwrap_or_default();
    endpoint.rsplit_once('@').map_or(endpoint.clone(), |(_, rest)| rest.to_owned())
}

/// Sends a run to the collector, within three seconds.
///
/// # Errors
///
/// Says why it did not arrive. It is no reason for anything to fail.
pub async fn export(timeline: &Timeline) -> Result<(), String> {
    let client = http::client(DEADLINE).build().map_err(|error| error.to_string())?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(DEADLINE.duration());
    let mut exporter = exporter.build().map_err(|error| error.to_string())?;
    exporter.set_resource(&resource());
    match tokio::time::timeout(DEADLINE.duration(), exporter.export(spans::of(timeline))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("{} did not take it: {error}", collector())),
        Err(_) => Err(format!("{} has not answered within {DEADLINE}", collector())),
    }
}

fn resource() -> Resource {
    let named = Resource::builder().build();
    let name = named.get(&Key::from_static_str("service.name"));
    let unnamed = name.is_none_or(|name| name.as_str().starts_with(UNNAMED));
    let builder = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if unnamed { builder.with_service_name(SERVICE).build() } else { builder.build() }
}
