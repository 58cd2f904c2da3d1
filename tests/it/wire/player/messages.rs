//! Requests and answers, as the player hands them out and takes them in.
//!
//! They say nothing of how they travel: that is the business of whoever plays.

/// The service that a conversation is held with.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// The SCIM base URL, without a trailing slash.
    pub(crate) base: String,
    /// The bearer token.
    pub(crate) token: String,
}

/// A request, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The method.
    pub(crate) method: String,
    /// What follows the base URL, as the file has it: percent-encoded, with its query string.
    pub(crate) path: String,
    /// The whole URL.
    pub(crate) url: String,
    /// All headers, `Authorization` included.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, if there is one.
    pub(crate) body: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// The headers; names in any case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub(crate) body: String,
}

impl Response {
    /// The value of a header, whatever the case of its name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}
