//! The newest refusals by which the person cannot be judged, and what each of them may hide.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Log;
use super::acts::{Act, is_failed, is_look_up};
use crate::reports::ReportError;
use crate::request_log::{Kind, Operation, Row};

/// Refusals, oldest first, with what nobody can tell of them.
pub(super) struct Unjudged<'r> {
    pub(super) rows: Vec<(&'r Row, Option<Hides>)>,
    /// The number of the oldest refusal that was looked at.
    pub(super) first: u64,
    /// Whether the tenant knows the person: then only what may be a change of them counts.
    pub(super) is_known: bool,
}

/// What nobody can tell of a request of which something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hides {
    /// What it says, and thereby whom it was about.
    Unread,
    /// Whom it was to create.
    Unnamed,
    /// Whose the id is.
    StaleId,
}

impl<'r> Unjudged<'r> {
    /// `refused` without those of which there are acts; `named` are requests that name the person.
    pub(super) fn of(
        log: &Log<'_>,
        refused: &'r [Row],
        named: &[Row],
        acts: &[Act<'_>],
        is_known: bool,
    ) -> Result<Self, ReportError> {
        let acted: BTreeSet<u64> = acts.iter().map(|act| act.row.number).collect();
        let rows: Vec<&Row> = refused.iter().filter(|row| !acted.contains(&row.number)).collect();
        let naming = log.reader.naming(&rows)?;
        let named: BTreeSet<u64> = named.iter().map(|row| row.number).collect();
        let names_others = |row: &Row| naming.contains(&row.number) && !named.contains(&row.number);
        let may_be_theirs = |row: &&Row| !is_known || !names_others(row) || is_of_many(row);
        let rows = rows.into_iter().filter(may_be_theirs).map(|row| {
            let (contents, operations) = log.read(row);
            let hides = hides(row, &contents, operations.as_deref(), names_others(row));
            let may_change = |hides: &Hides| *hides == Hides::Unread && !is_look_up(row);
            (row, hides.filter(|hides| !is_known || may_change(hides)))
        });
        let first = refused.first().map_or(0, |row| row.number);
        Ok(Self { rows: rows.collect(), first, is_known })
    }

    /// Those that hide somebody in that way.
    pub(super) fn that(&self, hides: Hides) -> Vec<&'r Row> {
        self.rows.iter().filter(|(_, found)| *found == Some(hides)).map(|(row, _)| *row).collect()
    }
}

/// Whether a request may be about others than those whom it names.
fn is_of_many(row: &Row) -> bool {
    is_of_groups(row) || is_bulk(row)
}

fn is_of_groups(row: &Row) -> bool {
    row.route.starts_with("/Groups")
}

fn is_bulk(row: &Row) -> bool {
    row.route.starts_with("/Bulk")
}

/// `names_others`: in its path, filter or body, and not the person.
fn hides(row: &Row, contents: &Value, operations: Option<&[Operation]>, names_others: bool) -> Option<Hides> {
    let code = row.code.as_deref().unwrap_or_default();
    // A filter that compares with a secret is not kept.
    if code == "filter_sensitive_attribute" {
        return Some(Hides::Unread);
    }
    let Some(operations) = operations else { return Some(Hides::Unread) };
    let is_stale = !is_of_groups(row) && code == "resource_not_found";
    if is_look_up(row) {
        let is_unread = !names_others && is_not_understood(code);
        return is_stale.then_some(Hides::StaleId).or(is_unread.then_some(Hides::Unread));
    }
    // What somebody without a token says is not looked at.
    if is_failed(row) && row.client.is_none() || lacks(row, contents, operations, names_others) {
        return Some(Hides::Unread);
    }
    let mut undone = operations.iter().filter(|it| it.undone.is_some() || is_failed(row));
    undone.find_map(|operation| {
        let code = operation.undone.as_ref().map_or(code, |undone| undone.code.as_str());
        hidden_in(operation, code, is_stale || code == "resource_not_found")
    })
}

/// Whether there is something in a request that is none of the operations that were read in it.
fn lacks(row: &Row, contents: &Value, operations: &[Operation], names_others: bool) -> bool {
    const NOT_UNDERSTOOD: [&str; 5] = [
        "bulk_operation_invalid",
        "bulk_path_invalid",
        "bulk_method_invalid",
        "bulk_data_missing",
        "bulk_no_operations",
    ];
    // Deleting a group is none of them.
    const OF_DELETING: [&str; 2] = ["resource_not_found", "group_delete_refused"];
    if !is_bulk(row) {
        let deletes_group = is_of_groups(row) && row.method == "DELETE";
        let is_named = names_others && !is_of_groups(row);
        return is_failed(row) && operations.is_empty() && !deletes_group && !is_named;
    }
    if is_failed(row) {
        let code = row.code.as_deref().unwrap_or_default();
        return operations.is_empty() || NOT_UNDERSTOOD.contains(&code);
    }
    let is_read = |number: &Value| operations.iter().any(|operation| *number == operation.number);
    match contents["operations"].as_array() {
        Some(undone) => undone.iter().any(|undone| {
            let code = undone["code"].as_str();
            code.is_some_and(|code| !OF_DELETING.contains(&code)) && !is_read(&undone["number"])
        }),
        // What is not kept any more.
        None => row.code.is_some() && operations.iter().all(|operation| operation.undone.is_none()),
    }
}

/// What an operation that was not carried out hides.
fn hidden_in(operation: &Operation, code: &str, is_stale: bool) -> Option<Hides> {
    match operation.kind {
        Kind::Group => {
            let is_empty = operation.members.is_empty() && is_not_understood(code);
            (is_empty || code == "members_malformed").then_some(Hides::Unread)
        }
        _ if operation.name.is_some() => None,
        Kind::Create => Some(Hides::Unnamed),
        Kind::Replace | Kind::Change if operation.changes.is_empty() => Some(Hides::Unread),
        _ if is_stale => Some(Hides::StaleId),
        _ if operation.id.is_none() && operation.external_id.is_none() => Some(Hides::Unread),
        _ => None,
    }
}

/// Whether a code says that nobody understood what was asked, rather than that it may not be.
fn is_not_understood(code: &str) -> bool {
    const BEGINNINGS: [&str; 8] =
        ["filter_", "json_", "body_", "search_", "bulk_", "patch_", "path_", "query_"];
    const CODES: [&str; 6] = [
        "media_type_unsupported",
        "route_not_found",
        "method_not_allowed",
        "url_too_long",
        "wrong_type",
        "members_malformed",
    ];
    BEGINNINGS.iter().any(|beginning| code.starts_with(beginning)) || CODES.contains(&code)
}
