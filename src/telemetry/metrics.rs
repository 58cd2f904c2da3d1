//! The metrics of `/metrics`, each with its name, its meaning and its labels.
//!
//! Labels are bounded: route templates, status classes, event types, projections, tenants. Nothing a client
//! sends becomes a label, and nothing about a person does.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::event_log::AppendError;

/// The content type of what [`Metrics::encode`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From half a millisecond, which is one durable append on a good disk, to ten seconds.
const DURATION_BUCKETS_SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// How an append ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendOutcome {
    /// Stored.
    Stored,
    /// Not stored: somebody else wrote first.
    Conflict,
    /// Surely not stored.
    Unavailable,
    /// Nobody knows yet.
    Unknown,
    /// The log cannot be read any more.
    Corrupt,
}

impl AppendOutcome {
    /// How an append ended.
    pub fn of<T>(outcome: &Result<T, AppendError>) -> Self {
        match outcome {
            Ok(_) => Self::Stored,
            Err(AppendError::Conflict { .. }) => Self::Conflict,
            Err(AppendError::Unavailable(_)) => Self::Unavailable,
            Err(AppendError::OutcomeUnknown(_)) => Self::Unknown,
            Err(AppendError::Corrupt { .. }) => Self::Corrupt,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
            Self::Corrupt => "corrupt",
        }
    }
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: &'static str,
    status_class: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    method: &'static str,
    route: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EventType {
    r#type: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TenantProjection {
    tenant: String,
    projection: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TenantFile {
    tenant: String,
    file: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TenantStream {
    tenant: String,
    stream: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Tenant {
    tenant: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TenantDays {
    tenant: String,
    days: u32,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Stream {
    stream: &'static str,
}

/// Every metric of the service. Cheap to share: clone an `Arc` of it.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    request_duration: Durations<Route>,
    events_appended: Family<EventType, Counter>,
    append_duration: Durations<Outcome>,
    append_conflicts: Counter,
    projection_lag: Family<TenantProjection, Gauge>,
    write_ahead: Family<TenantFile, Gauge>,
    outbox_lag: Family<TenantStream, Gauge>,
    outbox_oldest_age: Gauge<f64, std::sync::atomic::AtomicU64>,
    outbox_published: Family<Stream, Counter>,
    outbox_failures: Family<Stream, Counter>,
    nats_connected: Gauge,
    silent_clients: Family<Tenant, Gauge>,
    expiring_tokens: Family<TenantDays, Gauge>,
    requests_dropped: Counter,
    requests_unlogged: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry in which nothing has happened yet.
    pub fn new() -> Self {
        let durations: fn() -> Histogram = || Histogram::new(DURATION_BUCKETS_SECONDS);
        let mut metrics = Self {
            registry: Registry::with_prefix("muster"),
            requests: Family::default(),
            request_duration: Family::new_with_constructor(durations),
            events_appended: Family::default(),
            append_duration: Family::new_with_constructor(durations),
            append_conflicts: Counter::default(),
            projection_lag: Family::default(),
            write_ahead: Family::default(),
            outbox_lag: Family::default(),
            outbox_oldest_age: Gauge::default(),
            outbox_published: Family::default(),
            outbox_failures: Family::default(),
            nats_connected: Gauge::default(),
            silent_clients: Family::default(),
            expiring_tokens: Family::default(),
            requests_dropped: Counter::default(),
            requests_unlogged: Counter::default(),
        };
        metrics.register();
        metrics
    }

    /// Names as they are registered lack the prefix, the unit and, for counters, `_total`: the encoder adds them.
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "build",
            "The release that runs",
            Info::new(vec![("release", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register("requests", "HTTP requests answered", self.requests.clone());
        registry.register_with_unit(
            "request_duration",
            "Time from a request's headers to its answer",
            Unit::Seconds,
            self.request_duration.clone(),
        );
        registry.register("events_appended", "Events made durable", self.events_appended.clone());
        registry.register_with_unit(
            "append_duration",
            "Time of one append to a log, whatever came of it",
            Unit::Seconds,
            self.append_duration.clone(),
        );
        registry.register(
            "append_conflicts",
            "Appends refused because somebody else had written first",
            self.append_conflicts.clone(),
        );
        registry.register(
            "projection_lag_events",
            "Events that a projection has not applied yet",
            self.projection_lag.clone(),
        );
        registry.register_with_unit(
            "write_ahead",
            "Size of the write-ahead log beside a file",
            Unit::Bytes,
            self.write_ahead.clone(),
        );
        registry.register(
            "outbox_lag_events",
            "Events that the broker has not acknowledged yet",
            self.outbox_lag.clone(),
        );
        registry.register_with_unit(
            "outbox_oldest_age",
            "Age of the oldest event that the broker has not acknowledged",
            Unit::Seconds,
            self.outbox_oldest_age.clone(),
        );
        registry.register(
            "outbox_published",
            "Messages that the broker has acknowledged",
            self.outbox_published.clone(),
        );
        registry.register(
            "outbox_failures",
            "Messages that the broker refused or never acknowledged",
            self.outbox_failures.clone(),
        );
        registry.register("nats_connected", "1 while NATS is connected", self.nats_connected.clone());
        registry.register(
            "silent_clients",
            "Clients from which no request has come for three times their usual interval",
            self.silent_clients.clone(),
        );
        registry.register(
            "expiring_tokens",
            "Tokens that will have ended by themselves in so many days",
            self.expiring_tokens.clone(),
        );
        registry.register(
            "request_log_dropped",
            "Requests that are not in the request log because its queue was full",
            self.requests_dropped.clone(),
        );
        registry.register(
            "request_log_failed",
            "Requests that are not in the request log because its file could not be written",
            self.requests_unlogged.clone(),
        );
    }

    /// A request was answered. `route` is the route's template, never the path.
    pub fn request_answered(&self, method: &str, route: &'static str, status: u16, elapsed: Duration) {
        let method = method_label(method);
        self.requests.get_or_create(&Request { method, route, status_class: status_class(status) }).inc();
        self.request_duration.get_or_create(&Route { method, route }).observe(elapsed.as_secs_f64());
    }

    /// An append ended.
    pub fn append_ended(&self, outcome: AppendOutcome, elapsed: Duration) {
        let label = Outcome { outcome: outcome.label() };
        self.append_duration.get_or_create(&label).observe(elapsed.as_secs_f64());
        if outcome == AppendOutcome::Conflict {
            self.append_conflicts.inc();
        }
    }

    /// An event of that type became durable.
    pub fn event_appended(&self, r#type: &'static str) {
        self.events_appended.get_or_create(&EventType { r#type }).inc();
    }

    /// A tenant's projection is that many events behind.
    pub fn projection_lags(&self, tenant: &str, projection: &'static str, events: u64) {
        let label = TenantProjection { tenant: tenant.to_owned(), projection };
        self.projection_lag.get_or_create(&label).set(saturating(events));
    }

    /// The write-ahead log beside a tenant's file has that many bytes.
    pub fn write_ahead_is(&self, tenant: &str, file: &'static str, bytes: u64) {
        let label = TenantFile { tenant: tenant.to_owned(), file };
        self.write_ahead.get_or_create(&label).set(saturating(bytes));
    }

    /// A tenant's outbox is that many events behind in a JetStream stream.
    pub fn outbox_lags(&self, tenant: &str, stream: &'static str, events: u64) {
        let label = TenantStream { tenant: tenant.to_owned(), stream };
        self.outbox_lag.get_or_create(&label).set(saturating(events));
    }

    /// The oldest event that the broker has not acknowledged is that old; zero if there is none.
    pub fn outbox_oldest(&self, age: Duration) {
        self.outbox_oldest_age.set(age.as_secs_f64());
    }

    /// The broker acknowledged messages.
    pub fn outbox_published(&self, stream: &'static str, messages: u64) {
        self.outbox_published.get_or_create(&Stream { stream }).inc_by(messages);
    }

    /// The broker refused a message, or never acknowledged it.
    pub fn outbox_failed(&self, stream: &'static str) {
        self.outbox_failures.get_or_create(&Stream { stream }).inc();
    }

    /// NATS came or went.
    pub fn nats_is(&self, connected: bool) {
        self.nats_connected.set(i64::from(connected));
    }

    /// So many clients of a tenant are silent.
    pub fn clients_are_silent(&self, tenant: &str, clients: usize) {
        let label = Tenant { tenant: tenant.to_owned() };
        self.silent_clients.get_or_create(&label).set(saturating(clients as u64));
    }

    /// So many tokens of a tenant end within so many days.
    pub fn tokens_expire(&self, tenant: &str, days: u32, tokens: usize) {
        let label = TenantDays { tenant: tenant.to_owned(), days };
        self.expiring_tokens.get_or_create(&label).set(saturating(tokens as u64));
    }

    /// A request found the queue of the request log full.
    pub fn request_dropped(&self) {
        self.requests_dropped.inc();
    }

    /// Requests could not be written to the request log.
    pub fn requests_unlogged(&self, requests: u64) {
        self.requests_unlogged.inc_by(requests);
    }

    /// Everything, in the text format of [`CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let mut encoded = String::new();
        text::encode(&mut encoded, &self.registry).expect("writing to a String does not fail");
        encoded
    }
}

fn status_class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// A client can invent methods without end, so all but those that are routed are one label.
fn method_label(method: &str) -> &'static str {
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}

fn saturating(events: u64) -> i64 {
    i64::try_from(events).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_line(encoded: &str, line: &str) {
        assert!(encoded.lines().any(|found| found == line), "no line `{line}` in:\n{encoded}");
    }

    #[test]
    fn every_metric_appears_under_its_name() {
        let metrics = Metrics::new();
        metrics.request_answered("GET", "/{base}/Users/{id}", 404, Duration::from_millis(3));
        metrics.append_ended(AppendOutcome::Stored, Duration::from_millis(2));
        metrics.append_ended(AppendOutcome::Conflict, Duration::from_millis(2));
        metrics.event_appended("user.created");
        metrics.projection_lags("acme", "history", 3);
        metrics.write_ahead_is("acme", "log.db", 4096);
        metrics.outbox_lags("acme", "MUSTER_EVENTS", 4);
        metrics.outbox_oldest(Duration::from_millis(1500));
        metrics.outbox_published("MUSTER_EVENTS", 5);
        metrics.outbox_failed("MUSTER_EVENTS");
        metrics.nats_is(true);
        metrics.clients_are_silent("acme", 2);
        metrics.tokens_expire("acme", 7, 3);
        metrics.request_dropped();
        metrics.requests_unlogged(6);
        let encoded = metrics.encode();
        for line in [
            concat!("muster_build_info{release=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            r#"muster_requests_total{method="GET",route="/{base}/Users/{id}",status_class="4xx"} 1"#,
            r#"muster_request_duration_seconds_count{method="GET",route="/{base}/Users/{id}"} 1"#,
            r#"muster_request_duration_seconds_bucket{le="0.002",method="GET",route="/{base}/Users/{id}"} 0"#,
            r#"muster_events_appended_total{type="user.created"} 1"#,
            r#"muster_append_duration_seconds_count{outcome="stored"} 1"#,
            r#"muster_append_duration_seconds_count{outcome="conflict"} 1"#,
            "muster_append_conflicts_total 1",
            r#"muster_projection_lag_events{tenant="acme",projection="history"} 3"#,
            r#"muster_write_ahead_bytes{tenant="acme",file="log.db"} 4096"#,
            r#"muster_outbox_lag_events{tenant="acme",stream="MUSTER_EVENTS"} 4"#,
            "muster_outbox_oldest_age_seconds 1.5",
            r#"muster_outbox_published_total{stream="MUSTER_EVENTS"} 5"#,
            r#"muster_outbox_failures_total{stream="MUSTER_EVENTS"} 1"#,
            "muster_nats_connected 1",
            r#"muster_silent_clients{tenant="acme"} 2"#,
            r#"muster_expiring_tokens{tenant="acme",days="7"} 3"#,
            "muster_request_log_dropped_total 1",
            "muster_request_log_failed_total 6",
            "# EOF",
        ] {
            check_line(&encoded, line);
        }
    }

    #[test]
    fn invented_methods_share_one_label() {
        let metrics = Metrics::new();
        metrics.request_answered("BREW", "unrouted", 405, Duration::ZERO);
        check_line(
            &metrics.encode(),
            r#"muster_requests_total{method="other",route="unrouted",status_class="4xx"} 1"#,
        );
    }
}
