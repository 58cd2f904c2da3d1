//! What went wrong, why, who has to mend it and how: by the stable code of a failure.
//!
//! There is one table, and people read it too: `docs/errors.md`. A code is a heading; its text is what went wrong;
//! a line `Client:` is what the identity provider's administrator does, `Okta:` what only Okta's does instead of all
//! others, `Operator:` what whoever runs Muster does, `Nobody:` why there is nothing to do. Where no line is, a
//! status says who: 5xx passes by itself, 4xx is the client's to mend as the text says. Tests hold the page against
//! the codes in the source.
//!
//! In commands stand `<tenant>` and `<client>`, which whoever knows them puts in.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use provisioning::tenancy::ClientKind;
use serde::Serialize;

const PAGE: &str = include_str!("../docs/errors.md");

/// Who mends something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The administrator of the identity provider.
    IdentityProvider,
    /// Whoever runs Muster.
    Operator,
    /// It is in order, or passes by itself.
    Nobody,
}

/// One thing that somebody can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// Who.
    pub who: Who,
    /// What.
    pub r#do: String,
    /// The only identity provider with which it helps; there it stands in place of all others.
    #[serde(skip)]
    pub only: Option<ClientKind>,
}

/// What is known of a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The code.
    pub code: String,
    /// What it means.
    pub why: String,
    /// What can be done, the likeliest first.
    pub remedies: Vec<Remedy>,
    /// The statuses with which it is answered.
    #[serde(skip)]
    pub statuses: Vec<u16>,
}

impl Explanation {
    /// What can be done where that identity provider asked.
    pub fn remedies_for(&self, kind: Option<ClientKind>) -> Vec<&Remedy> {
        let only = |kind| self.remedies.iter().filter(move |remedy| remedy.only == kind);
        if kind.is_some() && only(kind).next().is_some() {
            only(kind).collect()
        } else {
            only(None).collect()
        }
    }
}

static ALL: LazyLock<BTreeMap<&'static str, Explanation>> = LazyLock::new(|| read(PAGE));

/// What a code means; `None` if the page does not have it.
pub fn of(code: &str) -> Option<&'static Explanation> {
    ALL.get(code)
}

/// Every code, in the order of the alphabet.
pub fn all() -> impl Iterator<Item = &'static Explanation> {
    ALL.values()
}

fn read(page: &'static str) -> BTreeMap<&'static str, Explanation> {
    let sections = page.split("\n### ").skip(1);
    sections
        .filter_map(|section| section.split_once('\n'))
        .map(|(code, text)| (code, section(code, text)))
        .collect()
}

fn section(code: &str, text: &str) -> Explanation {
    let text = text.split("\n## ").next().unwrap_or_default();
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let statuses = statuses(first);
    let (mut why, mut remedies) = (vec![without_status(first)], Vec::new());
    for line in lines {
        match remedy(line) {
            Some(remedy) => remedies.push(remedy),
            None => why.push(without_links(line)),
        }
    }
    if !remedies.iter().any(|remedy| remedy.only.is_none()) {
        remedies.push(by_status(&statuses));
    }
    Explanation { code: code.to_owned(), why: why.join(" "), remedies, statuses }
}

fn remedy(line: &str) -> Option<Remedy> {
    const LABELS: [(&str, Who, Option<ClientKind>); 4] = [
        ("Client: ", Who::IdentityProvider, None),
        ("Okta: ", Who::IdentityProvider, Some(ClientKind::Okta)),
        ("Operator: ", Who::Operator, None),
        ("Nobody: ", Who::Nobody, None),
    ];
    let (who, only, rest) =
        LABELS.into_iter().find_map(|(label, who, only)| Some((who, only, line.strip_prefix(label)?)))?;
    Some(Remedy { who, r#do: capital(&without_links(rest)), only })
}

fn by_status(statuses: &[u16]) -> Remedy {
    let (who, text) = if statuses.iter().any(|status| *status >= 500) {
        (Who::Nobody, "It passes by itself; identity providers try again.")
    } else {
        (Who::IdentityProvider, "Mend what the identity provider sends, as the text says.")
    };
    Remedy { who, r#do: text.to_owned(), only: None }
}

fn statuses(first: &str) -> Vec<u16> {
    let words = first.split_whitespace().map(|word| word.trim_end_matches(['.', ',', ';', ':']));
    words.filter_map(|word| word.parse().ok()).filter(|status| (400..600).contains(status)).collect()
}

/// The text behind `400 `invalidValue`. ` and the like.
fn without_status(first: &str) -> String {
    let is_status = first.starts_with(|c: char| c.is_ascii_digit());
    let rest = match first.split_once(". ") {
        Some((_, rest)) if is_status => rest,
        _ => first,
    };
    capital(&without_links(rest))
}

/// `[text](target)` as `text`.
fn without_links(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        let shown =
            link.split_once("](").and_then(|(shown, behind)| Some((shown, behind.split_once(')')?.1)));
        plain.push_str(before);
        if let Some((shown, behind)) = shown {
            plain.push_str(shown);
            rest = behind;
        } else {
            plain.push('[');
            rest = link;
        }
    }
    plain + rest
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_says_why_and_who_does_what() {
        let page = "# Errors\n\n### a_code\n\n409 `uniqueness`. Somebody has it ([more](x.md#y)).\nAnd more.\n\
                    Client: change one.\nOperator: `muster x`.\n\n### other\n\n503. Not now.\n\n## Next\n\n### third\n\n\
                    400. Wrong.\n### fourth\n\n404. Gone.\nOkta: ask again.\n\
                    Nobody: it comes back.\n";
        let read = read(page);
        let code = &read["a_code"];
        assert_eq!(code.why, "Somebody has it (more). And more.");
        assert_eq!(code.statuses, [409]);
        let remedies: Vec<_> =
            code.remedies.iter().map(|remedy| (remedy.who, remedy.r#do.as_str())).collect();
        assert_eq!(remedies, [(Who::IdentityProvider, "Change one."), (Who::Operator, "`muster x`.")]);
        assert_eq!(read["other"].remedies[0].who, Who::Nobody);
        assert_eq!(read["third"].remedies[0].who, Who::IdentityProvider);
        let fourth =
            |kind| read["fourth"].remedies_for(kind).into_iter().map(|it| it.who).collect::<Vec<_>>();
        assert_eq!(fourth(None), [Who::Nobody]);
        assert_eq!(fourth(Some(ClientKind::Entra)), [Who::Nobody]);
        assert_eq!(fourth(Some(ClientKind::Okta)), [Who::IdentityProvider]);
    }

    #[test]
    fn what_administrators_meet_first_has_an_explanation_and_somebody_who_mends_it() {
        use Who::{IdentityProvider, Nobody, Operator};
        for (code, who) in [
            ("token_missing", IdentityProvider),
            ("token_invalid", IdentityProvider),
            ("token_malformed", IdentityProvider),
            ("token_expired", Operator),
            ("token_elsewhere", IdentityProvider),
            ("client_disabled", Operator),
            ("tenant_not_found", IdentityProvider),
            ("route_not_found", IdentityProvider),
            ("media_type_unsupported", IdentityProvider),
            ("filter_invalid", IdentityProvider),
            ("required_missing", IdentityProvider),
            ("user_name_taken", IdentityProvider),
            ("unknown_member", IdentityProvider),
            ("value_not_allowed", IdentityProvider),
            ("body_too_large", IdentityProvider),
            ("user_name_not_address", IdentityProvider),
            ("group_create_refused", IdentityProvider),
            ("groups_off", IdentityProvider),
            ("resource_not_found", Nobody),
        ] {
            let explained = of(code).unwrap_or_else(|| panic!("{code} is explained"));
            assert_eq!(explained.remedies_for(None)[0].who, who, "{code}");
        }
    }

    #[test]
    fn every_explanation_reads_as_sentences() {
        for explanation in all() {
            let ends = |text: &str| text.ends_with(['.', ':', ')']);
            assert!(ends(&explanation.why), "{}: {}", explanation.code, explanation.why);
            assert!(!explanation.remedies.is_empty(), "{}", explanation.code);
            for remedy in &explanation.remedies {
                assert!(ends(&remedy.r#do), "{}: {}", explanation.code, remedy.r#do);
            }
        }
    }
}
