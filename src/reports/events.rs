//! Events as they were recorded: the header's object and, opened, the payload.

use std::fmt::Write as _;

use provisioning::{EventType, Header, Revision, Subject};
use serde::de::IgnoredAny;

use super::{EventLimits, Parameters, ReportError};
use crate::directory::Directory;
use crate::directory::catch_up::CatchUpError;
use crate::directory::decode::DecodeError;
use crate::event_log::StoredEvent;
use crate::sealing::OpenedPayload;

/// How many events one read of the log brings.
const EVENTS_PER_READ: usize = 1_000;
/// A page ends with the event that makes it this long, in bytes: an event can name a thousand members.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A page of events as the text of a JSON document. Headers and payloads are JSON as they stand in the log, so they
/// are put together and never taken apart: as values they would be many times as large.
pub(super) fn page(
    directory: &Directory,
    parameters: Parameters<'_>,
    limits: EventLimits,
) -> Result<String, ReportError> {
    let mut after = Revision(parameters.number("after", 0)?);
    let limit = parameters.number("limit", limits.default as u64)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(limits.max);
    let subject = parameters.get("subject").map(parse_subject).transpose()?;
    let event_type = parameters.get("type").map(parse_type).transpose()?;
    let position = directory.position();
    let (mut text, mut events) = (r#"{"events":["#.to_owned(), 0);
    'reading: while events < limit {
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
            if events > 0 {
                text.push(',');
            }
            put_item(&mut text, directory, event, &header)?;
            events += 1;
            if events == limit || text.len() >= PAGE_BYTES_MAX {
                break 'reading;
            }
        }
    }
    write!(text, r#"],"position":{position}}}"#).expect("writing to a String does not fail");
    Ok(text)
}

/// The header's object with `data`: the opened payload, null, or `{"erased":true}`.
fn put_item(
    text: &mut String,
    directory: &Directory,
    stored: &StoredEvent,
    header: &Header,
) -> Result<(), ReportError> {
    let broken =
        |reason: String| CatchUpError::Event(DecodeError::Broken { revision: stored.revision.0, reason });
    let payload = match directory.payload(stored, header).map_err(CatchUpError::from)? {
        Some(OpenedPayload::Bytes(bytes)) => {
            String::from_utf8(bytes).map_err(|error| broken(error.to_string()))?
        }
        Some(OpenedPayload::Erased) => r#"{"erased":true}"#.to_owned(),
        None => "null".to_owned(),
    };
    serde_json::from_str::<IgnoredAny>(&payload).map_err(|error| broken(error.to_string()))?;
    // That it is an object was seen when it was read.
    let header = std::str::from_utf8(&stored.header).ok().and_then(|text| text.trim_end().strip_suffix('}'));
    let header = header.ok_or_else(|| broken("the header is no JSON object".to_owned()))?;
    text.extend([header, r#","data":"#, &payload, "}"]);
    Ok(())
}

fn parse_subject(text: &str) -> Result<Subject, ReportError> {
    let detail = "`subject` must be `users/<id>`, `groups/<id>`, `clients/<id>`, `tokens/<id>` or `tenant`";
    Subject::parse(text).ok_or_else(|| ReportError::invalid("parameter_invalid", detail))
}

fn parse_type(text: &str) -> Result<EventType, ReportError> {
    let detail = "`type` must be an event type such as `user.deactivated`";
    EventType::parse(text).ok_or_else(|| ReportError::invalid("parameter_invalid", detail))
}
