//! Paths: what parses, what prints, what resolves.

use proptest::prelude::*;

use super::*;
use crate::schemas::{ENTERPRISE_USER, Schemas};

/// Any path that can be written.
pub(crate) fn any_path() -> impl Strategy<Value = AttributePath> {
    let urn = prop_oneof![
        Just("urn:ietf:params:scim:schemas:core:2.0:User".to_owned()),
        Just(ENTERPRISE_USER.to_owned()),
        "urn(:[a-z][a-zA-Z0-9.-]{0,8}){1,4}",
        "https://[a-z]{1,8}[.]example/[a-z0-9._-]{0,8}",
    ];
    let name = || prop_oneof![4 => "[a-zA-Z][a-zA-Z0-9_-]{0,8}", 1 => "[$]ref|not|and|or|pr|eq"];
    let usual = (proptest::option::of(urn), name(), proptest::option::of(name()))
        .prop_map(|(schema, attribute, sub_attribute)| AttributePath::of(schema, attribute, sub_attribute));
    let whole_schema = "urn:[a-z]{1,8}:[0-9][.][0-9]"
        .prop_map(|schema| AttributePath::of(Some(schema), String::new(), None));
    prop_oneof![9 => usual, 1 => whole_schema]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_printed_path_reads_back_the_same(path in any_path()) {
        prop_assert_eq!(AttributePath::parse(&path.to_string()), Ok(path));
    }

    #[test]
    fn reading_any_text_ends_in_a_path_or_an_error(text in ".{0,40}") {
        if let Ok(path) = AttributePath::parse(&text) {
            prop_assert_eq!(path.to_string(), text);
        }
    }
}

#[track_caller]
fn check(text: &str, schema: Option<&str>, attribute: &str, sub_attribute: Option<&str>) {
    let expected =
        AttributePath::of(schema.map(str::to_owned), attribute.to_owned(), sub_attribute.map(str::to_owned));
    assert_eq!(AttributePath::parse(text), Ok(expected));
}

#[test]
fn the_urn_is_everything_up_to_the_last_colon() {
    check("userName", None, "userName", None);
    check("name.givenName", None, "name", Some("givenName"));
    check("members.$ref", None, "members", Some("$ref"));
    check(
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName",
        Some(ENTERPRISE_USER),
        "manager",
        Some("displayName"),
    );
    check("urn:acme:hr:1.0", Some("urn:acme:hr:1.0"), "", None);
    check("urn:acme:hr:1.0:age", Some("urn:acme:hr:1.0"), "age", None);
}

#[track_caller]
fn check_refused(text: &str, position: usize) {
    let error = AttributePath::parse(text).expect_err(text);
    assert_eq!((error.scim_type, error.code), (ScimType::InvalidPath, "path_invalid"));
    let start = format!("path position {position}: expected ");
    assert!(error.detail.starts_with(&start), "{}", error.detail);
}

#[test]
fn errors_name_the_position() {
    check_refused("", 1);
    check_refused("1st", 1);
    check_refused("user name", 5);
    check_refused("name.", 6);
    check_refused("name.given.name", 11);
    check_refused("name..given", 6);
    check_refused(":userName", 1);
    check_refused("urn:a b:userName", 6);
    check_refused("urn:ietf:params:scim:schemas:core:2.0:User:", 44);
    check_refused("naïve", 3);
}

/// What a path means: the extension, the attribute and the sub-attribute, in schema spelling.
#[track_caller]
fn check_meaning(text: &str, expected: Option<(Option<&str>, Option<&str>, Option<&str>)>) {
    let schema = Schemas::standard().user;
    let path = AttributePath::parse(text).unwrap();
    let found = path.resolve(&schema).map(|found| {
        (
            found.extension.map(|schema| schema.id.as_str()),
            found.attribute.map(|attribute| attribute.name.as_str()),
            found.sub_attribute.map(|attribute| attribute.name.as_str()),
        )
    });
    assert_eq!(found, expected, "{text}");
}

#[test]
fn names_are_found_whatever_their_case() {
    check_meaning("USERNAME", Some((None, Some("userName"), None)));
    check_meaning("Name.GIVENname", Some((None, Some("name"), Some("givenName"))));
    check_meaning(
        "URN:ietf:params:scim:schemas:CORE:2.0:user:Emails.Value",
        Some((None, Some("emails"), Some("value"))),
    );
    check_meaning(
        "urn:ietf:params:scim:schemas:extension:ENTERPRISE:2.0:user:DEPARTMENT",
        Some((Some(ENTERPRISE_USER), Some("department"), None)),
    );
    check_meaning("id", Some((None, Some("id"), None)));
    check_meaning("meta.lastmodified", Some((None, Some("meta"), Some("lastModified"))));
}

#[test]
fn a_urn_alone_names_the_whole_schema() {
    check_meaning(ENTERPRISE_USER, Some((Some(ENTERPRISE_USER), None, None)));
    check_meaning("urn:ietf:params:scim:schemas:core:2.0:user", Some((None, None, None)));
}

#[test]
fn a_bare_name_is_also_looked_for_in_the_extensions() {
    check_meaning("manager.value", Some((Some(ENTERPRISE_USER), Some("manager"), Some("value"))));
    let mut schema = (*Schemas::standard().user).clone();
    let mut twin = schema.extensions[0].clone();
    twin.id = "urn:acme:hr".to_owned();
    schema.extensions.push(twin);
    let path = AttributePath::parse("manager").unwrap();
    assert!(path.resolve(&schema).is_none(), "two extensions have it");
}

#[test]
fn names_that_no_schema_has_are_not_found() {
    for text in ["nickname2", "name.value", "userName.value", "urn:acme:hr:age", "urn:acme:hr:1.0", "id.x"] {
        check_meaning(text, None);
    }
    check_meaning("urn:ietf:params:scim:schemas:core:2.0:User:department", None);
    check_meaning("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:userName", None);
    check_meaning("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.manager", None);
}
