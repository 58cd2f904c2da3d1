//! What a filter asks, without what it asks for: `userName eq ?`.
//!
//! Nothing that a client wrote gets through: operators and names of the standard schemas are written from lists of
//! our own, everything else is `?`. Hence also a filter that nobody could parse has a shape.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use scim::ResourceSchema;
use scim::schemas::Schemas;

/// The longest shape; what follows is cut.
const SHAPE_BYTES_MAX: usize = 200;

const WORDS: [&str; 13] = ["and", "or", "not", "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr"];

/// Every attribute of the standard schemas, by its lower-case name.
static NAMES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let schemas = Schemas::standard();
    let mut names: Vec<String> =
        ["id", "externalId", "meta", "meta.created", "meta.lastModified", "meta.resourceType", "schemas"]
            .map(str::to_owned)
            .into();
    for schema in [&schemas.user, &schemas.group] {
        names_of(schema, &mut names);
    }
    names.into_iter().map(|name| (name.to_ascii_lowercase(), name)).collect()
});

fn names_of(schema: &ResourceSchema, names: &mut Vec<String>) {
    for part in schema.all() {
        for attribute in &part.attributes {
            for prefix in [String::new(), format!("{}:", part.id)] {
                names.push(format!("{prefix}{}", attribute.name));
                for sub in &attribute.sub_attributes {
                    names.push(format!("{prefix}{}.{}", attribute.name, sub.name));
                    // Inside the brackets of a value path.
                    names.push(sub.name.clone());
                }
            }
        }
    }
}

/// The shape of a filter.
pub(super) fn of(filter: &str) -> String {
    let mut shape = String::new();
    let mut rest = filter;
    while shape.len() < SHAPE_BYTES_MAX {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { break };
        let length = match first {
            '(' | ')' | '[' | ']' => 1,
            '"' => quoted(rest),
            _ => rest.find(|c: char| c.is_whitespace() || "()[]\"".contains(c)).unwrap_or(rest.len()),
        };
        let (token, behind) = rest.split_at(length);
        rest = behind;
        let written = written(token);
        if written == "?" && shape.ends_with('?') {
            continue;
        }
        if !shape.is_empty() && !shape.ends_with(['(', '[']) && !matches!(written, ")" | "]" | "[") {
            shape.push(' ');
        }
        shape.push_str(written);
    }
    shape
}

/// How long a quoted text is, its quotes included.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// What stands in the shape for a part of the filter.
fn written(token: &str) -> &'static str {
    if let Some(bracket) = ["(", ")", "[", "]"].into_iter().find(|bracket| *bracket == token) {
        return bracket;
    }
    let folded = token.to_ascii_lowercase();
    WORDS
        .into_iter()
        .find(|word| *word == folded)
        .or_else(|| NAMES.get(&folded).map(String::as_str))
        .unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_has_names_and_operators_and_no_values() {
        for (filter, shape) in [
            (r#"userName eq "alice@example.com""#, "userName eq ?"),
            (r#"USERNAME Eq "a \" b""#, "userName eq ?"),
            (r#"emails[type eq "work" and value co "al"]"#, "emails[type eq ? and value co ?]"),
            (
                r#"(userName eq "a" or externalId eq 7) and active pr"#,
                "(userName eq ? or externalId eq ?) and active pr",
            ),
            ("userName eq alice@example.com", "userName eq ?"),
            (r#"alice.smith eq "x""#, "? eq ?"),
            (r#"userName eq "never closed"#, "userName eq ?"),
            (
                r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J""#,
                "urn:ietf:params:scim:schemas:core:2.0:User:userName sw ?",
            ),
            ("alice smith likes cake", "?"),
            ("", ""),
        ] {
            assert_eq!(of(filter), shape, "{filter}");
        }
    }

    #[test]
    fn a_shape_is_short_however_long_the_filter() {
        let filter = vec![r#"userName eq "x""#; 1_000].join(" or ");
        assert!(of(&filter).len() < SHAPE_BYTES_MAX + 100);
    }
}
