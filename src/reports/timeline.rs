//! One person's story: what happened, by whom, what changed from what to what, and who was told.
//!
//! History names the revisions; the events themselves are read from the log and folded by the one fold there
//! is, so that every change shows the value before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use projections::history::HistoryReader;
use provisioning::difference::differences;
use provisioning::evolve::evolve;
use provisioning::ids::OperatorId;
use provisioning::recorded::{Actor, ActorKind};
use provisioning::tenancy::Tenancy;
use provisioning::{ClientId, Opened, Recorded, Resource, ResourceId, Revision};
use scim::Object;
use serde_json::{Value, json};

use super::{Parameters, ReportError};
use crate::directories::Directories;
use crate::directory::Directory;

pub(super) fn of(
    directories: &Directories,
    tenant: &str,
    parameters: Parameters<'_>,
) -> Result<Value, ReportError> {
    let missing =
        || ReportError::invalid("parameter_invalid", "`user` must be an id, a userName or an e-mail address");
    let name = parameters.get("user").filter(|name| !name.is_empty()).ok_or_else(missing)?;
    let directory = &*super::tenant(directories, tenant)?;
    directory.with_history(|history| {
        // First: whatever is read afterwards is at least as new.
        let position = history.position()?.revision;
        let ids = history.users_known_as(name)?;
        if ids.is_empty() {
            let detail = "no user of this tenant is or was known by that id, userName or e-mail address";
            return Err(ReportError::not_found("user_not_found", detail));
        }
        let parties = Parties::of(directories, directory);
        let timeline = Timeline { directory, history, parties, position };
        let resources = ids.into_iter().map(|id| timeline.resource(id)).collect::<Result<Vec<_>, _>>()?;
        Ok(json!({"resources": resources, "position": position}))
    })
}

/// What is asked of one tenant at one moment.
struct Timeline<'a> {
    directory: &'a Directory,
    history: &'a HistoryReader,
    parties: Parties,
    position: Revision,
}

/// One entry of the list of events, in the order in which it happened.
type Entries = BTreeMap<Revision, Value>;

impl Timeline<'_> {
    fn resource(&self, id: ResourceId) -> Result<Value, ReportError> {
        let mut entries = Entries::new();
        let mut state: Option<Resource> = None;
        let mut last_known: Option<Resource> = None;
        for revision in self.history.revisions_of(id)? {
            let recorded = self.event(revision)?;
            let before = state.clone();
            state = evolve(state, &recorded);
            let mut entry = self.entry(&recorded)?;
            entry["changes"] = match &recorded.event {
                Opened::Erased => json!([]),
                Opened::Event(_) => changes(before.as_ref(), state.as_ref()),
            };
            entries.insert(revision, entry);
            last_known = state.clone().or(last_known);
        }
        let memberships = self.memberships(id, &mut entries)?;
        let name = last_known.as_ref().and_then(|resource| resource.attributes.get("userName"));
        Ok(json!({
            "id": id,
            "userName": name,
            "active": state.as_ref().is_some_and(|resource| resource.active),
            "events": entries.into_values().collect::<Vec<_>>(),
            "memberships": memberships,
        }))
    }

    /// The person's memberships with both ends, and an entry for each beginning and end. A group is shown under
    /// the name that it bore then; a membership under the last name that it bore meanwhile.
    fn memberships(&self, id: ResourceId, entries: &mut Entries) -> Result<Vec<Value>, ReportError> {
        let mut shown = Vec::new();
        for interval in self.history.memberships_of(id)? {
            let group = interval.group;
            for revision in [Some(interval.from_revision), interval.to_revision].into_iter().flatten() {
                let mut entry = self.entry(&self.event(revision)?)?;
                entry["group"] = json!({"id": group, "displayName": self.history.name_at(group, revision)?});
                entries.insert(revision, entry);
            }
            let last = interval.to_revision.unwrap_or(self.position);
            shown.push(json!({
                "group": group,
                "displayName": self.history.name_at(group, last)?,
                "from": interval.from,
                "to": interval.to,
            }));
        }
        Ok(shown)
    }

    fn event(&self, revision: Revision) -> Result<Recorded, ReportError> {
        Ok(self.directory.event(revision)?)
    }

    fn entry(&self, recorded: &Recorded) -> Result<Value, ReportError> {
        let header = &recorded.header;
        let accepted = self.history.accepted(header.revision)?;
        Ok(json!({
            "revision": header.revision,
            "recorded_at": header.recorded_at,
            "type": header.event_type,
            "subject": header.subject,
            "actor": self.parties.named(&header.actor),
            "changes": [],
            "group": null,
            "accepted_at": accepted.map(|accepted| accepted.at),
        }))
    }
}

/// Who may have acted: the tenant's clients, and the operators in the registry.
pub(super) struct Parties {
    tenant: Arc<Tenancy>,
    registry: Arc<Tenancy>,
}

impl Parties {
    /// Those of a tenant, as of now.
    pub(super) fn of(directories: &Directories, directory: &Directory) -> Self {
        Self { tenant: directory.tenancy(), registry: directories.system().tenancy() }
    }

    /// An actor as every answer shows one.
    pub(super) fn named(&self, actor: &Actor) -> Value {
        let id = actor.id.as_deref();
        let name = match actor.kind {
            ActorKind::Client => {
                let client = id.and_then(ClientId::parse).and_then(|id| self.tenant.clients.get(&id));
                client.map(|client| &client.name)
            }
            ActorKind::Operator => {
                let operator = id.and_then(OperatorId::parse).and_then(|id| self.registry.operators.get(&id));
                operator.map(|operator| &operator.name)
            }
            ActorKind::System => None,
        };
        json!({"kind": actor.kind, "client": id.filter(|_| actor.kind == ActorKind::Client), "name": name})
    }
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
            shown.push(json!({"path": "externalId", "from": from, "to": to}));
        }
    }
    shown.into()
}
