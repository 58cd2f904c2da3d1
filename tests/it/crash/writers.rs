//! Thirty-two clients that write at once until the service dies, and what each of them was told.
//!
//! Every write bears a word of its own (a userName or title that nothing else has), so that it can be found again
//! in the log: once, or not at all.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::process::Client;
use crate::dice::Dice;

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    Create {
        user_name: String,
    },
    Title {
        id: String,
        title: String,
    },
    Join {
        id: String,
        group: String,
    },
    Leave {
        id: String,
        group: String,
    },
    Delete {
        id: String,
    },
    /// A group of its own, with one of the client's people.
    Form {
        name: String,
        member: String,
    },
    Dissolve {
        group: String,
    },
    /// Something that the service has to refuse; `word` is in it.
    Wrong {
        word: String,
    },
}

/// What it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// 2xx, with the id of what was made.
    Done(Option<String>),
    /// 4xx.
    Refused(u16),
    /// 5xx, or nothing: the service died meanwhile.
    Nothing,
}

/// Somebody whom a client made and alone changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) user_name: String,
    pub(super) title: Option<String>,
    pub(super) groups: BTreeSet<String>,
    /// Groups that the person was ever in: nobody joins twice, so that each joining is found once.
    pub(super) joined: BTreeSet<String>,
    pub(super) deleted: bool,
}

/// One of the clients.
pub(super) struct Writer {
    number: usize,
    dice: Dice,
    words: u64,
    pub(super) people: Vec<Person>,
    /// The groups that this client made and that are still there.
    pub(super) own_groups: BTreeSet<String>,
    /// What was asked and told since the last check.
    pub(super) deeds: Vec<(Deed, Told)>,
}

impl Writer {
    pub(super) fn new(number: usize, dice: Dice) -> Self {
        let (people, own_groups, deeds) = (Vec::new(), BTreeSet::new(), Vec::new());
        Self { number, dice, words: 0, people, own_groups, deeds }
    }

    /// Writes until no answer comes.
    pub(super) fn write(&mut self, client: &Client, groups: &[String]) {
        loop {
            let deed = self.next(groups);
            let reply = self.ask(client, &deed);
            let told = match reply {
                Some((200..=299, id)) => Told::Done(id),
                Some((status @ 400..=499, _)) => Told::Refused(status),
                Some(_) => Told::Nothing,
                None => {
                    self.deeds.push((deed, Told::Nothing));
                    return;
                }
            };
            let unknown = told == Told::Nothing;
            if !unknown {
                self.take_in(&deed, &told);
            }
            self.deeds.push((deed, told));
            if unknown {
                // Whether it happened is looked up before this client goes on.
                return;
            }
        }
    }

    /// What becomes of this client's people by something that was done.
    pub(super) fn take_in(&mut self, deed: &Deed, told: &Told) {
        let Told::Done(made) = told else { return };
        let person = |id: &String| self.people.iter().position(|person| person.id == *id);
        match deed {
            Deed::Create { user_name } => self.people.push(Person {
                id: made.clone().expect("a creation answers with an id"),
                user_name: user_name.clone(),
                title: None,
                groups: BTreeSet::new(),
                joined: BTreeSet::new(),
                deleted: false,
            }),
            Deed::Title { id, title } => {
                let index = person(id).expect("it is one of ours");
                self.people[index].title = Some(title.clone());
            }
            Deed::Join { id, group } => {
                let index = person(id).expect("it is one of ours");
                self.people[index].groups.insert(group.clone());
                self.people[index].joined.insert(group.clone());
            }
            Deed::Leave { id, group } => {
                let index = person(id).expect("it is one of ours");
                self.people[index].groups.remove(group);
            }
            Deed::Delete { id } => {
                let index = person(id).expect("it is one of ours");
                self.people[index].groups.clear();
                self.people[index].deleted = true;
            }
            Deed::Form { name: _, member } => {
                let group = made.clone().expect("a creation answers with an id");
                let index = person(member).expect("it is one of ours");
                self.people[index].groups.insert(group.clone());
                self.people[index].joined.insert(group.clone());
                self.own_groups.insert(group);
            }
            Deed::Dissolve { group } => {
                for person in &mut self.people {
                    person.groups.remove(group);
                }
                self.own_groups.remove(group);
            }
            Deed::Wrong { .. } => {}
        }
    }

    fn word(&mut self) -> String {
        self.words += 1;
        format!("word-{}-{}", self.number, self.words)
    }

    fn next(&mut self, groups: &[String]) -> Deed {
        let living: Vec<_> = (0..self.people.len()).filter(|index| !self.people[*index].deleted).collect();
        let chance = self.dice.below(100);
        if living.is_empty() || chance < 35 {
            return Deed::Create { user_name: self.word() };
        }
        let person = self.people[living[self.dice.below(living.len())]].clone();
        let id = person.id;
        match chance {
            35..55 => Deed::Title { id, title: self.word() },
            55..61 => Deed::Form { name: self.word(), member: id },
            61..65 => match self.own_groups.first() {
                Some(group) => Deed::Dissolve { group: group.clone() },
                None => Deed::Form { name: self.word(), member: id },
            },
            65..80 => match groups.iter().find(|group| !person.joined.contains(*group)) {
                Some(group) => Deed::Join { id, group: group.clone() },
                None => Deed::Title { id, title: self.word() },
            },
            80..87 => match person.groups.first() {
                Some(group) => Deed::Leave { id, group: group.clone() },
                None => Deed::Title { id, title: self.word() },
            },
            87..95 => Deed::Delete { id },
            _ => Deed::Wrong { word: self.word() },
        }
    }

    /// Status and, where something was made, its id.
    fn ask(&mut self, client: &Client, deed: &Deed) -> Option<(u16, Option<String>)> {
        let reply = match deed {
            Deed::Create { user_name } => client.send("POST", "/Users", Some(&user(user_name, None)), &[]),
            Deed::Title { id, title } => {
                let body = patch(json!([{"op": "replace", "path": "title", "value": title}]));
                client.send("PATCH", &format!("/Users/{id}"), Some(&body), &[])
            }
            Deed::Join { id, group } => {
                let body = patch(json!([{"op": "add", "path": "members", "value": [{"value": id}]}]));
                client.send("PATCH", &format!("/Groups/{group}"), Some(&body), &[])
            }
            Deed::Leave { id, group } => {
                let path = format!("members[value eq \"{id}\"]");
                let body = patch(json!([{"op": "remove", "path": path}]));
                client.send("PATCH", &format!("/Groups/{group}"), Some(&body), &[])
            }
            Deed::Delete { id } => client.send("DELETE", &format!("/Users/{id}"), None, &[]),
            Deed::Form { name, member } => client.send("POST", "/Groups", Some(&group(name, member)), &[]),
            Deed::Dissolve { group } => client.send("DELETE", &format!("/Groups/{group}"), None, &[]),
            Deed::Wrong { word } => self.ask_wrongly(client, word),
        }?;
        Some((reply.status, reply.body["id"].as_str().map(str::to_owned)))
    }

    /// A taken name, a stale tag or an unknown member.
    fn ask_wrongly(&mut self, client: &Client, word: &str) -> Option<super::process::Reply> {
        let living = self.people.iter().find(|person| !person.deleted).expect("there is somebody");
        match self.dice.below(3) {
            0 => client.send("POST", "/Users", Some(&user(&living.user_name, Some(word))), &[]),
            1 => {
                let body = patch(json!([{"op": "replace", "path": "title", "value": word}]));
                client.send(
                    "PATCH",
                    &format!("/Users/{}", living.id),
                    Some(&body),
                    &[("If-Match", "W/\"0\"")],
                )
            }
            _ => {
                let nobody = "00000000-0000-7000-8000-000000000000";
                client.send("POST", "/Groups", Some(&group(word, nobody)), &[])
            }
        }
    }
}

fn user(user_name: &str, title: Option<&str>) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": user_name,
        "title": title,
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "emails": [{"value": format!("{user_name}@example.com"), "type": "work", "primary": true}],
    })
}

fn group(name: &str, member: &str) -> Value {
    let schemas = ["urn:ietf:params:scim:schemas:core:2.0:Group"];
    json!({"schemas": schemas, "displayName": name, "members": [{"value": member}]})
}

#[expect(clippy::needless_pass_by_value, reason = "callers write the operations in place")]
fn patch(operations: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}
