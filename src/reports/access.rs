//! Who was active at an instant, and in which groups.

use provisioning::Timestamp;
use serde_json::{Value, json};

use super::{Parameters, ReportError};
use crate::directory::Directory;

pub(super) fn at(directory: &Directory, parameters: Parameters<'_>) -> Result<Value, ReportError> {
    let detail = "`at` must be an RFC 3339 instant such as 2026-06-30T23:59:59Z";
    let missing = || ReportError::invalid("parameter_invalid", detail);
    let at = parameters.get("at").and_then(Timestamp::parse).ok_or_else(missing)?;
    let group_name = parameters.get("group");
    directory.with_history(|history| {
        let position = history.revision_at(at)?;
        let group = match group_name {
            None => None,
            Some(name) => {
                // Of groups that bore the name, those that bore it at that time.
                let mut bearers = Vec::new();
                for id in history.groups_known_as(name)? {
                    let then = history.name_at(id, position)?;
                    if id.to_string() == name
                        || then.is_some_and(|then| scim::fold::fold(&then) == scim::fold::fold(name))
                    {
                        bearers.push(id);
                    }
                }
                match bearers.as_slice() {
                    [] => {
                        let detail =
                            "no group had that name (or id) then; names of other times do not count here";
                        return Err(ReportError::not_found("group_not_found", detail));
                    }
                    [one] => Some(*one),
                    several => {
                        let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
                        let detail =
                            format!("several groups had that name then; ask by id: {}", ids.join(", "));
                        return Err(ReportError::invalid("group_ambiguous", detail));
                    }
                }
            }
        };
        let rows = history.access_at(position, group)?;
        let users: Vec<Value> = rows
            .into_iter()
            .map(|row| {
                let groups: Vec<Value> = row
                    .groups
                    .into_iter()
                    .map(|(id, display)| json!({"id": id, "displayName": display}))
                    .collect();
                json!({"id": row.id, "userName": row.user_name, "active": row.active, "groups": groups})
            })
            .collect();
        Ok(json!({"users": users, "position": position, "at": at}))
    })
}
