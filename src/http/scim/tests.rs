//! Paths as identity providers send them.

use super::*;

#[track_caller]
fn check(path: &str, expected: impl Into<Option<Route>>) {
    assert_eq!(Route::find(&decoded_segments(path).unwrap()), expected.into(), "{path}");
}

#[test]
fn routes_are_found_whatever_their_case_and_with_a_trailing_slash() {
    check("/Users", Route::Resources(ResourceType::User));
    check("/users/", Route::Resources(ResourceType::User));
    check("/GROUPS/abc", Route::Resource(ResourceType::Group, "abc".into()));
    check("/Schemas/urn%3Aietf", Route::Schemas(Some("urn:ietf".into())));
    check("/Users/a/b", None);
    check("/bulk", Route::Bulk);
    check("/Bulk/x", None);
    check("", Route::Root);
    check("/", Route::Root);
    check("/.Search", Route::Search(None));
    check("/users/.search/", Route::Search(Some(ResourceType::User)));
    check("/Groups/.search", Route::Search(Some(ResourceType::Group)));
    check("/me", Route::Me);
    check("/Me/x", None);
    check("/.search/x", None);
}

#[test]
fn a_slash_that_is_encoded_stays_part_of_the_id() {
    check("/Users/..%2F..%2Fetc", Route::Resource(ResourceType::User, "../../etc".into()));
}
