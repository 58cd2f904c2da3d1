//! Pages of users and groups: counted, sorted, filtered.

use super::*;

#[test]
fn lists_are_paged_and_counted() {
    let log = Log::of((1..=5).map(|number| user(number, &format!("u{number}"))));
    let (_place, _writer, reader) = views(&log);
    let check = |start_index, count, total, numbers: &[u128]| {
        let ids: Vec<_> = numbers.iter().map(|number| id(*number)).collect();
        assert_eq!(
            listed(&reader, &page_of_users(None, start_index, count)),
            (total, ids),
            "{start_index} {count}"
        );
    };
    check(1, 9, 5, &[1, 2, 3, 4, 5]);
    check(1, 5, 5, &[1, 2, 3, 4, 5]);
    check(1, 2, 5, &[1, 2]);
    check(4, 2, 5, &[4, 5]);
    check(5, 2, 5, &[5]);
    check(6, 2, 5, &[]);
    check(u64::MAX, 2, 5, &[]);
    check(1, 0, 5, &[]);
    assert_eq!(listed(&reader, &list_of(Group, None)), (0, vec![]));
    let filter = typed_filter(User, "userName eq \"U3\" or userName eq \"u4\"");
    assert_eq!(listed(&reader, &page_of_users(Some(filter.clone()), 1, 9)), (2, vec![id(3), id(4)]));
    assert_eq!(listed(&reader, &page_of_users(Some(filter), 2, 1)), (2, vec![id(4)]));
}

#[track_caller]
fn check_order(log: &Log, resource_type: ResourceType, path: &str, ascending: &[u128], descending: &[u128]) {
    let (_place, _writer, reader) = views(log);
    let schemas = Schemas::standard();
    let path = scim::attribute_path::AttributePath::parse(path).unwrap();
    let path = typed::typed_path(&path, schemas.of(resource_type)).unwrap();
    for (numbers, order) in [(ascending, Order::Ascending), (descending, Order::Descending)] {
        let mut query = ListQuery { order, ..list_of(resource_type, None) };
        query.parts[0].sort_by = Some(path.clone());
        let expected: Vec<_> = numbers.iter().map(|number| id(*number)).collect();
        assert_eq!(listed(&reader, &query).1, expected, "{order:?}");
    }
}

#[test]
fn lists_are_sorted_without_regard_to_case_and_resources_without_a_value_are_largest() {
    let with = |number, title: Option<&str>| {
        testing::user_created(
            number,
            patch(json!({"userName": format!("u{number}"), "active": number != 2, "title": title})),
        )
    };
    let log = Log::of([
        with(1, Some("b")),
        with(2, None),
        with(3, Some("A")),
        with(4, Some("c")),
        with(5, Some("B")),
    ]);
    check_order(&log, User, "title", &[3, 1, 5, 4, 2], &[2, 4, 1, 5, 3]);
    check_order(&log, User, "userName", &[1, 2, 3, 4, 5], &[5, 4, 3, 2, 1]);
    check_order(&log, User, "active", &[2, 1, 3, 4, 5], &[1, 3, 4, 5, 2]);
    check_order(&log, User, "meta.created", &[1, 2, 3, 4, 5], &[5, 4, 3, 2, 1]);
    check_order(&log, User, "schemas", &[1, 2, 3, 4, 5], &[1, 2, 3, 4, 5]);
}

#[test]
fn multi_valued_attributes_sort_by_the_primary_value_or_else_the_first() {
    let with = |number, emails: serde_json::Value| {
        testing::user_created(
            number,
            patch(json!({"userName": format!("u{number}"), "active": true, "emails": emails})),
        )
    };
    let log = Log::of([
        with(1, json!([{"value": "z"}, {"value": "a", "primary": true}])),
        with(2, json!([{"value": "B"}, {"value": "0"}])),
        with(3, json!([{"type": "work"}, {"value": "c"}])),
        with(4, json!(null)),
    ]);
    check_order(&log, User, "emails", &[1, 2, 3, 4], &[4, 3, 2, 1]);
}

#[test]
fn a_list_of_several_types_is_counted_paged_and_sorted_as_one() {
    let log = Log::of([
        user(1, "u"),
        testing::group_created(10, "Beta"),
        testing::user_created(2, patch(json!({"userName": "v", "displayName": "alpha"}))),
        testing::group_created(11, "gamma"),
        testing::members_added(10, &[1]),
    ]);
    let (_place, _writer, reader) = views(&log);
    let schemas = Schemas::standard();
    let check = |parameters: &[(&str, &str)], total, numbers: &[u128]| {
        let parameters: Vec<_> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let limits = scim::list::PageLimits { default: 9, max: 9 };
        let query = ListQuery::from_parameters(
            &parameters,
            &[&schemas.user, &schemas.group],
            limits,
            &mut Notes::new(),
        )
        .unwrap();
        let ids: Vec<_> = numbers.iter().map(|number| id(*number)).collect();
        assert_eq!(listed(&reader, &query), (total, ids), "{parameters:?}");
    };
    check(&[], 4, &[1, 10, 2, 11]);
    check(&[("startIndex", "2"), ("count", "2")], 4, &[10, 2]);
    check(&[("count", "0")], 4, &[]);
    check(&[("sortBy", "displayName")], 4, &[2, 10, 11, 1]);
    check(&[("sortBy", "displayName"), ("sortOrder", "descending")], 4, &[1, 11, 10, 2]);
    check(&[("sortBy", "userName"), ("startIndex", "2"), ("count", "2")], 4, &[2, 10]);
    check(&[("filter", "displayName pr")], 3, &[10, 2, 11]);
    check(&[("filter", "userName pr and not (members pr)")], 2, &[1, 2]);
    check(&[("filter", "members.value pr or userName eq \"V\"")], 2, &[10, 2]);
    check(&[("filter", "meta.resourceType eq \"Group\""), ("count", "1")], 2, &[10]);
}

#[test]
fn groups_sort_by_their_first_member_and_users_by_external_id_of_the_domain() {
    let named = |number, value: Option<&str>| {
        let change = patch(json!({"userName": format!("u{number}"), "active": true}));
        testing::user_created(
            number,
            Change { external_ids: testing::external_ids(&[(DOMAIN, value)]), ..change },
        )
    };
    let log = Log::of([
        named(2, Some("a")),
        named(1, Some("B")),
        named(3, None),
        testing::group_created(10, "G"),
        testing::group_created(11, "H"),
        testing::members_added(10, &[2, 1]),
        testing::members_added(11, &[1]),
    ]);
    check_order(&log, User, "externalId", &[1, 2, 3], &[3, 2, 1]);
    check_order(&log, Group, "members", &[11, 10], &[10, 11]);
}

/// A thousand terms are more than the parser lets through.
#[test]
fn filters_of_a_thousand_terms_and_of_sixty_levels_are_answered() {
    let (_place, _writer, reader) = views(&Log::of([alice(), user(2, "bob")]));
    let check = |filter: TypedFilter, expected: &[u128]| {
        let ids: Vec<_> = expected.iter().map(|number| id(*number)).collect();
        assert_eq!(listed(&reader, &page_of_users(Some(filter), 1, 9)), (ids.len() as u64, ids));
    };
    let thousand = |term: &str, last: &str| {
        let terms = (0..1000).map(|n| typed_filter(User, &term.replace('#', &n.to_string())));
        terms.chain([typed_filter(User, last)]).collect::<Vec<_>>()
    };
    check(TypedFilter::Or(thousand("title eq \"#\"", "userName sw \"b\"")), &[2]);
    check(
        TypedFilter::Or(thousand("userName eq \"#\" or emails.value eq \"#\"", "userName eq \"bob\"")),
        &[2],
    );
    check(TypedFilter::Or(thousand("emails[value co \"#\"]", "groups pr")), &[]);
    check(TypedFilter::And(thousand("emails[value ne \"#\"]", "emails pr")), &[1]);
    check(TypedFilter::And(thousand("not (groups.display eq \"#\")", "userName pr")), &[1, 2]);
    check(typed_filter(User, &format!("{}userName pr{}", "not (".repeat(60), ")".repeat(60))), &[1, 2]);
}
