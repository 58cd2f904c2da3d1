//! Clients that go on writing whatever dies, and what each of them was told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::crash::process::{Client, Reply};
use crate::dice::Dice;
use crate::soak::Tally;

/// How long a client waits that got no answer.
const PAUSE: Duration = Duration::from_millis(5);

/// What a client was told has been done: the type of the event and whom it is about.
type Deed = (&'static str, String);

#[derive(Debug, Clone)]
struct Person {
    id: String,
    active: bool,
    member: bool,
}

/// A client that alone changes its people and its group.
pub(super) struct Writer {
    pub(super) tenant: String,
    client: Client,
    name: String,
    dice: Dice,
    created: u64,
    group: Option<String>,
    people: Vec<Person>,
    done: Vec<Deed>,
    /// So many of them are in the tally.
    counted: usize,
}

/// How long clients write.
pub(super) struct Until {
    /// Writes that were answered 2xx, by all clients.
    written: AtomicU64,
    /// So many are enough.
    pub(super) enough: u64,
    stop: AtomicBool,
}

impl Until {
    pub(super) fn written(enough: u64) -> Self {
        Self { written: AtomicU64::new(0), enough, stop: AtomicBool::new(false) }
    }

    pub(super) fn so_far(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.so_far() >= self.enough
    }
}

impl Writer {
    pub(super) fn new(tenant: &str, client: Client, name: &str, dice: Dice) -> Self {
        Self {
            tenant: tenant.to_owned(),
            client,
            name: name.to_owned(),
            dice,
            created: 0,
            group: None,
            people: Vec::new(),
            done: Vec::new(),
            counted: 0,
        }
    }

    pub(super) fn write(&mut self, until: &Until) {
        while !until.is_over() {
            if self.one() {
                until.written.fetch_add(1, Ordering::Relaxed);
            } else {
                thread::park_timeout(PAUSE);
            }
        }
    }

    /// One write; whether it was answered 2xx. Nobody is touched again of whom nobody knows what happened.
    fn one(&mut self) -> bool {
        let Some(group) = self.group.clone() else { return self.make_group() };
        if self.people.len() < 3 || self.dice.below(100) < 25 {
            return self.make_person();
        }
        let index = self.dice.below(self.people.len());
        let person = self.people.swap_remove(index);
        let user = format!("users/{}", person.id);
        let member = format!("groups/{group} {}", person.id);
        let path = format!("/Users/{}", person.id);
        let (reply, deed, after) = match self.dice.below(100) {
            0..40 => {
                let active = !person.active;
                let deed = if active { "user.reactivated" } else { "user.deactivated" };
                let reply = self.patch(&path, &json!({"op": "replace", "path": "active", "value": active}));
                (reply, (deed, user), Some(Person { active, ..person }))
            }
            40..85 if person.member => {
                let leave = json!({"op": "remove", "path": format!("members[value eq \"{}\"]", person.id)});
                let reply = self.patch(&format!("/Groups/{group}"), &leave);
                (reply, ("group.members_removed", member), Some(Person { member: false, ..person }))
            }
            40..85 => {
                let join = json!({"op": "add", "path": "members", "value": [{"value": person.id}]});
                let reply = self.patch(&format!("/Groups/{group}"), &join);
                (reply, ("group.members_added", member), Some(Person { member: true, ..person }))
            }
            _ => (self.client.send("DELETE", &path, None, &[]), ("user.deleted", user), None),
        };
        let done = done(reply.as_ref());
        if done {
            self.done.push(deed);
            self.people.extend(after);
        }
        done
    }

    fn patch(&self, path: &str, operation: &Value) -> Option<Reply> {
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
        let body = json!({"schemas": schemas, "Operations": [operation]});
        self.client.send("PATCH", path, Some(&body), &[])
    }

    fn make_group(&mut self) -> bool {
        let schemas = ["urn:ietf:params:scim:schemas:core:2.0:Group"];
        let body = json!({"schemas": schemas, "displayName": self.name});
        let reply = self.client.send("POST", "/Groups", Some(&body), &[]);
        let Some(id) = made(reply.as_ref()) else { return false };
        self.done.push(("group.created", format!("groups/{id}")));
        self.group = Some(id);
        true
    }

    fn make_person(&mut self) -> bool {
        self.created += 1;
        let schemas = ["urn:ietf:params:scim:schemas:core:2.0:User"];
        let user_name = format!("{}-{}@example.com", self.name, self.created);
        let body = json!({"schemas": schemas, "userName": user_name, "active": true});
        let reply = self.client.send("POST", "/Users", Some(&body), &[]);
        let Some(id) = made(reply.as_ref()) else { return false };
        self.done.push(("user.created", format!("users/{id}")));
        self.people.push(Person { id, active: true, member: false });
        true
    }

    /// Holds what the client was told against the log of its tenant.
    pub(super) fn settle(&mut self, log: &[Value], tally: &mut Tally) {
        let mut recorded: BTreeMap<(&str, String), u64> = BTreeMap::new();
        for event in log {
            let kind = event["type"].as_str().unwrap_or_default();
            let subject = event["subject"].as_str().unwrap_or_default();
            let members = event["data"]["members"].as_array().into_iter().flatten();
            for member in members {
                let member = member[0].as_str().unwrap_or_default();
                *recorded.entry((kind, format!("{subject} {member}"))).or_default() += 1;
            }
            *recorded.entry((kind, subject.to_owned())).or_default() += 1;
        }
        let mut told: BTreeMap<&Deed, u64> = BTreeMap::new();
        for deed in &self.done {
            *told.entry(deed).or_default() += 1;
        }
        tally.acknowledged += (self.done.len() - self.counted) as u64;
        self.counted = self.done.len();
        for ((kind, subject), times) in told {
            let found = recorded.get(&(*kind, subject.clone())).copied().unwrap_or(0);
            if found < times {
                tally.lost(format!(
                    "{kind} {subject} was answered {times} times, is in the log {found} times"
                ));
            }
        }
    }

    /// Forgets everything: the log was put back to before.
    pub(super) fn forget(&mut self) {
        self.done.clear();
        self.counted = 0;
        self.people.clear();
        self.group = None;
        self.name.push('\'');
    }
}

fn done(reply: Option<&Reply>) -> bool {
    reply.is_some_and(|reply| {
        assert!(
            reply.status < 400 || reply.status == 503,
            "a right request is answered {}: {}",
            reply.status,
            reply.body
        );
        reply.status < 300
    })
}

fn made(reply: Option<&Reply>) -> Option<String> {
    let reply = reply.filter(|reply| done(Some(reply)))?;
    Some(reply.body["id"].as_str().expect("what is made has an id").to_owned())
}
