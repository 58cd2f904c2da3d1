//! What an event about a user or group means for its history: the one fold, over a document of names.
//!
//! History keeps no documents. It folds each event with [`provisioning::evolve`] over what it does keep:
//! names, `active`, invited, hidden or deleted, erased. A merge patch replaces a plain value or an array as a whole, so the
//! name after it is right without the rest of the document, and e-mail addresses are in the result exactly when
//! the event set them.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use provisioning::event::Change;
use provisioning::evolve::evolve_some;
use provisioning::recorded::Actor;
use provisioning::{Opened, Recorded, Resource, ResourceId, Revision, Subject};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, params};
use scim::fold::fold;
use scim::{Object, ResourceType};
use serde_json::Value;

use crate::column::{Column, read};
use crate::query;

const DISPLAY_NAME: &str = "displayName";

/// What was true of a resource after an event about it.
struct Version {
    name: Option<String>,
    /// A user's displayName.
    display: Option<String>,
    active: bool,
    invited: bool,
    state: State,
    erased: bool,
}

/// Whether and how there was a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Visible,
    Hidden,
    Deleted,
}

impl ToSql for State {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Visible => 0,
            Self::Hidden => 1,
            Self::Deleted => 2,
        }
        .into())
    }
}

impl FromSql for State {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_i64()? {
            0 => Ok(Self::Visible),
            1 => Ok(Self::Hidden),
            2 => Ok(Self::Deleted),
            _ => Err(FromSqlError::Other("not the state of a resource".into())),
        }
    }
}

/// Takes in an event about a user or group itself (not about its members).
pub(super) fn take_in(connection: &Connection, recorded: &Recorded) -> rusqlite::Result<()> {
    let (resource_type, id) = match recorded.header.subject {
        Subject::User(id) => (ResourceType::User, id),
        Subject::Group(id) => (ResourceType::Group, id),
        Subject::Client(_)
        | Subject::Token(_)
        | Subject::Tenant
        | Subject::RegisteredTenant(_)
        | Subject::Operator(_) => return Ok(()),
    };
    let known = last(connection, id)?;
    let state =
        known.as_ref().and_then(|(rid, version)| version.as_resource(resource_type, id, *rid, recorded));
    let after = evolve_some(state, recorded, &is_kept);
    let revision = recorded.header.revision;
    match (known, after) {
        // An event about nobody: the log never named the id as a resource.
        (None, None) => Ok(()),
        (None, Some(created)) => {
            let insert = "INSERT INTO resources (rid, id, type, last_revision) VALUES (?1, ?2, ?3, ?1)";
            query::execute(connection, insert, params![Column(revision), Column(id), Column(resource_type)])?;
            let version = Version::of(&created);
            note_names(connection, resource_type, revision, version.name.as_deref(), &created.attributes)?;
            version.insert(connection, revision, revision)
        }
        (Some((rid, before)), Some(after)) => {
            let version = Version::of(&after);
            let new_name = version.name.as_deref().filter(|name| before.name.as_deref() != Some(*name));
            note_names(connection, resource_type, rid, new_name, &after.attributes)?;
            note_last(connection, rid, revision)?;
            version.insert(connection, rid, revision)
        }
        (Some((rid, before)), None) => {
            note_last(connection, rid, revision)?;
            Version { active: false, state: State::Deleted, ..before }.insert(connection, rid, revision)
        }
    }
}

/// A copy of an event with as much of it as history looks at; the event itself stays as it is.
pub fn abridged(recorded: &mut Recorded) -> Recorded {
    // What is not looked at is put aside, and not copied.
    let header = &mut recorded.header;
    let names = mem::take(&mut header.attributes);
    let actor = mem::replace(&mut header.actor, Actor::SYSTEM);
    let digest = header.payload.take();
    let change = changed(recorded).map(mem::take);
    let mut copy = recorded.clone();
    if let Some(change) = change {
        if let Some(copied) = changed(&mut copy) {
            let kept = change.patch.iter().filter(|(name, _)| is_kept(name));
            copied.patch.extend(kept.map(|(name, value)| (name.clone(), value.clone())));
            copied.invited = change.invited;
        }
        if let Some(original) = changed(recorded) {
            *original = change;
        }
    }
    let header = &mut recorded.header;
    (header.attributes, header.actor, header.payload) = (names, actor, digest);
    copy
}

fn changed(recorded: &mut Recorded) -> Option<&mut Change> {
    match &mut recorded.event {
        Opened::Event(event) => event.change_mut(),
        Opened::Erased => None,
    }
}

/// Notes the last event about a resource.
pub(super) fn note_last(connection: &Connection, rid: Revision, revision: Revision) -> rusqlite::Result<()> {
    let last = "UPDATE resources SET last_revision = ?2 WHERE rid = ?1";
    query::execute(connection, last, params![Column(rid), Column(revision)])
}

/// What history looks at: names, and the addresses that an event sets.
fn is_kept(attribute: &str) -> bool {
    matches!(attribute, "userName" | DISPLAY_NAME | "emails")
}

/// The attribute that a resource of this type is known by.
fn name_attribute(resource_type: ResourceType) -> &'static str {
    match resource_type {
        ResourceType::User => "userName",
        ResourceType::Group => "displayName",
    }
}

fn note_names(
    connection: &Connection,
    resource_type: ResourceType,
    rid: Revision,
    name: Option<&str>,
    attributes: &Object,
) -> rusqlite::Result<()> {
    let emails = match resource_type {
        ResourceType::User => attributes.get("emails").and_then(Value::as_array),
        ResourceType::Group => None,
    };
    let addresses = emails.into_iter().flatten().filter_map(|email| email.get("value")?.as_str());
    // An address is often the userName too.
    let folded: BTreeSet<_> = name.into_iter().chain(addresses).map(fold).collect();
    let insert = "INSERT OR IGNORE INTO names (folded, type, rid) VALUES (?1, ?2, ?3)";
    for name in folded {
        query::execute(connection, insert, params![name, Column(resource_type), Column(rid)])?;
    }
    Ok(())
}

/// The row number and the last version of a resource that is or was.
fn last(connection: &Connection, id: ResourceId) -> rusqlite::Result<Option<(Revision, Version)>> {
    let last = "SELECT u.rid, v.name, v.display, v.active, v.invited, v.state, v.erased
                FROM resources AS u JOIN versions AS v ON v.rid = u.rid
                WHERE u.id = ?1 ORDER BY v.revision DESC LIMIT 1";
    query::one(connection, last, [Column(id)], |row| Ok((read(row, 0)?, Version::read(row)?)))
}

impl Version {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            name: row.get(1)?,
            display: row.get(2)?,
            active: row.get(3)?,
            invited: row.get(4)?,
            state: row.get(5)?,
            erased: row.get(6)?,
        })
    }

    fn of(resource: &Resource) -> Self {
        let text = |name| resource.attributes.get(name).and_then(Value::as_str).map(str::to_owned);
        let name = text(name_attribute(resource.resource_type));
        Self {
            name,
            display: match resource.resource_type {
                ResourceType::User => text(DISPLAY_NAME),
                ResourceType::Group => None,
            },
            active: resource.active,
            invited: resource.invited,
            state: if resource.hidden { State::Hidden } else { State::Visible },
            erased: resource.erased,
        }
    }

    /// The state to fold over; `None` once the resource is deleted. What history does not keep stands for nothing:
    /// the fold looks at none of it.
    fn as_resource(
        &self,
        resource_type: ResourceType,
        id: ResourceId,
        rid: Revision,
        recorded: &Recorded,
    ) -> Option<Resource> {
        if self.state == State::Deleted {
            return None;
        }
        let names = [(name_attribute(resource_type), &self.name), (DISPLAY_NAME, &self.display)];
        let names =
            names.into_iter().filter_map(|(path, name)| Some((path.to_owned(), name.clone()?.into())));
        Some(Resource {
            id,
            resource_type,
            attributes: names.collect(),
            external_ids: BTreeMap::new(),
            active: self.active,
            invited: self.invited,
            hidden: self.state == State::Hidden,
            erased: self.erased,
            created_revision: rid,
            revision: rid,
            created_at: recorded.header.recorded_at,
            modified_at: recorded.header.recorded_at,
            key: None,
        })
    }

    fn insert(&self, connection: &Connection, rid: Revision, revision: Revision) -> rusqlite::Result<()> {
        let insert = "INSERT INTO versions (rid, revision, name, display, active, invited, state, erased)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let Self { name, display, active, invited, state, erased } = self;
        let values = params![Column(rid), Column(revision), name, display, active, invited, state, erased];
        query::execute(connection, insert, values)
    }
}
