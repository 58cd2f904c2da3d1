//! The tenancy as rows: one for each item, named as the subjects of its events are printed.

use provisioning::Subject;
use provisioning::tenancy::Tenancy;
use rusqlite::{Connection, params};
use serde_json::Value;

use super::{broken, failed};
use crate::{ViewError, query};

/// Writes the item that an event about `subject` may have changed.
pub(super) fn store(connection: &Connection, tenancy: &Tenancy, subject: Subject) -> rusqlite::Result<()> {
    let Some((item, state)) = tenancy.item(&subject) else {
        return query::execute(connection, "DELETE FROM tenancy WHERE item = ?1", [subject.to_string()]);
    };
    let write = "INSERT INTO tenancy (item, state) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET state = ?2 WHERE state <> ?2";
    query::execute(connection, write, params![item, state.to_string()])
}

/// All items.
pub(super) fn load(connection: &Connection) -> Result<Tenancy, ViewError> {
    let all = "SELECT item, state FROM tenancy";
    let items = query::all(connection, all, [], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
    // What is no JSON becomes null, which no item can be read from.
    let items =
        items.map_err(failed)?.into_iter().map(|(item, state)| (item, state.parse().unwrap_or(Value::Null)));
    Tenancy::import(items).map_err(|error| broken(format!("tenancy: {error}")))
}
