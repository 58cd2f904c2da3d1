//! Filters that met the schemas, and those that may not.

#![expect(clippy::needless_pass_by_value, reason = "literals read best as they stand")]

use serde_json::json;

use super::*;
use crate::filter::parse::parse;
use crate::schemas::{ENTERPRISE_USER, Schemas};

fn user() -> std::sync::Arc<ResourceSchema> {
    Schemas::standard().user
}

fn group() -> std::sync::Arc<ResourceSchema> {
    Schemas::standard().group
}

fn checked(text: &str, schema: &ResourceSchema) -> Result<TypedFilter, ScimError> {
    check(&parse(text).expect(text), schema)
}

/// Checks the one comparison of a filter: its path as text, type, case and value.
#[track_caller]
fn check_comparison(
    text: &str,
    schema: &ResourceSchema,
    path: (&str, bool, Option<&str>),
    value_type: AttributeType,
    value: TypedValue,
) {
    let typed = checked(text, schema).expect(text);
    let TypedFilter::Compare(comparison) = typed else { panic!("{typed:?}") };
    let typed_path = &comparison.path;
    let names = (typed_path.attribute.as_str(), typed_path.multi_valued, typed_path.sub_attribute.as_deref());
    assert_eq!((names, typed_path.value_type), (path, value_type), "{text}");
    assert_eq!(comparison.value, value, "{text}");
}

fn text(text: &str) -> TypedValue {
    TypedValue::Text(text.to_owned())
}

#[test]
fn names_get_the_schemas_spelling_and_texts_are_folded_where_case_does_not_count() {
    let string = AttributeType::String;
    check_comparison(r#"USERNAME eq "Élan""#, &user(), ("userName", false, None), string, text("élan"));
    check_comparison(r#"externalid eq "AbC""#, &user(), ("externalId", false, None), string, text("AbC"));
    check_comparison(r#"ID eq "AbC""#, &user(), ("id", false, None), string, text("AbC"));
    check_comparison(
        r#"name.GIVENname sw "B""#,
        &user(),
        ("name", false, Some("givenName")),
        string,
        text("b"),
    );
    check_comparison(
        r#"schemas eq "urn:X""#,
        &user(),
        ("schemas", true, None),
        AttributeType::Reference,
        text("urn:X"),
    );
}

#[test]
fn a_bare_complex_name_is_compared_by_its_value() {
    let string = AttributeType::String;
    check_comparison(r#"emails co "X""#, &user(), ("emails", true, Some("value")), string, text("x"));
    check_comparison(r#"groups eq "g""#, &user(), ("groups", true, Some("value")), string, text("g"));
    check_comparison(r#"members eq "u""#, &group(), ("members", true, Some("value")), string, text("u"));
    check_comparison(
        r#"members.value eq "u""#,
        &group(),
        ("members", true, Some("value")),
        string,
        text("u"),
    );
    check_comparison(r#"manager eq "M""#, &user(), ("manager", false, Some("value")), string, text("M"));
}

#[test]
fn the_extension_is_named_by_its_urn_in_schema_spelling() {
    let filter = checked(&format!("{}:MANAGER pr", ENTERPRISE_USER.to_uppercase()), &user()).unwrap();
    let TypedFilter::Present(path) = filter else { panic!("{filter:?}") };
    assert_eq!(path.extension.as_deref(), Some(ENTERPRISE_USER));
    assert_eq!((path.attribute.as_str(), path.sub_attribute), ("manager", None));
    assert_eq!(path.value_type, AttributeType::Complex);
}

#[test]
fn values_get_the_type_of_their_attribute() {
    check_comparison(
        "active eq true",
        &user(),
        ("active", false, None),
        AttributeType::Boolean,
        TypedValue::Boolean(true),
    );
    check_comparison(
        r#"meta.lastModified ge "2011-05-13T06:42:34.5+02:00""#,
        &user(),
        ("meta", false, Some("lastModified")),
        AttributeType::DateTime,
        TypedValue::Instant(1_305_261_754_500_000),
    );
    check_comparison(
        "title eq null",
        &user(),
        ("title", false, None),
        AttributeType::String,
        TypedValue::Null,
    );
}

#[test]
fn a_value_path_has_relative_paths() {
    let filter = checked(r#"emails[TYPE eq "Work" and primary eq true]"#, &user()).unwrap();
    let TypedFilter::ValuePath { path, filter } = filter else { panic!("{filter:?}") };
    assert_eq!((path.attribute.as_str(), path.value_type), ("emails", AttributeType::Complex));
    let TypedFilter::And(terms) = *filter else { panic!("{filter:?}") };
    let TypedFilter::Compare(first) = &terms[0] else { panic!("{terms:?}") };
    assert_eq!((first.path.attribute.as_str(), first.path.multi_valued), ("type", false));
    assert_eq!((&first.path.sub_attribute, &first.value), (&None, &text("work")));
}

#[track_caller]
fn check_refused(filter: &str, scim_type: ScimType, code: &str) {
    let error = checked(filter, &user()).expect_err(filter);
    assert_eq!((error.scim_type, error.code), (scim_type, code), "{filter}");
    assert!(!error.detail.contains("secret"), "{}", error.detail);
}

#[test]
fn unknown_attributes_are_refused() {
    for filter in [
        r#"nonsense eq "secret""#,
        r#"userName.value eq "secret""#,
        r#"members eq "secret""#,
        r#"urn:acme:hr:age eq "secret""#,
        r#"emails[nonsense eq "secret"]"#,
        r#"emails[emails.type eq "secret"]"#,
        r#"emails[urn:x:type eq "secret"]"#,
        "urn:ietf:params:scim:schemas:core:2.0:User pr",
        "urn:x:secret@secret:a pr",
    ] {
        check_refused(filter, ScimType::InvalidFilter, "filter_unknown_attribute");
    }
}

#[test]
fn what_is_never_returned_cannot_be_asked_for() {
    check_refused(r#"password eq "secret""#, ScimType::Sensitive, "filter_sensitive_attribute");
    check_refused("password pr", ScimType::Sensitive, "filter_sensitive_attribute");
}

#[test]
fn operators_must_suit_the_type() {
    for filter in [
        "active gt true",
        "active co true",
        r#"x509Certificates.value lt "secret""#,
        r#"meta.created sw "2011""#,
        "title gt null",
        "title co null",
    ] {
        check_refused(filter, ScimType::InvalidFilter, "filter_operator_type");
    }
    let error = checked("active gt true", &user()).unwrap_err();
    assert_eq!(
        error.detail,
        "filter position 1: the operator gt does not suit active; it can be compared with eq, ne"
    );
    checked(r#"x509Certificates.value sw "MII""#, &user()).unwrap();
    checked(r#"photos co "example""#, &user()).unwrap();
}

#[test]
fn a_value_that_is_never_returned_is_not_found_by_the_name_of_what_holds_it() {
    let mut schema = (*user()).clone();
    let emails = schema.core.attributes.iter_mut().find(|attribute| attribute.name == "emails").unwrap();
    let value = emails.sub_attributes.iter_mut().find(|part| part.name == "value").unwrap();
    value.returned = ReturnedRule::Never;
    for filter in [r#"emails eq "a@b""#, r#"emails co "a""#, r#"not (emails sw "a")"#] {
        let error = checked(filter, &schema).expect_err(filter);
        assert!(error.detail.contains("emails has parts"), "{filter}: {}", error.detail);
    }
    assert_eq!(typed_path(&AttributePath::parse("emails").unwrap(), &schema), None);
    checked("emails pr", &schema).unwrap();
}

#[test]
fn a_refusal_says_where_the_term_begins_that_it_is_about() {
    for (filter, begins) in [
        (r#"userName pr and (nonsense eq "x")"#, "filter position 18: nonsense is no attribute here"),
        ("not (active gt true)", "filter position 6: the operator gt"),
        (r#"emails[type eq "work" and primary eq "x"]"#, "filter position 27: primary can only"),
        (r#"title pr or password eq "x""#, "filter position 13: password is never returned"),
        ("title pr or  name eq 1", "filter position 14: name has parts"),
        ("title pr or userName[a pr]", "filter position 13: userName has no parts"),
        ("title pr and title gt null", "filter position 14: the operator gt needs a value"),
        (r#"title eq "日本語" and nonsense pr"#, "filter position 20: nonsense is no attribute here"),
    ] {
        let error = checked(filter, &user()).expect_err(filter);
        assert!(error.detail.starts_with(begins), "{filter}: {}", error.detail);
    }
}

#[test]
fn values_must_suit_the_type() {
    for filter in [
        "userName eq 1",
        "userName eq true",
        r#"active eq "secret""#,
        "active eq 1",
        r#"meta.created gt "secret""#,
        "meta.created gt 1",
        r#"emails[primary eq "secret"]"#,
    ] {
        check_refused(filter, ScimType::InvalidFilter, "filter_value_type");
    }
}

#[test]
fn complex_attributes_without_a_value_need_a_part_to_compare() {
    check_refused(r#"name eq "secret""#, ScimType::InvalidFilter, "filter_complex_attribute");
    check_refused(r#"addresses eq "secret""#, ScimType::InvalidFilter, "filter_complex_attribute");
    checked("name pr and addresses pr", &user()).unwrap();
}

#[test]
fn a_value_path_needs_a_complex_attribute() {
    check_refused(r#"userName[value eq "secret"]"#, ScimType::InvalidFilter, "filter_not_complex");
    check_refused(r#"schemas[value eq "secret"]"#, ScimType::InvalidFilter, "filter_not_complex");
    check_refused(r#"emails.value[value eq "secret"]"#, ScimType::InvalidFilter, "filter_not_complex");
    checked(r#"manager[value eq "x"]"#, &user()).unwrap();
}

#[test]
fn a_path_to_sort_by_ends_at_a_simple_value() {
    let path = |text: &str| typed_path(&AttributePath::parse(text).unwrap(), &user());
    let emails = path("Emails").unwrap();
    assert_eq!((emails.attribute.as_str(), emails.sub_attribute.as_deref()), ("emails", Some("value")));
    assert_eq!(path("meta.created").unwrap().value_type, AttributeType::DateTime);
    for none in ["name", "addresses", "nonsense", "password", ENTERPRISE_USER] {
        assert_eq!(path(none), None, "{none}");
    }
}

#[test]
fn the_values_of_a_simple_list_are_called_value_in_a_patch_path() {
    let attribute: Attribute = serde_json::from_value(json!({"name": "tags", "multiValued": true})).unwrap();
    let typed = check_elements(&parse(r#"VALUE eq "A""#).unwrap(), &attribute).unwrap();
    let TypedFilter::Compare(comparison) = typed else { panic!("{typed:?}") };
    assert_eq!((comparison.path.attribute.as_str(), comparison.path.multi_valued), ("value", false));
    assert_eq!(comparison.value, text("a"));
    let error = check_elements(&parse(r#"tags eq "a""#).unwrap(), &attribute).unwrap_err();
    assert_eq!(error.code, "filter_unknown_attribute");
}

#[test]
fn instants_are_the_same_however_they_are_written() {
    let expected = Some(1_305_261_754_000_000);
    for text in ["2011-05-13T04:42:34Z", "2011-05-13T04:42:34.000000+00:00", "2011-05-13T04:42:34"] {
        assert_eq!(instant(text), expected, "{text}");
    }
    assert_eq!(instant("2011-05-13T06:12:34+01:30"), expected);
    assert_eq!(instant("1969-12-31T23:59:59.999999Z"), Some(-1));
    for text in ["", "2011-05-13", "yesterday", "2011-13-13T04:42:34Z"] {
        assert_eq!(instant(text), None, "{text}");
    }
}
