//! Is a text a reference of the kind that its attribute may hold (RFC 7643 section 2.3.7)?
//!
//! Only the form is looked at: nothing is resolved. A reference is absolute or relative to the service root, and
//! may have letters beyond ASCII, which clients do not always encode.

use crate::schema::{Attribute, ResourceType};

/// Characters that no URI has (RFC 3986 appendix C: they delimit one in a text).
const NEVER: [char; 3] = ['<', '>', '"'];

/// Whether the text is a reference and points to one of the attribute's types.
pub(super) fn fits(text: &str, attribute: &Attribute) -> bool {
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || NEVER.contains(&c)) {
        return false;
    }
    // An empty text is a reference to the document itself; clients send it for "nothing".
    text.is_empty() || attribute.reference_types.iter().any(|kind| points_to(text, kind))
}

fn points_to(text: &str, kind: &str) -> bool {
    let types = [ResourceType::User, ResourceType::Group];
    // `external` and `uri` are any URI; a resource type's is known by its endpoint.
    let Some(resource_type) = types.into_iter().find(|resource_type| resource_type.name() == kind) else {
        return true;
    };
    let mut segments = text.rsplit('/');
    let (id, endpoint) = (segments.next(), segments.next());
    id.is_some_and(|id| !id.is_empty())
        && endpoint.is_some_and(|endpoint| endpoint.eq_ignore_ascii_case(resource_type.endpoint()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reference_is_a_uri_of_one_of_the_types_that_the_attribute_names() {
        let attribute = |types: &[&str]| -> Attribute {
            serde_json::from_value(json!({"name": "r", "type": "reference", "referenceTypes": types}))
                .unwrap()
        };
        let id = "2819c223-7f76-453a-919d-413861904646";
        let (absolute, relative) = (format!("https://example.com/v2/Users/{id}"), format!("../Users/{id}"));
        for (types, text, expected) in [
            (&["external"][..], "https://example.com/a?b#c", true),
            (&["external"], "www.example.com/ä", true),
            (&["external"], "", true),
            (&["external"], "https://example.com/a b", false),
            (&["uri"], "urn:ietf:params:scim:schemas:core:2.0:User", true),
            (&["uri"], "<https://example.com>", false),
            (&["User"], &absolute, true),
            (&["User"], &relative, true),
            (&["User"], "Users/1", true),
            (&["Group"], &absolute, false),
            (&["Group", "User"], &absolute, true),
            (&["User"], "https://example.com/Users/", false),
            (&["User"], "1", false),
        ] {
            assert_eq!(fits(text, &attribute(types)), expected, "{types:?} {text}");
        }
    }
}
