//! Case folding for attributes that are not `caseExact`.
//!
//! One function, so that uniqueness, filters, sorting and SQL agree on what "the same" means: Unicode's full
//! case folding (`CaseFolding.txt`, statuses C and F), as the `unicase` crate pins it. Nothing is normalised:
//! `é` as one or as two code points stays different.

use unicase::UniCase;

/// The case-folded form of a text: equal for texts that differ only in case.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        // The same, much faster.
        return text.to_ascii_lowercase();
    }
    UniCase::unicode(text).to_folded_case()
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn folding_is_unicodes_and_not_only_asciis() {
        assert_eq!(fold("Alice@Example.COM"), "alice@example.com");
        assert_eq!(fold("STRASSE"), fold("straße"));
        assert_eq!(fold("ΣΊΣΥΦΟΣ"), fold("σίσυφος"));
        assert_ne!(fold("e\u{301}"), fold("é"), "folding does not normalise");
    }
}
