//! What a PATCH asks of the members of a group.

#![expect(clippy::needless_pass_by_value, reason = "literals read best as they stand")]

use serde_json::json;

use super::*;
use crate::patch;
use crate::schemas::Schemas;

fn split_group(operations: Value) -> Result<(PatchRequest, Vec<MemberChange>), ScimError> {
    let schema = Schemas::standard().group;
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    });
    split(patch::parse::parse(body, &schema)?, &schema)
}

fn members(ids: &[&str]) -> Vec<MemberRef> {
    ids.iter().map(|id| MemberRef { value: (*id).to_owned(), member_type: None }).collect()
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// Operations that concern nothing but members.
#[track_caller]
fn check(operations: Value, expected: Vec<MemberChange>) {
    let (rest, changes) = split_group(operations).unwrap();
    assert_eq!((rest.operations, changes), (vec![], expected));
}

#[track_caller]
fn check_refused(operation: Value, scim_type: ScimType, code: &str) {
    let error = split_group(json!([operation])).unwrap_err();
    assert_eq!((error.scim_type, error.code), (scim_type, code), "{}", error.detail);
}

#[test]
fn members_are_added_one_or_many_at_a_time() {
    check(
        json!([
            {"op": "add", "path": "members", "value": [{"value": "a", "display": "A"}, {"value": "a"}, {"value": "b"}]},
            {"op": "add", "path": "MEMBERS", "value": {"value": "c", "$ref": null}},
            {"op": "add", "path": "members", "value": []},
            {"op": "add", "path": "members", "value": null},
        ]),
        vec![MemberChange::Add(members(&["a", "b"])), MemberChange::Add(members(&["c"]))],
    );
}

#[test]
fn remove_with_a_value_filter_removes_only_those_members() {
    check(
        json!([
            {"op": "remove", "path": "members[value eq \"a\"]"},
            {"op": "remove", "path": "members[VALUE eq \"a\" or value EQ \"b\" or value eq \"A\"]"},
        ]),
        vec![MemberChange::Remove(ids(&["a"])), MemberChange::Remove(ids(&["a", "b"]))],
    );
}

#[test]
fn remove_with_another_filter_removes_whom_it_matches() {
    let (_, changes) =
        split_group(json!([{"op": "remove", "path": "members[type eq \"Group\" and value ne \"a\"]"}]))
            .unwrap();
    let [MemberChange::RemoveMatching(filter)] = changes.as_slice() else { panic!("{changes:?}") };
    let matches = |element| crate::filter::evaluate::element_matches(filter, &element);
    assert!(matches(json!({"value": "b", "type": "Group"})));
    assert!(!matches(json!({"value": "a", "type": "Group"})));
    assert!(!matches(json!({"value": "b", "type": "User"})));
    for unknown_to_the_group in ["display eq \"A\"", "value eq \"a\" and not ($ref pr)"] {
        check_refused(
            json!({"op": "remove", "path": format!("members[{unknown_to_the_group}]")}),
            ScimType::InvalidFilter,
            "members_filter_unsupported",
        );
    }
}

#[test]
fn remove_without_a_filter_removes_all() {
    check(json!([{"op": "remove", "path": "members"}]), vec![MemberChange::RemoveAll]);
}

#[test]
fn replace_takes_the_whole_list() {
    check(
        json!([
            {"op": "replace", "path": "members", "value": [{"value": "a"}]},
            {"op": "replace", "path": "members", "value": []},
            {"op": "replace", "path": "members", "value": null},
        ]),
        vec![
            MemberChange::Replace(members(&["a"])),
            MemberChange::Replace(vec![]),
            MemberChange::Replace(vec![]),
        ],
    );
}

#[test]
fn operations_without_a_path_are_parted() {
    let (rest, changes) = split_group(json!([
        {"op": "replace", "value": {"Members": [{"value": "a"}], "displayName": "Staff"}},
        {"op": "add", "value": {"members": [{"value": "b"}]}},
        {"op": "replace", "path": "displayName", "value": "Crew"},
    ]))
    .unwrap();
    assert_eq!(changes, vec![MemberChange::Replace(members(&["a"])), MemberChange::Add(members(&["b"]))]);
    let values: Vec<&Value> = rest.operations.iter().map(|operation| &operation.value).collect();
    assert_eq!(values, [&json!({"displayName": "Staff"}), &json!("Crew")]);
}

#[test]
fn a_members_name_is_its_own_and_its_id_never_changes() {
    for operation in [
        json!({"op": "replace", "path": "members[value eq \"a\"].display", "value": "A"}),
        json!({"op": "remove", "path": "members.display"}),
    ] {
        check_refused(operation, ScimType::Mutability, "attribute_read_only");
    }
    for operation in [
        json!({"op": "replace", "path": "members[value eq \"a\"].value", "value": "b"}),
        json!({"op": "remove", "path": "members[value eq \"a\"].$ref"}),
        json!({"op": "add", "path": "members.type", "value": "User"}),
        json!({"op": "replace", "path": "members[value eq \"a\"]", "value": {"value": "b"}}),
    ] {
        check_refused(operation, ScimType::Mutability, "immutable_changed");
    }
}

#[test]
fn malformed_members_are_refused() {
    for value in [json!("a"), json!(["a"]), json!([{"display": "A"}])] {
        check_refused(
            json!({"op": "add", "path": "members", "value": value}),
            ScimType::InvalidValue,
            "members_malformed",
        );
    }
}

#[test]
fn the_limit_counts_all_operations_together_and_is_reached_in_linear_time() {
    let half: Vec<Value> = (0..MEMBERS_MAX / 2).map(|id| json!({"value": id.to_string()})).collect();
    let filter: Vec<String> = (0..MEMBERS_MAX / 2).map(|id| format!("value eq \"{id}\"")).collect();
    let mut operations = vec![
        json!({"op": "add", "path": "members", "value": half}),
        json!({"op": "remove", "path": format!("members[{}]", filter.join(" or "))}),
    ];
    let (_, changes) = split_group(json!(operations)).unwrap();
    assert!(matches!(&changes[1], MemberChange::Remove(ids) if ids.len() == MEMBERS_MAX / 2));
    operations.push(json!({"op": "add", "path": "members", "value": [{"value": "x"}]}));
    let error = split_group(json!(operations)).unwrap_err();
    assert_eq!((error.scim_type, error.code), (ScimType::InvalidValue, "too_many_members"));
}

#[test]
fn a_user_has_no_members() {
    let operations = vec![Operation {
        number: 1,
        kind: OperationKind::Add,
        path: None,
        value: json!({"members": [{"value": "a"}], "title": "x"}),
    }];
    let request = PatchRequest { operations };
    assert_eq!(split(request.clone(), &Schemas::standard().user), Ok((request, vec![])));
}
