//! POSTs that refer to each other in a circle.

use std::collections::HashMap;

use super::*;

/// Decides POSTs of groups as the writer does: own events one after the other, then the memberships.
fn together(house: &mut House, groups: &[(u128, Value)]) -> Result<Vec<Draft>, Rejection> {
    let expected: HashMap<_, _> =
        groups.iter().map(|(n, _)| (resource_id(*n), ResourceType::Group)).collect();
    let (mut events, mut memberships) = (Vec::new(), Vec::new());
    for (n, body) in groups {
        let command = ScimCommand {
            resource_type: ResourceType::Group,
            id: resource_id(*n),
            provider: house.provider.clone(),
            precondition: Precondition::None,
            change: Change::Create(document(body.clone())),
        };
        let expecting = Expecting { directory: &house.model, expected: &expected };
        let decision = match decide_scim(command, &house.origin, &expecting, &house.schemas) {
            Ok(decision) => decision,
            Err(DecideError::Rejected(rejection)) => return Err(rejection),
            Err(DecideError::Directory(never)) => match never {},
        };
        let (own, of_members) = memberships_apart(decision.events);
        house.model.record(&own);
        events.extend(own);
        memberships.extend(of_members);
    }
    house.model.record(&memberships);
    events.extend(memberships);
    Ok(events)
}

fn group(name: &str, members: &[u128]) -> Value {
    json!({"displayName": name, "members": members})
}

#[test]
fn groups_in_a_circle_are_all_created_before_any_membership() {
    let mut house = House::new();
    let groups = [(1, group("A", &[2])), (2, group("B", &[3])), (3, group("C", &[1, 2]))];
    let events = together(&mut house, &groups).unwrap();
    let types: Vec<_> =
        events.iter().map(|draft| (draft.event.event_type().as_str(), draft.subject)).collect();
    let of = |n| Subject::Group(resource_id(n));
    let expected = [
        ("group.created", of(1)),
        ("group.created", of(2)),
        ("group.created", of(3)),
        ("group.members_added", of(1)),
        ("group.members_added", of(2)),
        ("group.members_added", of(3)),
    ];
    assert_eq!(types, expected);
    assert_eq!(house.model.members[&resource_id(3)].len(), 2);
}

#[test]
fn only_whom_the_transaction_creates_may_be_missing() {
    let mut house = House::new();
    let groups = [(1, group("A", &[2])), (2, group("B", &[1, 9]))];
    let Err(Rejection::Scim(error)) = together(&mut house, &groups) else { panic!("it is refused") };
    assert_eq!(error.code, "unknown_member");
    assert!(
        error.detail.contains(&resource_id(9).to_string())
            && !error.detail.contains(&resource_id(1).to_string())
    );
}

#[test]
fn a_group_is_no_member_of_itself_in_a_circle_either() {
    let Err(Rejection::Scim(error)) = together(&mut House::new(), &[(1, group("A", &[1]))]) else {
        panic!("it is refused")
    };
    assert_eq!(error.code, "member_is_group_itself");
}
