//! What the service says after a crash, held against what its clients were told before.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::process::Client;
use super::writers::{Deed, Person, Told, Writer};
use crate::soak::Tally;

/// How many events and users one request brings.
const EVENTS_PER_PAGE: usize = 10_000;
const USERS_PER_PAGE: usize = 1_000;

/// Everything that the log of a tenant says, read once and then followed.
#[derive(Default)]
pub(super) struct Record {
    revision: u64,
    recorded_at: String,
    /// Where in a transaction the last event stands: number and total.
    txn: (u64, u64),
    ids: BTreeSet<String>,
    /// By userName or a group's displayName, the ids of what was made with it.
    created: BTreeMap<String, Vec<String>>,
    /// By title or displayName, how often it was set.
    words: BTreeMap<String, u64>,
    /// By group and member.
    joined: BTreeMap<(String, String), u64>,
    left: BTreeMap<(String, String), u64>,
    deleted: BTreeMap<String, u64>,
}

impl Record {
    /// Takes in what is new, and checks that revisions, transactions and instants follow each other.
    pub(super) fn follow(&mut self, operator: &Client, tenant: &str) {
        loop {
            let path = format!("/audit/v1/{tenant}/events?after={}&limit={EVENTS_PER_PAGE}", self.revision);
            let page = operator.get(&path);
            let events = page["events"].as_array().expect("a list of events");
            for event in events {
                self.take_in(event);
            }
            if events.len() < EVENTS_PER_PAGE {
                assert_eq!(page["position"], self.revision, "the answer says up to where it speaks");
                assert_eq!(self.txn.0, self.txn.1, "half an operation at the end of the log");
                return;
            }
        }
    }

    fn take_in(&mut self, event: &Value) {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        self.revision += 1;
        assert_eq!(event["revision"], self.revision, "revisions have no gap");
        assert!(self.ids.insert(text(&event["id"])), "an event is there twice: {event}");
        let (n, of) = (event["txn"]["n"].as_u64().unwrap_or(0), event["txn"]["of"].as_u64().unwrap_or(0));
        let due = if self.txn.0 == self.txn.1 { 1 } else { self.txn.0 + 1 };
        assert_eq!(n, due, "half an operation before revision {}", self.revision);
        self.txn = (n, of);
        let recorded_at = text(&event["recorded_at"]);
        assert!(recorded_at >= self.recorded_at, "time goes back at revision {}", self.revision);
        self.recorded_at = recorded_at;

        let subject = text(&event["subject"]);
        let id = subject.split_once('/').map_or("", |(_, id)| id).to_owned();
        let patch = &event["data"]["patch"];
        for name in ["title", "displayName"] {
            if let Some(word) = patch[name].as_str() {
                *self.words.entry(word.to_owned()).or_default() += 1;
            }
        }
        match event["type"].as_str().expect("a type") {
            "user.created" => self.created.entry(text(&patch["userName"])).or_default().push(id),
            "group.created" => self.created.entry(text(&patch["displayName"])).or_default().push(id),
            "user.deleted" | "group.deleted" => *self.deleted.entry(id).or_default() += 1,
            "group.members_added" => count_members(&mut self.joined, &id, event),
            "group.members_removed" => count_members(&mut self.left, &id, event),
            _ => {}
        }
    }

    /// How often what a client asked for is in the log.
    fn times(&self, deed: &Deed) -> u64 {
        let pair = |group: &String, id: &String| (group.clone(), id.clone());
        let times = match deed {
            Deed::Create { user_name: name } | Deed::Form { name, .. } => {
                self.created.get(name).map(|ids| ids.len() as u64)
            }
            Deed::Title { title, .. } => self.words.get(title).copied(),
            Deed::Join { id, group } => self.joined.get(&pair(group, id)).copied(),
            Deed::Leave { id, group } => self.left.get(&pair(group, id)).copied(),
            Deed::Delete { id } | Deed::Dissolve { group: id } => self.deleted.get(id).copied(),
            Deed::Wrong { word } => self.words.get(word).copied(),
        };
        times.unwrap_or(0)
    }

    /// Holds everything that a client was told against the log, and tells the client what became of that to which
    /// it got no answer.
    pub(super) fn settle(&self, writer: &mut Writer, tally: &mut Tally) {
        for (deed, told) in std::mem::take(&mut writer.deeds) {
            let times = self.times(&deed);
            match &told {
                Told::Done(made) => {
                    tally.acknowledged += 1;
                    let same = match (&deed, made) {
                        (Deed::Create { user_name: name } | Deed::Form { name, .. }, Some(id)) => {
                            self.created.get(name).is_some_and(|ids| ids.contains(id))
                        }
                        _ => true,
                    };
                    if times == 0 || !same {
                        tally.lost(format!("{deed:?} was answered 2xx and is not in the log"));
                    }
                }
                Told::Refused(status) => {
                    assert!(matches!(deed, Deed::Wrong { .. }), "{deed:?} was answered {status}");
                    if times > 0 {
                        tally.doubled(format!("{deed:?} was answered {status} and is in the log"));
                    }
                }
                Told::Nothing => {
                    let made = match &deed {
                        Deed::Create { user_name: name } | Deed::Form { name, .. } => {
                            self.created.get(name).and_then(|ids| ids.first()).cloned()
                        }
                        _ => None,
                    };
                    if times > 0 {
                        assert!(!matches!(deed, Deed::Wrong { .. }), "{deed:?} is in the log");
                        writer.take_in(&deed, &Told::Done(made));
                    }
                }
            }
            if times > 1 {
                tally.doubled(format!("{deed:?} is in the log {times} times"));
            }
        }
    }
}

fn count_members(counted: &mut BTreeMap<(String, String), u64>, group: &str, event: &Value) {
    for member in event["data"]["members"].as_array().into_iter().flatten() {
        let member = member[0].as_str().expect("a member's id").to_owned();
        *counted.entry((group.to_owned(), member)).or_default() += 1;
    }
}

/// Checks that the users are exactly those of the clients, as the clients believe them to be.
pub(super) fn compare_users(client: &Client, writers: &[Writer], tally: &mut Tally) {
    let mut found = users(client);
    for person in writers.iter().flat_map(|writer| &writer.people) {
        let expected = (!person.deleted).then(|| person.clone());
        match (found.remove(&person.id), expected) {
            (Some(found), Some(expected)) => {
                let same = found.user_name == expected.user_name
                    && found.title == expected.title
                    && found.groups == expected.groups;
                if !same {
                    tally.lost(format!("{found:?} should be {expected:?}"));
                }
            }
            (None, Some(expected)) => tally.lost(format!("{expected:?} is not there")),
            (Some(found), None) => tally.lost(format!("{found:?} was deleted")),
            (None, None) => {}
        }
    }
    for stranger in found.values() {
        tally.doubled(format!("nobody made {stranger:?}"));
    }
}

fn users(client: &Client) -> BTreeMap<String, Person> {
    let mut users = BTreeMap::new();
    loop {
        let path = format!(
            "/Users?startIndex={}&count={USERS_PER_PAGE}&attributes=userName,title,groups",
            users.len() + 1
        );
        let page = client.get(&path);
        let resources = page["Resources"].as_array().expect("a list of users");
        for user in resources {
            let text = |name: &str| user[name].as_str().map(str::to_owned);
            let groups = user["groups"].as_array().into_iter().flatten();
            let groups = groups.map(|group| group["value"].as_str().expect("a group's id").to_owned());
            let id = text("id").expect("a user has an id");
            let person = Person {
                id: id.clone(),
                user_name: text("userName").expect("a user has a name"),
                title: text("title"),
                groups: groups.collect(),
                joined: BTreeSet::new(),
                deleted: false,
            };
            assert!(users.insert(id, person).is_none(), "a user is listed twice");
        }
        if page["totalResults"] == users.len() || resources.is_empty() {
            return users;
        }
    }
}
