//! PATCH bodies as identity providers send them.

#![expect(clippy::needless_pass_by_value, reason = "literals read best as they stand")]

use serde_json::json;

use super::*;
use crate::patch;
use crate::schemas::{ENTERPRISE_USER, Schemas};

fn body(operations: &Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

#[track_caller]
fn check_with(schema: &ResourceSchema, before: &Value, after: &Value, dialects: &[&str]) {
    let mut rewritten = body(before);
    let notes = rewrite(&mut rewritten, schema);
    assert_eq!(rewritten, body(after));
    assert_eq!(notes, dialects);
    patch::parse::parse(rewritten, schema).expect("the rewritten body is in RFC form");
}

/// One operation on a user.
#[track_caller]
fn check(before: Value, after: Value, dialects: &[&str]) {
    check_with(&Schemas::standard().user, &json!([before]), &json!([after]), dialects);
}

/// One operation on a group.
#[track_caller]
fn check_group(before: Value, after: Value, dialects: &[&str]) {
    check_with(&Schemas::standard().group, &json!([before]), &json!([after]), dialects);
}

#[test]
fn a_body_in_rfc_form_passes_unchanged() {
    for operation in [
        json!({"op": "replace", "value": {"active": false}}),
        json!({"op": "replace", "path": "active", "value": false}),
        json!({"op": "add", "path": "nickName", "value": "Babs"}),
        json!({"op": "add", "path": "emails[type eq \"work\"].value", "value": "a@b"}),
        json!({"op": "add", "path": "emails", "value": [{"value": "a@b", "primary": true}]}),
        json!({"op": "remove", "path": "emails[type eq \"work\" and value ew \"example.com\"]"}),
        json!({"op": "replace", "path": "addresses[type eq \"work\"]", "value": {"country": "DE"}}),
        json!({"op": "replace", "path": "emails[type ne \"work\"].display", "value": "x"}),
        json!({"op": "replace", "path": format!("{ENTERPRISE_USER}:manager"), "value": {"value": "m"}}),
        json!({"op": "replace", "path": ENTERPRISE_USER, "value": {"department": "d"}}),
        json!({"op": "remove", "path": "title"}),
    ] {
        check(operation.clone(), operation, &[]);
    }
    for operation in [
        json!({"op": "remove", "path": "members[value eq \"7f4bc1a3-0000\"]"}),
        json!({"op": "add", "path": "members", "value": [{"value": "23a3", "display": "test.user@okta.local"}]}),
        json!({"op": "replace", "path": "members", "value": []}),
        json!({"op": "replace", "value": {"id": "abf4", "displayName": "Test SCIMv20"}}),
        json!({"op": "remove", "path": "members"}),
    ] {
        check_group(operation.clone(), operation, &[]);
    }
}

#[test]
fn entras_operations_without_the_flag() {
    let (op_case, bool_string) = ("entra.op_case", "entra.bool_string");
    check(
        json!({"op": "Replace", "path": "active", "value": "False"}),
        json!({"op": "replace", "path": "active", "value": false}),
        &[op_case, bool_string],
    );
    check(
        json!({"op": "Add", "path": "nickName", "value": "Babs"}),
        json!({"op": "add", "path": "nickName", "value": "Babs"}),
        &[op_case],
    );
    check(
        json!({"op": "Add", "path": "emails[type eq \"work\"].value", "value": "a@b"}),
        json!({"op": "add", "path": "emails[type eq \"work\"].value", "value": "a@b"}),
        &[op_case],
    );
    check(
        json!({"op": "Replace", "path": "emails[type eq \"work\"].primary", "value": "True"}),
        json!({"op": "add", "path": "emails[type eq \"work\"].primary", "value": true}),
        &[op_case, bool_string, "entra.filtered_replace"],
    );
    check(
        json!({"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "Admin"}),
        json!({"op": "add", "path": "roles[primary eq true].value", "value": "Admin"}),
        &[op_case, "entra.bool_string_filter"],
    );
    let role = "{\"id\":\"1\",\"value\":\"Admin\",\"displayName\":\"Admin\"}";
    check(
        json!({"op": "Add", "path": "roles", "value": [{"value": role}]}),
        json!({"op": "add", "path": "roles", "value": [{"value": role}]}),
        &[op_case],
    );
}

#[test]
fn entras_flat_keys_in_a_value_without_a_path() {
    check(
        json!({"op": "replace", "value": {
            "displayName": "Bjfe",
            "name.givenName": "Kkom",
            "name.familyName": "Unua",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber": "Aklq",
            "active": "True",
        }}),
        json!({"op": "replace", "value": {
            "displayName": "Bjfe",
            "name": {"givenName": "Kkom", "familyName": "Unua"},
            ENTERPRISE_USER: {"employeeNumber": "Aklq"},
            "active": true,
        }}),
        &["entra.dotted_key", "entra.urn_key", "entra.bool_string"],
    );
    check(
        json!({"op": "replace", "path": ENTERPRISE_USER, "value": {"manager.value": "m"}}),
        json!({"op": "replace", "path": ENTERPRISE_USER, "value": {"manager": {"value": "m"}}}),
        &["entra.dotted_key"],
    );
}

#[test]
fn entras_manager_in_all_its_forms() {
    let path = format!("{ENTERPRISE_USER}:manager");
    for (value, expected, dialects) in [
        (
            json!([{"$ref": "https://x/Users/x", "value": "x"}]),
            json!({"$ref": "https://x/Users/x", "value": "x"}),
            vec!["entra.complex_list"],
        ),
        (json!("271"), json!({"value": "271"}), vec!["entra.complex_text"]),
        (json!({"value": "x"}), json!({"value": "x"}), vec![]),
        (json!(""), json!(null), vec!["entra.complex_text"]),
        (json!(null), json!(null), vec![]),
    ] {
        for path in ["manager", &path] {
            check(
                json!({"op": "add", "path": path, "value": value}),
                json!({"op": "add", "path": path, "value": expected}),
                &dialects,
            );
        }
        check(
            json!({"op": "replace", "value": {ENTERPRISE_USER: {"manager": value}}}),
            json!({"op": "replace", "value": {ENTERPRISE_USER: {"manager": expected}}}),
            &dialects,
        );
    }
}

#[test]
fn simple_values_may_be_wrapped() {
    check(
        json!({"op": "add", "path": "title", "value": [{"value": "y"}]}),
        json!({"op": "add", "path": "title", "value": "y"}),
        &["entra.wrapped_value"],
    );
}

#[test]
fn a_dot_behind_a_urn_becomes_a_colon() {
    check(
        json!({"op": "replace", "path": format!("{ENTERPRISE_USER}.manager"), "value": "271"}),
        json!({"op": "replace", "path": format!("{ENTERPRISE_USER}:manager"), "value": {"value": "271"}}),
        &["entra.urn_dot", "entra.complex_text"],
    );
    let core = "urn:ietf:params:scim:schemas:core:2.0:User";
    check(
        json!({"op": "remove", "path": format!("{core}.name.givenName")}),
        json!({"op": "remove", "path": format!("{core}:name.givenName")}),
        &["entra.urn_dot"],
    );
}

#[test]
fn an_empty_path_is_none() {
    check(
        json!({"op": "replace", "path": "", "value": {"active": "false"}}),
        json!({"op": "replace", "path": null, "value": {"active": false}}),
        &["generic.empty_path", "entra.bool_string"],
    );
}

#[test]
fn remove_with_a_value_removes_only_those_values() {
    let dialects = ["entra.op_case", "entra.member_remove"];
    for element in [
        json!({"value": "u1091"}),
        json!({"$ref": null, "value": "u1091"}),
        json!({"Value": "u1091", "type": "User", "display": "x"}),
        json!("u1091"),
    ] {
        for value in [json!([element]), element] {
            check_group(
                json!({"op": "Remove", "path": "members", "value": value}),
                json!({"op": "remove", "path": "members[value eq \"u1091\"]", "value": null}),
                &dialects,
            );
        }
    }
    check_group(
        json!({"op": "Remove", "path": "members", "value": [{"value": "a\"]"}, {"value": "b"}]}),
        json!({"op": "remove", "path": "members[value eq \"a\\\"]\" or value eq \"b\"]", "value": null}),
        &dialects,
    );
    check(
        json!({"op": "Remove", "path": "emails", "value": [{"value": "a@b", "type": "work", "primary": "True"}]}),
        json!({"op": "remove", "path": "emails[type eq \"work\" and value eq \"a@b\"]", "value": null}),
        &dialects,
    );
    check(
        json!({"op": "Remove", "path": "addresses", "value": [{"country": "DE", "locality": "B", "primary": true}]}),
        json!({"op": "remove", "path": "addresses[country eq \"DE\" and locality eq \"B\"]", "value": null}),
        &dialects,
    );
}

#[test]
fn remove_with_a_value_that_names_nothing_is_left_to_be_refused() {
    for value in [
        json!([]),
        json!([{}]),
        json!([{"value": "a"}, {"value": null}]),
        json!([{"nonsense": 1}]),
        json!([{"value": 8}]),
        json!(8),
    ] {
        let mut rewritten = body(&json!([{"op": "remove", "path": "members", "value": value}]));
        let untouched = rewritten.clone();
        let schema = Schemas::standard().group;
        assert_eq!(rewrite(&mut rewritten, &schema), Notes::new());
        assert_eq!(rewritten, untouched);
        assert_eq!(patch::parse::parse(rewritten, &schema).unwrap_err().code, "patch_remove_with_value");
    }
}

#[test]
fn a_replaced_part_of_a_value_that_may_be_missing_is_added() {
    let dialects = ["entra.filtered_replace"];
    for path in [
        "emails[type eq \"work\"].value",
        "phoneNumbers[type eq \"mobile\"].value",
        "addresses[type eq \"work\" and primary eq true].country",
    ] {
        check(
            json!({"op": "replace", "path": path, "value": "x"}),
            json!({"op": "add", "path": path, "value": "x"}),
            &dialects,
        );
        let unassigning = json!({"op": "replace", "path": path, "value": null});
        check(unassigning.clone(), unassigning, &[]);
    }
    let display = json!({"op": "replace", "path": "members[value eq \"a\"].display", "value": "x"});
    check_group(display.clone(), display, &[]);
}

/// Applies operations as a provider sends them to a user who has only a name and a state.
#[track_caller]
fn applied(operations: Value) -> Value {
    let schema = Schemas::standard().user;
    let mut body = body(&operations);
    rewrite(&mut body, &schema);
    let request = patch::parse::parse(body, &schema).unwrap();
    let attributes = json!({"userName": "u", "active": true}).as_object().unwrap().clone();
    let mut target = patch::Target { attributes, external_id: None };
    patch::apply::apply(&request, &schema, &mut target).unwrap();
    json!({"attributes": target.attributes, "externalId": target.external_id})
}

#[test]
fn both_dialects_of_entra_lead_to_the_same_user() {
    let urn = ENTERPRISE_USER;
    let without_the_flag = applied(json!([
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "Add", "path": "displayName", "value": "Bjfe"},
        {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "b@x.example"},
        {"op": "Add", "path": "emails[type eq \"work\"].primary", "value": "True"},
        {"op": "Add", "path": "name.givenName", "value": "Kkom"},
        {"op": "Add", "path": "name.familyName", "value": "Unua"},
        {"op": "Add", "path": "externalId", "value": "e-1"},
        {"op": "Add", "path": format!("{urn}:employeeNumber"), "value": "Aklq"},
        {"op": "Add", "path": format!("{urn}:manager"), "value": "271"},
        {"op": "Remove", "path": "title", "value": ""},
    ]));
    let with_the_flag = applied(json!([
        {"op": "replace", "path": "active", "value": false},
        {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "b@x.example"},
        {"op": "add", "path": "emails[type eq \"work\"].primary", "value": true},
        {"op": "replace", "value": {
            "displayName": "Bjfe",
            "name.givenName": "Kkom",
            "name.familyName": "Unua",
            "externalId": "e-1",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber": "Aklq",
        }},
        {"op": "add", "path": "manager", "value": [{"$ref": "https://x/Users/271", "value": "271"}]},
    ]));
    let expected = json!({"externalId": "e-1", "attributes": {
        "userName": "u",
        "active": false,
        "displayName": "Bjfe",
        "emails": [{"type": "work", "value": "b@x.example", "primary": true}],
        "name": {"givenName": "Kkom", "familyName": "Unua"},
        urn: {"employeeNumber": "Aklq", "manager": {"value": "271"}},
    }});
    assert_eq!((&without_the_flag, &with_the_flag), (&expected, &expected));
}

#[test]
fn oktas_operations_are_in_rfc_form() {
    assert_eq!(
        applied(
            json!([{"op": "replace", "value": {"active": false}}, {"op": "replace", "value": {"password": "p"}}])
        ),
        json!({"externalId": null, "attributes": {"userName": "u", "active": false}})
    );
}

#[test]
fn names_of_members_match_whatever_their_case() {
    let mut rewritten = json!({"operations": [{"OP": "Replace", "PATH": "Active", "VALUE": "0"}]});
    let notes = rewrite(&mut rewritten, &Schemas::standard().user);
    assert_eq!(rewritten, json!({"operations": [{"OP": "replace", "PATH": "Active", "VALUE": false}]}));
    assert_eq!(notes, ["entra.op_case", "entra.bool_string"]);
}

#[test]
fn what_is_no_patch_is_left_alone() {
    for mut odd in [
        json!(null),
        json!([]),
        json!({}),
        json!({"Operations": 1}),
        json!({"Operations": [1, {}, {"op": 1, "path": 1}, {"op": "Move", "path": "]["}, {"path": "nonsense"}]}),
    ] {
        let untouched = odd.clone();
        assert_eq!(rewrite(&mut odd, &Schemas::standard().user), Notes::new());
        assert_eq!(odd, untouched);
    }
}

#[test]
fn a_large_remove_takes_linear_time() {
    let listed: Vec<Value> = (0..50_000).map(|id| json!({"value": id.to_string()})).collect();
    let mut rewritten = body(&json!([{"op": "remove", "path": "members", "value": listed}]));
    let schema = Schemas::standard().group;
    rewrite(&mut rewritten, &schema);
    let request = patch::parse::parse(rewritten, &schema).unwrap();
    let (_, changes) = patch::members::split(request, &schema).unwrap();
    let [patch::members::MemberChange::Remove(ids)] = changes.as_slice() else { panic!("{}", changes.len()) };
    assert_eq!((ids.len(), ids[49_999].as_str()), (50_000, "49999"));
}
