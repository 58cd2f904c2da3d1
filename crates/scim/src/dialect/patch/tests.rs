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
    let (mut rewritten, mut notes) = (body(before), Notes::new());
    rewrite(&mut rewritten, schema, &mut notes);
    assert_eq!(rewritten, body(after));
    assert_eq!(notes.names(), dialects);
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
        json!({"op": "add", "path": "emails", "value": {"value": "a@b"}}),
        json!({"op": "remove", "path": "title"}),
    ] {
        check(operation.clone(), operation, &[]);
    }
    for operation in [
        json!({"op": "remove", "path": "members[value eq \"7f4bc1a3-0000\"]"}),
        json!({"op": "add", "path": "members", "value": [{"value": "23a3", "display": "test.user@okta.local"}]}),
        json!({"op": "replace", "path": "members", "value": []}),
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
        json!({"op": "replace", "path": "emails[type eq \"work\"].primary", "value": true}),
        &[op_case, bool_string],
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
        &["generic.schema_path", "entra.dotted_key"],
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
        &["entra.urn_dot_path", "entra.complex_text"],
    );
    let core = "urn:ietf:params:scim:schemas:core:2.0:User";
    check(
        json!({"op": "remove", "path": format!("{core}.name.givenName")}),
        json!({"op": "remove", "path": format!("{core}:name.givenName")}),
        &["entra.urn_dot_path"],
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
        let mut notes = Notes::new();
        rewrite(&mut rewritten, &schema, &mut notes);
        assert_eq!((&rewritten, notes), (&untouched, Notes::new()));
        assert_eq!(patch::parse::parse(rewritten, &schema).unwrap_err().code, "patch_remove_with_value");
    }
}

#[test]
fn the_value_of_a_remove_means_nothing_where_the_path_says_all() {
    for path in ["title", "name.givenName", "emails[type eq \"work\"]", "emails.display"] {
        check(
            json!({"op": "remove", "path": path, "value": "x"}),
            json!({"op": "remove", "path": path, "value": null}),
            &["entra.remove_value"],
        );
    }
}

#[test]
fn a_path_that_no_schema_knows_and_the_name_of_a_member_do_nothing() {
    let nothing = json!({"op": "add", "value": {}});
    for op in ["add", "replace", "remove"] {
        for path in [
            "shoeSize",
            "name.nick",
            "emails.mood",
            "emails[type eq \"work\"].mood",
            "urn:example:hr:2.0:User:grade",
        ] {
            let operation = json!({"op": op, "path": path, "value": 44});
            check(operation, nothing.clone(), &["generic.path_unknown"]);
        }
        for path in ["members[value eq \"a\"].display", "members.display"] {
            let operation = json!({"op": op, "path": path, "value": "x"});
            check_group(operation, nothing.clone(), &["generic.member_part"]);
        }
    }
}

#[test]
fn what_only_the_service_provider_writes_is_left_out_of_a_value_without_a_path() {
    check_group(
        json!({"op": "replace", "value": {"id": "abf4", "schemas": ["x"], "displayName": "Test SCIMv20"}}),
        json!({"op": "replace", "value": {"displayName": "Test SCIMv20"}}),
        &["okta.read_only_value"],
    );
}

#[test]
fn the_urn_of_a_schema_as_a_path_is_what_it_holds() {
    let core = "urn:ietf:params:scim:schemas:core:2.0:User";
    check(
        json!({"op": "replace", "path": core, "value": {"active": false}}),
        json!({"op": "replace", "path": null, "value": {"active": false}}),
        &["generic.schema_path"],
    );
    let extension = json!({"op": "replace", "path": ENTERPRISE_USER, "value": {"department": "d"}});
    check(extension.clone(), extension, &["generic.schema_path"]);
}

#[test]
fn one_value_where_all_are_replaced_is_a_list_of_one() {
    check(
        json!({"op": "replace", "path": "emails", "value": {"value": "a@b"}}),
        json!({"op": "replace", "path": "emails", "value": [{"value": "a@b"}]}),
        &["generic.single_value"],
    );
}

#[test]
fn what_has_no_meaning_in_a_message_is_noted_with_its_place() {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp", "urn:example:more"], "hint": 1,
        "Operations": [{"op": "remove", "path": "title"}, {"op": "replace", "path": "active", "value": "0", "id": 1}],
    });
    let mut notes = Notes::new();
    rewrite(&mut body, &Schemas::standard().user, &mut notes);
    let places: Vec<_> = notes.iter().map(|note| (note.dialect.name(), note.place.as_str())).collect();
    let expected = [
        ("generic.urn_unknown", "schemas"),
        ("generic.attribute_unknown", "hint"),
        ("generic.attribute_unknown", "operation 2: id"),
        ("entra.bool_string", "operation 2: active"),
    ];
    assert_eq!(places, expected);
}

/// Applies operations as a provider sends them to a user who has only a name and a state.
#[track_caller]
fn applied(operations: Value) -> Value {
    let schema = Schemas::standard().user;
    let mut body = body(&operations);
    rewrite(&mut body, &schema, &mut Notes::new());
    let request = patch::parse::parse(body, &schema).unwrap();
    let attributes = json!({"userName": "u", "active": true}).as_object().unwrap().clone();
    let target = patch::Target { attributes, external_id: None };
    let after = patch::apply::apply(&request, &schema, target).unwrap().after;
    json!({"attributes": after.attributes, "externalId": after.external_id})
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
    let mut notes = Notes::new();
    rewrite(&mut rewritten, &Schemas::standard().user, &mut notes);
    assert_eq!(rewritten, json!({"operations": [{"OP": "replace", "PATH": "Active", "VALUE": false}]}));
    assert_eq!(notes.names(), ["entra.op_case", "entra.bool_string"]);
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
        let mut notes = Notes::new();
        rewrite(&mut odd, &Schemas::standard().user, &mut notes);
        assert_eq!((&odd, notes), (&untouched, Notes::new()));
    }
}

#[test]
fn a_large_remove_takes_linear_time() {
    let listed: Vec<Value> = (0..50_000).map(|id| json!({"value": id.to_string()})).collect();
    let mut rewritten = body(&json!([{"op": "remove", "path": "members", "value": listed}]));
    let schema = Schemas::standard().group;
    rewrite(&mut rewritten, &schema, &mut Notes::new());
    let request = patch::parse::parse(rewritten, &schema).unwrap();
    let (_, changes) = patch::members::split(request, &schema).unwrap();
    let [patch::members::MemberChange::Remove(ids)] = changes.as_slice() else { panic!("{}", changes.len()) };
    assert_eq!((ids.len(), ids[49_999].as_str()), (50_000, "49999"));
}

#[test]
fn a_path_that_is_none_even_without_its_deviations_is_left_to_be_refused() {
    for path in [
        r"emails[type eq 'work'].value eq",
        r#"emails[type eq "w"] eq ".val" and value eq "w"] eq "w"] eq .value"#,
        r"  emails[type eq",
    ] {
        let mut rewritten = body(&json!([{"op": "replace", "path": path, "value": "a@b"}]));
        let before = rewritten.clone();
        let mut notes = Notes::new();
        rewrite(&mut rewritten, &Schemas::standard().user, &mut notes);
        assert_eq!(rewritten, before, "{path}");
        assert!(notes.is_empty(), "{notes:?}");
    }
}
