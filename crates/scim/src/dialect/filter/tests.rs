//! Filters as identity providers write them.

use proptest::prelude::*;

use super::*;
use crate::filter::parse::parse;
use crate::schemas::Schemas;

#[track_caller]
fn check(text: &str, expected: &str, dialects: &[&str]) {
    let mut notes = Notes::new();
    let rewritten = rewrite(text, &Schemas::standard().user, &"filter", &mut notes);
    assert_eq!((rewritten.as_ref(), notes.names().as_slice()), (expected, dialects));
    parse(&rewritten).expect("the rewritten filter is in RFC form");
}

#[track_caller]
fn check_unchanged(text: &str) {
    let mut notes = Notes::new();
    let rewritten = rewrite(text, &Schemas::standard().user, &"filter", &mut notes);
    assert!(matches!(rewritten, Cow::Borrowed(borrowed) if borrowed == text), "{rewritten}");
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn a_filter_in_rfc_form_passes_unchanged() {
    for text in [
        r#"userName eq "bjensen""#,
        r#"userName eq"bjensen""#,
        "title pr and not (active eq true or name.givenName ne null)",
        r#"emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp"]"#,
        r#"emails[type eq "work"] and emails[primary eq true]"#,
        r#"userName eq "not eq bare \" ] or" and title pr"#,
        r#"meta.lastModified ge "2011-05-13T04:42:34Z""#,
        r#"id eq "a" and manager eq "b""#,
        r#"title eq "True""#,
    ] {
        check_unchanged(text);
        parse(text).unwrap();
    }
}

#[test]
fn what_cannot_be_read_passes_unchanged() {
    for text in
        ["", "userName eq", "userName eq \"x", "(((", "]", "emails[", "] eq", "a[b].c", "userName", "eq eq"]
    {
        check_unchanged(text);
    }
}

#[test]
fn bare_words_are_quoted() {
    let bare_word = ["authentik.bare_word"];
    check("userName eq josegomezr", r#"userName eq "josegomezr""#, &bare_word);
    check("userName eq jo@x.example", r#"userName eq "jo@x.example""#, &bare_word);
    check("(userName EQ é) and title pr", r#"(userName EQ "é") and title pr"#, &bare_word);
    check(
        "externalId eq 0a21f0f2-b52a-11c2-9f13-a6f2",
        r#"externalId eq "0a21f0f2-b52a-11c2-9f13-a6f2""#,
        &bare_word,
    );
    check("externalId eq 4711", r#"externalId eq "4711""#, &bare_word);
    check("emails[type eq work]", r#"emails[type eq "work"]"#, &bare_word);
    check("meta.created gt 2011-05-13T04:42:34Z", r#"meta.created gt "2011-05-13T04:42:34Z""#, &bare_word);
}

#[test]
fn blanks_are_one_space_between_words() {
    let blanks = ["generic.filter_blanks"];
    check(r#" userName eq "a""#, r#"userName eq "a""#, &blanks);
    check("userName  eq \"a  b\"\t\n", r#"userName eq "a  b""#, &blanks);
    check("userName\teq  alice", r#"userName eq "alice""#, &["generic.filter_blanks", "authentik.bare_word"]);
    check_unchanged("   ");
}

#[test]
fn texts_may_stand_in_single_quotes() {
    let quotes = ["generic.single_quotes"];
    check("displayName eq 'All  staff' and title pr", r#"displayName eq "All  staff" and title pr"#, &quotes);
    check(r#"emails[type eq 'wo"rk']"#, r#"emails[type eq "wo\"rk"]"#, &quotes);
    check("userName eq O'Neil", r#"userName eq "O'Neil""#, &["authentik.bare_word"]);
    check("userName eq 'alice", r#"userName eq "'alice""#, &["authentik.bare_word"]);
}

#[test]
fn booleans_may_be_texts() {
    let bool_string = ["entra.bool_string_filter"];
    check("active eq True", "active eq true", &bool_string);
    check(r#"active eq "False""#, "active eq false", &bool_string);
    check(r#"emails[primary eq "true"]"#, "emails[primary eq true]", &bool_string);
    check("(ActiVe eq TRUE) and title pr", "(ActiVe eq true) and title pr", &bool_string);
    check_unchanged(r#"active eq "maybe""#);
}

#[test]
fn a_compared_value_path_becomes_a_condition_inside() {
    check(
        r#"emails[type eq "work"] eq "x""#,
        r#"emails[type eq "work" and value eq "x"]"#,
        &["entra.value_path_eq"],
    );
    check(
        r#"emails[type eq "work"].value eq "x" and active eq true"#,
        r#"emails[type eq "work" and value eq "x"] and active eq true"#,
        &["entra.value_path_sub"],
    );
    check(
        r#"emails[type eq "work" or type eq other].value EQ x"#,
        r#"emails[(type eq "work" or type eq "other") and value EQ "x"]"#,
        &["authentik.bare_word", "entra.value_path_sub"],
    );
    check(
        r#"emails[type eq "work"].primary eq "True" or emails[type eq "home"].display pr"#,
        r#"emails[type eq "work" and primary eq true] or emails[type eq "home" and display pr]"#,
        &["entra.bool_string_filter", "entra.value_path_sub"],
    );
}

#[test]
fn the_filter_in_a_patch_path_is_rewritten_and_the_rest_is_not() {
    let rewritten = |text| rewrite(text, &Schemas::standard().user, &"path", &mut Notes::new()).into_owned();
    assert_eq!(rewritten(r#"roles[primary eq "True"].value"#), "roles[primary eq true].value");
    check_unchanged(r#"emails[type eq "work"].value"#);
    check_unchanged("urn:ietf:params:scim:schemas:core:2.0:User:name.givenName");
}

proptest! {
    #[test]
    fn rewriting_keeps_readable_filters_readable(
        text in "(userName|emails|active|type|[.]value| |eq|pr|and|or|not|True|\"x\"|\\\\|\"|[(]|[)]|\\[|\\]|é|1){0,16}"
    ) {
        let rewritten = rewrite(&text, &Schemas::standard().user, &"filter", &mut Notes::new());
        if parse(&text).is_ok() {
            prop_assert!(parse(&rewritten).is_ok(), "{} became {}", text, rewritten);
        }
    }
}

#[test]
fn a_long_filter_is_read_in_linear_time() {
    let text = vec!["userName  eq 'a'"; 100_000].join(" or ");
    let rewritten = rewrite(&text, &Schemas::standard().user, &"filter", &mut Notes::new());
    assert!(rewritten.ends_with(r#"or userName eq "a""#));
}

#[test]
fn names_that_no_schema_has_are_left_to_the_check() {
    check_unchanged("nonsense eq x");
    check_unchanged("title pr or eq eq 1");
    check_unchanged(r#"nonsense eq "True""#);
    check_unchanged("nonsense eq 1");
    check_unchanged(r#"nonsense[x eq "True"]"#);
}
