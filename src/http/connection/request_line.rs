//! The line that a request begins with, kept to explain why the request could not be read.
//!
//! actix refuses a URL that is too long like any other nonsense. Whoever sent one most often sent a filter that is
//! too long, and is told so as if the filter had been read.

use actix_web::http::StatusCode;
use percent_encoding::percent_decode;
use scim::filter::parse::{FILTER_BYTES_MAX, too_long};

use crate::http::error::Failure;

/// The longest URL that is read, in bytes: what the crate `http` takes.
const URL_BYTES_MAX: usize = 65_534;
/// What is kept of a line; actix reads no more of a head.
const LINE_BYTES_MAX: usize = 128 * 1024;

/// The first line behind the last answer, as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct RequestLine {
    bytes: Vec<u8>,
    ended: bool,
}

impl RequestLine {
    /// Takes in what was read from the client.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        if self.ended || bytes.is_empty() {
            return;
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let room = LINE_BYTES_MAX - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..end.unwrap_or(bytes.len()).min(room)]);
        self.ended = end.is_some() || self.bytes.len() == LINE_BYTES_MAX;
    }

    /// What is read from here on belongs to another request.
    pub(super) fn answered(&mut self) {
        self.bytes.clear();
        self.ended = false;
    }

    /// Whether this is why the request could not be read.
    pub(super) fn is_too_long(&self) -> bool {
        self.url().is_some_and(|url| url.len() > URL_BYTES_MAX)
    }

    /// What to tell the client then.
    pub(super) fn refusal(&self) -> Failure {
        let query = self.url().and_then(|url| url.splitn(2, |byte| *byte == b'?').nth(1)).unwrap_or_default();
        let mut parameters = query.split(|byte| *byte == b'&');
        let is_long_filter = |parameter: &[u8]| {
            let (name, value) = parameter.split_at_checked("filter=".len()).unwrap_or_default();
            name.eq_ignore_ascii_case(b"filter=") && percent_decode(value).count() > FILTER_BYTES_MAX
        };
        if parameters.any(is_long_filter) {
            return too_long().into();
        }
        let detail = format!(
            "the URL is longer than {URL_BYTES_MAX} bytes; send a shorter one (a filter in it may have \
             {FILTER_BYTES_MAX} bytes)"
        );
        Failure::new(StatusCode::URI_TOO_LONG, "url_too_long", detail)
    }

    /// What stands behind the method, up to the next blank; `None` if this is no HTTP.
    fn url(&self) -> Option<&[u8]> {
        let mut words = self.bytes.split(|byte| *byte == b' ');
        words.next().filter(|method| !method.is_empty() && method.iter().all(u8::is_ascii_alphabetic))?;
        words.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pieces: &[&str]) -> RequestLine {
        let mut line = RequestLine::default();
        for piece in pieces {
            line.read(piece.as_bytes());
        }
        line
    }

    #[test]
    fn a_long_filter_is_named_wherever_it_stands_in_the_query() {
        let (filter, other) = ("a%20".repeat(20_000), "x".repeat(70_000));
        for (pieces, code) in [
            ([format!("GET /Users?filter={filter} HTTP/1.1\r\n"), "X: y\r\n".into()], "filter_too_long"),
            (
                ["GET /Users?count=1&Filt".into(), format!("er={filter}&count=2 HTTP/1.1\r\n")],
                "filter_too_long",
            ),
            // What is too long for everything has no end when it is refused.
            ([format!("GET /Users?filter={filter}"), filter.clone()], "filter_too_long"),
            ([format!("GET /Users?attributes={other} HTTP/1.1\r\n"), String::new()], "url_too_long"),
            ([format!("GET /Users?filter=id%20pr&x={other} HTTP/1.1\r\n"), String::new()], "url_too_long"),
            ([format!("GET /Users/{other}"), other.clone()], "url_too_long"),
        ] {
            let line = line(&[&pieces[0], &pieces[1]]);
            assert!(line.is_too_long());
            assert_eq!(line.refusal().code, code);
        }
    }

    #[test]
    fn what_is_long_elsewhere_is_no_long_url() {
        let long = "x".repeat(70_000);
        for text in [
            "GET /Users?filter=id%20pr HTTP/1.1\r\n".to_owned(),
            format!("GET /Users HTTP/1.1\r\nX: {long}\r\n\r\n"),
            format!("POST /Users HTTP/1.1\r\n\r\n{{\"title\": \"{long}\"}}"),
            long.clone(),
            format!("{{\"title\": {long}"),
            format!(" {long} "),
            String::new(),
        ] {
            assert!(!line(&[&text]).is_too_long(), "{}", &text[..text.len().min(40)]);
        }
        let mut next = line(&[&format!("GET /{long} HTTP/1.1\r\n")]);
        next.answered();
        next.read(b"GET / HTTP/1.1\r\n");
        assert!(!next.is_too_long());
    }
}
