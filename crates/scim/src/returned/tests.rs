//! Choices of attributes, and what is left of a resource.

use serde_json::json;

use super::*;
use crate::schema::ResourceType;
use crate::schemas::{ENTERPRISE_USER, Schemas, USER};

fn user() -> Value {
    json!({
        "schemas": [USER, ENTERPRISE_USER],
        "id": "1",
        "externalId": "e",
        "userName": "u",
        "name": {"givenName": "g", "familyName": "f"},
        "emails": [{"value": "a", "type": "work"}, {"value": "b"}],
        "groups": [{"value": "x", "display": "X"}],
        "meta": {"resourceType": "User", "location": "l"},
        ENTERPRISE_USER: {"department": "d", "manager": {"value": "m", "displayName": "M"}},
    })
}

fn returned(attributes: Option<&str>, excluded: Option<&str>) -> Returned {
    Returned::parse(attributes, excluded, &Schemas::standard().user).unwrap()
}

#[track_caller]
fn check(returned: &Returned, schema: &ResourceSchema, resource: Value, expected: &Value) {
    let Value::Object(mut resource) = resource else { panic!("an object") };
    returned.project(&mut resource, schema);
    assert_eq!(&Value::Object(resource), expected);
}

#[track_caller]
fn check_only(attributes: &str, expected: Value) {
    let Value::Object(mut expected) = expected else { panic!("an object") };
    expected.insert("schemas".to_owned(), json!([USER, ENTERPRISE_USER]));
    expected.insert("id".to_owned(), json!("1"));
    let schema = Schemas::standard().user;
    check(&returned(Some(attributes), None), &schema, user(), &Value::Object(expected));
}

#[track_caller]
fn check_except(excluded: &str, pointers: &[&str]) {
    let mut expected = user();
    for pointer in pointers {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        expected.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
    }
    check(&returned(None, Some(excluded)), &Schemas::standard().user, user(), &expected);
}

#[test]
fn without_a_choice_everything_stays_that_is_returned_by_default() {
    check(&Returned::Default, &Schemas::standard().user, user(), &user());
    assert_eq!(returned(None, None), Returned::Default);
    assert_eq!(returned(Some(""), Some(" ")), Returned::Default);
}

#[test]
fn named_attributes_come_with_what_is_always_returned() {
    check_only("userName", json!({"userName": "u"}));
    check_only("USERNAME, meta.location", json!({"userName": "u", "meta": {"location": "l"}}));
    check_only("urn:ietf:params:scim:schemas:core:2.0:User:userName", json!({"userName": "u"}));
    check_only("name.givenName,name.givenname", json!({"name": {"givenName": "g"}}));
    check_only("name,name.givenName", json!({"name": {"givenName": "g", "familyName": "f"}}));
}

#[test]
fn elements_and_attributes_that_have_none_of_the_named_parts_vanish() {
    check_only("emails.type", json!({"emails": [{"type": "work"}]}));
    check_only("emails.display", json!({}));
}

#[test]
fn an_extension_is_named_by_attribute_or_as_a_whole() {
    check_only(
        &format!("{ENTERPRISE_USER}:manager.value"),
        json!({ENTERPRISE_USER: {"manager": {"value": "m"}}}),
    );
    check_only(
        &ENTERPRISE_USER.to_uppercase(),
        json!({ENTERPRISE_USER: {"department": "d", "manager": {"value": "m", "displayName": "M"}}}),
    );
    check_except(&format!("{ENTERPRISE_USER}:department"), &[&format!("/{ENTERPRISE_USER}/department")]);
    check_except(ENTERPRISE_USER, &[&format!("/{ENTERPRISE_USER}")]);
    check_except(USER, &["/externalId", "/userName", "/name", "/emails", "/groups", "/meta"]);
    assert!(!returned(None, Some(USER)).wants("groups") && returned(Some(USER), None).wants("groups"));
}

#[test]
fn excluded_attributes_vanish_but_never_what_is_always_returned() {
    check_except("groups,META", &["/groups", "/meta"]);
    check_except("id,schemas,userName", &["/userName"]);
    check_except("name.familyName,emails.type", &["/name/familyName", "/emails/0/type"]);
}

#[test]
fn unknown_names_are_ignored_and_still_a_choice() {
    check_only("nonsense,name.nonsense,urn:x:y:z,,", json!({}));
    check_except("nonsense,[", &[]);
}

#[test]
fn both_parameters_at_once_are_refused() {
    let error = Returned::parse(Some("id"), Some("name"), &Schemas::standard().user).unwrap_err();
    assert_eq!((error.scim_type, error.code), (ScimType::InvalidValue, "attributes_and_excluded"));
}

#[test]
fn a_reader_learns_what_it_may_skip() {
    let wants = |attributes, excluded| returned(attributes, excluded).wants("groups");
    assert!(wants(None, None));
    assert!(wants(Some("groups.value"), None) && wants(Some("userName,GROUPS"), None));
    assert!(!wants(Some("userName"), None));
    assert!(!wants(None, Some("groups")) && wants(None, Some("groups.display")) && wants(None, Some("name")));
}

#[test]
fn what_is_never_or_only_on_request_returned_follows_its_rule() {
    let attribute = |name: &str, returned: &str, sub_attributes: Value| -> Attribute {
        let value_type = if sub_attributes == json!([]) { "string" } else { "complex" };
        let json = json!({
            "name": name, "type": value_type, "returned": returned, "subAttributes": sub_attributes
        });
        serde_json::from_value(json).unwrap()
    };
    let mut core = Schemas::standard().user.core.clone();
    core.attributes = vec![
        attribute("secret", "never", json!([])),
        attribute("large", "request", json!([])),
        attribute(
            "mixed",
            "default",
            json!([
                {"name": "fixed", "returned": "always"},
                {"name": "plain"},
                {"name": "secret", "returned": "never"},
                {"name": "large", "returned": "request"},
            ]),
        ),
    ];
    let schema = ResourceSchema::new(ResourceType::User, core, Vec::new());
    let mixed = json!({"fixed": 1, "plain": 2, "secret": 3, "large": 4});
    let resource = json!({"secret": 1, "large": 2, "mixed": mixed});
    let project = |attributes, excluded, expected: Value| {
        let returned = Returned::parse(attributes, excluded, &schema).unwrap();
        check(&returned, &schema, resource.clone(), &expected);
    };
    project(None, None, json!({"mixed": {"fixed": 1, "plain": 2}}));
    project(Some("secret,large"), None, json!({"large": 2}));
    project(Some("mixed.large"), None, json!({"mixed": {"fixed": 1, "large": 4}}));
    project(Some("mixed"), None, json!({"mixed": {"fixed": 1, "plain": 2}}));
    project(None, Some("mixed.plain,mixed.fixed"), json!({"mixed": {"fixed": 1}}));
    project(None, Some("mixed"), json!({}));
}
