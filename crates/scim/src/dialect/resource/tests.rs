//! POST and PUT bodies as identity providers send them.

use serde_json::json;

use super::*;
use crate::schemas::{GROUP, Schemas, USER};

#[track_caller]
fn check(schema: &ResourceSchema, before: Value, after: &Value, dialects: &[&str]) {
    let (mut body, mut notes) = (before, Notes::new());
    rewrite(&mut body, schema, &mut notes);
    assert_eq!(&body, after);
    assert_eq!(notes.names(), dialects);
}

#[track_caller]
fn check_user_urns(before: &[&str], after: &[&str], dialects: &[&str]) {
    let schema = Schemas::standard().user;
    check(&schema, json!({"schemas": before}), &json!({"schemas": after}), dialects);
}

#[test]
fn right_urns_pass_unchanged_and_unknown_and_repeated_ones_are_taken_out() {
    check_user_urns(&[USER, ENTERPRISE_USER], &[USER, ENTERPRISE_USER], &[]);
    check_user_urns(&[USER, "urn:example:custom"], &[USER], &["generic.urn_unknown"]);
    check_user_urns(&[USER, &USER.to_uppercase(), USER], &[USER], &["generic.urn_repeated"]);
    // Without the right one, the schema check answers.
    check_user_urns(&["urn:scim:schemas:core:3.0"], &["urn:scim:schemas:core:3.0"], &[]);
    check_user_urns(&[], &[], &[]);
}

#[test]
fn an_extension_that_schemas_does_not_name_counts() {
    let schema = Schemas::standard().user;
    let urns =
        |urns: &[&str], manager: Value| json!({"schemas": urns, ENTERPRISE_USER: {"manager": manager}});
    let manager = json!({"value": "m"});
    check(
        &schema,
        urns(&[USER], manager.clone()),
        &urns(&[USER, ENTERPRISE_USER], manager.clone()),
        &["entra.extension_undeclared"],
    );
    check(&schema, urns(&[USER], Value::Null), &urns(&[USER], Value::Null), &[]);
    let declared = urns(&[USER, ENTERPRISE_USER], manager);
    check(&schema, declared.clone(), &declared, &[]);
}

#[test]
fn urns_of_scim_1_become_those_of_scim_2() {
    let dialects = &["onelogin.scim1_urn"];
    check_user_urns(
        &["urn:scim:schemas:core:2.0", "urn:scim:schemas:extension:enterprise:2.0"],
        &[USER, ENTERPRISE_USER],
        dialects,
    );
    check_user_urns(&["urn:scim:schemas:core:1.0"], &[USER], dialects);
    check_user_urns(&["urn:scim:schemas:core:2.0:User"], &[USER], dialects);
}

#[test]
fn microsofts_old_uri_becomes_the_core_urn() {
    let uri = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";
    let schema = Schemas::standard().group;
    check(&schema, json!({"Schemas": [uri]}), &json!({"Schemas": [GROUP]}), &["entra.adscim_uri"]);
    check_user_urns(&[USER, uri], &[USER], &["generic.urn_unknown"]);
}

#[test]
fn a_missing_colon_is_put_back() {
    let typo = "urn:ietf:params:scim:schemas:extension:enterprise:2.0User";
    check_user_urns(&[USER, typo], &[USER, ENTERPRISE_USER], &["entra.urn_typo"]);
}

#[test]
fn the_core_urn_is_added_beside_that_of_an_extension() {
    check_user_urns(&[ENTERPRISE_USER], &[USER, ENTERPRISE_USER], &["entra.core_urn_missing"]);
    check_user_urns(&["urn:example:custom"], &["urn:example:custom"], &[]);
}

#[test]
fn an_extension_under_a_wrong_urn_is_found() {
    let schema = Schemas::standard().user;
    check(
        &schema,
        json!({"urn:scim:schemas:extension:enterprise:1.0": {"manager": "m"}}),
        &json!({ENTERPRISE_USER: {"manager": {"value": "m"}}}),
        &["onelogin.scim1_urn", "entra.complex_text"],
    );
    let both = json!({"urn:scim:schemas:extension:enterprise:1.0": {}, ENTERPRISE_USER: {}});
    check(&schema, both, &json!({ENTERPRISE_USER: {}}), &["generic.attribute_unknown"]);
}

#[test]
fn a_body_that_is_no_object_is_left_alone() {
    check(&Schemas::standard().user, json!(["a"]), &json!(["a"]), &[]);
}
