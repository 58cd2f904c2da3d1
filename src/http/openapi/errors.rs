//! Failures as responses of the document: a status, its codes, and the two forms of a body.
//!
//! Status and codes are read from `docs/errors.md`, whose headings are the codes and whose first words the statuses;
//! tests hold that page against the code.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::explanations;

/// The name of a response among the components.
pub(super) fn response_name(is_scim: bool, status: u16) -> String {
    format!("{}{status}", if is_scim { "ScimError" } else { "Error" })
}

/// Every response that is a failure, by its name.
pub(super) fn responses() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (status, codes) in codes_by_status() {
        for is_scim in [true, false] {
            all.push((response_name(is_scim, status), response(is_scim, status, &codes)));
        }
    }
    all
}

fn response(is_scim: bool, status: u16, codes: &[&str]) -> Value {
    let scim = json!({"schema": {"$ref": "#/components/schemas/ScimError"}});
    let mut content = json!({"application/scim+json": scim});
    if !is_scim {
        content["application/json"] = json!({"schema": {"$ref": "#/components/schemas/Error"}});
        if status != 400 {
            // Only what nobody could read is refused in the form of SCIM everywhere.
            content = json!({"application/json": content["application/json"]});
        }
    }
    let mut headers = json!({
        "Muster-Error-Code": {
            "description": "What went wrong, as a stable code.",
            "required": true,
            "schema": {"enum": codes},
        },
    });
    match status {
        401 => headers["WWW-Authenticate"] = header("How to show a token."),
        429 | 503 => headers["Retry-After"] = header("When to try again, in seconds."),
        _ => {}
    }
    json!({"description": format!("Refused: {}.", codes.join(", ")), "headers": headers, "content": content})
}

fn header(description: &str) -> Value {
    json!({"description": description, "required": true, "schema": {"type": "string"}})
}

/// The codes of each status.
fn codes_by_status() -> BTreeMap<u16, Vec<&'static str>> {
    let mut found: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for explanation in explanations::all() {
        for status in &explanation.statuses {
            found.entry(*status).or_default().push(&explanation.code);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_status_that_the_page_begins_with() {
        let codes = codes_by_status();
        assert!(codes[&400].contains(&"filter_invalid") && codes[&414] == ["url_too_long"]);
        assert!(
            codes[&409].contains(&"nats_not_configured") && codes[&503].contains(&"operations_unavailable")
        );
        assert!(!codes.values().flatten().any(|code| *code == "outbox_beginning"));
        assert!(codes.values().map(Vec::len).sum::<usize>() > 100, "{codes:?}");
    }
}
