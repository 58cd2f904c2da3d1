//! Conditional requests (RFC 7644 section 3.14): `If-Match`, `If-None-Match`, and the tags of answers.

use actix_web::HttpRequest;
use actix_web::http::header;
use provisioning::Revision;
use provisioning::command::Precondition;

/// The tag of a resource at a revision.
pub(super) fn etag(revision: Revision) -> String {
    format!("W/\"{revision}\"")
}

/// The opaque values of a list of tags; `W/` and quotes are optional, since clients paste what they have.
fn opaque(list: &str) -> Vec<String> {
    let tags = list.split(',').map(str::trim).filter(|tag| !tag.is_empty());
    tags.map(|tag| tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').to_owned()).collect()
}

fn all(http: &HttpRequest, name: header::HeaderName) -> Option<String> {
    let values: Vec<&str> = http.headers().get_all(name).filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// Whether every tag of a list stands in quotes (RFC 9110 section 8.8.3).
pub(super) fn are_quoted(list: &str) -> bool {
    let quoted = |tag: &str| {
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"')
    };
    list.trim() == "*" || list.split(',').map(str::trim).filter(|tag| !tag.is_empty()).all(quoted)
}

/// Whether the tags of a request's preconditions all stand in quotes.
pub(super) fn have_quoted_tags(http: &HttpRequest) -> bool {
    [header::IF_MATCH, header::IF_NONE_MATCH]
        .into_iter()
        .filter(|name| http.headers().contains_key(name))
        .filter_map(|name| all(http, name))
        .all(|list| are_quoted(&list))
}

/// What `If-Match` asks for.
pub(super) fn if_match(http: &HttpRequest) -> Precondition {
    all(http, header::IF_MATCH).map_or(Precondition::None, |list| precondition(&list))
}

/// What a list of tags asks for, also where it stands as the `version` of an operation.
pub(super) fn precondition(list: &str) -> Precondition {
    match list.trim() {
        "*" => Precondition::Exists,
        list => Precondition::OneOf(opaque(list)),
    }
}

/// Whether the client already has the resource at this revision.
pub(super) fn none_match_holds(http: &HttpRequest, revision: Revision) -> bool {
    all(http, header::IF_NONE_MATCH)
        .is_some_and(|list| list.trim() == "*" || opaque(&list).contains(&revision.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly_and_lists_are_read() {
        assert_eq!(opaque(r#"W/"12", "13",14"#), ["12", "13", "14"]);
        assert_eq!(etag(Revision(7)), r#"W/"7""#);
        assert!(are_quoted(r#"W/"12", "13""#) && are_quoted(" * ") && are_quoted(""));
        assert!(!are_quoted(r#"W/"12", 13"#) && !are_quoted("12") && !are_quoted("\""));
    }
}
