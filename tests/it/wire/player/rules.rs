//! What every SCIM answer is held to, so that no file has to say it.
//!
//! Content type, the form of lists and errors, and that `ETag`, `Location` and `meta` of a resource tell the
//! same story (RFC 7644 sections 3.3, 3.4.2, 3.8, 3.12 and 3.14). What an answer says is the files' concern.

use serde_json::{Value, json};

use super::matching::{Difference, compare, excerpt};
use super::messages::Response;

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// Checks an answer and gives its body; `Null` for none.
pub(super) fn check(response: &Response, base: &str) -> Result<Value, Difference> {
    let bodiless = matches!(response.status, 204 | 304);
    if response.body.is_empty() {
        if !bodiless {
            return Err(Difference::new("body", "a body", "(none)"));
        }
        return Ok(Value::Null);
    }
    if bodiless {
        return Err(Difference::new("body", "no body", excerpt(&response.body)));
    }
    check_content_type(response)?;
    let body: Value = serde_json::from_str(&response.body)
        .map_err(|_| Difference::new("body", "JSON", excerpt(&response.body)))?;
    if response.status >= 400 {
        check_error(response, &body)?;
    } else if body.pointer("/schemas/0").and_then(Value::as_str) == Some(LIST) {
        check_list(&body)?;
    } else {
        check_resource(response, &body, base)?;
    }
    Ok(body)
}

fn check_content_type(response: &Response) -> Result<(), Difference> {
    let content_type = response.header("Content-Type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/scim+json") {
        return Ok(());
    }
    Err(Difference::new("header Content-Type", "application/scim+json", content_type))
}

/// `status` is the code as a text (RFC 7644 section 3.12).
fn check_error(response: &Response, body: &Value) -> Result<(), Difference> {
    let expected = json!({
        "schemas": {"$contains": [ERROR]},
        "status": response.status.to_string(),
        "detail": {"$type": "string", "$not": ""},
    });
    compare(&expected, Some(body))
}

/// Okta insists on integers, Entra on `Resources` even if nothing matched.
fn check_list(body: &Value) -> Result<(), Difference> {
    let integer = json!({"$type": "integer"});
    let numbers = json!({"totalResults": integer, "startIndex": integer, "itemsPerPage": integer});
    compare(&numbers, Some(body))?;
    compare(&json!({"schemas": [LIST], "Resources": {"$length": body["itemsPerPage"]}}), Some(body))
}

/// A single User or Group, unless `attributes` left its `meta` out.
fn check_resource(response: &Response, body: &Value, base: &str) -> Result<(), Difference> {
    let Some(id) = body.get("id").and_then(Value::as_str) else { return Ok(()) };
    let endpoint = match body.pointer("/meta/resourceType").and_then(Value::as_str) {
        Some("User") => "Users",
        Some("Group") => "Groups",
        _ => return Ok(()),
    };
    let etag = response.header("ETag");
    if !etag.is_some_and(|etag| etag.starts_with("W/\"") && etag.ends_with('"')) {
        return Err(Difference::new("header ETag", "W/\"…\"", etag.unwrap_or("nothing")));
    }
    let location = format!("{base}/{endpoint}/{id}");
    let expected = json!({
        "schemas": {"$type": "array", "$not": []},
        "meta": {
            "version": etag,
            "location": location,
            "created": {"$type": "string"},
            "lastModified": {"$type": "string"},
        },
    });
    compare(&expected, Some(body))?;
    // RFC 7644 section 3.3: the URI of a created resource is in `Location` and in `meta.location`.
    let header = response.header("Location");
    if response.status == 201 && header != Some(&location) {
        return Err(Difference::new("header Location", location, header.unwrap_or("nothing")));
    }
    Ok(())
}
