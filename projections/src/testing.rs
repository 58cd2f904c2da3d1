//! Logs written by hand, for the tests of both views.

use std::collections::BTreeMap;
use std::path::PathBuf;

use provisioning::event::{Change, Event, Members, Note};
use provisioning::recorded::{Actor, Txn, Via};
use provisioning::{
    EventId, Header, Opened, Recorded, ResourceId, Revision, StreamId, Subject, Timestamp, TxnId,
};
use scim::filter::TypedFilter;
use scim::list::{ListQuery, Order, Part};
use scim::returned::Returned;
use scim::{Object, ResourceType};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

/// The stream of every log here.
pub(crate) const STREAM: StreamId = StreamId(Uuid::from_u128(0x5157));

/// The domain of most external ids here.
pub(crate) const DOMAIN: &str = "okta";

/// An event before it has a place: about whom, `active` before and after, what.
pub(crate) type Draft = (Subject, Option<[Option<bool>; 2]>, Event);

/// An id that tells its number.
pub(crate) fn id(number: u128) -> ResourceId {
    ResourceId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + number))
}

pub(crate) fn object(value: Value) -> Object {
    let Value::Object(object) = value else { panic!("{value} is no object") };
    object
}

/// A change of attributes only.
pub(crate) fn patch(value: Value) -> Change {
    Change { patch: object(value), ..Change::default() }
}

/// External ids by domain; `None` clears.
pub(crate) fn external_ids(ids: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<String>> {
    ids.iter().map(|(domain, value)| ((*domain).to_owned(), value.map(str::to_owned))).collect()
}

pub(crate) fn user_created(number: u128, change: Change) -> Draft {
    let active = change.patch.get("active").and_then(Value::as_bool).unwrap_or(true);
    (Subject::User(id(number)), Some([None, Some(active)]), Event::UserCreated(change))
}

pub(crate) fn user_updated(number: u128, change: Change) -> Draft {
    (Subject::User(id(number)), Some([Some(true), Some(true)]), Event::UserUpdated(change))
}

pub(crate) fn user_deactivated(number: u128) -> Draft {
    let change = patch(serde_json::json!({"active": false}));
    (Subject::User(id(number)), Some([Some(true), Some(false)]), Event::UserDeactivated(change))
}

pub(crate) fn user_reactivated(number: u128) -> Draft {
    let change = patch(serde_json::json!({"active": true}));
    (Subject::User(id(number)), Some([Some(false), Some(true)]), Event::UserReactivated(change))
}

pub(crate) fn user_activated(number: u128) -> Draft {
    (Subject::User(id(number)), Some([Some(true), Some(true)]), Event::UserActivated(Note::default()))
}

pub(crate) fn user_hidden(number: u128) -> Draft {
    (Subject::User(id(number)), Some([Some(true), Some(false)]), Event::UserHidden(Note::default()))
}

pub(crate) fn user_deleted(number: u128) -> Draft {
    (Subject::User(id(number)), Some([Some(true), None]), Event::UserDeleted(Note::default()))
}

pub(crate) fn group_created(number: u128, name: &str) -> Draft {
    let change = patch(serde_json::json!({"displayName": name}));
    (Subject::Group(id(number)), None, Event::GroupCreated(change))
}

pub(crate) fn group_updated(number: u128, change: Change) -> Draft {
    (Subject::Group(id(number)), None, Event::GroupUpdated(change))
}

pub(crate) fn group_deleted(number: u128) -> Draft {
    (Subject::Group(id(number)), None, Event::GroupDeleted(Note::default()))
}

fn users(members: &[u128]) -> Members {
    Members { members: members.iter().map(|number| (id(*number), ResourceType::User)).collect() }
}

pub(crate) fn members_added(group: u128, members: &[u128]) -> Draft {
    (Subject::Group(id(group)), None, Event::GroupMembersAdded(users(members)))
}

pub(crate) fn members_removed(group: u128, members: &[u128]) -> Draft {
    (Subject::Group(id(group)), None, Event::GroupMembersRemoved(users(members)))
}

/// The first page of a list of resources of one type, in the order of their creation.
pub(crate) fn list_of(resource_type: ResourceType, filter: Option<TypedFilter>) -> ListQuery {
    let part = Part { resource_type, filter, sort_by: None, returned: Returned::Default };
    ListQuery { parts: vec![part], order: Order::Created, start_index: 1, cursor: None, count: 99 }
}

/// A log that gives each transaction one second more than the one before.
#[derive(Debug, Default, Clone)]
pub(crate) struct Log {
    pub(crate) events: Vec<Recorded>,
    transactions: u64,
}

impl Log {
    /// A log with these transactions of one event each.
    pub(crate) fn of(drafts: impl IntoIterator<Item = Draft>) -> Self {
        let mut log = Self::default();
        for draft in drafts {
            log.record([draft]);
        }
        log
    }

    /// When the nth transaction is recorded.
    pub(crate) fn instant(transaction: u64) -> Timestamp {
        Timestamp(1_700_000_000_000_000 + 1_000_000 * i64::try_from(transaction).unwrap())
    }

    /// The last revision.
    pub(crate) fn head(&self) -> Revision {
        Revision(self.events.len() as u64)
    }

    /// Adds one transaction and returns the revision of its last event.
    pub(crate) fn record(&mut self, drafts: impl IntoIterator<Item = Draft>) -> Revision {
        self.record_at(Self::instant(self.transactions + 1), drafts)
    }

    /// The same, at an instant of its own.
    pub(crate) fn record_at(&mut self, at: Timestamp, drafts: impl IntoIterator<Item = Draft>) -> Revision {
        self.transactions += 1;
        let txn = TxnId(Uuid::from_u128(u128::from(self.transactions)));
        let drafts: Vec<_> = drafts.into_iter().collect();
        let of = u32::try_from(drafts.len()).unwrap();
        for (n, (subject, active, event)) in (1..).zip(drafts) {
            let revision = self.head().next();
            self.events.push(Recorded {
                header: Header {
                    v: 1,
                    stream: STREAM,
                    revision,
                    id: EventId(Uuid::from_u128(u128::from(revision.0))),
                    event_type: event.event_type(),
                    format: 1,
                    subject,
                    attributes: Vec::new(),
                    active,
                    received_at: None,
                    recorded_at: at,
                    actor: Actor::SYSTEM,
                    via: Via::System,
                    request: None,
                    txn: Txn { id: txn, n, of },
                    cause: None,
                    key: matches!(subject, Subject::User(_)).then_some(revision.0 * 10),
                    payload: None,
                },
                event: Opened::Event(event),
            });
        }
        self.head()
    }

    /// Its first events.
    pub(crate) fn first(&self, count: usize) -> Self {
        Self { events: self.events[..count].to_vec(), transactions: self.transactions }
    }

    /// The same log after the keys of this user were destroyed.
    pub(crate) fn with_erased(&self, number: u128) -> Self {
        let mut events = self.events.clone();
        for recorded in events.iter_mut().filter(|event| event.header.subject == Subject::User(id(number))) {
            recorded.event = Opened::Erased;
        }
        Self { events, transactions: self.transactions }
    }
}

/// A folder that vanishes with the test, and the view's file in it.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
