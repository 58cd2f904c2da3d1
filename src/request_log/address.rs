//! The address of a request: of its path words that we know, and ids where the protocol has one; of its query the
//! parameters that the protocol has.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::allowed::{Holds, Level, Message};
use super::filter_shape;
use super::keeping::{self, Keeping};
use super::words::{self, REMOVED};

/// What an id follows: our own endpoints, and what clients are set up with in their place.
const ENDPOINTS: [&str; 9] =
    ["Users", "Groups", "User", "Group", "EnterpriseUser", "Person", "People", "Employees", "Accounts"];

/// What else may stand in a path: the rest of our own endpoints, what clients are set up with in their place, and what
/// base paths are made of. Whoever has to mend a wrong address sees by these what is wrong with it.
const WORDS: [&str; 33] = [
    "scim",
    "scim2",
    "v1",
    "v2",
    "v3",
    "v1.0",
    "v1.1",
    "v2.0",
    "1.0",
    "1.1",
    "2.0",
    "api",
    "rest",
    "auth",
    "public",
    "tenant",
    "tenants",
    "identity",
    "provisioning",
    "directory",
    "Bulk",
    "Me",
    ".search",
    "search",
    "Schemas",
    "Schema",
    "ResourceTypes",
    "ResourceType",
    "ServiceProviderConfig",
    "ServiceProviderConfigs",
    "Members",
    "Roles",
    "Entitlements",
];

/// Whether an id may follow.
pub(super) fn is_endpoint(segment: &str) -> bool {
    words::is_one_of(segment, &ENDPOINTS)
}

/// Whether it is a word of ours, or of whoever misspelt one.
pub(super) fn is_word(segment: &str) -> bool {
    is_endpoint(segment) || words::is_one_of(segment, &WORDS)
}

/// Whether somebody may be looked for by what stands decoded in a path where an id does: more than is kept there, since
/// people are called `token:alice` or `Jane Doe`, too. What compares, quotes or assigns names nobody.
pub(super) fn may_name(segment: &str) -> bool {
    let is_filter = || filter_shape::of(segment) != "?";
    // Ids that are encoded end in these.
    let name = segment.trim_end_matches('=').replace([':', ' ', ','], "");
    words::is_id(&name) && keeping::may_name(segment) && !(segment.contains(' ') && is_filter())
}

impl Keeping<'_> {
    /// A path, of a request or of an operation of a bulk request.
    pub(super) fn address(&mut self, path: &mut Cow<'_, str>) {
        let (mut kept, mut before) = (String::with_capacity(path.len()), "");
        for segment in path.split('/') {
            let keeps = segment.is_empty() || self.segment(segment, before);
            kept.push_str(if keeps { segment } else { REMOVED });
            kept.push('/');
            if !segment.is_empty() {
                before = segment;
            }
        }
        kept.pop();
        if kept != **path {
            *path = Cow::Owned(kept);
            self.has_removed = true;
        }
    }

    fn segment(&mut self, segment: &str, before: &str) -> bool {
        if is_word(segment) {
            return true;
        }
        let Ok(decoded) = percent_decode_str(segment).decode_utf8() else { return false };
        if is_endpoint(before) {
            let is_id = words::is_id(decoded.strip_prefix("bulkId:").unwrap_or(&decoded));
            if is_id {
                self.name(&decoded);
            }
            return is_id && self.is_own();
        }
        let is_schema = before.eq_ignore_ascii_case("Schemas") && words::is_uri(&decoded);
        is_schema || self.own_words.contains(&segment)
    }

    /// A parameter. What has no name of one is the rest of a value with a `&` in it, which was not encoded.
    pub(super) fn parameter<'p>(&mut self, name: &'p str, value: &'p str) -> [Cow<'p, str>; 2] {
        let mut value = Cow::Borrowed(value);
        let keeps = match self.allowed.rule(Level::BODY, name).map(|rule| rule.holds) {
            Some(Holds::Message(Message::One(is_such) | Message::Many(is_such))) => is_such(&value),
            Some(Holds::Message(Message::Filter)) => {
                self.filter(&mut value);
                true
            }
            _ => value.is_empty(),
        };
        let name = if words::is_name(name) { name } else { REMOVED };
        [name.into(), if keeps { value } else { REMOVED.into() }]
    }
}
