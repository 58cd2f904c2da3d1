//! Values as identity providers send them.

use serde_json::{Value, json};

use super::*;
use crate::schemas::Schemas;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

#[track_caller]
fn check(before: Value, after: &Value, dialects: &[&str]) {
    let Value::Object(mut object) = before else { panic!("an object") };
    let mut notes = Notes::new();
    coerce_object(&mut object, &Schemas::standard().user, &Place::BODY, &mut notes);
    assert_eq!(&Value::Object(object), after);
    assert_eq!(notes.names(), dialects);
}

#[track_caller]
fn check_unchanged(body: &Value) {
    check(body.clone(), body, &[]);
}

#[test]
fn what_is_in_rfc_form_passes_unchanged() {
    check_unchanged(&json!({
        "userName": "True", "active": true, "name": {"givenName": "1"}, "emails": [{"value": "0", "primary": false}],
        ENTERPRISE: {"manager": {"value": "m"}, "department": "false"},
    }));
}

#[test]
fn booleans_as_text_become_booleans_wherever_the_schema_has_one() {
    for (text, boolean) in [("True", true), ("true", true), ("1", true), ("FALSE", false), ("0", false)] {
        check(json!({"Active": text}), &json!({"Active": boolean}), &["entra.bool_string"]);
    }
    check(
        json!({"emails": [{"Primary": "True", "value": "True"}, {"primary": "False"}]}),
        &json!({"emails": [{"Primary": true, "value": "True"}, {"primary": false}]}),
        &["entra.bool_string"],
    );
}

#[test]
fn a_text_that_is_no_boolean_is_left_for_the_schema_check() {
    check_unchanged(&json!({"active": "yes"}));
    check_unchanged(&json!({"active": 1}));
    check_unchanged(&json!({"active": ""}));
}

#[test]
fn a_manager_may_be_a_text_a_list_or_nothing() {
    let with = |manager: Value| json!({ENTERPRISE: {"manager": manager}});
    check(with(json!("271")), &with(json!({"value": "271"})), &["entra.complex_text"]);
    check(with(json!("")), &with(Value::Null), &["entra.complex_text"]);
    let element = json!({"$ref": "https://example.com/Users/x", "value": "x"});
    check(with(json!([element])), &with(element.clone()), &["entra.complex_list"]);
    check_unchanged(&with(json!([element, element])));
    check_unchanged(&with(json!([])));
    check_unchanged(&json!({"name": "no sub-attribute called value"}));
}

#[test]
fn a_wrapped_simple_value_is_unwrapped() {
    check(json!({"title": [{"value": "y"}]}), &json!({"title": "y"}), &["entra.wrapped_value"]);
    check(
        json!({"active": [{"Value": "False"}]}),
        &json!({"active": false}),
        &["entra.wrapped_value", "entra.bool_string"],
    );
    check_unchanged(&json!({"title": [{"other": "y"}]}));
    check_unchanged(&json!({"title": ["y"]}));
}

#[test]
fn dotted_keys_become_sub_attributes() {
    check(
        json!({"displayName": "d", "name.givenName": "g", "NAME.familyname": "f"}),
        &json!({"displayName": "d", "name": {"givenName": "g", "familyName": "f"}}),
        &["entra.dotted_key"],
    );
    check(
        json!({"Name": {"givenName": "g"}, "name.familyName": "f"}),
        &json!({"Name": {"givenName": "g", "familyName": "f"}}),
        &["entra.dotted_key"],
    );
    check(
        json!({ENTERPRISE: {"manager.value": "m"}}),
        &json!({ENTERPRISE: {"manager": {"value": "m"}}}),
        &["entra.dotted_key"],
    );
}

#[test]
fn urn_keys_become_members_of_their_extension() {
    check(
        json!({(format!("{ENTERPRISE}:employeeNumber")): "1", (format!("{ENTERPRISE}:manager")): "m"}),
        &json!({ENTERPRISE: {"employeeNumber": "1", "manager": {"value": "m"}}}),
        &["entra.urn_key", "entra.complex_text"],
    );
    check(
        json!({(format!("{ENTERPRISE}:manager.value")): "m", ENTERPRISE: {"department": "d"}}),
        &json!({ENTERPRISE: {"department": "d", "manager": {"value": "m"}}}),
        &["entra.urn_key"],
    );
    check(
        json!({"urn:ietf:params:scim:schemas:core:2.0:User:name.givenName": "g"}),
        &json!({"name": {"givenName": "g"}}),
        &["entra.urn_key"],
    );
}

#[test]
fn a_dot_behind_a_urn_is_read_as_a_colon() {
    check(
        json!({(format!("{ENTERPRISE}.manager")): "m"}),
        &json!({ENTERPRISE: {"manager": {"value": "m"}}}),
        &["entra.urn_dot", "entra.complex_text"],
    );
}

#[test]
fn a_bare_name_of_an_extension_moves_into_the_extension() {
    check(
        json!({"Department": "d", "manager": null}),
        &json!({ENTERPRISE: {"department": "d", "manager": null}}),
        &["entra.bare_extension_name"],
    );
}

#[test]
fn keys_that_are_unknown_ambiguous_or_have_no_one_place_are_left_out() {
    let unknown = ["generic.attribute_unknown"];
    check(
        json!({"name.unknown": 1, "emails.value": 2, "a.b.c": 3, "urn:x:y": 4, ".": 5, "é.é": 6, "title": "t"}),
        &json!({"title": "t"}),
        &unknown,
    );
    let name = json!({"name": {"givenName": "a"}});
    check(json!({"name": {"givenName": "a"}, "name.givenName": "b"}), &name, &unknown);
    check(json!({"name": "text", "name.givenName": "b"}), &json!({"name": "text"}), &unknown);
    check(json!({"name": {"givenName": "a", "nick": "n"}}), &name, &unknown);
    check(json!({ENTERPRISE: {"floor": 1}}), &json!({ENTERPRISE: {}}), &unknown);
}

#[test]
fn attributes_under_the_urn_of_the_core_schema_move_up() {
    let core = "urn:ietf:params:scim:schemas:core:2.0:User";
    check(
        json!({core: {"title": "t", "active": "False", "DisplayName": "d"}, "displayName": "e"}),
        &json!({"title": "t", "active": false, "displayName": "e"}),
        &["generic.core_object", "entra.bool_string"],
    );
}

#[test]
fn one_value_is_a_list_of_one_and_null_is_no_value_of_one() {
    let emails = json!({"emails": [{"value": "a"}]});
    check(json!({"emails": {"value": "a"}}), &emails, &["generic.single_value"]);
    check(json!({"emails": [null, {"value": "a"}, null]}), &emails, &["generic.null_element"]);
    check_unchanged(&json!({"emails": "a"}));
    check_unchanged(&json!({"emails": null, "roles": []}));
}

#[test]
fn binaries_and_references_in_other_letters_are_kept_and_noted() {
    let certificate = json!({"x509Certificates": [{"value": "TW-_"}]});
    check(certificate.clone(), &certificate, &["generic.base64_form"]);
    let address = json!({"profileUrl": "https://example.com/ä"});
    check(address.clone(), &address, &["generic.reference_form"]);
}

#[test]
fn an_empty_external_id_is_none() {
    check(json!({"ExternalId": ""}), &json!({"ExternalId": null}), &["generic.external_id_empty"]);
}

#[test]
fn many_flat_keys_are_handled_in_linear_time() {
    let body: Object = (0..200_000).map(|number| (format!("name.x{number}"), json!("True"))).collect();
    check(Value::Object(body), &json!({}), &["generic.attribute_unknown"]);
}
