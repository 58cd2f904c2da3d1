//! The person who is asked about: by what requests can be about them, and how they are now.

use provisioning::recorded::ActorKind;
use provisioning::tenancy::Tenancy;
use provisioning::{ClientId, ResourceId, Revision, Status, Timestamp};
use scim::{Object, ResourceType};
use serde_json::{Value, json};

use crate::directory::Directory;
use crate::directory::catch_up::CatchUpError;
use crate::reports::ReportError;
use crate::request_log::{Change, Print, Reader, Row, member};

/// Somebody who bears or bore the name.
pub(super) struct Person {
    pub(super) id: ResourceId,
    /// None if there is no such user any more.
    pub(super) user: Option<User>,
}

/// A user who is here.
pub(super) struct User {
    pub(super) name: String,
    pub(super) status: Status,
    pub(super) created_at: Timestamp,
    /// Whether they ever were active.
    pub(super) was_active: bool,
    document: Object,
    /// By the provisioning domains that know the user.
    external_ids: Vec<(String, String)>,
    /// Id and displayName.
    groups: Vec<(ResourceId, String)>,
}

impl Person {
    pub(super) fn told(&self) -> Value {
        let user = self.user.as_ref();
        let active = user.map(|user| user.status != Status::Disabled);
        json!({"id": self.id, "userName": user.map(|user| &user.name), "active": active})
    }
}

/// Everybody who is or was known by a name, or, where nobody was, whoever has it as `externalId`.
pub(super) fn people(directory: &Directory, name: &str) -> Result<Vec<Person>, ReportError> {
    let domains: Vec<String> = domains(&directory.tenancy());
    let mut ids = directory.with_history(|history| history.users_known_as(name))?;
    if ids.is_empty() {
        for domain in &domains {
            ids.extend(directory.with_current(|current| current.users_with_external_id(domain, name))?);
        }
        ids.sort_unstable();
        ids.dedup();
    }
    ids.into_iter()
        .map(|id| {
            let user = user(directory, id, &domains)?;
            Ok(Person { id, user })
        })
        .collect()
}

fn domains(tenancy: &Tenancy) -> Vec<String> {
    let mut domains: Vec<String> = tenancy.clients.values().map(|client| client.domain.clone()).collect();
    domains.sort_unstable();
    domains.dedup();
    domains
}

fn user(directory: &Directory, id: ResourceId, domains: &[String]) -> Result<Option<User>, ReportError> {
    let found: Result<_, ReportError> = directory.with_current(|current| {
        let Some(stored) = current.resource(ResourceType::User, id, None)? else { return Ok(None) };
        let mut external_ids = Vec::new();
        for domain in domains {
            let seen = current.resource(ResourceType::User, id, Some(domain))?;
            external_ids.extend(seen.and_then(|seen| Some((domain.clone(), seen.external_id?))));
        }
        let groups = current.groups_of(id)?.into_iter().map(|group| (group.id, group.display)).collect();
        Ok(Some((stored, external_ids, groups)))
    });
    let Some((stored, external_ids, groups)) = found? else { return Ok(None) };
    let document: Object = serde_json::from_str(&stored.document).unwrap_or_default();
    let name = document.get("userName").and_then(Value::as_str).unwrap_or_default().to_owned();
    let was_active = was_active(directory, id)?;
    let (status, created_at) = (stored.status, stored.created_at);
    Ok(Some(User { name, status, created_at, was_active, document, external_ids, groups }))
}

fn was_active(directory: &Directory, id: ResourceId) -> Result<bool, ReportError> {
    for revision in directory.with_history(|history| history.revisions_of(id))? {
        let events =
            directory.stored(Revision(revision.0.saturating_sub(1)), 1).map_err(CatchUpError::from)?;
        for event in &events {
            let header = directory.header(event).map_err(CatchUpError::from)?;
            if header.active.is_some_and(|[_, after]| after == Some(true)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The first request by which an identity provider had something recorded, as far as one read of the log tells.
pub(super) fn first_recorded(directory: &Directory) -> Result<Option<(String, Timestamp)>, ReportError> {
    const EVENTS_MAX: usize = 1_000;
    for event in &directory.stored(Revision(0), EVENTS_MAX).map_err(CatchUpError::from)? {
        let header = directory.header(event).map_err(CatchUpError::from)?;
        if header.actor.kind == ActorKind::Client
            && let (Some(request), Some(at)) = (header.request, header.received_at)
        {
            return Ok(Some((request.to_string(), at)));
        }
    }
    Ok(None)
}

/// The same as requests are kept: by fingerprints.
pub(super) struct Whom {
    pub(super) people: Vec<Known>,
    /// By what name they were asked for, and the userNames of whoever is here.
    pub(super) names: Vec<Print>,
    /// The ids of everybody, and by what id they were asked for.
    pub(super) ids: Vec<Print>,
    domains: Vec<(String, String)>,
}

/// A person whom requests are about.
#[derive(Default)]
pub(super) struct Known {
    id: Option<Print>,
    pub(super) user_name: Option<Print>,
    external_ids: Vec<(String, Print)>,
    /// The same as values.
    values_outside: Vec<(String, Value)>,
    groups: Vec<(Print, Print)>,
    document: Object,
    pub(super) created_at: Option<Timestamp>,
    pub(super) is_here: bool,
    pub(super) is_active: bool,
}

impl Whom {
    /// Nobody, if the log has no file: then there is nothing to compare with.
    pub(super) fn new(directory: &Directory, reader: &Reader, name: &str, people: &[Person]) -> Self {
        let print = |name: &str| reader.print_of_name(name);
        let known = |person: &Person| {
            let id = print(&person.id.to_string());
            let Some(user) = &person.user else { return Known { id, ..Known::default() } };
            let external = |(domain, id): &(String, String)| Some((domain.clone(), print(id)?));
            let group =
                |(id, display): &(ResourceId, String)| Some((print(&id.to_string())?, print(display)?));
            Known {
                id,
                user_name: print(&user.name),
                external_ids: user.external_ids.iter().filter_map(external).collect(),
                values_outside: user.external_ids.iter().map(|(it, id)| (it.clone(), json!(id))).collect(),
                groups: user.groups.iter().filter_map(group).collect(),
                document: user.document.clone(),
                created_at: Some(user.created_at),
                is_here: true,
                is_active: user.status != Status::Disabled,
            }
        };
        let people: Vec<Known> = people.iter().map(known).collect();
        let asked = print(name);
        let names = asked.into_iter().chain(people.iter().filter_map(|known| known.user_name)).collect();
        let ids = asked.into_iter().chain(people.iter().filter_map(|known| known.id)).collect();
        let clients = &directory.tenancy().clients;
        let domains = clients.iter().map(|(id, client)| (id.to_string(), client.domain.clone())).collect();
        Self { people, names, ids, domains }
    }

    /// The person with that id.
    pub(super) fn person(&self, id: Option<Print>) -> Option<usize> {
        self.people.iter().position(|known| known.id.is_some() && known.id == id)
    }

    /// The domain of whoever sent a request.
    pub(super) fn domain(&self, row: &Row) -> Option<&str> {
        let client = row.client.as_deref().and_then(ClientId::parse)?.to_string();
        self.domains.iter().find(|(id, _)| *id == client).map(|(_, domain)| domain.as_str())
    }

    /// Whether that is the `externalId` of one of them, in the domain of whoever sent it. Whoever is not known here
    /// may be asked for by it.
    pub(super) fn is_external_id(&self, external_id: Option<Print>, row: &Row) -> bool {
        let Some(external_id) = external_id else { return false };
        if self.people.is_empty() {
            return self.names.contains(&external_id);
        }
        self.people.iter().any(|known| known.has_external_id(external_id, self.domain(row)))
    }
}

impl Known {
    pub(super) fn has_external_id(&self, external_id: Print, domain: Option<&str>) -> bool {
        self.external_ids.iter().any(|(within, id)| *id == external_id && Some(within.as_str()) == domain)
    }

    /// Whether they are a direct member of a group, by its id or displayName.
    pub(super) fn is_in(&self, group: Option<Print>, name: Option<Print>) -> bool {
        match group {
            Some(group) => self.groups.iter().any(|(id, _)| *id == group),
            None => self.groups.iter().any(|(_, display)| Some(*display) == name),
        }
    }

    /// Whether an attribute has the value that a refused request wanted.
    pub(super) fn has(&self, change: &Change, reader: &Reader, domain: Option<&str>) -> bool {
        let (Some(wanted), Some(path)) = (change.value, change.attribute.as_deref()) else { return false };
        if path == "externalid" {
            let mut own = self.values_outside.iter().filter(|(within, _)| Some(within.as_str()) == domain);
            return own.any(|(_, value)| reader.print_of_value(value) == Some(wanted));
        }
        let value = self.value_at(path, change.sub_attribute.as_deref());
        value.is_some_and(|value| reader.print_of_value(value) == Some(wanted))
    }

    fn value_at(&self, path: &str, sub_attribute: Option<&str>) -> Option<&Value> {
        let (urn, name) = path.rsplit_once(':').map_or((None, path), |(urn, name)| (Some(urn), name));
        let object = match urn {
            Some(urn) => member(&self.document, urn)?.as_object()?,
            None => &self.document,
        };
        let value = member(object, name)?;
        sub_attribute.map_or(Some(value), |part| member(value.as_object()?, part))
    }
}
