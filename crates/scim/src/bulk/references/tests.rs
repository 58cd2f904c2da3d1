//! References, wherever they may stand.

use serde_json::json;

use super::*;
use crate::bulk::Request;

/// Reads a request, whose POSTs make the resources `id-<index>`, and resolves its last operation.
fn resolved(operations: &Value) -> Result<(Asked, Vec<usize>), ScimError> {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations,
    });
    let Request { mut operations, .. } =
        crate::bulk::parse::parse(body, 100, &mut crate::dialect::Notes::new()).unwrap();
    let references = References::of(&operations, |index| format!("id-{index}"));
    let mut asked = operations.pop().unwrap().asked.unwrap();
    let refers_to = references.resolve(&mut asked)?;
    Ok((asked, refers_to.into_iter().collect()))
}

fn post(name: &str) -> Value {
    json!({"method": "POST", "path": "/Users", "bulkId": name, "data": {}})
}

#[track_caller]
fn check_path(name: &str, path: &str, expected: &str) {
    let (asked, refers_to) =
        resolved(&json!([post("other"), post(name), {"method": "DELETE", "path": path}])).unwrap();
    assert_eq!((asked.path.id.as_deref(), refers_to), (Some(expected), vec![1]), "{path}");
}

#[track_caller]
fn check_unknown(operation: &Value, place: &str) {
    let error = resolved(
        &json!([post("a"), {"method": "PATCH", "path": "/Users/1", "bulkId": "b", "data": {}}, operation]),
    )
    .unwrap_err();
    assert_eq!((error.scim_type, error.code), (ScimType::InvalidValue, "bulk_reference_unknown"));
    assert!(error.detail.ends_with(place), "{}", error.detail);
    assert!(!error.detail.contains("alice"), "{}", error.detail);
}

#[test]
fn a_reference_is_replaced_wherever_it_is_a_whole_text() {
    let data = |a: &str, b: &str, c: &str| {
        json!({
            "displayName": a,
            "members": [{"value": b}, {"value": "bulkId"}, {"value": "x bulkId:a"}],
            "urn:x": {"manager": {"value": c}},
            "flags": [true, null, 1],
        })
    };
    let asked = data("bulkId:a", "bulkId:b", "bulkId:self");
    let operations = json!([
        post("a"), post("b"), {"method": "POST", "path": "/Groups", "bulkId": "self", "data": asked},
    ]);
    let (asked, refers_to) = resolved(&operations).unwrap();
    assert_eq!((asked.data, refers_to), (data("id-0", "id-1", "id-2"), vec![0, 1, 2]));
}

#[test]
fn a_reference_in_a_path_may_be_encoded_and_its_name_may_hold_anything() {
    check_path("a", "/Users/bulkId:a", "id-1");
    check_path("a", "/Users/bulkId:a/", "id-1");
    check_path("a", "Users/bulkId%3Aa", "id-1");
    check_path("a b/c?d=\"é\"", "/Users/bulkId:a b/c?d=\"é\"", "id-1");
    check_path("a b/c", "/Users/bulkId:a%20b%2Fc", "id-1");
    check_path("100%25", "/Users/bulkId:100%25", "id-1");
    check_path("bulkId:a", "/Users/bulkId:bulkId:a", "id-1");
}

#[test]
fn a_path_without_a_reference_is_decoded() {
    let id = |path: &str| resolved(&json!([{"method": "DELETE", "path": path}])).unwrap().0.path.id;
    assert_eq!(id("/Users/2819c223%2D7f76").as_deref(), Some("2819c223-7f76"));
    assert_eq!(id("/Users/%ff").as_deref(), Some("%ff"));
}

#[test]
fn the_filter_of_a_patch_path_is_searched_too() {
    let patch = |path: &str| {
        let operations = json!([
            post("a"), post("b \"c\""),
            {"method": "PATCH", "path": "/Groups/1", "data": {"operations": [{"op": "remove", "Path": path}]}},
        ]);
        let (asked, refers_to) = resolved(&operations).unwrap();
        (asked.data["operations"][0]["Path"].as_str().unwrap().to_owned(), refers_to)
    };
    let (found, refers_to) = patch(r#"members[value eq "bulkId:a" or value eq "bulkId:b \"c\""]"#);
    assert_eq!((&*found, refers_to), (r#"members[value eq "id-0" or value eq "id-1"]"#, vec![0, 1]));
    for same in [r#"emails[value eq "x bulkId:a"].value"#, r#"a[b eq "bulkId:a"#, "x bulkId:", r#"x "é\"#] {
        assert_eq!(patch(same), (same.to_owned(), vec![]));
    }
}

#[test]
fn a_reference_that_leads_nowhere_is_refused_by_its_place_and_not_repeated() {
    check_unknown(&json!({"method": "DELETE", "path": "/Users/bulkId:alice@example.com"}), "in its path");
    check_unknown(&json!({"method": "DELETE", "path": "/Users/bulkId%3Aalice"}), "in its path");
    check_unknown(&json!({"method": "DELETE", "path": "/Users/bulkId:b"}), "in its path");
    let data = json!({"members": [{"value": "bulkId:a"}, {"value": "bulkId:alice"}]});
    check_unknown(&json!({"method": "PUT", "path": "/Groups/1", "data": data}), "at data.members.value");
    let data = json!({"alice@example.com": {"x": "bulkId:"}});
    check_unknown(&json!({"method": "PUT", "path": "/Groups/1", "data": data}), "at data.….x");
    let data = json!({"Operations": [{"op": "remove", "path": "members[value eq \"bulkId:alice\"]"}]});
    check_unknown(
        &json!({"method": "PATCH", "path": "/Groups/1", "data": data}),
        "in the path of an operation of data",
    );
}
