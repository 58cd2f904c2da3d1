//! What differs between two documents, by attribute path: the names in a header's `attributes`, and what a
//! timeline shows as "from … to …".
//!
//! Paths are as fine as `docs/events.md` says: singular complex attributes by sub-attribute, multi-valued
//! ones as a whole, extensions under their URN. The values themselves tell which is which, so no schema is
//! needed.

use scim::Object;
use serde_json::Value;

/// One attribute path whose value differs.
#[derive(Debug, Clone, PartialEq)]
pub struct PathChange<'a> {
    /// `name.familyName`, `emails`, `urn:…:User:manager.value`.
    pub path: String,
    /// The value before; `None` for none.
    pub from: Option<&'a Value>,
    /// The value after; `None` for none.
    pub to: Option<&'a Value>,
}

/// Every path that differs, sorted by path.
pub fn differences<'a>(old: &'a Object, new: &'a Object) -> Vec<PathChange<'a>> {
    let mut found = Vec::new();
    collect("", Some(old), Some(new), &mut found);
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect<'a>(
    prefix: &str,
    old: Option<&'a Object>,
    new: Option<&'a Object>,
    found: &mut Vec<PathChange<'a>>,
) {
    let get = |side: Option<&'a Object>, name: &str| side.and_then(|object| object.get(name));
    let only_new = new.into_iter().flat_map(Object::keys).filter(|name| get(old, name).is_none());
    for name in old.into_iter().flat_map(Object::keys).chain(only_new) {
        let (from, to) = (get(old, name), get(new, name));
        if from == to {
            continue;
        }
        let path = format!("{prefix}{name}");
        if from.is_none_or(Value::is_object) && to.is_none_or(Value::is_object) {
            // Only a URN has colons: attribute names are letters, digits, `-` and `_` (RFC 7643 section 2.1).
            let separator = if name.contains(':') { ':' } else { '.' };
            let (from, to) = (from.and_then(Value::as_object), to.and_then(Value::as_object));
            collect(&format!("{path}{separator}"), from, to, found);
        } else {
            found.push(PathChange { path, from, to });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::object;

    #[track_caller]
    fn check(old: Value, new: Value, paths: &[&str]) {
        let (old, new) = (object(old), object(new));
        let found: Vec<_> = differences(&old, &new).into_iter().map(|change| change.path).collect();
        assert_eq!(found, paths);
    }

    const ENTERPRISE: &str = scim::schemas::ENTERPRISE_USER;

    #[test]
    fn singular_complex_attributes_are_named_by_sub_attribute() {
        check(
            json!({"name": {"givenName": "A", "familyName": "B"}, "title": "T"}),
            json!({"name": {"givenName": "A", "familyName": "C"}, "nickName": "N"}),
            &["name.familyName", "nickName", "title"],
        );
        check(
            json!({}),
            json!({"name": {"givenName": "A", "familyName": "B"}}),
            &["name.familyName", "name.givenName"],
        );
    }

    #[test]
    fn multi_valued_attributes_are_named_as_a_whole() {
        check(json!({"emails": [{"value": "a"}]}), json!({"emails": [{"value": "b"}]}), &["emails"]);
    }

    #[test]
    fn extensions_are_named_with_their_urn() {
        check(
            json!({ENTERPRISE: {"department": "D"}}),
            json!({ENTERPRISE: {"manager": {"value": "M"}}}),
            &[&format!("{ENTERPRISE}:department"), &format!("{ENTERPRISE}:manager.value")],
        );
    }

    #[test]
    fn both_values_are_told() {
        let (old, new) = (object(json!({"title": "T"})), object(json!({"active": true})));
        let found = differences(&old, &new);
        assert_eq!((found[0].from, found[0].to), (None, Some(&json!(true))));
        assert_eq!((found[1].from, found[1].to), (Some(&json!("T")), None));
    }

    #[test]
    fn equal_documents_differ_nowhere() {
        check(json!({"name": {"givenName": "A"}}), json!({"name": {"givenName": "A"}}), &[]);
    }
}
