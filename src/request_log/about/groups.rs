//! Whom a write to a group is to have as members, or not to have any more.

use scim::filter::{CompareOp, Filter};
use scim::patch::PatchPath;
use scim::{Object, ResourceSchema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::changes::{member, to_members};
use super::{Kind, Operation, Print};
use crate::request_log::names::same_name;

/// More members of one request are not kept.
const MEMBERS_MAX: usize = 4_000;

/// Somebody whom a write to a group names as a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member<N = Print> {
    /// The member's `value`: where it is no id that the tenant has, nobody is meant.
    #[serde(rename = "v")]
    pub value: N,
    /// Who it is called, if somebody in the request was unknown: an address.
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    pub display: Option<N>,
    /// Whether it was to leave the group.
    #[serde(rename = "l", default, skip_serializing_if = "is_false")]
    pub leaves: bool,
    /// Whether the same bulk request makes it: `value` is its userName.
    #[serde(rename = "b", default, skip_serializing_if = "is_false")]
    pub is_made: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Member<String> {
    pub(super) fn printed(self, print: &impl Fn(&str) -> Print) -> Member {
        Member {
            value: print(&self.value),
            display: self.display.map(|display| print(&display)),
            leaves: self.leaves,
            is_made: self.is_made,
        }
    }
}

/// Whether a request names more members than are kept.
pub(in crate::request_log) fn are_cut(operations: &[Operation<String>]) -> bool {
    operations.iter().any(|operation| operation.members.len() >= MEMBERS_MAX)
}

/// What a POST or PUT of a group says; nothing if it names no members.
pub(super) fn in_body(body: &Object, keeps_displays: bool) -> Option<Operation<String>> {
    let text = |name| Some(same_name(member(body, name)?.as_str()?)).filter(|text| !text.is_empty());
    let mut operation = Operation::new(Kind::Group);
    operation.name = text("displayName");
    operation.external_id = text("externalId");
    add(&mut operation, member(body, "members")?, false, keeps_displays);
    (!operation.members.is_empty()).then_some(operation)
}

/// What the operations of a PATCH, in RFC form as far as they can be, say.
pub(super) fn in_patch(
    operations: &[Value],
    schema: &ResourceSchema,
    keeps_displays: bool,
) -> Option<Operation<String>> {
    let mut found = Operation::new(Kind::Group);
    for operation in operations.iter().filter_map(Value::as_object) {
        let leaves = member(operation, "op").and_then(Value::as_str) == Some("remove");
        let value = member(operation, "value").unwrap_or(&Value::Null);
        let Some(path) = member(operation, "path").and_then(Value::as_str) else {
            let members = value.as_object().and_then(|value| member(value, "members"));
            add(&mut found, members.unwrap_or(&Value::Null), leaves, keeps_displays);
            continue;
        };
        match to_members(path, schema) {
            Some(PatchPath { filter: Some(filter), .. }) => add_compared(&mut found, &filter),
            Some(_) => add(&mut found, value, leaves, keeps_displays),
            None => {}
        }
    }
    (!found.members.is_empty()).then_some(found)
}

fn add(operation: &mut Operation<String>, members: &Value, leaves: bool, keeps_displays: bool) {
    let elements = match members {
        Value::Array(elements) => elements,
        one => std::slice::from_ref(one),
    };
    for element in elements.iter().filter_map(Value::as_object).take(MEMBERS_MAX) {
        let text = |name| member(element, name).and_then(Value::as_str).map(same_name);
        let Some(value) = text("value") else { continue };
        // Any other name is not one by which somebody is looked for.
        let display = text("display").filter(|display| keeps_displays && display.contains('@'));
        push(operation, Member { value, display, leaves, is_made: false });
    }
}

fn push(operation: &mut Operation<String>, member: Member<String>) {
    if operation.members.len() < MEMBERS_MAX {
        operation.members.push(member);
    }
}

/// Whom a filter of members names: a path with one only ever takes away.
fn add_compared(operation: &mut Operation<String>, filter: &Filter) {
    match filter {
        Filter::And(terms) | Filter::Or(terms) => {
            for term in terms {
                add_compared(operation, term);
            }
        }
        Filter::Compare { path, op: CompareOp::Eq, value: Value::String(value) }
            if path.attribute.eq_ignore_ascii_case("value") =>
        {
            push(operation, Member { value: same_name(value), display: None, leaves: true, is_made: false });
        }
        Filter::Not(_) | Filter::Compare { .. } | Filter::Present(_) | Filter::ValuePath { .. } => {}
    }
}
