//! How far publishing has come.

use serde_json::{Value, json};

use super::ReportError;
use crate::directories::{Closed, Directories};
use crate::feed::JETSTREAM_STREAMS;
use crate::outbox::{OutboxHandle, State, why_observing};

/// Where every tenant's outbox stands: as the running outbox tells it, or, without one, as it was kept.
pub fn status(directories: &Directories, outbox: Option<&OutboxHandle>) -> Result<Value, ReportError> {
    let mut status = match outbox {
        Some(outbox) => json!(outbox.status()),
        None => kept(directories)?,
    };
    if let Some(tenants) = status["tenants"].as_array_mut() {
        tenants.extend(directories.closed().iter().map(|(name, closed)| unopened(name, closed)));
    }
    Ok(status)
}

/// A tenant that could not be opened: nobody knows how far its publishing is, and nothing of it goes out.
fn unopened(tenant: &str, closed: &Closed) -> Value {
    let reason = format!("{}: {}", closed.code(), closed.reason());
    let state = if let Closed::Waiting(_) = closed { State::Waiting } else { State::Halted };
    let streams = JETSTREAM_STREAMS.map(|stream| {
        json!({
            "stream": stream,
            "revision": null,
            "sequence": null,
            "lag_events": null,
            "state": state,
            "reason": reason,
        })
    });
    json!({"tenant": tenant, "streams": streams})
}

/// Where every open tenant's outbox stood when that was last kept.
fn kept(directories: &Directories) -> Result<Value, ReportError> {
    let mut tenants = Vec::new();
    for directory in directories.tenants() {
        let head = directory.position().0;
        let observes = directory.tenancy().settings.observes();
        let (state, reason) = if observes {
            (State::Observing, why_observing(directory.tenant()))
        } else {
            let reason = "nats_not_configured: the service was started without --nats, or is stopped";
            (State::Waiting, reason.to_owned())
        };
        let mut streams = Vec::new();
        for stream in JETSTREAM_STREAMS {
            let kept = directory.operations().outbox(stream);
            let kept = kept.map_err(|error| ReportError::Unavailable {
                code: "operations_unavailable",
                detail: error.to_string(),
            })?;
            let position = kept.unwrap_or_default();
            streams.push(json!({
                "stream": stream,
                "revision": position.revision,
                "sequence": position.sequence,
                "lag_events": if observes { 0 } else { head.saturating_sub(position.revision.0) },
                "state": state,
                "reason": reason,
            }));
        }
        tenants.push(json!({"tenant": directory.tenant(), "streams": streams}));
    }
    Ok(json!({"nats": {"configured": false, "connected": false}, "tenants": tenants}))
}
