//! Which resources match which filters.

use serde_json::json;

use super::*;
use crate::filter::{parse, typed};
use crate::schemas::{ENTERPRISE_USER, Schemas};

fn alice() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE_USER],
        "id": "0198A",
        "externalId": "Ext-1",
        "userName": "Alice@Example.com",
        "name": {"givenName": "Zoë", "familyName": ""},
        "active": true,
        "emails": [
            {"value": "alice@work.example", "type": "work", "primary": true},
            {"value": "alice@home.example", "type": "home"},
            {"type": "other"},
        ],
        "addresses": [{"locality": ""}],
        "roles": [],
        "groups": [{"value": "g1", "display": "Staff"}],
        "meta": {"created": "2026-01-31T08:00:00Z", "lastModified": "2026-01-31T09:00:00.5Z"},
        ENTERPRISE_USER: {"department": "R&D", "manager": {"value": "M1"}},
    })
}

fn matches_alice(text: &str) -> bool {
    let filter = parse::parse(text).expect(text);
    let filter = typed::check(&filter, &Schemas::standard().user).expect(text);
    matches(&filter, alice().as_object().unwrap())
}

#[track_caller]
fn check(found: &[&str], missed: &[&str]) {
    for text in found {
        assert!(matches_alice(text), "should match: {text}");
    }
    for text in missed {
        assert!(!matches_alice(text), "should not match: {text}");
    }
}

#[test]
fn texts_compare_by_folded_code_points_unless_case_counts() {
    check(
        &[
            r#"userName eq "ALICE@example.COM""#,
            r#"userName co "@EXAMPLE""#,
            r#"userName sw "ali""#,
            r#"userName ew ".com""#,
            r#"userName co """#,
            r#"userName gt "alice""#,
            r#"userName ge "alice@example.com""#,
            r#"userName le "ALICE@EXAMPLE.COM""#,
            r#"userName lt "b""#,
            r#"name.givenName gt "zoe""#,
            r#"name.familyName eq """#,
            r#"externalId eq "Ext-1""#,
            r#"id eq "0198A""#,
        ],
        &[
            r#"userName eq "alice""#,
            r#"userName gt "alice@example.com""#,
            r#"userName lt "alice@example.com""#,
            r#"externalId eq "ext-1""#,
            r#"id eq "0198a""#,
        ],
    );
}

#[test]
fn one_value_of_a_list_is_enough() {
    check(
        &[
            r#"emails eq "alice@home.example""#,
            r#"emails.type eq "work""#,
            r#"emails.type ne "work""#,
            r#"emails.type eq "work" and emails.value ew "home.example""#,
            "emails.primary eq true",
            &format!("schemas eq \"{ENTERPRISE_USER}\""),
            r#"groups eq "g1""#,
        ],
        &[r#"emails eq "nobody""#, r#"not (emails.type eq "work")"#],
    );
}

/// RFC 7643 section 2.4: `primary` that is not there is `false`.
#[test]
fn a_value_that_does_not_say_is_not_the_primary_one() {
    check(
        &[
            "emails.primary eq false",
            "emails.primary ne true",
            "emails.primary ne false",
            "emails[primary eq false]",
            r#"emails[type eq "other" and primary eq false]"#,
            r#"emails[type eq "work" and primary ne false]"#,
            "roles.primary ne true",
            "roles.primary ne false",
            "emails[primary eq null]",
        ],
        &[
            r#"emails[type eq "other" and primary eq true]"#,
            r#"emails[type eq "other" and primary ne false]"#,
            r#"emails[type eq "work" and primary eq false]"#,
            "roles.primary eq false",
            "roles.primary eq true",
        ],
    );
}

#[test]
fn a_value_path_asks_one_element_for_everything() {
    check(
        &[
            r#"emails[type eq "WORK" and value co "@work"]"#,
            r#"emails[type eq "other" and not (value pr)]"#,
            r#"emails[type eq "other" and value ne "x"]"#,
            "emails[primary ne true]",
            r#"manager[value eq "M1"]"#,
        ],
        &[
            r#"emails[type eq "work" and value co "@home"]"#,
            r#"roles[value ne "x"]"#,
            r#"ims[not (value eq "x")]"#,
        ],
    );
}

#[test]
fn without_a_value_only_ne_matches() {
    check(
        &[
            r#"title ne "x""#,
            r#"roles ne "x""#,
            r#"name.middleName ne "x""#,
            "not (title pr)",
            "title eq null",
        ],
        &[
            r#"title eq "x""#,
            r#"title co """#,
            r#"title gt "a""#,
            r#"title le "z""#,
            "title pr",
            "title ne null",
        ],
    );
}

#[test]
fn present_means_some_part_that_is_not_empty() {
    check(
        &[
            "userName pr",
            "name pr",
            "emails pr",
            "emails.primary pr",
            "active pr",
            "manager pr",
            "department pr",
            "groups pr",
            "userName ne null",
        ],
        &[
            "name.familyName pr",
            "addresses pr",
            "roles pr",
            "ims pr",
            "photos.value pr",
            "employeeNumber pr",
            "userName eq null",
        ],
    );
    check(&["name.familyName eq null"], &["name.familyName ne null"]);
}

#[test]
fn instants_compare_chronologically() {
    check(
        &[
            r#"meta.created eq "2026-01-31T09:00:00+01:00""#,
            r#"meta.created lt "2026-01-31T08:00:00.000001Z""#,
            r#"meta.lastModified gt "2026-01-31T09:00:00Z""#,
            r#"meta.lastModified ge "2026-01-31T09:00:00.5Z""#,
        ],
        &[r#"meta.lastModified eq "2026-01-31T09:00:00Z""#, r#"meta.created gt "2026-01-31T08:00:00Z""#],
    );
}

#[test]
fn booleans_and_extensions_are_found() {
    check(
        &[
            "active eq true",
            "active ne false",
            &format!("{ENTERPRISE_USER}:department eq \"r&d\""),
            r#"manager eq "M1""#,
            r#"manager.value eq "M1""#,
        ],
        &["active eq false", "active ne true", r#"manager eq "m1""#, r#"department eq "x""#],
    );
}

#[test]
fn logic_is_what_it_says() {
    check(
        &[
            "active eq true or title pr",
            r#"active eq true and not (title pr or userType eq "x")"#,
            "title pr and active eq false or userName pr",
        ],
        &[
            "active eq true and title pr",
            "title pr and (active eq false or userName pr)",
            "not (not (title pr))",
        ],
    );
}

#[test]
fn numbers_compare_by_value() {
    let mut schema = (*Schemas::standard().user).clone();
    let number = json!({"name": "level", "type": "decimal"});
    schema.core.attributes.push(serde_json::from_value(number).unwrap());
    let level = json!({"level": 2.5});
    for (text, expected) in [
        ("level eq 2.50", true),
        ("level gt 2", true),
        ("level le 2.5", true),
        ("level lt 2.5", false),
        ("level ne 2.5", false),
    ] {
        let filter = typed::check(&parse::parse(text).unwrap(), &schema).unwrap();
        assert_eq!(matches(&filter, level.as_object().unwrap()), expected, "{text}");
    }
}

#[test]
fn a_simple_value_is_its_own_value() {
    let attribute = serde_json::from_value(json!({"name": "tags", "multiValued": true})).unwrap();
    let filter = typed::check_elements(&parse::parse(r#"value eq "A""#).unwrap(), &attribute).unwrap();
    assert!(element_matches(&filter, &json!("a")) && !element_matches(&filter, &json!("b")));
}
