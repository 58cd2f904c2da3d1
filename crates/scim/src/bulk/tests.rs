//! Responses.

use super::*;

#[test]
fn a_response_has_statuses_as_texts_and_leaves_out_what_there_is_not() {
    let made = Outcome {
        method: Some("POST".into()),
        bulk_id: Some("qwerty".into()),
        location: Some("https://example.com/v2/Users/1".into()),
        version: Some("W/\"4\"".into()),
        status: 201,
        response: None,
    };
    let failed = Outcome {
        method: Some("DELETE".into()),
        bulk_id: None,
        location: None,
        version: None,
        status: 404,
        response: Some(json!({"status": "404"})),
    };
    let expected = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"],
        "Operations": [
            {
                "method": "POST", "bulkId": "qwerty", "location": "https://example.com/v2/Users/1",
                "version": "W/\"4\"", "status": "201",
            },
            {"method": "DELETE", "status": "404", "response": {"status": "404"}},
        ],
    });
    assert_eq!(response([made, failed]), expected);
}
