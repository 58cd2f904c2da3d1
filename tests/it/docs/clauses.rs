//! `docs/scim-conformance.md`, clause by clause: what the RFCs ask, what is done about it, which test holds it.
//!
//! The clauses are listed here so that none can vanish from the page. A clause is `<section>-<n>`, where the numbers
//! of a section count from one; whoever adds a row to the page counts it here.

use std::collections::BTreeSet;

use super::pages::{Page, code_words};
use super::{assert_same, source};

/// The sections of an RFC and how many clauses each has.
type Sections = &'static [(&'static str, usize)];

/// RFC 7643.
const SCHEMA: Sections = &[
    ("2.1", 2),
    ("2.2", 1),
    ("2.3.1", 1),
    ("2.3.2", 1),
    ("2.3.3", 1),
    ("2.3.4", 1),
    ("2.3.5", 1),
    ("2.3.6", 1),
    ("2.3.7", 1),
    ("2.3.8", 2),
    ("2.4", 3),
    ("2.5", 1),
    ("3", 3),
    ("3.1", 7),
    ("3.3", 1),
    ("4.1.1", 3),
    ("4.1.2", 4),
    ("4.2", 4),
    ("4.3", 1),
    ("5", 2),
    ("6", 1),
    ("7", 8),
    ("8", 1),
];

/// RFC 7644.
const PROTOCOL: Sections = &[
    ("1.3", 1),
    ("2", 1),
    ("2.2", 1),
    ("3.1", 2),
    ("3.2", 2),
    ("3.3", 3),
    ("3.3.1", 1),
    ("3.4.1", 1),
    ("3.4.2", 4),
    ("3.4.2.1", 1),
    ("3.4.2.2", 11),
    ("3.4.2.3", 3),
    ("3.4.2.4", 2),
    ("3.4.2.5", 1),
    ("3.4.3", 1),
    ("3.5.1", 2),
    ("3.5.2", 8),
    ("3.5.2.1", 1),
    ("3.5.2.2", 3),
    ("3.5.2.3", 2),
    ("3.6", 2),
    ("3.7", 5),
    ("3.8", 1),
    ("3.9", 1),
    ("3.10", 1),
    ("3.11", 1),
    ("3.12", 1),
    ("3.13", 1),
    ("3.14", 2),
    ("4", 2),
    ("5", 1),
    ("6", 1),
    ("7.4", 1),
    ("7.5.2", 1),
];

/// RFC 9865.
const CURSORS: Sections = &[("2", 3), ("2.1", 1), ("2.2", 1), ("2.4", 1), ("3", 1), ("4", 1), ("5", 1)];

/// What may stand in the column without a name.
const VERDICTS: [&str; 4] = [KEPT, "narrowed", "widened", REFUSED];
const KEPT: &str = "kept";
const REFUSED: &str = "refused";

#[test]
fn every_clause_of_the_checklist_has_its_row_and_every_row_its_clause() {
    for (heading, sections) in tables() {
        let listed: BTreeSet<String> = clauses(sections).collect();
        let mut documented = BTreeSet::new();
        for row in rows(heading) {
            assert!(documented.insert(row[0].clone()), "{heading}: {} has two rows", row[0]);
        }
        assert_same(heading, &documented, &listed);
    }
}

#[test]
fn every_clause_says_what_is_done_about_it_and_which_test_holds_that() {
    let tests = source::test_names();
    for (heading, _) in tables() {
        for row in rows(heading) {
            let [clause, rule, verdict, says, held_by] = row.as_slice() else {
                panic!("{heading}: a row has {} cells: {row:?}", row.len());
            };
            assert!(!rule.is_empty(), "{clause} names no rule");
            assert!(VERDICTS.contains(&verdict.as_str()), "{clause} is {verdict:?}");
            assert!(verdict == KEPT || says.len() > 2, "{clause} is {verdict} and does not say why");
            let named = code_words(held_by);
            assert!(verdict == REFUSED || !named.is_empty(), "{clause} is {verdict} and no test holds it");
            let unknown: Vec<_> = named.iter().filter(|name| !tests.contains(*name)).collect();
            assert!(unknown.is_empty(), "{clause}: no such test: {unknown:?}");
        }
    }
}

/// The tables of clauses by their headings.
fn tables() -> [(&'static str, Sections); 3] {
    [("## RFC 7643: schema", SCHEMA), ("## RFC 7644: protocol", PROTOCOL), ("## RFC 9865: cursors", CURSORS)]
}

fn clauses(sections: Sections) -> impl Iterator<Item = String> {
    sections.iter().flat_map(|(section, count)| (1..=*count).map(move |number| format!("{section}-{number}")))
}

fn rows(heading: &str) -> Vec<Vec<String>> {
    Page::read("docs/scim-conformance.md").table_after(heading)
}
