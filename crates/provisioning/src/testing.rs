//! For tests only: a naive directory in memory, and generators.
//!
//! The directory is folded from events that went through their stored bytes, so that every test of a decision
//! is one of the stored formats and of the folds too.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use proptest::prelude::*;
use scim::fold::fold;
use scim::{Object, ResourceType};
use serde_json::Value;
use uuid::Uuid;

use crate::command::Origin;
use crate::decide::Draft;
use crate::directory::Directory;
use crate::event::stored::PAYLOAD_FORMAT;
use crate::event::{Event, EventType};
use crate::evolve::evolve;
use crate::ids::{EventId, ResourceId, Revision, StreamId, TxnId};
use crate::recorded::{Actor, Header, Opened, Recorded, Subject, Txn, Via};
use crate::resource::Resource;
use crate::tenancy::Tenancy;
use crate::timestamp::Timestamp;

/// The nth id of a test.
pub(crate) fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n)
}

/// The nth id of a test, as a resource's.
pub(crate) fn resource_id(n: u128) -> ResourceId {
    ResourceId(uuid(n))
}

/// A JSON object from `json!`.
pub(crate) fn object(value: Value) -> Object {
    let Value::Object(object) = value else { panic!("not an object: {value}") };
    object
}

/// The system, from nowhere.
pub(crate) fn origin() -> Origin {
    Origin { actor: Actor::SYSTEM, via: Via::System, request: None, received_at: None, context: None }
}

/// A header with nothing special in it.
pub(crate) fn header(event_type: EventType, subject: Subject, revision: u64) -> Header {
    Header {
        v: Header::FORMAT,
        stream: StreamId(uuid(0xffff)),
        revision: Revision(revision),
        id: EventId(uuid(0x1_0000 + u128::from(revision))),
        event_type,
        format: PAYLOAD_FORMAT,
        subject,
        attributes: Vec::new(),
        active: None,
        received_at: None,
        recorded_at: Timestamp(1_750_000_000_000_000 + 1_000_000 * revision.cast_signed()),
        actor: Actor::SYSTEM,
        via: Via::System,
        request: None,
        txn: Txn { id: TxnId(uuid(0xfffe)), n: 1, of: 1 },
        cause: None,
        key: None,
        payload: None,
    }
}

/// What is true after some events, kept in the plainest way.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) tenancy: Tenancy,
    pub(crate) resources: BTreeMap<ResourceId, Resource>,
    pub(crate) members: BTreeMap<ResourceId, BTreeSet<ResourceId>>,
    named: BTreeSet<ResourceId>,
    revision: u64,
}

impl Model {
    /// Records events as the writer would: each through its stored bytes and the folds.
    #[track_caller]
    pub(crate) fn record(&mut self, drafts: &[Draft]) {
        for draft in drafts {
            self.revision += 1;
            let header = Header {
                attributes: draft.attributes.clone(),
                active: draft.active,
                ..header(draft.event.event_type(), draft.subject, self.revision)
            };
            let event = Event::read(&header, draft.event.payload().as_deref()).unwrap();
            assert_eq!(event, draft.event);
            self.apply(&Recorded { header, event: Opened::Event(event) });
        }
    }

    fn apply(&mut self, recorded: &Recorded) {
        self.tenancy.apply(recorded);
        let (Subject::User(id) | Subject::Group(id)) = recorded.header.subject else { return };
        self.named.insert(id);
        if let Some(resource) = evolve(self.resources.remove(&id), recorded) {
            self.resources.insert(id, resource);
        }
        let Opened::Event(event) = &recorded.event else { return };
        if let Event::GroupMembersAdded(change) = event {
            let new = change.members.iter().map(|member| member.0);
            assert!(
                new.clone().all(|member| self.members.entry(id).or_default().insert(member)),
                "came twice"
            );
        }
        if let Event::GroupMembersRemoved(change) = event {
            let old = change.members.iter().map(|member| member.0);
            assert!(
                old.clone().all(|member| self.members.entry(id).or_default().remove(&member)),
                "left twice"
            );
        }
    }

    fn named(&self, resource_type: ResourceType, attribute: &str, folded: &str) -> Vec<ResourceId> {
        let named = |resource: &&Resource| {
            let name = resource.attributes.get(attribute).and_then(Value::as_str);
            resource.resource_type == resource_type && name.is_some_and(|name| fold(name) == folded)
        };
        self.resources.values().filter(named).map(|resource| resource.id).collect()
    }

    fn is_visible(&self, id: ResourceId) -> bool {
        self.resources.get(&id).is_some_and(|resource| !resource.hidden)
    }
}

impl Directory for Model {
    type Error = Infallible;

    fn tenancy(&self) -> &Tenancy {
        &self.tenancy
    }

    fn resource(&self, id: ResourceId) -> Result<Option<Resource>, Infallible> {
        Ok(self.resources.get(&id).cloned())
    }

    fn visible_type(&self, id: ResourceId) -> Result<Option<ResourceType>, Infallible> {
        Ok(self.resources.get(&id).filter(|_| self.is_visible(id)).map(|resource| resource.resource_type))
    }

    fn was_named(&self, id: ResourceId) -> Result<bool, Infallible> {
        Ok(self.named.contains(&id))
    }

    fn users_named(&self, folded_user_name: &str) -> Result<Vec<ResourceId>, Infallible> {
        Ok(self.named(ResourceType::User, "userName", folded_user_name))
    }

    fn groups_named(&self, folded_display_name: &str) -> Result<Vec<ResourceId>, Infallible> {
        Ok(self.named(ResourceType::Group, "displayName", folded_display_name))
    }

    fn shared_group_name(&self) -> Result<Option<String>, Infallible> {
        let groups = self.resources.values().filter(|resource| resource.resource_type == ResourceType::Group);
        let names = groups.filter_map(|group| group.attributes.get("displayName")?.as_str().map(fold));
        let mut seen = BTreeSet::new();
        Ok(names.into_iter().find(|name| !seen.insert(name.clone())))
    }

    fn holders_of_external_id(
        &self,
        resource_type: ResourceType,
        domain: &str,
        external_id: &str,
    ) -> Result<Vec<ResourceId>, Infallible> {
        let holds = |resource: &&Resource| {
            resource.resource_type == resource_type
                && resource.external_ids.get(domain).is_some_and(|held| held == external_id)
        };
        Ok(self.resources.values().filter(holds).map(|resource| resource.id).collect())
    }

    fn holders_of_added(
        &self,
        resource_type: ResourceType,
        path: &str,
        folded: &str,
    ) -> Result<Vec<ResourceId>, Infallible> {
        let holds = |resource: &&Resource| {
            let value = match path.rsplit_once(':') {
                None => resource.attributes.get(path),
                Some((urn, name)) => resource.attributes.get(urn).and_then(|inner| inner.get(name)),
            };
            resource.resource_type == resource_type
                && value.and_then(Value::as_str).is_some_and(|value| fold(value) == folded)
        };
        Ok(self.resources.values().filter(holds).map(|resource| resource.id).collect())
    }

    fn has_resources(&self, resource_type: ResourceType) -> Result<bool, Infallible> {
        Ok(self.resources.values().any(|resource| resource.resource_type == resource_type))
    }

    fn is_member(&self, group: ResourceId, member: ResourceId) -> Result<bool, Infallible> {
        Ok(self.members.get(&group).is_some_and(|members| members.contains(&member)))
    }

    fn members(
        &self,
        group: ResourceId,
        after: Option<ResourceId>,
        limit: usize,
    ) -> Result<Vec<(ResourceId, ResourceType)>, Infallible> {
        let members = self.members.get(&group).into_iter().flatten();
        let page = members.filter(|member| after.is_none_or(|after| **member > after)).take(limit);
        Ok(page.map(|member| (*member, self.resources[member].resource_type)).collect())
    }

    fn groups_of(&self, member: ResourceId) -> Result<Vec<ResourceId>, Infallible> {
        let has = |(group, members): (&ResourceId, &BTreeSet<ResourceId>)| {
            members.contains(&member).then_some(*group)
        };
        Ok(self.members.iter().filter_map(has).collect())
    }
}

/// Canonical documents: no null, no empty object, no empty array; objects at most three deep.
pub(crate) fn canonical_document() -> impl Strategy<Value = Object> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        "[ab]{0,2}".prop_map(Value::String),
        (0..3_i64).prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 24, 3, |inner| {
        prop_oneof![
            2 => prop::collection::vec(inner.clone(), 1..3).prop_map(Value::Array),
            3 => prop::collection::btree_map("[a-d]", inner, 1..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-d]", value, 0..4).prop_map(|members| members.into_iter().collect())
}
