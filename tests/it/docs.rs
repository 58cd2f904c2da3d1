//! The documentation, held against the source: what a page lists is what there is, in both directions.
//!
//! Codes, test names and configuration keys are found by reading the source as text. Every check also asserts that
//! it found as much as there must be, so that none passes because it looked at nothing.

mod catalogue;
mod clauses;
mod pages;
mod source;

use std::collections::BTreeSet;
use std::path::Path;

use muster::config::Config;
use provisioning::tenancy::Settings;
use scim::dialect::{Dialect, Refusal};
use serde_json::Value;

use pages::{Page, is_word};

/// Asserts that two sides name the same things, and shows what only one of them has.
#[track_caller]
fn assert_same(what: &str, documented: &BTreeSet<String>, in_source: &BTreeSet<String>) {
    let undocumented: Vec<_> = in_source.difference(documented).collect();
    let unknown: Vec<_> = documented.difference(in_source).collect();
    assert!(
        undocumented.is_empty() && unknown.is_empty(),
        "{what}: not documented: {undocumented:?}; documented, but not in the source: {unknown:?}"
    );
}

/// Every stable code that the source makes an error with.
pub(crate) fn source_error_codes() -> BTreeSet<String> {
    source::error_codes()
}

#[test]
fn every_error_code_is_documented_and_every_documented_one_is_used() {
    let page = Page::read("docs/errors.md");
    let headings = page.headings(3);
    let documented: BTreeSet<String> = headings.iter().cloned().collect();
    assert_eq!(documented.len(), headings.len(), "a code has two headings");
    let in_source = source::error_codes();
    for known in
        ["user_name_taken", "filter_invalid", "clock_behind_log", "sort_by_complex", "outbox_ahead_of_log"]
    {
        assert!(in_source.contains(known), "the scan of the source does not find {known}");
    }
    assert!(in_source.len() > 80, "the scan of the source finds {} codes only", in_source.len());
    // A code may also begin a text, as `log_behind_views: …` does: that is used, though no argument of its own.
    let (argued, told): (BTreeSet<_>, BTreeSet<_>) =
        documented.into_iter().partition(|code| in_source.contains(code) || !source::begins_a_text(code));
    assert_same("docs/errors.md", &argued, &in_source);
    assert!(told.len() <= 3, "{told:?} are documented as codes and are none");
}

#[test]
fn every_error_says_what_it_means() {
    let page = Page::read("docs/errors.md");
    for code in page.headings(3) {
        let text = page.section(&code);
        assert!(text.trim().len() > 20, "{code} is not explained");
    }
}

#[test]
fn every_test_that_the_conformance_page_names_exists() {
    let named = Page::read("docs/scim-conformance.md").cells_under("held by");
    assert!(named.len() > 60, "the page names {} tests only", named.len());
    let tests = source::test_names();
    let missing: Vec<_> = named.difference(&tests).collect();
    assert!(missing.is_empty(), "no such test: {missing:?}");
}

#[test]
fn every_failure_point_is_listed_with_a_test_that_exists() {
    let named = Page::read("docs/architecture.md").cells_under("held by");
    let tests = source::test_names();
    let missing: Vec<_> = named.difference(&tests).collect();
    assert!(missing.is_empty(), "no such test: {missing:?}");
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/failure_points.rs");
    let module = std::fs::read_to_string(module).expect("the module can be read");
    let held: Vec<_> = tests.iter().filter(|test| module.contains(&format!("fn {test}("))).collect();
    assert!(held.len() >= 9, "the scan of the source finds {held:?} only");
    let unlisted: Vec<_> = held.into_iter().filter(|test| !named.contains(*test)).collect();
    assert!(unlisted.is_empty(), "not listed: {unlisted:?}");
}

#[test]
fn every_dialect_has_its_row_and_every_row_its_dialect() {
    let page = Page::read("docs/scim-conformance.md");
    let documented: BTreeSet<String> = page
        .table_after("## Dialects")
        .into_iter()
        .filter_map(|cells| Some(pages::code_words(cells.first()?).first()?.clone()))
        .collect();
    let names = Dialect::ALL.iter().map(|dialect| dialect.name().to_owned()).collect();
    assert_same("docs/scim-conformance.md", &documented, &names);
    for cells in page.table_after("## Dialects") {
        let name = pages::code_words(&cells[0]).remove(0);
        let dialect = Dialect::ALL.iter().find(|dialect| dialect.name() == name).expect("it is one of them");
        let strict = match dialect.refusal() {
            Refusal::Scim(scim_type) => format!("400 `{scim_type}`"),
            Refusal::NotFound => "404".to_owned(),
            Refusal::MediaType => "415".to_owned(),
            Refusal::Unauthorized => "401".to_owned(),
        };
        assert_eq!(cells[4], strict, "what a strict tenant answers to {name}");
    }
}

#[test]
fn every_key_of_the_configuration_is_documented_with_its_flag_and_variable() {
    let page = Page::read("docs/operations.md");
    let documented: BTreeSet<String> = page
        .table_after("## Configure")
        .into_iter()
        .filter_map(|cells| Some(pages::code_words(cells.first()?).first()?.clone()))
        .collect();
    let mut keys = BTreeSet::new();
    leaves(&serde_json::to_value(Config::default()).unwrap(), "", &mut keys);
    assert!(keys.len() > 15, "{keys:?}");
    assert_same("docs/operations.md", &documented, &keys);
    let variables = source::environment_variables();
    assert!(variables.contains("MUSTER_PUBLIC_URL") && variables.len() > 8, "{variables:?}");
    let missing: Vec<_> =
        variables.into_iter().filter(|variable| !page.text().contains(&format!("`{variable}`"))).collect();
    assert!(missing.is_empty(), "not documented: {missing:?}");
}

/// The names of everything that holds no further names.
fn leaves(value: &Value, prefix: &str, keys: &mut BTreeSet<String>) {
    let Value::Object(members) = value else { return };
    for (name, inner) in members {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if inner.is_object() {
            leaves(inner, &key, keys);
        } else {
            keys.insert(key);
        }
    }
}

#[test]
fn every_key_of_a_profile_is_documented() {
    let documented: BTreeSet<String> = Page::read("docs/profiles.md")
        .table_after("## Write one")
        .into_iter()
        .filter_map(|cells| Some(pages::code_words(cells.first()?).first()?.clone()))
        .collect();
    let keys: BTreeSet<String> = provisioning::profile::keys().map(|(key, _)| key.to_owned()).collect();
    assert!(keys.contains("put_unknown"), "{keys:?}");
    assert_same("docs/profiles.md", &documented, &keys);
}

#[test]
fn every_profile_that_ships_is_documented_with_its_base_path() {
    let page = Page::read("docs/profiles.md");
    let documented: Vec<Vec<String>> = page
        .table_after("# Profiles")
        .into_iter()
        .map(|cells| cells.iter().take(2).flat_map(|cell| pages::code_words(cell)).collect())
        .filter(|words: &Vec<String>| words.get(1).is_some_and(|path| path.starts_with('/')))
        .collect();
    let shipped: Vec<Vec<String>> = muster::profiles::names()
        .map(|name| {
            let settings = muster::profiles::shipped(name).expect("it ships").profile.settings();
            let base_path = settings.get("base_path").and_then(Value::as_str).unwrap_or("/<tenant>/scim/v2");
            vec![name.to_owned(), base_path.to_owned()]
        })
        .collect();
    assert_eq!(documented, shipped);
}

#[test]
fn every_setting_of_a_tenant_is_documented() {
    let documented: BTreeSet<String> = Page::read("docs/operations.md")
        .table_after("## Create a tenant")
        .into_iter()
        .filter_map(|cells| Some(pages::code_words(cells.first()?).first()?.clone()))
        .collect();
    let settings: BTreeSet<String> = Settings::default().to_object().keys().cloned().collect();
    assert!(settings.contains("post_deactivated"), "{settings:?}");
    assert_same("docs/operations.md", &documented, &settings);
}

#[test]
fn every_metric_is_documented() {
    let page = Page::read("docs/operations.md");
    let documented: BTreeSet<String> = page
        .table_after("## Health, metrics, logs")
        .into_iter()
        .filter_map(|cells| pages::code_words(cells.first()?).first().cloned())
        .filter(|name| name.starts_with("muster_"))
        .collect();
    let names = source::metrics();
    assert!(names.len() >= 10, "{names:?}");
    assert_same("docs/operations.md", &documented, &names);
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let pages = pages::all();
    assert!(pages.len() > 15, "{} pages only", pages.len());
    let mut links = 0;
    for page in &pages {
        for target in page.links() {
            let (path, heading) = target.split_once('#').unwrap_or((&target, ""));
            let other = if path.is_empty() { page.clone() } else { page.beside(path) };
            if !heading.is_empty() {
                let found = other.anchors().iter().any(|anchor| anchor == heading);
                assert!(found, "{} links to {target}, where no such heading is", page.name());
            }
            links += 1;
        }
    }
    assert!(links > 40, "{links} links only");
}

#[test]
fn every_decision_has_its_four_parts_and_stands_in_the_list() {
    let list = Page::read("docs/decisions/README.md");
    let decisions: Vec<Page> = pages::all().into_iter().filter(Page::is_decision).collect();
    assert!(decisions.len() >= 11, "{} decisions only", decisions.len());
    for page in decisions {
        for part in ["Context", "Decision", "Consequences", "What would change our mind"] {
            assert!(page.section(part).trim().len() > 20, "{} says nothing under {part}", page.name());
        }
        let file = page.name().rsplit('/').next().expect("a page has a name").to_owned();
        assert!(list.links().contains(&file), "{file} is not in the list of decisions");
    }
}

#[test]
fn words_are_what_they_seem() {
    assert!(is_word("user_name_taken") && is_word("json_not_utf8"));
    for other in ["", "plain", "User_name", "a__b", "_a", "a_", "a-b", "a_b c"] {
        assert!(!is_word(other), "{other}");
    }
}
