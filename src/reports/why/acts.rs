//! What requests asked about one person, oldest first, as it was worked out when they were logged.

use serde_json::Value;

use super::whom::Whom;
use crate::request_log::{Kind, Operation, Row};

/// Whoever would have been added to a group, had they been there.
pub(super) const SKIPPED: &str = "members.unknown_skipped";

/// One thing that was asked about the person. A bulk request asks for several.
pub(super) struct Act<'r> {
    pub(super) row: &'r Row,
    pub(super) asked: Asked,
    /// Which of the people who bear the name, where an id tells.
    pub(super) person: Option<usize>,
    pub(super) failures: Vec<Failed>,
    /// It is about a member whom nobody here was meant by: the person was not there.
    pub(super) is_missed: bool,
}

/// What was asked.
pub(super) enum Asked {
    /// Whether there is such a person, or what they look like.
    LookUp,
    /// Something about the person.
    User(Operation),
    /// That a group has them as a member.
    Join(Operation),
    /// That a group has them as a member no more.
    Leave(Operation),
}

/// Why it was refused.
#[derive(Clone)]
pub(super) struct Failed {
    pub(super) code: String,
    pub(super) status: Option<u64>,
    pub(super) detail: Value,
}

impl Act<'_> {
    pub(super) fn is_done(&self) -> bool {
        self.failures.is_empty() && !self.is_missed
    }

    /// Whether it is about the person, and not about a group that has them as a member.
    pub(super) fn is_about_person(&self) -> bool {
        matches!(self.asked, Asked::LookUp | Asked::User(_))
    }

    /// What was asked about the person, if it was more than who they are.
    pub(super) fn of_user(&self) -> Option<&Operation> {
        if let Asked::User(operation) = &self.asked { Some(operation) } else { None }
    }

    fn deletes(&self) -> bool {
        self.is_done() && self.of_user().is_some_and(|operation| operation.kind == Kind::Delete)
    }
}

/// Whether a request only looks somebody up.
pub(super) fn is_look_up(row: &Row) -> bool {
    matches!(row.method.as_str(), "GET" | "HEAD" | "OPTIONS") || row.route.ends_with("/.search")
}

/// Adds what a request that names the person asked about them; `contents` are what is kept of it.
pub(super) fn add<'r>(
    acts: &mut Vec<Act<'r>>,
    whom: &Whom,
    row: &'r Row,
    contents: &Value,
    operations: Option<Vec<Operation>>,
) {
    let failures = failures(row, contents);
    if is_look_up(row) {
        if !row.route.starts_with("/Groups") {
            acts.push(Act { row, asked: Asked::LookUp, person: None, failures, is_missed: false });
        }
        return;
    }
    for operation in operations.into_iter().flatten() {
        let failures = match &operation.undone {
            None => self::failures(row, contents).into_iter().filter(|_| is_failed(row)).collect(),
            Some(undone) => {
                let told = contents["operations"].as_array().into_iter().flatten();
                let mut told = told.filter(|told| told["number"] == operation.number);
                let detail = told.next().map_or(Value::Null, |told| told["detail"].clone());
                let (code, status) = (undone.code.clone(), Some(u64::from(undone.status)));
                vec![Failed { code, status, detail }]
            }
        };
        if operation.kind == Kind::Group {
            add_memberships(acts, whom, row, &operation, &failures);
        } else if is_about(whom, row, &operation, &failures) {
            let person = whom.person(operation.id);
            acts.push(Act { row, asked: Asked::User(operation), person, failures, is_missed: false });
        }
    }
}

/// Whether a request as a whole was not carried out.
pub(super) fn is_failed(row: &Row) -> bool {
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

/// Whether an operation on a user is about the person: by the id; by userName and `externalId` where it is a create,
/// or where nobody has the id. An address beside a userName means whoever has that name, but for somebody unknown.
fn is_about(whom: &Whom, row: &Row, operation: &Operation, failures: &[Failed]) -> bool {
    if operation.id.is_some_and(|id| whom.ids.contains(&id)) {
        return true;
    }
    let is_nobodys = failures.iter().any(|failed| failed.code == "resource_not_found");
    if operation.kind != Kind::Create && operation.id.is_some() && !is_nobodys {
        return false;
    }
    let by_address = operation.name.is_none() || whom.people.is_empty();
    let addresses = operation.addresses.iter().filter(|_| by_address);
    operation.name.iter().chain(addresses).any(|name| whom.names.contains(name))
        || whom.is_external_id(operation.external_id, row)
}

fn add_memberships<'r>(
    acts: &mut Vec<Act<'r>>,
    whom: &Whom,
    row: &'r Row,
    operation: &Operation,
    failures: &[Failed],
) {
    for leaves in [false, true] {
        let members = operation.members.iter().filter(|member| member.leaves == leaves);
        let named = |name| whom.names.contains(name) || whom.ids.contains(name);
        // Whoever is meant by an id is not somebody else of that name.
        let by_id = members.clone().find_map(|member| whom.person(Some(member.value)));
        let is_made = members.clone().any(|member| member.is_made && whom.names.contains(&member.value));
        let is_named = by_id.is_some()
            || members
                .clone()
                .any(|member| named(&member.value) || member.display.as_ref().is_some_and(named));
        if !is_named {
            continue;
        }
        let was_here = by_id.is_some_and(|person| {
            let is_later = whom.people[person].created_at.is_some_and(|created_at| row.at < created_at);
            !is_later && !acts.iter().any(|act| act.person == Some(person) && act.deletes())
        });
        let kept = Operation { members: Vec::new(), ..operation.clone() };
        acts.push(Act {
            row,
            asked: if leaves { Asked::Leave(kept) } else { Asked::Join(kept) },
            person: by_id,
            failures: failures.to_vec(),
            // Whoever is not there is no member already.
            is_missed: !leaves && !was_here && !is_made,
        });
    }
}
