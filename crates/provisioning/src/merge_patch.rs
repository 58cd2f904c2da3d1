//! RFC 7396 merge patches: the smallest one between two documents, and its application.
//!
//! Canonical documents hold no null and no empty object, hence every difference between two of them can be
//! written as a merge patch. Nothing here knows what the documents mean.

use scim::Object;
use serde_json::Value;

/// The smallest merge patch whose application to `old` gives `new`. An emptied complex attribute is null at
/// its parent; arrays are replaced whole.
///
/// It is what remains of `new`: where there was nothing before, all of it, as it is.
pub fn diff(old: &Object, new: Object) -> Object {
    let gone: Vec<_> = old.keys().filter(|name| !new.contains_key(*name)).cloned().collect();
    let mut patch = new;
    patch.retain(|name, value| match (old.get(name), value) {
        (Some(before), after) if before == after => false,
        (Some(Value::Object(before)), Value::Object(after)) => {
            *after = diff(before, std::mem::take(after));
            true
        }
        _ => true,
    });
    patch.extend(gone.into_iter().map(|name| (name, Value::Null)));
    patch
}

/// Applies a merge patch.
pub fn apply(target: &mut Object, patch: &Object) {
    apply_some(target, patch, &|_| true);
}

/// Applies a merge patch that nobody else needs: its values become the target's and are not copied.
pub fn apply_whole(target: &mut Object, patch: Object) {
    if target.is_empty() && !takes_away(&patch) {
        *target = patch;
        return;
    }
    for (name, change) in patch {
        apply_one(target, name, change);
    }
}

/// Applies what a merge patch says of those attributes, and leaves the others as they are.
pub fn apply_some(target: &mut Object, patch: &Object, attributes: &dyn Fn(&str) -> bool) {
    for (name, change) in patch.iter().filter(|(name, _)| attributes(name)) {
        apply_one(target, name.clone(), change.clone());
    }
}

/// Whether it says of anything that it is no more. What stands in arrays is not looked at, as they are taken as a whole.
fn takes_away(patch: &Object) -> bool {
    patch.values().any(|change| match change {
        Value::Null => true,
        Value::Object(parts) => takes_away(parts),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => false,
    })
}

fn apply_one(target: &mut Object, name: String, change: Value) {
    match change {
        Value::Null => {
            target.remove(&name);
        }
        Value::Object(parts) => {
            let place = target.entry(name).or_insert(Value::Null);
            // RFC 7396 section 2: an object patch on anything else begins with an empty object.
            if !place.is_object() {
                *place = Value::Object(Object::new());
            }
            if let Value::Object(inner) = place {
                apply_whole(inner, parts);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            target.insert(name, change);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::testing::{canonical_document, object};

    #[track_caller]
    fn check(old: Value, new: Value, patch: Value) {
        assert_eq!(diff(&object(old), object(new)), object(patch));
    }

    #[test]
    fn only_what_differs_is_in_the_patch() {
        check(json!({"a": 1, "b": 2}), json!({"a": 1, "b": 3, "c": 4}), json!({"b": 3, "c": 4}));
        check(json!({"n": {"a": 1, "b": 2}}), json!({"n": {"a": 1, "b": 3}}), json!({"n": {"b": 3}}));
        check(
            json!({"n": {"a": 1, "b": 2}}),
            json!({"n": {"c": 3}}),
            json!({"n": {"a": null, "b": null, "c": 3}}),
        );
        check(json!({"a": [1, 2]}), json!({"a": [1, 2, 3]}), json!({"a": [1, 2, 3]}));
        check(json!({"a": 1}), json!({"a": 1}), json!({}));
    }

    #[test]
    fn an_emptied_complex_attribute_is_null_at_its_parent() {
        check(
            json!({"name": {"givenName": "A", "familyName": "B"}, "x": 1}),
            json!({"x": 1}),
            json!({"name": null}),
        );
    }

    #[test]
    fn an_object_patch_on_a_plain_value_begins_with_an_empty_object() {
        let mut target = object(json!({"a": "text"}));
        apply(&mut target, &object(json!({"a": {"b": 1, "c": null}, "d": {"e": null}})));
        assert_eq!(Value::Object(target), json!({"a": {"b": 1}, "d": {}}));
    }

    proptest! {
        #[test]
        fn what_was_taken_apart_is_put_together_again_by_us_and_by_others(
            old in canonical_document(), new in canonical_document(),
        ) {
            let patch = diff(&old, new.clone());
            let mut ours = old.clone();
            apply(&mut ours, &patch);
            prop_assert_eq!(&ours, &new);

            let mut theirs = Value::Object(old.clone());
            json_patch::merge(&mut theirs, &Value::Object(patch.clone()));
            prop_assert_eq!(theirs, Value::Object(new.clone()));

            prop_assert_eq!(patch.is_empty(), old == new);
        }

        #[test]
        fn any_patch_means_the_same_to_us_and_to_others(
            document in canonical_document(), patch in any_object(),
        ) {
            let mut ours = document.clone();
            apply(&mut ours, &patch);
            let mut moved = document.clone();
            apply_whole(&mut moved, patch.clone());
            prop_assert_eq!(&moved, &ours);
            let mut theirs = Value::Object(document);
            json_patch::merge(&mut theirs, &Value::Object(patch));
            prop_assert_eq!(Value::Object(ours), theirs);
        }
    }

    /// Objects with nulls and empty parts, as no canonical document has them.
    fn any_object() -> impl Strategy<Value = Object> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            "[ab]".prop_map(Value::String)
        ];
        let value = leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                prop::collection::btree_map("[a-d]", inner, 0..3)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        });
        prop::collection::btree_map("[a-d]", value, 0..4).prop_map(|members| members.into_iter().collect())
    }
}
