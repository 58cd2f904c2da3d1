//! What parses as a filter, and where the rest goes wrong.

use serde_json::json;

use super::*;

fn path(text: &str) -> AttributePath {
    AttributePath::parse(text).unwrap()
}

fn compare(name: &str, op: CompareOp, value: Value) -> Filter {
    Filter::Compare { path: path(name), op, value }
}

fn present(name: &str) -> Filter {
    Filter::Present(path(name))
}

#[track_caller]
fn check(text: &str, expected: Filter) {
    assert_eq!(parse(text), Ok(expected));
}

#[track_caller]
fn check_refused(text: &str, position: usize, expected: &str) {
    let error = parse(text).expect_err(text);
    assert_eq!((error.scim_type, error.code), (ScimType::InvalidFilter, "filter_invalid"));
    let start = format!("filter position {position}: expected {expected}");
    assert!(error.detail.starts_with(&start), "{text}: {}", error.detail);
}

#[test]
fn and_binds_tighter_than_or() {
    check(
        "a pr or b pr and c pr or d pr",
        Filter::Or(vec![present("a"), Filter::And(vec![present("b"), present("c")]), present("d")]),
    );
}

#[test]
fn not_binds_tighter_than_and() {
    check("not (a pr) and b pr", Filter::And(vec![Filter::Not(Box::new(present("a"))), present("b")]));
}

#[test]
fn parentheses_group() {
    check(
        "(a pr or b pr) and c pr",
        Filter::And(vec![Filter::Or(vec![present("a"), present("b")]), present("c")]),
    );
}

#[test]
fn operators_and_words_match_whatever_their_case() {
    check(
        r#"NOT(Username EQ "john") AnD title Pr oR active Ne FALSE"#.replace("FALSE", "false").as_str(),
        Filter::Or(vec![
            Filter::And(vec![
                Filter::Not(Box::new(compare("Username", CompareOp::Eq, json!("john")))),
                present("title"),
            ]),
            compare("active", CompareOp::Ne, json!(false)),
        ]),
    );
}

#[test]
fn values_are_json() {
    for (text, value) in [
        (r#""plain""#, json!("plain")),
        (r#""a \"quoted\" \\ \u00e9 \ud83d\ude00""#, json!("a \"quoted\" \\ é 😀")),
        (r#""not (a or b) [c]""#, json!("not (a or b) [c]")),
        (r#""é""#, json!("é")),
        ("true", json!(true)),
        ("false", json!(false)),
        ("null", json!(null)),
        ("-12", json!(-12)),
        ("18446744073709551615", json!(u64::MAX)),
        ("1.25e3", json!(1250.0)),
    ] {
        check(&format!("a eq {text}"), compare("a", CompareOp::Eq, value));
    }
}

#[test]
fn a_value_path_filters_elements() {
    check(
        r#"emails[type eq "work" and not (value ew "@x")] or ims[type eq"xmpp"]"#,
        Filter::Or(vec![
            Filter::ValuePath {
                path: path("emails"),
                filter: Box::new(Filter::And(vec![
                    compare("type", CompareOp::Eq, json!("work")),
                    Filter::Not(Box::new(compare("value", CompareOp::Ew, json!("@x")))),
                ])),
            },
            Filter::ValuePath {
                path: path("ims"),
                filter: Box::new(compare("type", CompareOp::Eq, json!("xmpp"))),
            },
        ]),
    );
}

#[test]
fn paths_may_be_qualified() {
    check(
        "urn:ietf:params:scim:schemas:core:2.0:User:name.familyName co \"O'Malley\"",
        compare(
            "urn:ietf:params:scim:schemas:core:2.0:User:name.familyName",
            CompareOp::Co,
            json!("O'Malley"),
        ),
    );
}

/// RFC 7644 figure 2, each on one line.
#[test]
fn the_examples_of_the_rfc_are_read() {
    for text in [
        r#"userName eq "bjensen""#,
        r#"userName sw "J""#,
        r#"meta.lastModified gt "2011-05-13T04:42:34Z""#,
        r#"schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User""#,
        r#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#,
        r#"userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")"#,
        r#"userType eq "Employee" and (emails.type eq "work")"#,
        r#"emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]"#,
    ] {
        parse(text).expect(text);
    }
}

#[test]
fn names_may_be_words_of_the_language() {
    check("not pr", present("not"));
    check("and pr and or pr", Filter::And(vec![present("and"), present("or")]));
    check("android pr", present("android"));
}

#[test]
fn errors_name_the_position_and_what_was_expected() {
    check_refused("", 1, "an attribute name");
    check_refused("userName", 9, "an operator such as eq, co or sw");
    check_refused("userName regex \"x\"", 10, "an operator such as eq, co or sw");
    check_refused("userName eq", 12, "a value");
    check_refused("userName eq bjensen", 13, "a value");
    check_refused("userName eq \"x", 13, "a closing double quote");
    check_refused(r#"userName eq "\x""#, 13, "a JSON string");
    check_refused("active eq True", 11, "a value");
    check_refused("a eq 01", 6, "a value");
    check_refused("a eq 1e999", 6, "a value");
    check_refused("a eq \"日本語\" b pr", 12, "and, or or the end");
    check_refused("a pr b pr", 6, "and, or or the end of the filter");
    check_refused("a pr)", 5, "and, or or the end of the filter");
    check_refused("a pr and", 9, "an attribute name");
    check_refused("(a pr", 6, "and, or or )");
    check_refused("a[b pr", 7, "and, or or ]");
    check_refused("a[b pr)", 7, "and, or or ]");
    check_refused("a[b[c pr]]", 4, "an operator, since brackets do not nest");
    check_refused("a[b pr].c eq 1", 8, "and, or or the end of the filter");
    check_refused("not a pr", 5, "an operator");
    check_refused("a.b.c pr", 4, "the end, since sub-attributes have no parts");
    check_refused("é pr", 1, "an attribute name");
    check_refused("a eq é", 6, "a value");
}

#[test]
fn a_filter_nested_65_deep_is_refused() {
    for (open, close) in [("(", ")"), ("not (", ")")] {
        let nested = |depth: usize| format!("{}a pr{}", open.repeat(depth), close.repeat(depth));
        assert!(parse(&nested(FILTER_DEPTH_MAX)).is_ok());
        let error = parse(&nested(FILTER_DEPTH_MAX + 1)).unwrap_err();
        assert_eq!((error.scim_type, error.code), (ScimType::InvalidFilter, "filter_too_deep"));
        assert!(error.detail.contains("64 levels"));
    }
    assert_eq!(parse(&"(".repeat(FILTER_BYTES_MAX)).unwrap_err().code, "filter_too_deep");
}

#[test]
fn a_filter_over_the_length_limit_is_refused_by_the_limit() {
    let filter = |length: usize| format!("a eq \"{}\"", "x".repeat(length - 7));
    assert!(parse(&filter(FILTER_BYTES_MAX)).is_ok());
    let error = parse(&filter(FILTER_BYTES_MAX + 1)).unwrap_err();
    assert_eq!((error.scim_type, error.code), (ScimType::InvalidFilter, "filter_too_long"));
    assert!(error.detail.contains("10240 bytes"));
}

#[test]
fn many_terms_stay_one_flat_list() {
    let text = vec!["a pr"; 1_000].join(" or ");
    let Ok(Filter::Or(terms)) = parse(&text) else { panic!("not an or") };
    assert_eq!(terms.len(), 1_000);
}

#[test]
fn a_bracketed_filter_ends_at_its_bracket_however_long_it_is() {
    let ids = vec!["value eq \"x\""; 2_000].join(" or ");
    let text = format!("members[{ids}].display");
    let (filter, end) = parse_bracketed(&text, 8).unwrap();
    assert!(matches!(filter, Filter::Or(terms) if terms.len() == 2_000));
    assert_eq!(&text[end..], ".display");
    let error = parse_bracketed("members[value is 1]", 8).unwrap_err();
    assert!(error.detail.starts_with("path position 15: expected an operator"), "{}", error.detail);
}
