//! What requests asked about one person, oldest first, and whether what failed of it has succeeded since.

use std::collections::BTreeSet;

use serde_json::Value;

use super::asked::{Asked, Request, Whom, member};
use crate::request_log::Row;

/// Whoever would have been added to a group, had they been there.
pub(super) const SKIPPED: &str = "members.unknown_skipped";

/// One thing that was asked about the person. A bulk request asks for several.
pub(super) struct Act<'r> {
    pub(super) row: &'r Row,
    pub(super) asked: Asked,
    pub(super) failures: Vec<Failed>,
    /// The request succeeded without the person, who was not there.
    pub(super) skipped: bool,
}

/// Why it was refused.
pub(super) struct Failed {
    pub(super) code: String,
    pub(super) status: Option<u64>,
    pub(super) detail: Value,
}

/// How the person is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) is_here: bool,
    pub(super) is_active: bool,
}

impl Act<'_> {
    pub(super) fn is_done(&self) -> bool {
        self.failures.is_empty() && !self.skipped
    }

    /// Whether it is about the person, and not about a group that has them as a member.
    pub(super) fn is_about_person(&self) -> bool {
        !matches!(self.asked, Asked::Join(_))
    }
}

/// What a request that names the person asked about them.
pub(super) fn of<'r>(whom: &Whom, ids: &[String], row: &'r Row, contents: &Value) -> Vec<Act<'r>> {
    let told = contents["path"].as_str().map(str::to_owned);
    // What is not kept any more is known by its route and resource.
    let path = told.unwrap_or_else(|| row.route.replace("{id}", row.resource.as_deref().unwrap_or_default()));
    if row.route == "/Bulk" {
        return of_bulk(whom, ids, row, contents);
    }
    let is_about_nobody = has(row, "resource_not_found");
    let request = Request { method: &row.method, path: &path, body: &contents["body"], is_about_nobody };
    let Some(asked) = whom.asked(&request) else { return Vec::new() };
    let asked = match asked {
        Asked::Join(None) => Asked::Join(row.resource.clone()),
        asked => asked,
    };
    let skipped = is_skipped(&asked, row, ids, &contents["body"]);
    vec![Act { row, asked, failures: failures(row, contents), skipped }]
}

fn has(row: &Row, code: &str) -> bool {
    row.code.as_deref().is_some_and(|codes| codes.split(", ").any(|it| it == code))
}

fn is_failed(row: &Row) -> bool {
    matches!(row.outcome.as_str(), "refused" | "failed")
}

fn failures(row: &Row, contents: &Value) -> Vec<Failed> {
    if !is_failed(row) && row.code.is_none() {
        return Vec::new();
    }
    let codes = row.code.as_deref().unwrap_or_default().split(", ");
    let (status, detail) = (row.status.map(u64::from), &contents["detail"]);
    codes.map(|code| Failed { code: code.to_owned(), status, detail: detail.clone() }).collect()
}

/// Whether a group took a request that names the person, but not the person.
fn is_skipped(asked: &Asked, row: &Row, ids: &[String], body: &Value) -> bool {
    let is_noted = matches!(asked, Asked::Join(_)) && row.notes.iter().any(|note| note == SKIPPED);
    is_noted && {
        let text = body.to_string();
        !ids.iter().any(|id| text.contains(id))
    }
}

/// The operations of a bulk request, each a request of its own.
fn of_bulk<'r>(whom: &Whom, ids: &[String], row: &'r Row, contents: &Value) -> Vec<Act<'r>> {
    let operations =
        contents["body"].as_object().and_then(|body| member(body, "Operations")).and_then(Value::as_array);
    let mut found = Vec::new();
    for (index, operation) in operations.into_iter().flatten().enumerate() {
        let Some(operation) = operation.as_object() else { continue };
        let text = |name| member(operation, name).and_then(Value::as_str).unwrap_or_default();
        let told = contents["operations"].as_array().into_iter().flatten();
        let told = told.filter(|told| told["number"] == index + 1).collect::<Vec<_>>();
        if told.iter().any(|told| told["code"].is_null()) {
            // It was left undone.
            continue;
        }
        let failures = if is_failed(row) {
            failures(row, contents)
        } else {
            let failed = |told: &&Value| Failed {
                code: told["code"].as_str().unwrap_or_default().to_owned(),
                status: told["status"].as_u64(),
                detail: told["detail"].clone(),
            };
            told.iter().map(failed).collect()
        };
        let method = text("method").to_ascii_uppercase();
        let body = member(operation, "data").unwrap_or(&Value::Null);
        let is_about_nobody = failures.iter().any(|failed| failed.code == "resource_not_found");
        let request = Request { method: &method, path: text("path"), body, is_about_nobody };
        if let Some(asked) = whom.asked(&request) {
            let skipped = is_skipped(&asked, row, ids, body);
            found.push(Act { row, asked, failures, skipped });
        }
    }
    found
}

/// Whether what failed in one act has succeeded in a later one of the same kind.
pub(super) fn is_settled(acts: &[Act<'_>], at: usize, standing: Standing) -> bool {
    let mut later = acts[at + 1..].iter().filter(|act| act.is_done()).map(|act| &act.asked);
    match &acts[at].asked {
        Asked::LookUp => later.any(|done| !matches!(done, Asked::Join(_))),
        Asked::Create => later.any(|done| match done {
            // The provider may have found whoever was here already, and gone on with them, be it to their last day.
            Asked::Create | Asked::Delete | Asked::Replace | Asked::Change(_) => true,
            Asked::LookUp | Asked::Join(_) => false,
        }),
        Asked::Replace => later.any(|done| matches!(done, Asked::Create | Asked::Replace | Asked::Delete)),
        Asked::Change(attributes) => {
            let mut left: BTreeSet<&String> = attributes.iter().collect();
            later.any(|done| match done {
                Asked::Create | Asked::Replace | Asked::Delete => true,
                Asked::Change(changed) => {
                    left.retain(|attribute| !changed.contains(*attribute));
                    left.is_empty()
                }
                Asked::LookUp | Asked::Join(_) => false,
            })
        }
        Asked::Delete => later.any(|done| match done {
            Asked::Delete => true,
            // The leaver was switched off instead; who is switched on again is none any more.
            Asked::Change(changed) => changed.contains("active") || !standing.is_active,
            Asked::Replace => !standing.is_active,
            Asked::LookUp | Asked::Create | Asked::Join(_) => false,
        }),
        Asked::Join(group) => later.any(|done| match done {
            Asked::Join(joined) => group.is_none() || joined.is_none() || group == joined,
            _ => false,
        }),
    }
}
