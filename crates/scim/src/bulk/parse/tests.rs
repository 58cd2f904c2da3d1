//! Messages, whole and in part.

use serde_json::json;

use super::*;

fn request(operations: &Value) -> Value {
    json!({"schemas": [BULK_REQUEST], "Operations": operations})
}

/// Reads a request of one operation.
#[track_caller]
fn one(operation: &Value) -> Operation {
    let mut request = parse(request(&json!([operation])), 1, &mut Notes::new()).unwrap();
    assert_eq!(request.operations.len(), 1);
    request.operations.remove(0)
}

#[track_caller]
fn check_refused(body: Value, code: &str) {
    let Err(BulkError::Message(error)) = parse(body, 100, &mut Notes::new()) else { panic!("it is refused") };
    assert_eq!(error.code, code, "{}", error.detail);
}

#[track_caller]
fn check_operation_refused(operation: &Value, code: &str) {
    let error = one(operation).asked.unwrap_err();
    assert_eq!((error.scim_type, error.code), (ScimType::InvalidSyntax, code), "{}", error.detail);
}

#[test]
fn an_operation_is_read_whatever_the_case_of_names_and_method() {
    let read = one(&json!({
        "Method": "pAtCh", "PATH": "/users/2819c223-7f76-453a-919d-413861904646/", "bulkid": "x",
        "Version": "W/\"3694e05e9dff591\"", "DATA": {"Operations": []},
    }));
    let path = Path {
        resource_type: ResourceType::User,
        id: Some("2819c223-7f76-453a-919d-413861904646".to_owned()),
    };
    assert_eq!((read.method.as_deref(), read.bulk_id.as_deref()), (Some("PATCH"), Some("x")));
    assert_eq!(read.path.as_ref(), Some(&path));
    assert_eq!(
        read.asked.unwrap(),
        Asked {
            method: Method::Patch,
            path,
            version: Some("W/\"3694e05e9dff591\"".into()),
            data: json!({"Operations": []})
        }
    );
}

#[test]
fn only_a_post_names_a_resource() {
    let post = one(&json!({"method": "post", "path": "Groups", "bulkId": "g", "data": {}, "version": 1}));
    assert_eq!(post.names(), Some("g"));
    assert_eq!(post.asked.unwrap().version, None, "there is no version yet");
    assert_eq!(one(&json!({"method": "DELETE", "path": "/Groups/1", "bulkId": "g"})).names(), None);
}

#[test]
fn what_an_operation_lacks_is_its_own_error() {
    let data = || json!({"userName": "x"});
    for method in [json!("GET"), json!("HEAD"), json!(""), json!(1), Value::Null] {
        check_operation_refused(
            &json!({"method": method, "path": "/Users", "bulkId": "a", "data": data()}),
            "bulk_method_invalid",
        );
    }
    for path in [
        json!("/Bulk"),
        json!("/Schemas"),
        json!("/Me"),
        json!("/"),
        json!(""),
        json!("Users?count=1"),
        json!("https://example.com/v2/Users"),
        json!(1),
        Value::Null,
        json!("/Users/1"),
    ] {
        check_operation_refused(
            &json!({"method": "POST", "path": path, "bulkId": "a", "data": data()}),
            "bulk_path_invalid",
        );
    }
    for path in ["/Users", "/Groups/", "/Users/1?attributes=id", "/Users/1/emails", "/Users/1#x"] {
        check_operation_refused(&json!({"method": "PUT", "path": path, "data": data()}), "bulk_path_invalid");
    }
    for bulk_id in [Value::Null, json!(""), json!(7)] {
        check_operation_refused(
            &json!({"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": data()}),
            "bulk_id_missing",
        );
    }
    for data in [Value::Null, json!([]), json!("x")] {
        check_operation_refused(
            &json!({"method": "PUT", "path": "/Users/1", "data": data}),
            "bulk_data_missing",
        );
    }
    check_operation_refused(
        &json!({"method": "DELETE", "path": "/Users/1", "version": 3}),
        "bulk_version_invalid",
    );
}

#[test]
fn what_is_wrong_with_the_message_refuses_all_of_it() {
    check_refused(json!([]), "bulk_schema_missing");
    check_refused(json!({"Operations": [{}]}), "bulk_schema_missing");
    check_refused(json!({"schemas": [BULK_REQUEST]}), "bulk_no_operations");
    check_refused(request(&json!([])), "bulk_no_operations");
    check_refused(request(&json!({})), "bulk_no_operations");
    check_refused(request(&json!([{}, 1])), "bulk_operation_invalid");
    let post = json!({"method": "POST", "path": "/Users", "bulkId": "same", "data": {}});
    check_refused(request(&json!([post, {"method": "post", "bulkId": "same"}])), "bulk_id_repeated");
    let patch = json!({"method": "PATCH", "path": "/Users/1", "bulkId": "same", "data": {}});
    assert!(
        parse(request(&json!([post, patch, patch])), 3, &mut Notes::new()).is_ok(),
        "nobody can refer to a PATCH"
    );
}

#[test]
fn fail_on_errors_is_a_number_from_one_on() {
    let with = |value: Value| {
        let mut body = request(&json!([{}]));
        body["failOnErrors"] = value;
        body
    };
    for (value, expected) in [(json!(1), Some(1)), (json!(20), Some(20)), (Value::Null, None)] {
        assert_eq!(parse(with(value), 1, &mut Notes::new()).unwrap().fail_on_errors, expected);
    }
    assert_eq!(parse(request(&json!([{}])), 1, &mut Notes::new()).unwrap().fail_on_errors, None);
    for value in [json!(0), json!(-1), json!(1.5), json!("1"), json!([])] {
        check_refused(with(value), "bulk_fail_on_errors_invalid");
    }
}

#[test]
fn too_many_operations_are_counted_and_not_read() {
    // If they were read, the first would be refused.
    let body = request(&json!([1, 2, 3]));
    assert_eq!(parse(body.clone(), 2, &mut Notes::new()), Err(BulkError::TooManyOperations(3)));
    check_refused(body, "bulk_operation_invalid");
}
