//! The roster against plain sets, and what it may cost.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::convert::Infallible;

use proptest::prelude::*;
use scim::filter::{CompareOp, Comparison, TypedPath, TypedValue};
use scim::patch::members::MemberChange;
use scim::schema::AttributeType;
use scim::schemas::Schemas;
use serde_json::json;

use super::*;
use crate::command::{Origin, Precondition, Provider};
use crate::event;
use crate::resource::Resource;
use crate::tenancy::Tenancy;
use crate::testing::{Model, object, origin, resource_id, uuid};

const GROUP: u128 = 50;
const USERS: u128 = 6;

/// Users 1 to 6, of whom some are members of the group 50.
fn model(members: &[u128]) -> Model {
    let mut model = Model::default();
    let change =
        |name: &str| event::Change { patch: object(json!({ name: "x" })), ..event::Change::default() };
    for n in 1..=USERS {
        model.record(&[Draft::new(Subject::User(resource_id(n)), Event::UserCreated(change("userName")))]);
    }
    let group = Subject::Group(resource_id(GROUP));
    model.record(&[Draft::new(group, Event::GroupCreated(change("displayName")))]);
    let members: Vec<_> = members.iter().map(|n| (resource_id(*n), ResourceType::User)).collect();
    model.record(&[added(resource_id(GROUP), &members)]);
    model
}

fn roster_of<T, D: Directory>(directory: &D, act: impl FnOnce(&mut Roster<'_, D>) -> T) -> (T, Vec<Draft>) {
    let (origin, schemas): (Origin, _) = (origin(), Schemas::standard());
    let scope = Scope {
        resource_type: ResourceType::Group,
        id: resource_id(GROUP),
        provider: &Provider { domain: None, kind: ClientKind::Okta },
        precondition: &Precondition::None,
        origin: &origin,
        directory,
        schema: &schemas.group,
    };
    let mut roster = Roster::of(&scope);
    let result = act(&mut roster);
    let mut events = Vec::new();
    roster.settle(&mut events);
    (result, events)
}

fn apply<D: Directory>(
    roster: &mut Roster<'_, D>,
    change: &MemberChange,
) -> Result<(), DecideError<D::Error>> {
    match change {
        MemberChange::Add(members) => roster.add(members),
        MemberChange::Remove(ids) => roster.remove(ids),
        MemberChange::RemoveMatching(filter) => roster.remove_matching(filter),
        MemberChange::RemoveAll => roster.remove_all(),
        MemberChange::Replace(members) => roster.replace(members),
    }
}

fn value_is(n: u128) -> TypedFilter {
    let path = TypedPath {
        extension: None,
        attribute: "value".to_owned(),
        multi_valued: false,
        sub_attribute: None,
        value_type: AttributeType::String,
        case_exact: true,
        read_only: false,
    };
    TypedFilter::Compare(Comparison { path, op: CompareOp::Eq, value: TypedValue::Text(uuid(n).to_string()) })
}

fn refs(ids: &[u128]) -> Vec<MemberRef> {
    ids.iter().map(|n| MemberRef { value: uuid(*n).to_string(), member_type: None }).collect()
}

proptest! {
    #[test]
    fn the_net_effect_is_that_of_plain_sets(
        before in prop::collection::btree_set(1..=USERS, 0..6),
        changes in prop::collection::vec((0..5, prop::collection::vec(1..=USERS + 1, 0..4)), 0..8),
    ) {
        let model = model(&before.iter().copied().collect::<Vec<_>>());
        let mut plain = before.clone();
        let mut typed = Vec::new();
        for (kind, ids) in changes {
            let known = ids.iter().copied().filter(|n| *n <= USERS);
            typed.push(match kind {
                0 => {
                    plain.extend(known);
                    MemberChange::Add(refs(&ids))
                }
                1 => {
                    plain.retain(|n| !ids.contains(n));
                    MemberChange::Remove(ids.iter().map(|n| uuid(*n).to_string()).collect())
                }
                2 => {
                    let filters: Vec<_> = ids.iter().copied().chain([0, 0]).map(value_is).collect();
                    plain.retain(|n| !ids.contains(n));
                    MemberChange::RemoveMatching(TypedFilter::Or(filters))
                }
                3 => {
                    plain.clear();
                    MemberChange::RemoveAll
                }
                _ => {
                    plain = known.collect();
                    MemberChange::Replace(refs(&ids))
                }
            });
        }
        let ((), events) = roster_of(&model, |roster| {
            for change in &typed {
                apply(roster, change).unwrap();
            }
        });
        let (mut left, mut came) = (BTreeSet::new(), BTreeSet::new());
        for draft in &events {
            if let Event::GroupMembersRemoved(change) = &draft.event {
                left.extend(change.members.iter().map(|member| member.0));
            }
            if let Event::GroupMembersAdded(change) = &draft.event {
                came.extend(change.members.iter().map(|member| member.0));
            }
        }
        let ids = |numbers: &BTreeSet<u128>| -> BTreeSet<_> { numbers.iter().map(|n| resource_id(*n)).collect() };
        prop_assert_eq!(left, ids(&(&before - &plain)));
        prop_assert_eq!(came, ids(&(&plain - &before)));
    }
}

/// Counts what is read of a group.
struct Counting {
    model: Model,
    pages: Cell<usize>,
    memberships: Cell<usize>,
}

impl Directory for Counting {
    type Error = Infallible;

    fn tenancy(&self) -> &Tenancy {
        self.model.tenancy()
    }

    fn resource(&self, id: ResourceId) -> Result<Option<Resource>, Infallible> {
        self.model.resource(id)
    }

    fn visible_type(&self, id: ResourceId) -> Result<Option<ResourceType>, Infallible> {
        self.model.visible_type(id)
    }

    fn was_named(&self, id: ResourceId) -> Result<bool, Infallible> {
        self.model.was_named(id)
    }

    fn users_named(&self, folded_user_name: &str) -> Result<Vec<ResourceId>, Infallible> {
        self.model.users_named(folded_user_name)
    }

    fn groups_named(&self, folded_display_name: &str) -> Result<Vec<ResourceId>, Infallible> {
        self.model.groups_named(folded_display_name)
    }

    fn shared_group_name(&self) -> Result<Option<String>, Infallible> {
        self.model.shared_group_name()
    }

    fn holders_of_external_id(
        &self,
        resource_type: ResourceType,
        domain: &str,
        external_id: &str,
    ) -> Result<Vec<ResourceId>, Infallible> {
        self.model.holders_of_external_id(resource_type, domain, external_id)
    }

    fn holders_of_added(
        &self,
        resource_type: ResourceType,
        path: &str,
        folded: &str,
    ) -> Result<Vec<ResourceId>, Infallible> {
        self.model.holders_of_added(resource_type, path, folded)
    }

    fn has_resources(&self, resource_type: ResourceType) -> Result<bool, Infallible> {
        self.model.has_resources(resource_type)
    }

    fn is_member(&self, group: ResourceId, member: ResourceId) -> Result<bool, Infallible> {
        self.memberships.set(self.memberships.get() + 1);
        self.model.is_member(group, member)
    }

    fn members(
        &self,
        group: ResourceId,
        after: Option<ResourceId>,
        limit: usize,
    ) -> Result<Vec<Member>, Infallible> {
        self.pages.set(self.pages.get() + 1);
        self.model.members(group, after, limit)
    }

    fn groups_of(&self, member: ResourceId) -> Result<Vec<ResourceId>, Infallible> {
        self.model.groups_of(member)
    }
}

#[test]
fn a_group_is_read_only_when_a_change_asks_for_everybody_and_then_once() {
    let directory = Counting { model: model(&[1, 2, 3]), pages: Cell::new(0), memberships: Cell::new(0) };
    roster_of(&directory, |roster| {
        roster.add(&refs(&[1, 4, 4])).unwrap();
        roster.remove(&[uuid(2).to_string(), uuid(4).to_string()]).unwrap();
        assert_eq!((directory.pages.get(), directory.memberships.get()), (0, 3));
        roster.remove_all().unwrap();
        let pages = directory.pages.get();
        roster.replace(&refs(&[5])).unwrap();
        roster.remove_matching(&value_is(5)).unwrap();
        assert_eq!((directory.pages.get(), directory.memberships.get()), (pages, 3));
    });
}

#[test]
fn whoever_comes_is_named_in_the_order_of_the_request() {
    let ((), events) = roster_of(&model(&[]), |roster| roster.add(&refs(&[5, 2, 5, 4])).unwrap());
    let [Draft { event: Event::GroupMembersAdded(change), .. }] = &events[..] else { panic!("{events:?}") };
    let came: Vec<_> = change.members.iter().map(|member| member.0).collect();
    assert_eq!(came, [5, 2, 4].map(resource_id));
}

#[test]
fn filters_that_compare_too_much_are_refused() {
    let (refused, _) = roster_of(&model(&[1, 2, 3, 4, 5, 6]), |roster| {
        roster.comparisons = COMPARISONS_MAX - 6 * 2;
        roster.remove_matching(&TypedFilter::Or(vec![value_is(0), value_is(0)])).unwrap();
        roster.remove_matching(&value_is(0))
    });
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("filters on members"), "{text}");
}
