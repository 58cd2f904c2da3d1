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
