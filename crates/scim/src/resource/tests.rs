//! Documents as clients send them, and what is kept of them.

use serde_json::json;

use super::*;
use crate::dialect::{self, Dialect, Notes};
use crate::schemas::{ENTERPRISE_USER, GROUP, Schemas, USER};

#[track_caller]
fn object(value: Value) -> Object {
    let Value::Object(object) = value else { panic!("an object") };
    object
}

/// A user's body with the core URN and a name, and these members over it.
fn user_body(members: Value) -> Value {
    let mut body = object(json!({"schemas": [USER], "userName": "u"}));
    body.extend(object(members));
    Value::Object(body)
}

#[track_caller]
fn check_user(members: Value, expected: Value, dropped: &[&str]) -> Document {
    let (schema, mut body, mut notes) = (Schemas::standard().user, user_body(members), Notes::new());
    dialect::resource_body(&mut body, &schema, &mut notes);
    let (document, _) = read(body, &schema).unwrap();
    let mut attributes = object(json!({"userName": "u"}));
    attributes.extend(object(expected));
    assert_eq!(document.attributes, attributes);
    assert_eq!(unknown(&notes), dropped);
    document
}

/// Where something stood that no schema knows.
fn unknown(notes: &Notes) -> Vec<&str> {
    let unknown = [Dialect::GenericAttributeUnknown, Dialect::GenericUrnUnknown];
    notes.iter().filter(|note| unknown.contains(&note.dialect)).map(|note| note.place.as_str()).collect()
}

#[track_caller]
fn check_refused(schema: &ResourceSchema, body: Value, error: (ScimType, &str), detail: &str) {
    let refused = read(body, schema).unwrap_err();
    assert_eq!((refused.scim_type, refused.code), error);
    assert!(refused.detail.contains(detail), "{}", refused.detail);
}

#[track_caller]
fn check_user_refused(members: Value, code: &str, detail: &str) {
    let schema = Schemas::standard().user;
    check_refused(&schema, user_body(members), (ScimType::InvalidValue, code), detail);
}

#[test]
fn a_body_must_be_an_object_with_the_core_urn_in_schemas() {
    let schema = Schemas::standard().user;
    let refused = |body, code, detail| check_refused(&schema, body, (ScimType::InvalidSyntax, code), detail);
    refused(json!(["a"]), "body_not_an_object", "a User");
    refused(json!({"userName": "u"}), "schemas_missing", USER);
    refused(json!({"schemas": null}), "schemas_missing", "missing");
    refused(json!({"schemas": []}), "schemas_missing", "empty");
    refused(json!({"schemas": USER}), "schemas_malformed", "no array");
    refused(json!({"schemas": [USER, 1]}), "schemas_malformed", "no string");
    refused(json!({"schemas": [ENTERPRISE_USER]}), "schemas_without_core", USER);
    refused(json!({"schemas": [GROUP]}), "schemas_without_core", USER);
}

#[test]
fn urns_match_whatever_their_case_and_unknown_ones_are_noted() {
    let schemas = json!([USER.to_uppercase(), "urn:example:custom", ENTERPRISE_USER]);
    check_user(json!({"schemas": schemas}), json!({}), &["schemas"]);
}

#[test]
fn names_are_kept_in_the_schemas_spelling_at_every_level() {
    check_user(
        json!({
            "DISPLAYNAME": "d",
            "Emails": [{"Value": "A@x", "TYPE": "Work", "Primary": true}],
            "nAme": {"GivenName": "g"},
            ENTERPRISE_USER.to_uppercase(): {"Department": "x", "MANAGER": {"Value": "m"}},
        }),
        json!({
            "displayName": "d",
            "emails": [{"value": "A@x", "type": "Work", "primary": true}],
            "name": {"givenName": "g"},
            ENTERPRISE_USER: {"department": "x", "manager": {"value": "m"}},
        }),
        &[],
    );
}

#[test]
fn unassigned_values_are_dropped_at_every_level() {
    check_user(
        json!({
            "title": null, "nickName": [], "addresses": null, "roles": [], "name": {}, "photos": [null, {}],
            "emails": [{"value": "a", "display": null}, {"type": null}, null],
            "phoneNumbers": [{"value": null}],
            ENTERPRISE_USER: {"manager": {"value": null}, "department": null},
        }),
        json!({"emails": [{"value": "a"}]}),
        &[],
    );
    check_user(json!({ENTERPRISE_USER: null}), json!({}), &[]);
    check_user(json!({"title": ""}), json!({"title": ""}), &[]);
}

#[test]
fn what_the_service_provider_assigns_is_ignored_even_if_malformed() {
    check_user(
        json!({
            "id": "x", "meta": {"location": 1}, "groups": "all",
            ENTERPRISE_USER: {"manager": {"value": "m", "displayName": "M", "$ref": "https://x/Users/m"}},
        }),
        json!({ENTERPRISE_USER: {"manager": {"value": "m"}}}),
        &[],
    );
}

#[test]
fn a_password_is_checked_and_never_kept() {
    check_user(json!({"password": "secret"}), json!({}), &[]);
    check_user(json!({"password": null}), json!({}), &[]);
    check_user_refused(
        json!({"password": 1}),
        "wrong_type",
        "password must be a string; the request has a number",
    );
}

#[test]
fn an_external_id_stands_beside_the_document() {
    assert_eq!(check_user(json!({"EXTERNALID": "E"}), json!({}), &[]).external_id.as_deref(), Some("E"));
    assert_eq!(check_user(json!({"externalId": ""}), json!({}), &[]).external_id, None);
    assert_eq!(check_user(json!({"externalId": null}), json!({}), &[]).external_id, None);
    check_user_refused(json!({"externalId": 7}), "wrong_type", "externalId must be a string");
}

#[test]
fn unknown_names_are_dropped_and_noted_once() {
    check_user(
        json!({
            "shoeSize": 44, "name": {"nick": "n", "givenName": "g"}, "emails": [{"x": 1, "value": "a"}, {"x": 2}],
            ENTERPRISE_USER: {"floor": 1, "manager": {"mood": "good"}}, "urn:example:custom": {"a": 1},
        }),
        json!({"name": {"givenName": "g"}, "emails": [{"value": "a"}]}),
        &[
            "emails (element 1).x",
            "emails (element 2).x",
            "name.nick",
            "shoeSize",
            "urn:example:custom",
            &format!("{ENTERPRISE_USER}:floor"),
            &format!("{ENTERPRISE_USER}:manager.mood"),
        ],
    );
}

#[test]
fn notes_of_dropped_names_are_bounded_and_hold_no_values() {
    let long = "a".repeat(100);
    check_user(json!({"bob@example.com": 1, (long): 2}), json!({}), &[&"a".repeat(64), "(no plain name)"]);
    let many: Object = (0..1_000).map(|number| (format!("x{number}"), json!(1))).collect();
    let mut notes = Notes::new();
    dialect::resource_body(&mut user_body(Value::Object(many)), &Schemas::standard().user, &mut notes);
    assert_eq!(unknown(&notes).len(), 64);
}

#[test]
fn values_of_a_wrong_type_are_refused_by_name_and_element() {
    let refused = |members, detail: &str| check_user_refused(members, "wrong_type", detail);
    refused(json!({"displayName": 1}), "displayName must be a string; the request has a number");
    refused(json!({"active": "True"}), "active must be true or false; the request has a string");
    refused(json!({"name": "n"}), "name must be an object; the request has a string");
    refused(json!({"name": [{"givenName": "g"}]}), "name must be an object; the request has an array");
    refused(json!({"title": {"value": "t"}}), "title must be a string; the request has an object");
    refused(json!({"emails": {"value": "a"}}), "emails must be an array; the request has an object");
    refused(json!({"emails": "a"}), "emails must be an array");
    refused(json!({"emails": [{"value": "a"}, "b"]}), "emails (element 2) must be an object");
    refused(json!({"emails": [{"value": true}]}), "emails.value (element 1) must be a string");
    refused(
        json!({"profileUrl": 1}),
        "profileUrl must be a URI of one of the attribute's referenceTypes, without spaces; the request has a number",
    );
    refused(
        json!({"x509Certificates": [{"value": "not base64!"}]}),
        "x509Certificates.value (element 1) must be a string in base64; the request has another string",
    );
    refused(
        json!({ENTERPRISE_USER: {"manager": "m"}}),
        &format!("{ENTERPRISE_USER}:manager must be an object"),
    );
    refused(json!({ENTERPRISE_USER: "x"}), &format!("{ENTERPRISE_USER} must be an object"));
}

#[test]
fn integers_decimals_and_date_times_are_checked_by_their_form() {
    let mut schema = (*Schemas::standard().user).clone();
    let attributes = json!([
        {"name": "count", "type": "integer"}, {"name": "rate", "type": "decimal"}, {"name": "hired", "type": "dateTime"}
    ]);
    schema.core.attributes.extend(serde_json::from_value::<Vec<Attribute>>(attributes).unwrap());
    let accepted = json!({"count": -3, "rate": 1, "hired": "2026-01-31T08:00:00.5+01:00"});
    assert!(read(user_body(accepted), &schema).is_ok());
    for (refused, detail) in [
        (json!({"count": 1.0}), "count must be a whole number"),
        (json!({"count": "1"}), "count must be a whole number"),
        (json!({"rate": "1.5"}), "rate must be a number"),
        (json!({"hired": "2026-01-31"}), "hired must be a date and time"),
        (json!({"hired": 1}), "the request has a number"),
    ] {
        check_refused(&schema, user_body(refused), (ScimType::InvalidValue, "wrong_type"), detail);
    }
}

#[test]
fn required_attributes_must_be_there_and_not_blank() {
    for name in [json!(null), json!(""), json!(" \t")] {
        check_user_refused(json!({"userName": name}), "required_missing", "userName is required");
    }
    let schema = Schemas::standard().group;
    let body = json!({"schemas": [GROUP], "members": []});
    check_refused(&schema, body, (ScimType::InvalidValue, "required_missing"), "displayName is required");
}

#[test]
fn primary_is_true_once_at_most() {
    let twice = json!({"emails": [{"value": "a", "primary": true}, {"value": "b", "primary": true}]});
    check_user_refused(twice, "primary_repeated", "emails has more than one element");
    let once = json!({"emails": [{"value": "a", "primary": true}, {"value": "b", "primary": false}]});
    check_user(once.clone(), once, &[]);
}

#[test]
fn elements_that_are_equal_in_every_part_are_kept_once() {
    check_user(
        json!({"emails": [{"value": "a", "type": "work"}, {"value": "b"}, {"Type": "work", "value": "a"}]}),
        json!({"emails": [{"value": "a", "type": "work"}, {"value": "b"}]}),
        &[],
    );
    let same_value = json!({"emails": [{"value": "a", "display": "1"}, {"value": "a", "display": "2"}]});
    check_user(same_value.clone(), same_value, &[]);
}

#[test]
fn a_groups_members_stand_beside_its_document() {
    let schema = Schemas::standard().group;
    let members = |members: Value| {
        let (document, _) =
            read(json!({"schemas": [GROUP], "displayName": "G", "Members": members}), &schema).unwrap();
        assert_eq!(document.attributes, object(json!({"displayName": "G"})));
        document.members.unwrap()
    };
    assert_eq!(members(json!([{"value": "a", "$ref": null}]))[0].value, "a");
    assert!(members(json!([])).is_empty() && members(Value::Null).is_empty());
    let (document, _) = read(json!({"schemas": [GROUP], "displayName": "G"}), &schema).unwrap();
    assert_eq!(document.members, None);
    check_user(json!({"members": []}), json!({}), &["members"]);
}

fn target(attributes: Value, external_id: Option<&str>) -> Target {
    Target { attributes: object(attributes), external_id: external_id.map(str::to_owned) }
}

#[track_caller]
fn check_replaced(keep_omitted: bool, new: Value, new_external_id: Option<&str>, expected: &Target) {
    let old = target(
        json!({
            "userName": "u", "active": false, "title": "t", "name": {"givenName": "g", "familyName": "f"},
            ENTERPRISE_USER: {"department": "d", "manager": {"value": "m"}},
        }),
        Some("old"),
    );
    let new =
        Document { attributes: object(new), external_id: new_external_id.map(str::to_owned), members: None };
    let replaced = replace(&old, new, &Schemas::standard().user, keep_omitted).unwrap();
    assert_eq!(&replaced, expected);
}

#[test]
fn a_put_clears_what_it_omits_but_never_active() {
    let new = json!({"userName": "v", "name": {"givenName": "h"}});
    let expected = json!({"userName": "v", "name": {"givenName": "h"}, "active": false});
    check_replaced(false, new, None, &target(expected, None));
    let new = json!({"userName": "v", "active": true, ENTERPRISE_USER: {"department": "e"}});
    check_replaced(false, new.clone(), Some("new"), &target(new, Some("new")));
}

#[test]
fn a_put_that_keeps_what_it_omits_keeps_attributes_of_extensions_too() {
    check_replaced(
        true,
        json!({"userName": "v", "name": {"givenName": "h"}, ENTERPRISE_USER: {"department": "e"}}),
        None,
        &target(
            json!({
                "userName": "v", "active": false, "title": "t", "name": {"givenName": "h"},
                ENTERPRISE_USER: {"department": "e", "manager": {"value": "m"}},
            }),
            Some("old"),
        ),
    );
    let kept = json!({"department": "d", "manager": {"value": "m"}});
    let expected = json!({
        "userName": "v", "active": false, "title": "t", "name": {"givenName": "g", "familyName": "f"},
        ENTERPRISE_USER: kept,
    });
    check_replaced(true, json!({"userName": "v"}), Some("new"), &target(expected, Some("new")));
}

#[test]
fn immutable_attributes_keep_their_value() {
    let mut schema = (*Schemas::standard().user).clone();
    let immutable = |name: &str| {
        serde_json::from_value::<Attribute>(json!({"name": name, "mutability": "immutable"})).unwrap()
    };
    schema.core.attributes.push(immutable("badge"));
    let name = schema.core.attributes.iter_mut().find(|attribute| attribute.name == "name").unwrap();
    name.sub_attributes.push(immutable("birthName"));
    let old = target(json!({"userName": "u", "badge": "1", "name": {"birthName": "b"}}), None);
    let put = |attributes: Value| {
        let new = Document { attributes: object(attributes), ..Document::default() };
        replace(&old, new, &schema, false)
    };
    assert_eq!(put(json!({"userName": "u", "badge": "1"})).unwrap().attributes["badge"], "1");
    assert_eq!(put(json!({"userName": "u"})).unwrap().attributes["badge"], "1");
    let kept = put(json!({"userName": "u", "name": {"givenName": "g"}})).unwrap();
    assert_eq!(kept.attributes["name"], json!({"givenName": "g", "birthName": "b"}));
    let error = put(json!({"badge": "2"})).unwrap_err();
    assert_eq!((error.scim_type, error.code), (ScimType::Mutability, "immutable_changed"));
    assert!(error.detail.starts_with("badge cannot"));
    let error = put(json!({"name": {"birthName": "c"}})).unwrap_err();
    assert!(error.detail.starts_with("name.birthName cannot"));
}

#[test]
fn what_a_patch_leaves_behind_is_held_against_the_schemas() {
    let schema = Schemas::standard().user;
    let before = object(json!({"userName": "b", "active": "old", "title": 1}));
    let validate = |attributes| validate(&object(attributes), &before, &schema);
    assert!(validate(json!({"userName": "u", "active": true})).is_ok());
    assert_eq!(validate(json!({"active": true})).unwrap_err().code, "required_missing");
    assert_eq!(validate(json!({"userName": "u", "active": "x"})).unwrap_err().code, "wrong_type");
    let untouched = json!({"userName": "u", "active": "old", "title": 1});
    assert_eq!(validate(untouched), Ok(()), "what was accepted once is not looked at again");
}

#[test]
fn an_answers_schemas_are_the_core_one_and_those_that_the_document_has() {
    let schema = Schemas::standard().user;
    assert_eq!(schemas_in(&object(json!({"userName": "u"})), &schema), [USER]);
    assert_eq!(schemas_in(&object(json!({ENTERPRISE_USER: {}})), &schema), [USER, ENTERPRISE_USER]);
}

// Bodies as Okta and Entra send them, through the dialects.

#[track_caller]
fn check_wire(
    resource_type: ResourceType,
    body: &str,
    expected: &Value,
    dropped: &[&str],
    notes: &[&str],
) -> Document {
    let schema = Schemas::standard().of(resource_type).clone();
    let mut body = crate::json::parse(body.as_bytes()).unwrap();
    let mut found = Notes::new();
    dialect::resource_body(&mut body, &schema, &mut found);
    assert_eq!(found.names(), notes);
    let (document, not_kept) = read(body, &schema).unwrap();
    assert_eq!(&Value::Object(document.attributes.clone()), expected);
    assert_eq!(unknown(&found), dropped);
    assert!(not_kept.is_empty());
    document
}

#[test]
fn okta_creates_a_user() {
    let document = check_wire(
        ResourceType::User,
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"test.user@okta.local","name":{"givenName":"Test","familyName":"User"},"emails":[{"primary":true,"value":"test.user@okta.local","type":"work"}],"displayName":"Test User","locale":"en-US","externalId":"00ujl29u0le5T6Aj10h7","groups":[],"password":"1mz050nq","active":true}"#,
        &json!({
            "userName": "test.user@okta.local", "name": {"givenName": "Test", "familyName": "User"},
            "emails": [{"primary": true, "value": "test.user@okta.local", "type": "work"}],
            "displayName": "Test User", "locale": "en-US", "active": true,
        }),
        &[],
        &[],
    );
    assert_eq!(document.external_id.as_deref(), Some("00ujl29u0le5T6Aj10h7"));
}

#[test]
fn okta_updates_a_user_with_the_body_that_it_read() {
    check_wire(
        ResourceType::User,
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"23a35c27-23d3-4c03-b4c5-6443c09e7173","userName":"test.user@okta.local","name":{"givenName":"Another","middleName":"Excited","familyName":"User"},"emails":[{"primary":true,"value":"test.user@okta.local","type":"work","display":"test.user@okta.local"}],"active":false,"groups":[],"meta":{"resourceType":"User"}}"#,
        &json!({
            "userName": "test.user@okta.local",
            "name": {"givenName": "Another", "middleName": "Excited", "familyName": "User"},
            "emails": [{
                "primary": true, "value": "test.user@okta.local", "type": "work", "display": "test.user@okta.local"
            }],
            "active": false,
        }),
        &[],
        &[],
    );
}

#[test]
fn okta_creates_a_group() {
    let document = check_wire(
        ResourceType::Group,
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Test SCIMv2","members":[]}"#,
        &json!({"displayName": "Test SCIMv2"}),
        &[],
        &[],
    );
    assert_eq!(document.members, Some(Vec::new()));
}

#[test]
fn entra_creates_a_user() {
    let document = check_wire(
        ResourceType::User,
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"externalId":"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef","userName":"Test_User_ab6490ee","active":true,"addresses":null,"emails":[{"primary":true,"type":"work","value":"Test_User@testuser.com"}],"manager":null,"meta":{"resourceType":"User"},"name":{"formatted":"givenName familyName","familyName":"familyName","givenName":"givenName"},"roles":[]}"#,
        &json!({
            "userName": "Test_User_ab6490ee", "active": true,
            "emails": [{"primary": true, "type": "work", "value": "Test_User@testuser.com"}],
            "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
        }),
        &[],
        &["entra.bare_extension_name"],
    );
    assert_eq!(document.external_id.as_deref(), Some("0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"));
}

#[test]
fn entra_without_the_flag_sends_booleans_as_text_and_misspells_the_extension() {
    check_wire(
        ResourceType::User,
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0User"],"userName":"u","active":"True","emails":[{"primary":"True","type":"work","value":"u@example.com"}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"7","manager":"271"}}"#,
        &json!({
            "userName": "u", "active": true,
            "emails": [{"primary": true, "type": "work", "value": "u@example.com"}],
            ENTERPRISE_USER: {"employeeNumber": "7", "manager": {"value": "271"}},
        }),
        &[],
        &["entra.urn_typo", "entra.bool_string", "entra.complex_text"],
    );
}

#[test]
fn microsofts_collections_capitalise_every_key() {
    check_wire(
        ResourceType::User,
        r#"{"Schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"UserName":"UserName123","Active":true,"DisplayName":"BobIsAmazing","Emails":[{"Type":"work","Primary":true,"Value":"testing@bob.com"}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"Department":"bob","Manager":{"Value":"SuzzyQ"}}}"#,
        &json!({
            "userName": "UserName123", "active": true, "displayName": "BobIsAmazing",
            "emails": [{"type": "work", "primary": true, "value": "testing@bob.com"}],
            ENTERPRISE_USER: {"department": "bob", "manager": {"value": "SuzzyQ"}},
        }),
        &[],
        &["entra.extension_undeclared"],
    );
}

#[test]
fn entra_creates_a_group() {
    let document = check_wire(
        ResourceType::Group,
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"externalId":"8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159","displayName":"displayName","meta":{"resourceType":"Group"}}"#,
        &json!({"displayName": "displayName"}),
        &[],
        &[],
    );
    assert_eq!(document.members, None);
    check_wire(
        ResourceType::Group,
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],"displayName":"displayName"}"#,
        &json!({"displayName": "displayName"}),
        &[],
        &["entra.adscim_uri"],
    );
}
