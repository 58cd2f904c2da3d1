//! A list request in a body: POST `/.search` (RFC 7644 section 3.4.3).
//!
//! A `SearchRequest` says what query parameters say, and is read as such: the same rules hold, and the same errors
//! come, whichever way a client asks.

use serde_json::Value;

use crate::dialect::{Dialect, Notes, Place, message_members, message_urns};
use crate::{ScimError, ScimType};

/// What a body may have.
const KNOWN: [&str; 9] = [
    "schemas",
    "attributes",
    "excludedAttributes",
    "filter",
    "sortBy",
    "sortOrder",
    "startIndex",
    "count",
    "cursor",
];

const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// The parameters that a body holds. Members are matched whatever the case of their names; `null` is none.
pub fn parameters(body: Value, notes: &mut Notes) -> Result<Vec<(String, String)>, ScimError> {
    let Value::Object(mut members) = body else { return Err(schema_missing()) };
    message_members(&mut members, &KNOWN, &Place::BODY, notes);
    let mut has_schema = false;
    let mut parameters = Vec::new();
    for (name, value) in members {
        match name.to_ascii_lowercase().as_str() {
            "schemas" => has_schema = names_search_request(value, notes),
            "attributes" | "excludedattributes" => parameters.extend(list(name, value, notes)?),
            "startindex" | "count" => parameters.extend(number(name, value, notes)?),
            _ => parameters.extend(text(name, value)?),
        }
    }
    if has_schema { Ok(parameters) } else { Err(schema_missing()) }
}

fn names_search_request(mut schemas: Value, notes: &mut Notes) -> bool {
    message_urns(&mut schemas, SEARCH_REQUEST, notes);
    let mut urns = schemas.as_array().into_iter().flatten().filter_map(Value::as_str);
    urns.any(|urn| urn.eq_ignore_ascii_case(SEARCH_REQUEST))
}

fn schema_missing() -> ScimError {
    let detail = format!("the body must be an object whose schemas attribute has {SEARCH_REQUEST}");
    ScimError::new(ScimType::InvalidSyntax, "search_schema_missing", detail)
}

/// Names of attributes: an array of them. `generic.search_form`: one text as in a query.
fn list(name: String, value: Value, notes: &mut Notes) -> Result<Option<(String, String)>, ScimError> {
    let Value::Array(elements) = value else { return as_in_a_query(name, value, notes) };
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

/// A number. `generic.search_form`: its digits as in a query.
fn number(name: String, value: Value, notes: &mut Notes) -> Result<Option<(String, String)>, ScimError> {
    match value {
        Value::Number(number) => Ok(Some((name, number.to_string()))),
        Value::Null | Value::String(_) => as_in_a_query(name, value, notes),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(wrong_type(&name, "a whole number")),
    }
}

fn as_in_a_query(
    name: String,
    value: Value,
    notes: &mut Notes,
) -> Result<Option<(String, String)>, ScimError> {
    if value.is_string() {
        notes.note(Dialect::GenericSearchForm, Place::BODY.member(&name));
    }
    text(name, value)
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
        let mut found = parameters(body, &mut Notes::new()).unwrap();
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
        let error = parameters(body, &mut Notes::new()).unwrap_err();
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

    #[test]
    fn what_stands_in_the_body_as_in_a_query_or_means_nothing_is_noted() {
        for (name, value, dialect) in [
            ("attributes", json!("userName"), "generic.search_form"),
            ("count", json!("7"), "generic.search_form"),
            ("unknown", json!(7), "generic.attribute_unknown"),
        ] {
            let mut notes = Notes::new();
            parameters(json!({"schemas": [SEARCH_REQUEST], name: value}), &mut notes).unwrap();
            assert_eq!(notes.names(), [dialect]);
            assert_eq!(notes.iter().next().unwrap().place, name);
        }
    }
}
