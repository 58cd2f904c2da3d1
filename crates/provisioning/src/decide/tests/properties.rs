//! What is recorded of a change is the change: folded by an independent implementation it gives the new
//! document.

use proptest::prelude::*;
use scim::schemas::ENTERPRISE_USER;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn recorded_patches_lead_from_the_old_document_to_the_new_one(old in user(), new in user()) {
        let mut house = House::new();
        house.post_user(1, old).unwrap();
        let before = house.resource(1).unwrap().attributes.clone();
        let mut wanted = object(new.clone());
        wanted.entry("active").or_insert_with(|| before["active"].clone());

        let decision = house.put_user(1, new).unwrap();
        let mut theirs = Value::Object(before.clone());
        for draft in &decision.events {
            let change = draft.event.change().unwrap();
            json_patch::merge(&mut theirs, &Value::Object(change.patch.clone()));
        }
        prop_assert_eq!(&theirs, &Value::Object(wanted.clone()));
        prop_assert_eq!(&house.resource(1).unwrap().attributes, &wanted);
        prop_assert_eq!(decision.events.is_empty(), before == wanted);

        let named: Vec<_> = decision.events.iter().flat_map(|draft| draft.attributes.clone()).collect();
        let differ = crate::difference::differences(&before, &wanted);
        let mut expected: Vec<_> = differ.into_iter().map(|change| change.path).collect();
        // `active` has an event of its own, which comes last.
        expected.sort_by_key(|path| path == "active");
        prop_assert_eq!(named, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_a_patch_records_leads_to_what_it_answers(
        old in user(),
        operations in prop::collection::vec(operation(), 1..5),
    ) {
        let mut house = House::new();
        house.post_user(1, old).unwrap();
        let before = house.resource(1).unwrap().attributes.clone();
        let Ok(decision) = house.patch_user(1, Value::Array(operations)) else {
            prop_assert_eq!(&house.resource(1).unwrap().attributes, &before, "a refusal changes nothing");
            return Ok(());
        };
        let mut theirs = Value::Object(before);
        for draft in &decision.events {
            json_patch::merge(&mut theirs, &Value::Object(draft.event.change().unwrap().patch.clone()));
        }
        prop_assert_eq!(theirs, Value::Object(house.resource(1).unwrap().attributes.clone()));
    }

    #[test]
    fn a_patch_that_selects_nothing_by_value_changes_nothing_the_second_time(
        old in user(),
        operation in operation(),
    ) {
        // What a filter selected may look different afterwards, so that it selects something else.
        prop_assume!(!operation["path"].as_str().is_some_and(|path| path.contains('[')));
        let mut house = House::new();
        house.post_user(1, old).unwrap();
        if house.patch_user(1, json!([operation])).is_ok() {
            prop_assert!(house.patch_user(1, json!([operation])).unwrap().events.is_empty());
        }
    }
}

/// Operations on what [`user`] has and on what it lacks, some of which are refused.
fn operation() -> impl Strategy<Value = Value> {
    let text = || prop::sample::select(&["a", "b", "c"][..]).prop_map(Value::from);
    let emails = || {
        let email = (text(), prop::option::of(any::<bool>())).prop_map(|(value, primary)| match primary {
            None => json!({"value": value}),
            Some(primary) => json!({"value": value, "primary": primary}),
        });
        prop::collection::vec(email, 0..3).prop_map(Value::from)
    };
    let op = || prop::sample::select(&["add", "replace"][..]);
    let paths = [
        "title",
        "name.givenName",
        "name.familyName",
        "nickName",
        "manager.value",
        "emails.type",
        "emails[value eq \"a\"].display",
        "emails[value eq \"b\"].value",
        "userName",
    ];
    let department = format!("{ENTERPRISE_USER}:department");
    let removed = paths.map(str::to_owned).into_iter().chain(
        ["name", "emails", "emails[value ne \"a\"]", "active", ENTERPRISE_USER, &department]
            .map(str::to_owned),
    );
    prop_oneof![
        4 => (op(), prop::sample::select(paths.to_vec()), text())
            .prop_map(|(op, path, value)| json!({"op": op, "path": path, "value": value})),
        2 => (op(), emails()).prop_map(|(op, value)| json!({"op": op, "path": "emails", "value": value})),
        1 => (op(), any::<bool>(), text()).prop_map(|(op, active, title)| {
            json!({"op": op, "value": {"active": active, "title": title, "name": {"givenName": null}}})
        }),
        1 => (op(), text()).prop_map(|(op, value)| {
            json!({"op": op, "path": ENTERPRISE_USER, "value": {"department": value, "manager": null}})
        }),
        3 => prop::sample::select(removed.collect::<Vec<_>>())
            .prop_map(|path| json!({"op": "remove", "path": path})),
    ]
}

/// Documents of one user that differ in every way that matters to a merge patch.
fn user() -> impl Strategy<Value = Value> {
    let text = || "[ab]";
    let name =
        prop::collection::btree_map(prop::sample::select(&["givenName", "familyName"][..]), text(), 1..3);
    let emails = prop::collection::btree_set(text(), 1..3)
        .prop_map(|values| values.into_iter().map(|value| json!({ "value": value })).collect::<Vec<_>>());
    let enterprise =
        (prop::option::of(text()), prop::option::of(text())).prop_map(|(department, manager)| {
            let manager = manager.map(|value| json!({ "value": value }));
            [("department", department.map(Value::from)), ("manager", manager)]
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect::<scim::Object>()
        });
    let parts = (
        prop::option::of(any::<bool>().prop_map(Value::from)),
        prop::option::of(text().prop_map(Value::from)),
        prop::option::of(name.prop_map(|name| json!(name))),
        prop::option::of(emails.prop_map(Value::from)),
        enterprise.prop_map(|parts| (!parts.is_empty()).then_some(Value::Object(parts))),
    );
    parts.prop_map(|(active, title, name, emails, enterprise)| {
        let optional = [
            ("active", active),
            ("title", title),
            ("name", name),
            ("emails", emails),
            (ENTERPRISE_USER, enterprise),
        ];
        let mut body = object(json!({"userName": "alice"}));
        body.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        Value::Object(body)
    })
}
