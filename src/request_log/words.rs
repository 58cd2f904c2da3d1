//! What short texts may look like where the protocol has a place for them, and names that clients made up; texts
//! without tokens of ours.

use std::borrow::Cow;

use crate::token;

/// What stands in place of what is not kept.
pub(super) const REMOVED: &str = "(removed)";

/// The longest name that is kept.
const NAME_BYTES_MAX: usize = 128;

/// The longest id that is kept.
const ID_BYTES_MAX: usize = 256;

/// Whether a text may be the name of an attribute, a path to one, or the URI of a schema. Whoever has to mend a wrong
/// name must see it, also where nobody knows what stands under it.
pub(super) fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._-$".contains(&byte);
    let is_long = text.len() > NAME_BYTES_MAX;
    !text.is_empty() && !is_long && !has_token(text) && (text.bytes().all(is_part) || is_uri(text))
}

/// Whether it may be the URI of a schema, or a path that begins with one.
pub(super) fn is_uri(text: &str) -> bool {
    let begins = |scheme: &str| text.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme));
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._-$:/".contains(&byte);
    ["urn:", "http://", "https://"].into_iter().any(begins)
        && text.len() <= NAME_BYTES_MAX
        && text.bytes().all(is_part)
        && !has_token(text)
}

/// Whether it is a list of names.
pub(super) fn are_names(text: &str) -> bool {
    text.split(',').all(|name| is_name(name.trim()))
}

/// Whether it may be what somebody calls a resource: of letters and digits, and of what stands in addresses and in
/// accounts of domains. What compares, quotes or assigns is no id, nor what is still encoded.
pub(super) fn is_id(text: &str) -> bool {
    let is_part = |part: char| part.is_alphanumeric() || r"-_.@+\|'!~$".contains(part);
    !text.is_empty() && text.len() <= ID_BYTES_MAX && text.chars().all(is_part) && !has_token(text)
}

/// Whether it is a whole number such as a client counts with.
pub(super) fn is_number(text: &str) -> bool {
    const DIGITS_MAX: usize = 9;
    let digits = text.trim();
    let digits = digits.strip_prefix('-').unwrap_or(digits);
    (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether it says which revision of a resource is meant.
pub(super) fn is_etag(text: &str) -> bool {
    is_number(text.strip_prefix("W/").unwrap_or(text).trim_matches('"'))
}

/// Whether it says what an operation of a PATCH does.
pub(super) fn is_op(text: &str) -> bool {
    is_one_of(text, &["add", "remove", "replace"])
}

/// Whether it says what an operation of a bulk request does.
pub(super) fn is_method(text: &str) -> bool {
    is_one_of(text, &["POST", "PUT", "PATCH", "DELETE", "GET"])
}

/// Whether it says in which order something is listed.
pub(super) fn is_order(text: &str) -> bool {
    is_one_of(text, &["ascending", "descending"])
}

/// Whether it is one of these words, whatever its case.
pub(super) fn is_one_of(text: &str, words: &[&str]) -> bool {
    let text = text.trim();
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// How our tokens begin.
const TOKEN_PREFIX: &[u8; 4] =
    token::PREFIX.as_bytes().first_chunk().expect("four letters, and told apart by them");

/// The letters of four bytes without their case; other bytes may be confused.
const fn caseless(bytes: [u8; 4]) -> u32 {
    u32::from_le_bytes(bytes) | 0x2020_2020
}

/// Where a token of ours stands in a text: all of one, so that somebody may be called like its beginning.
fn token_in(text: &str) -> Option<usize> {
    const PREFIX: u32 = caseless(*TOKEN_PREFIX);
    // Most texts are short: preparing a search would take longer than the search.
    let mut windows = text.as_bytes().array_windows().enumerate();
    let is_token = |at: usize| text.get(at..).is_some_and(token::begins);
    windows.find(|(at, window)| caseless(**window) == PREFIX && is_token(*at)).map(|(at, _)| at)
}

/// Whether a token of ours stands in a text, in whatever case.
pub(super) fn has_token(text: &str) -> bool {
    token_in(text).is_some()
}

/// A text of our own that may quote a client, without tokens of ours.
pub(super) fn without_tokens(text: &str) -> Cow<'_, str> {
    let (mut kept, mut rest) = (String::new(), text);
    while let Some(at) = token_in(rest) {
        kept.push_str(&rest[..at]);
        kept.push_str(REMOVED);
        let behind = &rest[at + TOKEN_PREFIX.len()..];
        rest = behind.trim_start_matches(|part: char| part.is_ascii_alphanumeric());
    }
    if kept.is_empty() {
        return Cow::Borrowed(text);
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}
