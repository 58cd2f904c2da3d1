//! What is kept of documents, of PATCH, and in discovery.

use serde_json::json;

use super::*;
use crate::dialect::Dialect;
use crate::discovery;
use crate::patch::{self, Target};
use crate::resource;
use crate::schemas::{ENTERPRISE_USER, Schemas, USER};

/// What Mezmo's set-up page keeps.
const PATHS: [&str; 7] = [
    "userName",
    "active",
    "displayName",
    "emails[type eq \"work\"].value",
    "name.givenName",
    "name.familyName",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
];

fn schemas() -> Schemas {
    let schemas = Schemas::standard();
    let kept = Kept::read(&PATHS.map(str::to_owned), &schemas.user).unwrap();
    schemas.keeping(kept)
}

fn object(value: Value) -> Object {
    serde_json::from_value(value).unwrap()
}

#[track_caller]
fn check_read(given: Value, expected: Value, not_kept: bool) {
    let mut body = object(json!({"schemas": [USER], "userName": "u"}));
    body.extend(object(given));
    let (document, left_out) = resource::read(Value::Object(body), &schemas().user).unwrap();
    let mut expected = object(expected);
    expected.insert("userName".to_owned(), json!("u"));
    assert_eq!(document.attributes, expected);
    assert_eq!(!left_out.is_empty(), not_kept);
}

#[test]
fn a_document_keeps_what_the_tenant_keeps_and_says_whether_there_was_more() {
    check_read(
        json!({"displayName": "U", "active": true}),
        json!({"displayName": "U", "active": true}),
        false,
    );
    check_read(json!({"nickName": "n", "locale": "en"}), json!({}), true);
    check_read(
        json!({"name": {"givenName": "G", "middleName": "M"}}),
        json!({"name": {"givenName": "G"}}),
        true,
    );
    check_read(json!({"name": {"middleName": "M"}}), json!({}), true);
    check_read(
        json!({"emails": [
            {"value": "w@example.com", "type": "Work", "primary": true, "display": "d"},
            {"value": "h@example.com", "type": "home"},
            {"type": "work"},
        ]}),
        json!({"emails": [{"value": "w@example.com", "type": "Work", "primary": true}]}),
        true,
    );
    check_read(
        json!({ENTERPRISE_USER: {"department": "D", "division": "x"}}),
        json!({ENTERPRISE_USER: {"department": "D"}}),
        true,
    );
    check_read(json!({ENTERPRISE_USER: {"division": "x"}}), json!({}), true);
    // What is not kept is not looked at either.
    check_read(json!({"nickName": 1, "phoneNumbers": "none"}), json!({}), true);
}

#[test]
fn what_every_resource_has_is_always_kept() {
    let body = json!({"schemas": [USER], "userName": "u", "externalId": "e", "id": "x", "groups": []});
    let (document, left_out) = resource::read(body, &schemas().user).unwrap();
    assert_eq!((document.external_id.as_deref(), left_out.is_empty()), (Some("e"), true));
}

#[track_caller]
fn check_patch(before: &Value, operations: &Value, after: &Value, not_kept: bool) {
    let schema = schemas().user;
    let body =
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
    let request = patch::parse::parse(body, &schema).unwrap();
    let target = Target { attributes: object(before.clone()), external_id: Some("e".to_owned()) };
    let applied = patch::apply::apply(&request, &schema, target).unwrap();
    assert_eq!(applied.notes.iter().any(|note| note.dialect == Dialect::AttributesNotKept), not_kept);
    assert_eq!(&Value::Object(applied.after.attributes), after);
    assert_eq!(applied.after.external_id.as_deref(), Some("e"));
}

#[test]
fn a_patch_changes_what_is_kept_and_leaves_the_rest_as_it_was() {
    let before = json!({"userName": "u", "nickName": "old"});
    for (path, value) in [
        ("nickName", json!("new")),
        ("title", json!("new")),
        ("name.middleName", json!("new")),
        ("addresses", json!([{"country": "DE"}])),
        ("emails", json!([{"type": "home", "value": "h@example.com"}])),
        (ENTERPRISE_USER, json!({"division": "x"})),
    ] {
        let operations = json!([{"op": "add", "path": path, "value": value}]);
        check_patch(&before, &operations, &before, true);
    }
    check_patch(
        &before,
        &json!([{"op": "replace", "value": {"displayName": "D", "title": "T", "password": "p"}}]),
        &json!({"userName": "u", "nickName": "old", "displayName": "D"}),
        true,
    );
    check_patch(
        &before,
        &json!([{"op": "add", "path": "emails", "value": [{"type": "home", "value": "h"}, {"type": "work", "value": "w"}]}]),
        &json!({"userName": "u", "nickName": "old", "emails": [{"type": "work", "value": "w"}]}),
        true,
    );
    check_patch(
        &before,
        &json!([{"op": "replace", "path": "name", "value": {"givenName": "G"}}]),
        &json!({"userName": "u", "nickName": "old", "name": {"givenName": "G"}}),
        false,
    );
}

#[test]
fn clients_are_told_of_what_is_kept_only() {
    let served = discovery::schemas("https://x.test", &schemas());
    let of = |urn: &str| {
        let (_, schema) = served.iter().find(|(id, _)| id == urn).unwrap();
        let names = |value: &Value| {
            let attributes = value.as_array().into_iter().flatten();
            attributes.map(|attribute| attribute["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let attributes = schema["attributes"].as_array().unwrap().iter();
        attributes.map(|one| (one["name"].clone(), names(&one["subAttributes"]))).collect::<Vec<_>>()
    };
    let strings = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        of(USER),
        [
            (json!("userName"), strings(&[])),
            (json!("name"), strings(&["familyName", "givenName"])),
            (json!("displayName"), strings(&[])),
            (json!("active"), strings(&[])),
            (json!("emails"), strings(&["value", "type", "primary"])),
            (json!("groups"), strings(&["value", "$ref", "display", "type"])),
        ]
    );
    assert_eq!(of(ENTERPRISE_USER), [(json!("department"), strings(&[]))]);
}

#[test]
fn a_schema_of_which_nothing_is_kept_is_not_offered() {
    let schemas = Schemas::standard();
    let kept = Kept::read(&["userName", "active"].map(str::to_owned), &schemas.user).unwrap();
    let schemas = schemas.keeping(kept);
    assert!(discovery::schemas("", &schemas).iter().all(|(urn, _)| urn != ENTERPRISE_USER));
    assert_eq!(discovery::resource_types("", &schemas)[0].1["schemaExtensions"], json!([]));
}

#[test]
fn a_path_is_kept_if_one_that_covers_it_is() {
    let schemas = schemas();
    let kept = schemas.user.kept.as_ref().unwrap();
    for path in
        ["userName", "emails[type eq \"WORK\"].value", "name.givenName", "department", "externalId", "id"]
    {
        assert!(kept.keeps(path, &schemas.user), "{path}");
    }
    for path in [
        "title",
        "emails",
        "emails.value",
        "emails[type eq \"home\"].value",
        "name",
        "name.middleName",
        "nick",
    ] {
        assert!(!kept.keeps(path, &schemas.user), "{path}");
    }
}
