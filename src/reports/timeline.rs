//! One person's story: what happened, by whom, what changed from what to what, and who was told.
//!
//! History names the revisions; the events themselves are read from the log and folded by the one fold there
//! is, so that every change shows the value before and after.

use std::collections::{BTreeMap, BTreeSet};

use projections::history::HistoryReader;
use provisioning::difference::differences;
use provisioning::evolve::evolve;
use provisioning::recorded::{Actor, ActorKind};
use provisioning::tenancy::Tenancy;
use provisioning::{ClientId, Opened, Recorded, Resource, ResourceId, Revision};
use scim::Object;
use serde_json::{Value, json};

use super::{Parameters, ReportError};
use crate::directory::catch_up::CatchUpError;
use crate::directory::{Directory, decode};

pub(super) fn of(directory: &Directory, parameters: Parameters<'_>) -> Result<Value, ReportError> {
    let missing =
        || ReportError::invalid("parameter_invalid", "`user` must be an id, a userName or an e-mail address");
    let name = parameters.get("user").filter(|name| !name.is_empty()).ok_or_else(missing)?;
    directory.with_history(|history| {
        let ids = history.users_known_as(name)?;
        if ids.is_empty() {
            let detail = "no user of this tenant is or was known by that id, userName or e-mail address";
            return Err(ReportError::not_found("user_not_found", detail));
        }
        let resources =
            ids.into_iter().map(|id| resource(directory, history, id)).collect::<Result<Vec<_>, _>>()?;
        Ok(json!({"resources": resources, "position": history.position()?.revision}))
    })
}

/// One entry of the list of events, in the order in which it happened.
type Entries = BTreeMap<Revision, Value>;

fn resource(directory: &Directory, history: &HistoryReader, id: ResourceId) -> Result<Value, ReportError> {
    let tenancy = directory.tenancy();
    let mut entries = Entries::new();
    let mut state: Option<Resource> = None;
    let mut last_known: Option<Resource> = None;
    for revision in history.revisions_of(id)? {
        let recorded = event(directory, revision)?;
        let before = state.clone();
        state = evolve(state, &recorded);
        let changes = match &recorded.event {
            Opened::Erased => json!([]),
            Opened::Event(_) => changes(before.as_ref(), state.as_ref()),
        };
        let accepted = history.accepted(revision)?.map(|accepted| accepted.at);
        let mut entry = entry(&recorded, &tenancy);
        entry["changes"] = changes;
        entry["accepted_at"] = json!(accepted);
        entries.insert(revision, entry);
        last_known = state.clone().or(last_known);
    }
    let memberships = memberships(directory, history, id, &tenancy, &mut entries)?;
    let name = last_known.as_ref().and_then(|resource| resource.attributes.get("userName"));
    Ok(json!({
        "id": id,
        "userName": name,
        "active": state.as_ref().is_some_and(|resource| resource.active),
        "events": entries.into_values().collect::<Vec<_>>(),
        "memberships": memberships,
    }))
}

/// The person's memberships with both ends, and an entry for each beginning and end.
fn memberships(
    directory: &Directory,
    history: &HistoryReader,
    id: ResourceId,
    tenancy: &Tenancy,
    entries: &mut Entries,
) -> Result<Vec<Value>, ReportError> {
    let mut shown = Vec::new();
    for interval in history.memberships_of(id)? {
        let name =
            history.name_at(interval.group, interval.to_revision.unwrap_or(history.position()?.revision))?;
        let name = match name {
            Some(name) => Some(name),
            None => history.name_at(interval.group, interval.from_revision)?,
        };
        for revision in [Some(interval.from_revision), interval.to_revision].into_iter().flatten() {
            let recorded = event(directory, revision)?;
            let mut entry = entry(&recorded, tenancy);
            entry["group"] = json!({"id": interval.group, "displayName": name});
            entry["accepted_at"] = json!(history.accepted(revision)?.map(|accepted| accepted.at));
            entries.insert(revision, entry);
        }
        shown.push(json!({
            "group": interval.group,
            "displayName": name,
            "from": interval.from,
            "to": interval.to,
        }));
    }
    Ok(shown)
}

fn event(directory: &Directory, revision: Revision) -> Result<Recorded, ReportError> {
    let stored = directory.log().read(Revision(revision.0 - 1), 1).map_err(CatchUpError::from)?;
    let missing =
        || CatchUpError::LogBehindView(format!("history names revision {revision}, the log has none"));
    let stored = stored.first().ok_or_else(missing)?;
    Ok(decode::recorded(directory.keys(), stored).map_err(CatchUpError::from)?)
}

fn entry(recorded: &Recorded, tenancy: &Tenancy) -> Value {
    let header = &recorded.header;
    json!({
        "revision": header.revision,
        "recorded_at": header.recorded_at,
        "type": header.event_type,
        "subject": header.subject,
        "actor": actor(&header.actor, tenancy),
        "changes": [],
        "group": null,
        "accepted_at": null,
    })
}

fn actor(actor: &Actor, tenancy: &Tenancy) -> Value {
    let client = actor.id.as_deref().filter(|_| actor.kind == ActorKind::Client);
    let name =
        client.and_then(ClientId::parse).and_then(|id| tenancy.clients.get(&id)).map(|client| &client.name);
    json!({"kind": actor.kind, "client": client, "name": name})
}

/// What changed, path by path, with the value before and after; nothing when the resource is gone.
fn changes(before: Option<&Resource>, after: Option<&Resource>) -> Value {
    let Some(after) = after else { return json!([]) };
    let nothing = Object::new();
    let old = before.map_or(&nothing, |resource| &resource.attributes);
    let mut shown: Vec<Value> = differences(old, &after.attributes)
        .into_iter()
        .map(|change| json!({"path": change.path, "from": change.from, "to": change.to}))
        .collect();
    let none = BTreeMap::new();
    let old = before.map_or(&none, |resource| &resource.external_ids);
    let domains: BTreeSet<&String> = old.keys().chain(after.external_ids.keys()).collect();
    for domain in domains {
        let (from, to) = (old.get(domain), after.external_ids.get(domain));
        if from != to {
            shown.push(json!({"path": "externalId", "domain": domain, "from": from, "to": to}));
        }
    }
    shown.into()
}
