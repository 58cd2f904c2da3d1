//! A list request in a body: POST `/.search` (RFC 7644 section 3.4.3).
//!
//! A `SearchRequest` says what query parameters say, and is read as such: the same rules hold, and the same errors
//! come, whichever way a client asks.

use serde_json::Value;

use crate::{ScimError, ScimType};

const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// The parameters that a body holds. Members are matched whatever the case of their names, unknown ones are
/// ignored, `null` is none.
pub fn parameters(body: Value) -> Result<Vec<(String, String)>, ScimError> {
    let Value::Object(members) = body else { return Err(schema_missing()) };
    let mut has_schema = false;
    let mut parameters = Vec::new();
    for (name, value) in members {
        match name.to_ascii_lowercase().as_str() {
            "schemas" => has_schema = names_search_request(&value),
            "attributes" | "excludedattributes" => parameters.extend(list(name, value)?),
            "filter" | "sortby" | "sortorder" | "cursor" => parameters.extend(text(name, value)?),
            "startindex" | "count" => parameters.extend(number(name, value)?),
            _ => {}
        }
    }
    if has_schema { Ok(parameters) } else { Err(schema_missing()) }
}

fn names_search_request(schemas: &Value) -> bool {
    let mut urns = schemas.as_array().into_iter().flatten().filter_map(Value::as_str);
    urns.any(|urn| urn.eq_ignore_ascii_case(SEARCH_REQUEST))
}

fn schema_missing() -> ScimError {
    let detail = format!("the body must be an object whose schemas attribute has {SEARCH_REQUEST}");
    ScimError::new(ScimType::InvalidSyntax, "search_schema_missing", detail)
}

/// Names of attributes: an array of them, or one text as in a query.
fn list(name: String, value: Value) -> Result<Option<(String, String)>, ScimError> {
    let Value::Array(elements) = value else { return text(name, value) };
    let names: Option<Vec<&str>> = elements.iter().map(Value::as_str).collect();
    match names {
        Some(names) => Ok(Some((name, names.join(",")))),
        None => Err(wrong_type(&name, "an array of strings")),
    }
}

fn text(name: String, value: Value) -> Result<Option<(String, String)>, ScimError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some((name, text))),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(wrong_type(&name, "a string"))
        }
    }
}

/// A number, or as in a query its digits.
fn number(name: String, value: Value) -> Result<Option<(String, String)>, ScimError> {
    match value {
        Value::Number(number) => Ok(Some((name, number.to_string()))),
        Value::Null | Value::String(_) => text(name, value),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(wrong_type(&name, "a whole number")),
    }
}

fn wrong_type(name: &str, expected: &str) -> ScimError {
    ScimError::new(ScimType::InvalidValue, "search_value_type", format!("{name} must be {expected}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(mut body: Value, expected: &[(&str, &str)]) {
        body["schemas"] = json!([SEARCH_REQUEST.to_uppercase()]);
        let mut found = parameters(body).unwrap();
        found.sort();
        let expected: Vec<_> =
            expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_body_says_what_a_query_says() {
        check(json!({}), &[]);
        check(
            json!({"attributes": ["userName", "name.familyName"], "filter": "title pr", "sortBy": "userName",
                   "sortOrder": "descending", "startIndex": 3, "count": -1}),
            &[
                ("attributes", "userName,name.familyName"),
                ("count", "-1"),
                ("filter", "title pr"),
                ("sortBy", "userName"),
                ("sortOrder", "descending"),
                ("startIndex", "3"),
            ],
        );
        check(
            json!({"ExcludedAttributes": "groups", "COUNT": "7"}),
            &[("COUNT", "7"), ("ExcludedAttributes", "groups")],
        );
        check(json!({"filter": null, "attributes": null, "count": null, "unknown": {"a": 1}}), &[]);
    }

    #[track_caller]
    fn check_refused(body: Value, scim_type: ScimType, code: &str) {
        let error = parameters(body).unwrap_err();
        assert_eq!((error.scim_type, error.code), (scim_type, code));
    }

    #[test]
    fn a_body_that_is_no_search_request_is_refused() {
        for body in [
            json!([]),
            json!("x"),
            json!({"filter": "title pr"}),
            json!({"schemas": SEARCH_REQUEST}),
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}),
        ] {
            check_refused(body, ScimType::InvalidSyntax, "search_schema_missing");
        }
        for (name, value) in [
            ("filter", json!(7)),
            ("sortBy", json!(["userName"])),
            ("sortOrder", json!(true)),
            ("attributes", json!(["userName", 1])),
            ("excludedAttributes", json!({})),
            ("startIndex", json!([1])),
            ("count", json!(true)),
        ] {
            let body = json!({"schemas": [SEARCH_REQUEST], name: value});
            check_refused(body, ScimType::InvalidValue, "search_value_type");
        }
    }
}
