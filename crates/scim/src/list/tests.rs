//! What query parameters come to.

use super::*;
use crate::schemas::Schemas;

const LIMITS: PageLimits = PageLimits { default: 100, max: 1_000 };

fn read(parameters: &[(&str, &str)]) -> Result<ListQuery, ScimError> {
    let parameters: Vec<_> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ListQuery::from_parameters(&parameters, &[&Schemas::standard().user], LIMITS, &mut Notes::new())
}

#[track_caller]
fn check_page(parameters: &[(&str, &str)], start_index: u64, count: usize) {
    let query = read(parameters).unwrap();
    assert_eq!((query.start_index, query.count), (start_index, count));
}

#[track_caller]
fn check_refused(parameters: &[(&str, &str)], scim_type: ScimType, code: &str) {
    let error = read(parameters).unwrap_err();
    assert_eq!((error.scim_type, error.code), (scim_type, code));
}

#[test]
fn only_one_name_and_no_order_is_a_lookup() {
    #[track_caller]
    fn check(parameters: &[(&str, &str)], expected: bool) {
        let query = read(parameters).unwrap();
        let name = query.folded_user_name();
        assert_eq!((query.is_lookup(), name), (expected, expected.then_some("alice")), "{parameters:?}");
    }
    check(&[("filter", "username eq \"Alice\"")], true);
    check(&[("filter", "userName eq \"alice\""), ("sortBy", "title")], false);
    check(&[("filter", "userName eq null")], false);
    check(&[("filter", "userName co \"alice\"")], false);
    check(&[("filter", "title eq \"alice\"")], false);
    check(&[("filter", "userName eq \"alice\" or title pr")], false);
    check(&[("filter", "userName eq \"alice\""), ("cursor", "")], false);
    check(&[], false);
}

#[test]
fn a_name_that_is_case_exact_is_no_folded_one() {
    let mut query = read(&[("filter", "userName eq \"Alice\"")]).unwrap();
    let Some(TypedFilter::Compare(comparison)) = &mut query.parts[0].filter else { panic!("{query:?}") };
    comparison.path.case_exact = true;
    assert_eq!((query.is_lookup(), query.folded_user_name()), (true, None));
}

#[test]
fn without_parameters_the_first_page_of_everything_is_asked_for() {
    let part =
        Part { resource_type: ResourceType::User, filter: None, sort_by: None, returned: Returned::Default };
    let (parts, order) = (vec![part], Order::Created);
    let expected = ListQuery { parts, order, start_index: 1, cursor: None, count: 100 };
    assert_eq!(read(&[]).unwrap(), expected);
    assert_eq!(read(&[("aadOptscim062020", ""), ("cursors", "x")]).unwrap(), expected);
}

#[test]
fn a_page_is_brought_into_its_limits() {
    check_page(&[("startIndex", "3"), ("count", "7")], 3, 7);
    check_page(&[("startindex", "0"), ("COUNT", "-1")], 1, 0);
    check_page(&[("startIndex", "-9223372036854775808"), ("count", "0")], 1, 0);
    let largest = i64::MAX.to_string();
    check_page(&[("startIndex", &largest), ("count", &largest)], i64::MAX.unsigned_abs(), 1_000);
    let beyond = "9".repeat(30);
    check_page(&[("startIndex", &beyond), ("count", &beyond)], i64::MAX.unsigned_abs(), 1_000);
    check_page(&[("startIndex", "-99999999999999999999"), ("count", "-99999999999999999999")], 1, 0);
}

#[test]
fn pages_that_are_no_numbers_are_refused() {
    check_refused(&[("startIndex", "one")], ScimType::InvalidValue, "start_index_invalid");
    check_refused(&[("count", "1.5")], ScimType::InvalidValue, "count_invalid");
    check_refused(&[("count", "")], ScimType::InvalidValue, "count_invalid");
}

#[test]
fn a_sort_path_is_found_in_the_schemas() {
    let sort = |by: &str| {
        let mut query = read(&[("sortBy", by)]).unwrap();
        assert_eq!(query.order, Order::Ascending);
        query.parts.remove(0).sort_by.unwrap()
    };
    assert_eq!(sort("USERNAME").attribute, "userName");
    let emails = sort("emails");
    assert_eq!((emails.attribute.as_str(), emails.sub_attribute.as_deref()), ("emails", Some("value")));
    assert_eq!(sort("name.familyname").sub_attribute.as_deref(), Some("familyName"));
}

#[test]
fn a_sort_path_must_name_something_that_has_an_order() {
    check_refused(&[("sortBy", "unknown")], ScimType::InvalidPath, "sort_by_unknown");
    check_refused(&[("sortBy", "name")], ScimType::InvalidPath, "sort_by_complex");
    check_refused(&[("sortBy", "password")], ScimType::InvalidPath, "sort_by_unknown");
    assert_eq!(read(&[("sortBy", "")]).unwrap_err().scim_type, ScimType::InvalidPath);
}

#[test]
fn the_sort_order_is_one_of_two_words_and_needs_a_sort_path() {
    let descending = |order: &str| read(&[("sortBy", "userName"), ("sortOrder", order)]);
    assert_eq!(descending("DESCENDING").unwrap().order, Order::Descending);
    assert_eq!(descending("ascending").unwrap().order, Order::Ascending);
    assert_eq!(descending("down").unwrap_err().code, "sort_order_invalid");
    assert_eq!(read(&[("sortOrder", "down")]).unwrap().order, Order::Created);
}

#[test]
fn a_filter_is_parsed_and_typed() {
    assert!(read(&[("FILTER", "userName eq \"a\"")]).unwrap().parts[0].filter.is_some());
    check_refused(&[("filter", " ")], ScimType::InvalidFilter, "filter_empty");
    assert_eq!(read(&[("filter", "userName xx 1")]).unwrap_err().scim_type, ScimType::InvalidFilter);
    assert_eq!(read(&[("filter", "unknown eq 1")]).unwrap_err().scim_type, ScimType::InvalidFilter);
}

#[test]
fn returned_attributes_are_read() {
    let returned = |parameters: &[(&str, &str)]| read(parameters).unwrap().parts.remove(0).returned;
    let chosen = returned(&[("attributes", "userName,emails")]);
    assert!(chosen.wants("emails") && !chosen.wants("groups"));
    let repeated = [("attributes", "userName"), ("Attributes", ""), ("ATTRIBUTES", "emails")];
    assert_eq!(returned(&repeated), chosen);
    check_refused(
        &[("attributes", "userName"), ("excludedAttributes", "name")],
        ScimType::InvalidValue,
        "attributes_and_excluded",
    );
}

fn everywhere(parameters: &[(&str, &str)]) -> Result<ListQuery, ScimError> {
    let parameters: Vec<_> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let schemas = Schemas::standard();
    ListQuery::from_parameters(&parameters, &[&schemas.user, &schemas.group], LIMITS, &mut Notes::new())
}

/// A filter on users and groups at once, and on a user and a group without any value whether it holds.
#[track_caller]
fn check_blank(filter: &str, user: bool, group: bool) {
    let query = everywhere(&[("filter", filter)]).unwrap();
    let holds = |resource_type| {
        let filter = query.part(resource_type).unwrap().filter.as_ref().unwrap();
        filter::evaluate::matches(filter, &crate::Object::new())
    };
    assert_eq!((holds(ResourceType::User), holds(ResourceType::Group)), (user, group), "{filter}");
}

#[test]
fn an_attribute_that_only_another_type_has_is_without_a_value() {
    check_blank("userName pr", false, false);
    check_blank("not (userName pr)", true, true);
    check_blank("userName eq \"a\" or members.value eq \"a\"", false, false);
    check_blank("userName eq null and members eq null", true, true);
    check_blank("userName ne \"a\"", true, true);
    check_blank("userName ne null", false, false);
    check_blank("emails[type eq \"work\"] or department sw \"a\"", false, false);
    check_blank("active eq \"False\"", false, false);
    let query = everywhere(&[("filter", "members[type eq \"User\"] or displayName eq \"a\"")]).unwrap();
    let user = query.part(ResourceType::User).unwrap().filter.clone().unwrap();
    assert_eq!(
        user,
        TypedFilter::Or(vec![
            TypedFilter::Or(Vec::new()),
            read(&[("filter", "displayName eq \"a\"")]).unwrap().parts.remove(0).filter.unwrap(),
        ])
    );
}

#[test]
fn an_attribute_that_no_type_has_is_refused_and_so_is_a_wrong_value() {
    for filter in ["shoeSize pr", "userName eq true", "members[shoeSize pr]", "name eq \"a\""] {
        let refused = everywhere(&[("filter", filter)]).unwrap_err();
        assert_eq!(refused.scim_type, ScimType::InvalidFilter, "{filter}");
    }
    assert_eq!(everywhere(&[("filter", "password pr")]).unwrap_err().scim_type, ScimType::Sensitive);
    assert_eq!(everywhere(&[("sortBy", "shoeSize")]).unwrap_err().code, "sort_by_unknown");
    assert_eq!(everywhere(&[("sortBy", "name")]).unwrap_err().code, "sort_by_complex");
}

#[test]
fn each_type_is_sorted_by_what_it_has() {
    let sorted = |by| {
        let parts = everywhere(&[("sortBy", by)]).unwrap().parts;
        parts.into_iter().map(|part| part.sort_by.is_some()).collect::<Vec<_>>()
    };
    assert_eq!(sorted("displayName"), [true, true]);
    assert_eq!(sorted("userName"), [true, false]);
    assert_eq!(sorted("members"), [false, true]);
}
