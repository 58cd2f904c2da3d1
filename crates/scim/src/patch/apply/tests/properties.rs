//! What holds of every PATCH, whatever its operations.

use super::*;

/// Operations that make sense on alice, some of which are refused.
fn any_operation_of(op: impl Strategy<Value = &'static str>) -> impl Strategy<Value = Value> {
    let path = proptest::sample::select(vec![
        "title",
        "name",
        "name.givenName",
        "emails",
        "emails.type",
        "emails[type eq \"work\"]",
        "emails[type eq \"work\"].value",
        "emails[primary eq true].display",
        "emails[value sw \"a\" or type eq \"x\"].primary",
        "tags",
        "tags[value eq \"x\"]",
        "badge",
        "keys",
        "manager",
        "externalId",
        "userName",
    ]);
    let value = proptest::sample::select(vec![
        json!("x"),
        json!("work"),
        json!(true),
        json!(null),
        json!([]),
        json!(["x", "y"]),
        json!({"value": "a@x", "type": "work", "primary": true}),
        json!([{"value": "a@x", "type": "work"}, {"value": "b@x", "primary": true}]),
        json!({"givenName": "G", "familyName": null}),
    ]);
    (op, path, value).prop_map(|(op, path, value)| match op {
        "remove" => json!({"op": op, "path": path}),
        op => json!({"op": op, "path": path, "value": value}),
    })
}

fn any_operation() -> impl Strategy<Value = Value> {
    any_operation_of(proptest::sample::select(vec!["add", "replace", "remove"]))
}

fn has_nothing_unassigned(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(elements) => !elements.is_empty() && elements.iter().all(has_nothing_unassigned),
        Value::Object(parts) => !parts.is_empty() && parts.values().all(has_nothing_unassigned),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_outcome_is_canonical_and_always_the_same(
        operations in proptest::collection::vec(any_operation(), 1..5)
    ) {
        let operations = Value::Array(operations);
        let first = patched(&alice(), &operations);
        prop_assert_eq!(&first, &patched(&alice(), &operations));
        if let Ok(after) = first {
            prop_assert!(has_nothing_unassigned(&Value::Object(after.attributes)));
        }
    }

    #[test]
    fn adding_the_same_again_changes_nothing(operation in any_operation_of(Just("add"))) {
        if let Ok(once) = patched(&alice(), &json!([operation])) {
            let twice = patched(&alice(), &json!([operation, operation]));
            prop_assert_eq!(twice, Ok(once));
        }
    }

    #[test]
    fn a_failing_last_operation_leaves_the_target_untouched(
        operations in proptest::collection::vec(any_operation(), 0..4)
    ) {
        let mut operations = operations;
        operations.push(json!({"op": "replace", "path": "emails[type ew \"nowhere\"].value", "value": "x"}));
        prop_assert!(patched(&alice(), &Value::Array(operations)).is_err(), "and patched() compares the target");
    }
}
