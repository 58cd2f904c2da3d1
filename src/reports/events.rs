//! Events as they were recorded: the header's object and, opened, the payload.

use provisioning::{EventType, Header, Revision, Subject};
use serde_json::{Value, json};

use super::{EventLimits, Parameters, ReportError};
use crate::directory::Directory;
use crate::directory::catch_up::CatchUpError;
use crate::directory::decode::DecodeError;
use crate::event_log::StoredEvent;
use crate::sealing::OpenedPayload;

/// How many events one read of the log brings.
const EVENTS_PER_READ: usize = 1_000;

pub(super) fn list(
    directory: &Directory,
    parameters: Parameters<'_>,
    limits: EventLimits,
) -> Result<Value, ReportError> {
    let mut after = Revision(parameters.number("after", 0)?);
    let limit = parameters.number("limit", limits.default as u64)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(limits.max);
    let subject = parameters.get("subject").map(parse_subject).transpose()?;
    let event_type = parameters.get("type").map(parse_type).transpose()?;
    let position = directory.position();
    let mut events = Vec::new();
    'reading: while events.len() < limit {
        let stored = directory.stored(after, EVENTS_PER_READ).map_err(CatchUpError::from)?;
        if stored.is_empty() {
            break;
        }
        for event in &stored {
            after = event.revision;
            let header = directory.header(event).map_err(CatchUpError::from)?;
            if subject.is_some_and(|wanted| wanted != header.subject)
                || event_type.is_some_and(|wanted| wanted != header.event_type)
            {
                continue;
            }
            events.push(item(directory, event, &header)?);
            if events.len() == limit {
                break 'reading;
            }
        }
    }
    Ok(json!({"events": events, "position": position}))
}

/// The header's object with `data`: the opened payload, null, or `{"erased":true}`.
fn item(directory: &Directory, stored: &StoredEvent, header: &Header) -> Result<Value, ReportError> {
    let revision = stored.revision.0;
    let broken = |error: serde_json::Error| {
        CatchUpError::Event(DecodeError::Broken { revision, reason: error.to_string() })
    };
    let mut item: Value = serde_json::from_slice(&stored.header).map_err(broken)?;
    item["data"] = match directory.payload(stored, header).map_err(CatchUpError::from)? {
        Some(OpenedPayload::Bytes(bytes)) => serde_json::from_slice(&bytes).map_err(broken)?,
        Some(OpenedPayload::Erased) => json!({"erased": true}),
        None => Value::Null,
    };
    Ok(item)
}

fn parse_subject(text: &str) -> Result<Subject, ReportError> {
    let detail = "`subject` must be `users/<id>`, `groups/<id>`, `clients/<id>`, `tokens/<id>` or `tenant`";
    Subject::parse(text).ok_or_else(|| ReportError::invalid("parameter_invalid", detail))
}

fn parse_type(text: &str) -> Result<EventType, ReportError> {
    let detail = "`type` must be an event type such as `user.deactivated`";
    EventType::parse(text).ok_or_else(|| ReportError::invalid("parameter_invalid", detail))
}
