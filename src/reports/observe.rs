//! What a tenant that observes would have set off: whose access would have ended, or come back, and who asked for it.

use std::collections::{BTreeMap, BTreeSet};

use provisioning::{ResourceId, Revision, Subject};
use serde_json::{Value, json};

use super::timeline::Parties;
use super::{EventLimits, Parameters, ReportError};
use crate::directories::Directories;
use crate::directory::Directory;
use crate::directory::catch_up::CatchUpError;
use crate::outbox::message::Message;
use crate::outbox::withheld::{self, SliceError};

impl From<SliceError> for ReportError {
    fn from(error: SliceError) -> Self {
        Self::Unavailable { code: "log_unavailable", detail: error.to_string() }
    }
}

/// What was found while going through the messages.
#[derive(Default)]
struct Found {
    /// How many messages have each reason.
    reasons: BTreeMap<String, u64>,
    /// Who would have lost access, however often.
    people: BTreeSet<String>,
    /// The messages of this page.
    page: Vec<(Revision, Value)>,
}

pub(super) fn report(
    directories: &Directories,
    tenant: &str,
    parameters: Parameters<'_>,
    limits: EventLimits,
) -> Result<Value, ReportError> {
    let directory = &*super::tenant(directories, tenant)?;
    let after = Revision(parameters.number("after", 0)?);
    let limit = parameters.number("limit", limits.default as u64)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(limits.max);
    let tenancy = directory.tenancy();
    let settings = &tenancy.settings;
    // Nothing later is looked at: history has to know who had been a member before.
    let position = *directory.history_position().borrow();
    // Of a live tenant that is what it was withheld of for ever.
    let up_to = if settings.observes() { position } else { tenancy.withheld_up_to };
    let mut found = Found::default();
    withheld::deprovisioning(directory, up_to, |message| {
        let body: Value = serde_json::from_slice(&message.body)
            .map_err(|error| SliceError::Broken(format!("revision {}: {error}", message.revision)))?;
        found.count(message, &body["data"]);
        if message.revision > after && found.page.len() < limit {
            found.page.push((message.revision, body["data"].clone()));
        }
        Ok::<_, ReportError>(())
    })?;
    let parties = Parties::of(directories, directory);
    let page = found.page.iter().map(|(revision, data)| item(directory, &parties, *revision, data));
    let page = page.collect::<Result<Vec<_>, _>>()?;
    Ok(json!({
        "tenant": tenant,
        "mode": settings.mode_in_force(),
        "publish_from": settings.publish_from,
        "up_to": up_to,
        "people": found.people.len(),
        "counts": found.reasons,
        "deprovisioning": page,
        "position": position,
    }))
}

impl Found {
    fn count(&mut self, message: &Message, data: &Value) {
        let reason = data["reason"].as_str().unwrap_or_default();
        *self.reasons.entry(reason.to_owned()).or_default() += 1;
        if reason != "restored" && data["was_active"] == true {
            match data["members"].as_array() {
                Some(members) => {
                    self.people.extend(members.iter().filter_map(Value::as_str).map(str::to_owned));
                }
                None => {
                    self.people.extend(message.muster_subject.strip_prefix("users/").map(str::to_owned));
                }
            }
        }
    }
}

/// A message with who asked for it and, from history, what its subject was called before.
fn item(
    directory: &Directory,
    parties: &Parties,
    revision: Revision,
    data: &Value,
) -> Result<Value, ReportError> {
    let stored = directory.stored(Revision(revision.0.saturating_sub(1)), 1).map_err(CatchUpError::from)?;
    let Some(stored) = stored.first() else {
        return Err(SliceError::Broken(format!("revision {revision} is missing")).into());
    };
    let header = directory.header(stored).map_err(CatchUpError::from)?;
    let before = Revision(revision.0.saturating_sub(1));
    let name_of = |id: ResourceId| directory.with_history(|history| history.name_at(id, before));
    let name = match header.subject {
        Subject::User(id) | Subject::Group(id) => name_of(id)?,
        _ => None,
    };
    let who = match (&header.subject, data["members"].as_array()) {
        (_, Some(members)) => {
            let ids = members.iter().filter_map(Value::as_str).filter_map(ResourceId::parse);
            let named = ids.map(|id| Ok(json!({"id": id, "name": name_of(id)?})));
            named.collect::<Result<Vec<_>, ReportError>>()?
        }
        (Subject::User(id), None) => vec![json!({"id": id, "name": name})],
        _ => Vec::new(),
    };
    Ok(json!({
        "revision": revision,
        "recorded_at": header.recorded_at,
        "type": header.event_type,
        "subject": header.subject,
        "name": name,
        "reason": data["reason"],
        "was_active": data["was_active"],
        "who": who,
        "members": data["members"],
        "groups": data["groups"],
        "actor": parties.named(&header.actor),
        "request": header.request,
    }))
}
