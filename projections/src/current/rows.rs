//! A resource as rows: its own, its external ids, its e-mail addresses, its values of added attributes.
//!
//! Only what an event changed is written: an indexed column that is set to its old value would still cost the
//! index two writes.

use std::collections::{BTreeMap, BTreeSet};

use provisioning::{Resource, ResourceId, Revision};
use rusqlite::{Connection, Row, params};
use scim::fold::fold;
use scim::{Object, ResourceType};
use serde_json::Value;

use super::{broken, failed};
use crate::column::{Column, read, read_optional};
use crate::filter_sql::is_found_by_text;
use crate::{ViewError, query};

const LOAD: &str = "\
    SELECT rid, type, revision, created_at, modified_at, active, invited, hidden, erased, key, document
    FROM resources WHERE id = ?1";
const INSERT: &str = "\
    INSERT INTO resources (rid, id, type, name_folded, display, revision, created_at, modified_at, active, invited,
                           hidden, erased, key, document)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
const UPDATE: &str = "\
    UPDATE resources SET display = ?2, revision = ?3, modified_at = ?4, invited = ?5, erased = ?6, key = ?7,
                         document = ?8
    WHERE rid = ?1";
const UPDATE_NAME: &str = "UPDATE resources SET name_folded = ?2 WHERE rid = ?1";
const UPDATE_LISTED: &str = "UPDATE resources SET active = ?2, hidden = ?3 WHERE rid = ?1";
const INSERT_DELETED: &str =
    "INSERT INTO deleted (id, rid) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET rid = ?2";
const DELETE_EXTERNAL_ID: &str = "DELETE FROM external_ids WHERE rid = ?1 AND domain = ?2";
const WRITE_EXTERNAL_ID: &str = "\
    INSERT INTO external_ids (rid, domain, type, value) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT DO UPDATE SET value = ?4";
const DELETE_EMAIL: &str = "DELETE FROM emails WHERE value_folded = ?1 AND rid = ?2";
const INSERT_EMAIL: &str = "INSERT INTO emails (value_folded, rid) VALUES (?1, ?2)";
const DELETE_ADDED: &str =
    "DELETE FROM added_values WHERE type = ?1 AND path = ?2 AND value_folded = ?3 AND rid = ?4";
const INSERT_ADDED: &str = "INSERT INTO added_values (type, path, value_folded, rid) VALUES (?1, ?2, ?3, ?4)";

/// What other tables and indexes say about a resource.
pub(super) struct Indexed {
    rid: Revision,
    resource_type: ResourceType,
    name_folded: Option<String>,
    display: Option<String>,
    active: bool,
    hidden: bool,
    external_ids: BTreeMap<String, String>,
    emails: BTreeSet<String>,
    added: BTreeSet<(String, String)>,
}

impl Indexed {
    pub(super) fn of(resource: &Resource) -> Self {
        let text = |name| resource.attributes.get(name).and_then(Value::as_str);
        let (name, display) = match resource.resource_type {
            ResourceType::User => {
                let user_name = text("userName");
                (user_name, text("displayName").or(user_name))
            }
            ResourceType::Group => (text("displayName"), text("displayName")),
        };
        Self {
            rid: resource.created_revision,
            resource_type: resource.resource_type,
            name_folded: name.map(fold),
            display: display.map(str::to_owned),
            active: resource.active,
            hidden: resource.hidden,
            external_ids: resource.external_ids.clone(),
            emails: match resource.resource_type {
                ResourceType::User => folded_emails(&resource.attributes),
                ResourceType::Group => BTreeSet::new(),
            },
            added: folded_texts(resource),
        }
    }

    /// Of a resource that is no more.
    fn emptied(&self) -> Self {
        Self {
            rid: self.rid,
            resource_type: self.resource_type,
            name_folded: None,
            display: None,
            active: self.active,
            hidden: self.hidden,
            external_ids: BTreeMap::new(),
            emails: BTreeSet::new(),
            added: BTreeSet::new(),
        }
    }
}

/// Paths and folded texts of the singular attributes that are found by their text. Only a URN has colons.
fn folded_texts(resource: &Resource) -> BTreeSet<(String, String)> {
    let mut added = BTreeSet::new();
    for (name, value) in &resource.attributes {
        if let Value::String(text) = value {
            if is_found_by_text(resource.resource_type, None, name) {
                added.insert((name.clone(), fold(text)));
            }
        } else if let Value::Object(inner) = value
            && name.contains(':')
        {
            for (part, value) in inner {
                if let Value::String(text) = value
                    && is_found_by_text(resource.resource_type, Some(name), part)
                {
                    added.insert((format!("{name}:{part}"), fold(text)));
                }
            }
        }
    }
    added
}

fn folded_emails(attributes: &Object) -> BTreeSet<String> {
    let emails = attributes.get("emails").and_then(Value::as_array);
    emails.into_iter().flatten().filter_map(|email| email.get("value")?.as_str()).map(fold).collect()
}

/// The row number of a live resource.
pub(super) fn rid(connection: &Connection, id: ResourceId) -> rusqlite::Result<Option<Revision>> {
    query::one(connection, "SELECT rid FROM resources WHERE id = ?1", [Column(id)], |row| read(row, 0))
}

/// The number of the data key of a live resource.
pub(super) fn key(connection: &Connection, id: ResourceId) -> rusqlite::Result<Option<u64>> {
    let key = "SELECT key FROM resources WHERE id = ?1";
    let found = query::one(connection, key, [Column(id)], |row| read_optional(row, 0))?;
    Ok(found.flatten())
}

/// A live resource, hidden or not.
pub(super) fn load(connection: &Connection, id: ResourceId) -> Result<Option<Resource>, ViewError> {
    let found = query::one(connection, LOAD, [Column(id)], |row| resource(row, id)).map_err(failed)?;
    let Some((mut resource, parsed)) = found else { return Ok(None) };
    resource.attributes = parsed.map_err(|error| {
        let (line, column) = (error.line(), error.column());
        broken(format!("resources.document of {id}: no JSON object at line {line}, column {column}"))
    })?;
    resource.external_ids = external_ids(connection, resource.created_revision).map_err(failed)?;
    Ok(Some(resource))
}

fn resource(row: &Row<'_>, id: ResourceId) -> rusqlite::Result<(Resource, serde_json::Result<Object>)> {
    let document = serde_json::from_str(row.get_ref(10)?.as_str()?);
    let resource = Resource {
        id,
        resource_type: read(row, 1)?,
        attributes: Object::new(),
        external_ids: BTreeMap::new(),
        active: row.get(5)?,
        invited: row.get(6)?,
        hidden: row.get(7)?,
        erased: row.get(8)?,
        created_revision: read(row, 0)?,
        revision: read(row, 2)?,
        created_at: read(row, 3)?,
        modified_at: read(row, 4)?,
        key: read_optional(row, 9)?,
    };
    Ok((resource, document))
}

fn external_ids(connection: &Connection, rid: Revision) -> rusqlite::Result<BTreeMap<String, String>> {
    let all = "SELECT domain, value FROM external_ids WHERE rid = ?1";
    let all = query::all(connection, all, [Column(rid)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(all.into_iter().collect())
}

/// Live resources of a type with that `externalId` in that domain, hidden ones too, oldest first.
pub(super) fn holders_of_external_id(
    connection: &Connection,
    resource_type: ResourceType,
    domain: &str,
    external_id: &str,
) -> rusqlite::Result<Vec<ResourceId>> {
    let holders = "\
        SELECT r.id FROM external_ids AS x JOIN resources AS r ON r.rid = x.rid
        WHERE x.type = ?1 AND x.domain = ?2 AND x.value = ?3 ORDER BY x.rid";
    query::all(connection, holders, params![Column(resource_type), domain, external_id], |row| read(row, 0))
}

pub(super) fn insert(connection: &Connection, resource: &Resource) -> rusqlite::Result<()> {
    let indexed = Indexed::of(resource);
    let values = params![
        Column(resource.created_revision),
        Column(resource.id),
        Column(resource.resource_type),
        indexed.name_folded,
        indexed.display,
        Column(resource.revision),
        Column(resource.created_at),
        Column(resource.modified_at),
        resource.active,
        resource.invited,
        resource.hidden,
        resource.erased,
        resource.key.map(Column),
        document(resource),
    ];
    query::execute(connection, INSERT, values)?;
    let nothing = indexed.emptied();
    change_external_ids(connection, &nothing.external_ids, &indexed.external_ids, resource)?;
    change_emails(connection, &nothing.emails, &indexed.emails, indexed.rid)?;
    change_additions(connection, &nothing, &indexed)
}

pub(super) fn update(connection: &Connection, before: &Indexed, resource: &Resource) -> rusqlite::Result<()> {
    let after = Indexed::of(resource);
    let rid = Column(before.rid);
    let values = params![
        rid,
        after.display,
        Column(resource.revision),
        Column(resource.modified_at),
        resource.invited,
        resource.erased,
        resource.key.map(Column),
        document(resource),
    ];
    query::execute(connection, UPDATE, values)?;
    if before.name_folded != after.name_folded {
        query::execute(connection, UPDATE_NAME, params![rid, after.name_folded])?;
    }
    if (before.active, before.hidden) != (after.active, after.hidden) {
        query::execute(connection, UPDATE_LISTED, params![rid, after.active, after.hidden])?;
    }
    change_external_ids(connection, &before.external_ids, &after.external_ids, resource)?;
    change_emails(connection, &before.emails, &after.emails, before.rid)?;
    change_additions(connection, before, &after)
}

/// Memberships are not looked for: the events before a deletion have ended them.
pub(super) fn delete(connection: &Connection, before: &Indexed, id: ResourceId) -> rusqlite::Result<()> {
    let rid = Column(before.rid);
    query::execute(connection, "DELETE FROM resources WHERE rid = ?1", [rid])?;
    query::execute(connection, "DELETE FROM external_ids WHERE rid = ?1", [rid])?;
    let nothing = before.emptied();
    change_emails(connection, &before.emails, &nothing.emails, before.rid)?;
    change_additions(connection, before, &nothing)?;
    query::execute(connection, INSERT_DELETED, params![Column(id), rid])
}

fn document(resource: &Resource) -> String {
    serde_json::to_string(&resource.attributes).expect("an object of JSON values can be written as JSON")
}

fn change_external_ids(
    connection: &Connection,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
    resource: &Resource,
) -> rusqlite::Result<()> {
    let rid = Column(resource.created_revision);
    for domain in before.keys().filter(|domain| !after.contains_key(*domain)) {
        query::execute(connection, DELETE_EXTERNAL_ID, params![rid, domain])?;
    }
    for (domain, value) in after.iter().filter(|(domain, value)| before.get(*domain) != Some(*value)) {
        let values = params![rid, domain, Column(resource.resource_type), value];
        query::execute(connection, WRITE_EXTERNAL_ID, values)?;
    }
    Ok(())
}

fn change_additions(connection: &Connection, before: &Indexed, after: &Indexed) -> rusqlite::Result<()> {
    let change = |statement: &str, (path, value): &(String, String)| {
        let values = params![Column(before.resource_type), path, value, Column(before.rid)];
        query::execute(connection, statement, values)
    };
    before.added.difference(&after.added).try_for_each(|gone| change(DELETE_ADDED, gone))?;
    after.added.difference(&before.added).try_for_each(|new| change(INSERT_ADDED, new))
}

fn change_emails(
    connection: &Connection,
    before: &BTreeSet<String>,
    after: &BTreeSet<String>,
    rid: Revision,
) -> rusqlite::Result<()> {
    for gone in before.difference(after) {
        query::execute(connection, DELETE_EMAIL, params![gone, Column(rid)])?;
    }
    for new in after.difference(before) {
        query::execute(connection, INSERT_EMAIL, params![new, Column(rid)])?;
    }
    Ok(())
}
