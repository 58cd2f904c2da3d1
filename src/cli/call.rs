//! A command as data: one request, and how its answer is shown.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde_json::Value;

use super::exit;
use super::table::Table;

/// What a request does. Those that only read also work on a folder whose service is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// Reads.
    Get,
    /// Reads, by a POST because it takes its time.
    Examine,
    /// Adds or starts something.
    Post,
    /// Changes something.
    Patch,
    /// Ends something.
    Delete,
}

impl Verb {
    /// Whether nothing is different afterwards.
    pub(super) fn only_reads(self) -> bool {
        matches!(self, Self::Get | Self::Examine)
    }

    /// The method on the wire.
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Examine | Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// How an answer is shown to people. As JSON it is always shown as it came.
#[derive(Debug, Clone, Copy)]
pub(super) enum View {
    /// As rows, which can also be CSV.
    Rows(fn(&Value) -> Table),
    /// As text, which cannot.
    Text(fn(&Value) -> String),
}

/// One request, and how its answer is shown.
#[derive(Debug)]
pub(super) struct Call {
    /// What the request does.
    pub(super) verb: Verb,
    /// Path and query.
    pub(super) path: String,
    /// The body.
    pub(super) body: Option<Value>,
    /// How the answer is shown.
    pub(super) view: View,
    /// The exit code that the answer means.
    pub(super) verdict: fn(&Value) -> u8,
}

impl Call {
    /// A request without a body, whose every answer means success.
    pub(super) fn new(verb: Verb, path: String, view: View) -> Self {
        Self { verb, path, body: None, view, verdict: |_| exit::OK }
    }

    /// Adds the body.
    pub(super) fn with(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }
}

/// An object of the members that have a value.
pub(super) fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// A path below a tenant in the admin interface.
pub(super) fn admin(tenant: &str, rest: &[&str]) -> String {
    path(&[&["admin", "v1", "tenants", tenant], rest].concat())
}

/// A path below a tenant in the audit interface.
pub(super) fn audit(tenant: &str, rest: &[&str]) -> String {
    path(&[&["audit", "v1", tenant], rest].concat())
}

/// A path of those segments, whatever they contain.
pub(super) fn path(segments: &[&str]) -> String {
    segments.iter().flat_map(|segment| std::iter::once("/").chain(encoded(segment))).collect()
}

/// The path with a query of the parameters that have a value.
pub(super) fn query<const N: usize>(path: &str, parameters: [(&str, Option<&str>); N]) -> String {
    let given =
        parameters.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded(value?))));
    let query = given.collect::<Vec<_>>().join("&");
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

fn encoded(text: &str) -> PercentEncode<'_> {
    /// All but what RFC 3986 section 2.3 calls unreserved.
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, RESERVED)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_and_queries_survive_whatever_is_typed() {
        assert_eq!(admin("a/b", &["clients", "x y"]), "/admin/v1/tenants/a%2Fb/clients/x%20y");
        assert_eq!(
            query(&audit("acme", &["timeline"]), [("user", Some("a+b@example.com")), ("at", None)]),
            "/audit/v1/acme/timeline?user=a%2Bb%40example.com"
        );
        assert_eq!(query("/x", [("a", None)]), "/x");
    }

    #[test]
    fn objects_leave_out_what_is_not_given() {
        assert_eq!(object([("a", Some(json!(1))), ("b", None)]), json!({ "a": 1 }));
    }
}
