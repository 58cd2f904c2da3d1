//! Whom a request names: what is to be found again by `why`, and by erasure.
//!
//! Names are looked for in paths, filters and bodies of any form, also refused ones: texts under `userName`,
//! `value`, `id` and `externalId`, whatever looks like an address, texts in quotes inside filters and PATCH paths,
//! and elements of PATCH values. Secrets are no names: whoever looks here has taken them out.

use std::collections::BTreeSet;

use scim::fold;

use super::secrets;

/// The most names of one request that are kept. A request that names more can be found by the first of them only.
const NAMES_MAX: usize = 4_000;

/// Names are at most that long.
const NAME_BYTES_MAX: usize = 1_024;

/// Members whose texts name somebody; also with a path before them (`emails[…].value`).
const NAMING: [&str; 5] = ["userName", "value", "id", "externalId", "$ref"];

/// What compares with a value in a filter.
const COMPARISONS: [&str; 9] = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"];

/// Values that name nobody.
const LITERALS: [&str; 3] = ["true", "false", "null"];

/// How a name is written so that two that are the same are equal.
pub(crate) fn same_name(name: &str) -> String {
    fold::fold(name.trim())
}

/// What the name of a member says about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A text there names somebody.
    Naming,
    /// A PATCH path, or in a bulk request an address.
    Path,
    /// The filter of a search.
    Filter,
    Other,
}

impl Meaning {
    pub(super) fn of(member: &str) -> Self {
        if member.eq_ignore_ascii_case("path") {
            return Self::Path;
        }
        if member.eq_ignore_ascii_case("filter") {
            return Self::Filter;
        }
        let end = member.bytes().rposition(|byte| matches!(byte, b'.' | b':'));
        let last = end.map_or(member, |end| &member[end + 1..]);
        if NAMING.iter().any(|naming| naming.eq_ignore_ascii_case(last)) { Self::Naming } else { Self::Other }
    }
}

/// The names that were found so far.
#[derive(Default)]
pub(super) struct Names {
    found: BTreeSet<String>,
    cut: bool,
}

impl Names {
    /// Whether there are more than are kept.
    pub(super) fn are_cut(&self) -> bool {
        self.cut
    }

    /// As [`same_name`] writes them.
    pub(super) fn into_found(self) -> BTreeSet<String> {
        self.found
    }

    /// Adds what was found elsewhere in the request.
    pub(super) fn extend(&mut self, others: Self) {
        self.cut |= others.cut;
        for name in others.found {
            self.insert(name);
        }
    }

    pub(super) fn add(&mut self, name: &str) {
        let is_none = name.is_empty() || name.len() > NAME_BYTES_MAX || name == secrets::REMOVED;
        if is_none || secrets::has_token(name) {
            return;
        }
        self.insert(same_name(name));
    }

    fn insert(&mut self, name: String) {
        if self.found.len() < NAMES_MAX {
            self.found.insert(name);
        } else {
            self.cut |= !self.found.contains(&name);
        }
    }

    /// A text of a body.
    pub(super) fn add_text(&mut self, text: &str, meaning: Meaning) {
        match meaning {
            Meaning::Path => {
                self.add_quoted(text);
                self.add_path(text);
            }
            Meaning::Filter => self.add_quoted(text),
            Meaning::Naming => self.add(text),
            Meaning::Other if text.contains('@') => self.add(text),
            Meaning::Other => {}
        }
    }

    /// What follows an endpoint, and whatever looks like an address or an id.
    pub(super) fn add_path(&mut self, path: &str) {
        const UUID_CHARACTERS: usize = 36;
        const ENDPOINTS: [&str; 4] = ["users", "groups", "user", "group"];
        let mut follows = false;
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            let segment = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
            if follows || segment.contains('@') || segment.len() == UUID_CHARACTERS {
                self.add(&segment);
            }
            follows = ENDPOINTS.iter().any(|endpoint| endpoint.eq_ignore_ascii_case(&segment));
        }
    }

    /// The texts in quotes, whatever stands behind an operator, as some providers write values without quotes or in
    /// single ones, and bare words with an `@`, which only an address has.
    pub(super) fn add_quoted(&mut self, filter: &str) {
        let mut parts = filter.split('"');
        while let Some(outside) = parts.next() {
            self.add_unquoted(outside);
            if let Some(inside) = parts.next() {
                self.add(inside);
            }
        }
    }

    fn add_unquoted(&mut self, text: &str) {
        let is_end = |c: char| c.is_whitespace() || "()[]".contains(c);
        let (mut rest, mut is_compared) = (text, false);
        loop {
            rest = rest.trim_start_matches(is_end);
            if rest.is_empty() {
                return;
            }
            let single = rest.strip_prefix('\'').and_then(|behind| behind.split_once('\''));
            let (word, behind) =
                single.unwrap_or_else(|| rest.split_at(rest.find(is_end).unwrap_or(rest.len())));
            if (is_compared && !LITERALS.contains(&word)) || word.contains('@') {
                self.add(word);
            }
            is_compared = COMPARISONS.iter().any(|operator| operator.eq_ignore_ascii_case(word));
            rest = behind;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_filters_are_names_however_they_are_quoted() {
        for (filter, names) in [
            (r#"userName eq "Alice Smith" and active eq true"#, vec!["alice smith"]),
            ("userName eq alice", vec!["alice"]),
            ("externalId EQ 00ujl and (userName sw bob)", vec!["00ujl", "bob"]),
            ("userName eq 'Alice Smith' or id eq 7", vec!["7", "alice smith"]),
            ("userName eq 'it", vec!["'it"]),
            ("members[value eq 0190]", vec!["0190"]),
            ("alice@example.com", vec!["alice@example.com"]),
            ("userName pr and title", vec![]),
        ] {
            let mut found = Names::default();
            found.add_quoted(filter);
            assert_eq!(found.into_found().into_iter().collect::<Vec<_>>(), names, "{filter}");
        }
    }
}
