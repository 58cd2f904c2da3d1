//! What is a PATCH body, and what is refused.

#![expect(clippy::needless_pass_by_value, reason = "literals read best as they stand")]

use serde_json::json;

use super::*;
use crate::schemas::{ENTERPRISE_USER, Schemas};

fn body(operations: Value) -> Value {
    json!({"schemas": [PATCH_OP], "Operations": operations})
}

fn user(operations: Value) -> Result<PatchRequest, ScimError> {
    parse(body(operations), &Schemas::standard().user)
}

fn group(operations: Value) -> Result<PatchRequest, ScimError> {
    parse(body(operations), &Schemas::standard().group)
}

#[track_caller]
fn check_refused(operation: Value, scim_type: ScimType, code: &str) {
    let error = user(json!([operation])).unwrap_err();
    assert_eq!((error.scim_type, error.code), (scim_type, code), "{}", error.detail);
    assert!(error.detail.starts_with("operation 1: "), "{}", error.detail);
    assert!(!error.detail.contains("secret"), "{}", error.detail);
}

#[test]
fn operations_are_read_in_order() {
    let request = user(json!([
        {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "a@b"},
        {"OP": "add", "Value": {"title": "x"}},
        {"op": "remove", "path": "name.givenName"},
    ]))
    .unwrap();
    let [first, second, third] = request.operations.as_slice() else { panic!("{request:?}") };
    let path = first.path.as_ref().unwrap();
    assert_eq!((first.kind, &first.value), (OperationKind::Replace, &json!("a@b")));
    assert_eq!((path.path.to_string(), path.sub_attribute.as_deref()), ("emails".to_owned(), Some("value")));
    assert_eq!(path.filter.as_ref().unwrap().to_string(), "type eq \"work\"");
    assert_eq!(
        (second.kind, &second.path, &second.value),
        (OperationKind::Add, &None, &json!({"title": "x"}))
    );
    assert_eq!(third.path.as_ref().unwrap().path.sub_attribute.as_deref(), Some("givenName"));
    assert_eq!(third.value, Value::Null);
}

#[test]
fn the_message_schema_must_be_named() {
    let schema = Schemas::standard().user;
    let operations = json!([{"op": "add", "value": {"title": "x"}}]);
    for body in [
        json!([]),
        json!({"Operations": operations}),
        json!({"schemas": [], "Operations": operations}),
        json!({"schemas": PATCH_OP, "Operations": operations}),
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}),
    ] {
        let error = parse(body, &schema).unwrap_err();
        assert_eq!((error.scim_type, error.code), (ScimType::InvalidSyntax, "patch_schema_missing"));
    }
    let odd_case = json!({"SCHEMAS": [PATCH_OP.to_uppercase()], "operations": operations});
    assert!(parse(odd_case, &schema).is_ok());
}

#[test]
fn there_must_be_operations_but_not_too_many() {
    for operations in [json!([]), json!({}), json!(null)] {
        let error = user(operations).unwrap_err();
        assert_eq!((error.scim_type, error.code), (ScimType::InvalidSyntax, "patch_no_operations"));
    }
    let many = |count: usize| vec![json!({"op": "add", "path": "title", "value": "x"}); count];
    assert!(user(many(OPERATIONS_MAX).into()).is_ok());
    let error = user(many(OPERATIONS_MAX + 1).into()).unwrap_err();
    assert_eq!((error.scim_type, error.code), (ScimType::TooMany, "patch_too_many_operations"));
}

#[test]
fn an_operation_needs_an_op_in_the_rfcs_spelling() {
    let (scim_type, code) = (ScimType::InvalidSyntax, "patch_operation_invalid");
    for operation in [
        json!("add"),
        json!({"path": "title", "value": "secret"}),
        json!({"op": "Add", "path": "title", "value": "secret"}),
        json!({"op": "move", "path": "title", "value": "secret"}),
        json!({"op": null, "path": "title", "value": "secret"}),
    ] {
        check_refused(operation, scim_type, code);
    }
}

#[test]
fn remove_without_a_path_is_refused_as_no_target() {
    for operation in
        [json!({"op": "remove"}), json!({"op": "remove", "path": null, "value": {"title": "secret"}})]
    {
        check_refused(operation, ScimType::NoTarget, "patch_remove_without_path");
    }
}

#[test]
fn remove_with_values_is_refused_where_it_would_remove_all() {
    let operation = json!({"op": "remove", "path": "emails", "value": [{"value": "secret"}]});
    check_refused(operation, ScimType::InvalidValue, "patch_remove_with_value");
    check_refused(
        json!({"op": "remove", "path": "emails", "value": []}),
        ScimType::InvalidValue,
        "patch_remove_with_value",
    );
    for harmless in [
        json!({"op": "remove", "path": "emails", "value": null}),
        json!({"op": "remove", "path": "title", "value": "x"}),
        json!({"op": "remove", "path": "emails[type eq \"work\"]", "value": [{"value": "x"}]}),
    ] {
        assert_eq!(user(json!([harmless])).unwrap().operations[0].value, Value::Null);
    }
}

#[test]
fn add_and_replace_need_a_value() {
    for op in ["add", "replace"] {
        check_refused(json!({"op": op, "path": "title"}), ScimType::InvalidValue, "patch_value_missing");
        check_refused(json!({"op": op, "value": "secret"}), ScimType::InvalidValue, "patch_value_not_object");
        check_refused(json!({"op": op, "value": null}), ScimType::InvalidValue, "patch_value_not_object");
        assert!(user(json!([{"op": op, "path": "title", "value": null}])).is_ok());
    }
}

#[test]
fn a_malformed_path_is_refused_with_its_position() {
    for (path, position) in [
        (json!(""), 1),
        (json!("name given"), 5),
        (json!("emails[type eq \"work\"]value"), 23),
        (json!("emails[type eq \"work\"].value.x"), 29),
        (json!("emails.value[type eq \"work\"]"), 13),
        (json!("emails[type eq \"work\"]."), 24),
    ] {
        let error = user(json!([{"op": "add", "path": path, "value": "secret"}])).unwrap_err();
        assert_eq!((error.scim_type, error.code), (ScimType::InvalidPath, "path_invalid"), "{path}");
        let place = format!("operation 1: path position {position}: expected ");
        assert!(error.detail.starts_with(&place), "{path}: {}", error.detail);
    }
    check_refused(json!({"op": "add", "path": 1, "value": "x"}), ScimType::InvalidPath, "path_invalid");
    let filtered = json!({"op": "add", "path": "name[givenName eq \"secret\"]", "value": "x"});
    check_refused(filtered, ScimType::InvalidPath, "path_invalid");
}

#[test]
fn a_malformed_or_ill_typed_filter_in_a_path_is_refused_as_a_filter() {
    for (path, code) in [
        ("emails[type is \"secret\"]", "filter_invalid"),
        ("emails[type eq \"secret\"", "filter_invalid"),
        ("emails[primary eq \"secret\"]", "filter_value_type"),
        ("emails[nonsense eq \"secret\"]", "filter_unknown_attribute"),
    ] {
        check_refused(json!({"op": "remove", "path": path}), ScimType::InvalidFilter, code);
    }
}

#[test]
fn a_path_must_name_an_attribute() {
    for path in
        ["nonsense", "name.nonsense", "emails[type eq \"work\"].nonsense", "urn:acme:hr:age", "members"]
    {
        check_refused(
            json!({"op": "add", "path": path, "value": "secret"}),
            ScimType::InvalidPath,
            "patch_unknown_path",
        );
    }
}

#[test]
fn read_only_attributes_are_refused_by_path_and_left_alone_without_one() {
    for path in
        ["id", "meta", "meta.created", "groups", "schemas", "manager.displayName", "groups[value eq \"x\"]"]
    {
        let operation = json!({"op": "replace", "path": path, "value": "secret"});
        check_refused(operation, ScimType::Mutability, "attribute_read_only");
    }
    assert!(user(json!([{"op": "replace", "value": {"id": "x", "title": "y"}}])).is_ok());
    let display = json!([{"op": "replace", "path": "members[value eq \"x\"].display", "value": "y"}]);
    assert_eq!(group(display).unwrap_err().code, "attribute_read_only");
}

#[test]
fn the_urn_of_an_extension_names_all_of_it() {
    let extension = user(json!([{"op": "remove", "path": ENTERPRISE_USER}])).unwrap();
    assert!(extension.operations[0].path.is_some());
}

#[test]
fn errors_count_the_operations_from_one() {
    let error = user(json!([{"op": "add", "path": "title", "value": "x"}, {"op": "remove"}])).unwrap_err();
    assert!(error.detail.starts_with("operation 2: remove needs a path"), "{}", error.detail);
}
