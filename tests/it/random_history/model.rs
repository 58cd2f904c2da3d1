//! What a tenant is, written as plainly as possible and without a line of the engine's: every rule of the design
//! once, in the order of its checks.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use provisioning::ResourceId;
use provisioning::tenancy::{
    DeletePolicy, InitialState, PostDeactivated, PutOmitted, PutUnknown, Settings, UnknownMembers,
};
use scim::schemas::ENTERPRISE_USER;
use serde_json::{Map, Value, json};

use super::steps::{Change, GroupBody, GroupOp, Match, NAMES, TEXTS, UserBody, UserOp};

/// A user or group, also a deleted one.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "four facts, each independent of the others")]
pub(super) struct Thing {
    pub(super) id: ResourceId,
    pub(super) is_user: bool,
    pub(super) body: Value,
    pub(super) external: BTreeMap<String, String>,
    pub(super) invited: bool,
    pub(super) hidden: bool,
    pub(super) deleted: bool,
    pub(super) version: u64,
}

/// Somebody's membership from one revision to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Interval {
    pub(super) group: ResourceId,
    pub(super) member: ResourceId,
    pub(super) from: u64,
    pub(super) to: Option<u64>,
}

/// What a write is answered with.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) thing: Option<Thing>,
    pub(super) created: bool,
}

pub(super) type Outcome = Result<Answer, &'static str>;

#[derive(Debug, Clone)]
pub(super) struct Model {
    settings: Settings,
    /// In order of creation.
    pub(super) things: Vec<Thing>,
    pub(super) intervals: Vec<Interval>,
    /// The last revision.
    pub(super) head: u64,
}

/// The same for names that differ only in case: not the folding of the engine, but equal for these names.
fn same(one: &str, other: &str) -> bool {
    one.to_uppercase() == other.to_uppercase()
}

impl Model {
    pub(super) fn new(settings: Settings, head: u64) -> Self {
        Self { settings, things: Vec::new(), intervals: Vec::new(), head }
    }

    /// Whom a number means; `new` stands for somebody who never was.
    pub(super) fn id_of(&self, number: usize, new: ResourceId) -> ResourceId {
        self.things.get(number % (self.things.len() + 1)).map_or(new, |thing| thing.id)
    }

    /// The version that somebody has or had.
    pub(super) fn version_of(&self, id: ResourceId) -> u64 {
        self.things.iter().find(|thing| thing.id == id).map_or(0, |thing| thing.version)
    }

    /// Carries out a write on `id` (a new one for a POST); `new` stands for members who never were.
    pub(super) fn write(
        &mut self,
        change: &Change,
        id: ResourceId,
        new: ResourceId,
        domain: Option<&str>,
        if_match: Match,
    ) -> Outcome {
        match change {
            Change::CreateUser(body) => self.post_user(id, body, domain),
            Change::PutUser(_, body) => match self.find(id, true) {
                None => self.put_unknown(id, body, domain, if_match),
                Some(at) => {
                    check_match(if_match)?;
                    let now = user_state(body, domain);
                    let keep = self.settings.put_omitted == PutOmitted::Keep;
                    let next = replaced(&self.things[at], now, domain, keep);
                    self.settle_user(at, next, domain)
                }
            },
            Change::PatchUser(_, ops) => {
                let at = self.existing(id, true, if_match)?;
                let mut next = self.things[at].clone();
                for op in ops {
                    patch_user(&mut next, op, domain);
                }
                self.settle_user(at, next, domain)
            }
            Change::DeleteUser(_) => {
                let at = self.existing(id, true, if_match)?;
                if self.settings.delete == DeletePolicy::Refuse {
                    return Err("delete_refused");
                }
                self.leave_all(id);
                self.head += 1;
                let hides = self.settings.delete == DeletePolicy::Deactivate;
                let thing = &mut self.things[at];
                thing.version = self.head;
                thing.body["active"] = json!(false);
                (thing.hidden, thing.deleted) = (hides, !hides);
                Ok(Answer { thing: None, created: false })
            }
            Change::CreateGroup(body) => self.post_group(id, body, new, domain),
            Change::PutGroup(_, body) => self.put_group(id, body, new, domain, if_match),
            Change::PatchGroup(_, ops) => self.patch_group(id, ops, new, domain, if_match),
            Change::DeleteGroup(_) => {
                let at = self.existing(id, false, if_match)?;
                let members = self.members(id);
                if !members.is_empty() {
                    self.head += 1;
                    self.end(id, &members);
                }
                self.leave_all(id);
                self.head += 1;
                let head = self.head;
                (self.things[at].deleted, self.things[at].version) = (true, head);
                Ok(Answer { thing: None, created: false })
            }
            Change::Activate(_) => {
                let at = self.find(id, true).ok_or("not_found")?;
                if self.things[at].invited {
                    self.head += 1;
                    (self.things[at].invited, self.things[at].version) = (false, self.head);
                }
                Ok(self.answer(at, false))
            }
        }
    }

    fn answer(&self, at: usize, created: bool) -> Answer {
        Answer { thing: Some(self.things[at].clone()), created }
    }

    fn find(&self, id: ResourceId, is_user: bool) -> Option<usize> {
        self.things
            .iter()
            .position(|thing| thing.id == id && thing.is_user == is_user && !thing.hidden && !thing.deleted)
    }

    fn existing(&self, id: ResourceId, is_user: bool, if_match: Match) -> Result<usize, &'static str> {
        let at = self.find(id, is_user).ok_or("not_found")?;
        check_match(if_match)?;
        Ok(at)
    }

    /// Names and external ids that somebody else, visible, has.
    fn check_unique(
        &self,
        old: Option<&Thing>,
        next: &Thing,
        domain: Option<&str>,
    ) -> Result<(), &'static str> {
        let mut others = self.things.iter().filter(|thing| {
            thing.id != next.id && thing.is_user == next.is_user && !thing.hidden && !thing.deleted
        });
        if next.is_user {
            let name = |thing: &Thing| thing.body["userName"].as_str().unwrap().to_owned();
            let mine = name(next);
            let changed = old.is_none_or(|old| !same(&name(old), &mine));
            if changed && others.clone().any(|other| same(&name(other), &mine)) {
                return Err("user_name_taken");
            }
        }
        let Some(domain) = domain else { return Ok(()) };
        let mine = next.external.get(domain);
        let changed = mine.is_some() && mine != old.and_then(|old| old.external.get(domain));
        if changed && others.any(|other| other.external.get(domain) == mine) {
            return Err("external_id_taken");
        }
        Ok(())
    }

    fn post_user(&mut self, id: ResourceId, body: &UserBody, domain: Option<&str>) -> Outcome {
        let next = first(id, user_state(body, domain));
        if self.settings.post_deactivated == PostDeactivated::Reactivate
            && let Some(at) = self.person_to_bring_back(&next, domain)?
        {
            return Ok(self.bring_back(at, next, domain));
        }
        self.create(next, domain)
    }

    fn put_unknown(
        &mut self,
        id: ResourceId,
        body: &UserBody,
        domain: Option<&str>,
        if_match: Match,
    ) -> Outcome {
        let was_named = self.things.iter().any(|thing| thing.id == id);
        if self.settings.put_unknown != PutUnknown::Create || was_named {
            return Err("not_found");
        }
        if !matches!(if_match, Match::No) {
            return Err("precondition");
        }
        self.create(first(id, user_state(body, domain)), domain)
    }

    fn create(&mut self, mut next: Thing, domain: Option<&str>) -> Outcome {
        self.check_unique(None, &next, domain)?;
        self.head += 1;
        next.invited = next.is_user && self.settings.initial == InitialState::Invited;
        next.version = self.head;
        self.things.push(next);
        Ok(self.answer(self.things.len() - 1, true))
    }

    fn person_to_bring_back(
        &self,
        next: &Thing,
        domain: Option<&str>,
    ) -> Result<Option<usize>, &'static str> {
        let live = |at: &usize| self.things[*at].is_user && !self.things[*at].deleted;
        let text = |thing: &Thing| thing.body["userName"].as_str().unwrap().to_owned();
        let named = |at: &usize| same(&text(&self.things[*at]), &text(next));
        let known = |at: &usize| {
            domain.is_some_and(|domain| {
                let theirs = self.things[*at].external.get(domain);
                theirs.is_some() && theirs == next.external.get(domain)
            })
        };
        let named: Vec<usize> = (0..self.things.len()).filter(live).filter(named).collect();
        let known: Vec<usize> = (0..self.things.len()).filter(live).filter(known).collect();
        let seen = |list: &[usize]| list.iter().copied().find(|at| !self.things[*at].hidden);
        let active = |at: usize| self.things[at].body["active"] == true;
        match (seen(&named), seen(&known)) {
            (Some(at), _) if active(at) => Err("user_name_taken"),
            (_, Some(at)) if active(at) => Err("external_id_taken"),
            (Some(one), Some(other)) if one != other => Err("reactivation_ambiguous"),
            (Some(at), _) | (None, Some(at)) => Ok(Some(at)),
            (None, None) => Ok(known.last().or(named.last()).copied()),
        }
    }

    fn bring_back(&mut self, at: usize, wanted: Thing, domain: Option<&str>) -> Answer {
        let old = self.things[at].clone();
        let wants_in = wanted.body["active"] == true;
        let before = self.head;
        let mut next = replaced(&old, wanted, domain, false);
        next.hidden = false;
        let mut active = old.body["active"] == true;
        if old.hidden || wants_in {
            self.head += 1;
            active = true;
        }
        self.head += u64::from(differs(&old, &next)) + u64::from(active != wants_in);
        if self.head > before {
            next.version = self.head;
            self.things[at] = next;
        }
        self.answer(at, self.head > before)
    }

    fn settle_user(&mut self, at: usize, next: Thing, domain: Option<&str>) -> Outcome {
        let old = self.things[at].clone();
        self.check_unique(Some(&old), &next, domain)?;
        let turned = old.body["active"] != next.body["active"];
        let events = u64::from(differs(&old, &next)) + u64::from(turned);
        if events > 0 {
            self.head += events;
            self.things[at] = Thing { version: self.head, ..next };
        }
        Ok(self.answer(at, false))
    }

    fn post_group(
        &mut self,
        id: ResourceId,
        body: &GroupBody,
        new: ResourceId,
        domain: Option<&str>,
    ) -> Outcome {
        let mut members = BTreeSet::new();
        self.add(id, body.members.as_deref().unwrap_or_default(), new, &mut members)?;
        self.create(Thing { is_user: false, ..first(id, group_state(body, domain)) }, domain)?;
        let at = self.things.len() - 1;
        self.settle_members(at, &members);
        Ok(self.answer(at, true))
    }

    fn put_group(
        &mut self,
        id: ResourceId,
        body: &GroupBody,
        new: ResourceId,
        domain: Option<&str>,
        if_match: Match,
    ) -> Outcome {
        let at = self.existing(id, false, if_match)?;
        let keep = self.settings.put_omitted == PutOmitted::Keep;
        let next = replaced(&self.things[at], group_state(body, domain), domain, keep);
        let mut members = BTreeSet::new();
        match &body.members {
            Some(given) => self.add(id, given, new, &mut members)?,
            None if keep => members = self.members(id),
            None => {}
        }
        self.settle_group(at, next, &members, domain)
    }

    fn patch_group(
        &mut self,
        id: ResourceId,
        ops: &[GroupOp],
        new: ResourceId,
        domain: Option<&str>,
        if_match: Match,
    ) -> Outcome {
        let at = self.existing(id, false, if_match)?;
        let mut next = self.things[at].clone();
        let mut members = self.members(id);
        for op in ops {
            match op {
                GroupOp::Name(name) => next.body["displayName"] = json!(NAMES[*name]),
                GroupOp::Add(given) => self.add(id, given, new, &mut members)?,
                GroupOp::Remove(number) => {
                    members.remove(&self.id_of(*number, new));
                }
                GroupOp::RemoveAll => members.clear(),
                GroupOp::Replace(given) => {
                    members.clear();
                    self.add(id, given, new, &mut members)?;
                }
            }
        }
        self.settle_group(at, next, &members, domain)
    }

    fn settle_group(
        &mut self,
        at: usize,
        next: Thing,
        members: &BTreeSet<ResourceId>,
        domain: Option<&str>,
    ) -> Outcome {
        let old = self.things[at].clone();
        self.check_unique(Some(&old), &next, domain)?;
        if differs(&old, &next) {
            self.head += 1;
            self.things[at] = Thing { version: self.head, ..next };
        }
        self.settle_members(at, members);
        Ok(self.answer(at, false))
    }

    fn add(
        &self,
        group: ResourceId,
        given: &[usize],
        new: ResourceId,
        members: &mut BTreeSet<ResourceId>,
    ) -> Result<(), &'static str> {
        let mut unknown = false;
        for id in given.iter().map(|number| self.id_of(*number, new)) {
            if id == group {
                return Err("member_is_group_itself");
            }
            if self.find(id, true).or(self.find(id, false)).is_some() {
                members.insert(id);
            } else {
                unknown = true;
            }
        }
        let skips = self.settings.unknown_members == Some(UnknownMembers::Skip);
        if unknown && !skips { Err("unknown_member") } else { Ok(()) }
    }

    pub(super) fn members(&self, group: ResourceId) -> BTreeSet<ResourceId> {
        let open = self.intervals.iter().filter(|interval| interval.group == group && interval.to.is_none());
        open.map(|interval| interval.member).collect()
    }

    /// First who left, then who came, each in one event.
    fn settle_members(&mut self, at: usize, now: &BTreeSet<ResourceId>) {
        let group = self.things[at].id;
        let before = self.members(group);
        let (left, came): (BTreeSet<_>, Vec<_>) =
            (before.difference(now).copied().collect(), now.difference(&before).copied().collect());
        if !left.is_empty() {
            self.head += 1;
            self.end(group, &left);
        }
        if !came.is_empty() {
            self.head += 1;
            let from = self.head;
            self.intervals.extend(came.into_iter().map(|member| Interval { group, member, from, to: None }));
        }
        if !left.is_empty() || before != *now {
            self.things[at].version = self.head;
        }
    }

    /// Ends memberships at the last revision.
    fn end(&mut self, group: ResourceId, members: &BTreeSet<ResourceId>) {
        for interval in &mut self.intervals {
            if interval.group == group && interval.to.is_none() && members.contains(&interval.member) {
                interval.to = Some(self.head);
            }
        }
    }

    /// Ends somebody's memberships, group by group in order of their creation.
    fn leave_all(&mut self, member: ResourceId) {
        for at in 0..self.things.len() {
            let group = self.things[at].id;
            if self.members(group).contains(&member) {
                self.head += 1;
                self.end(group, &BTreeSet::from([member]));
                self.things[at].version = self.head;
            }
        }
    }
}

fn check_match(if_match: Match) -> Result<(), &'static str> {
    match if_match {
        Match::No | Match::Any | Match::Now => Ok(()),
        Match::Other => Err("precondition"),
    }
}

/// Whether anything but `active` differs.
fn differs(old: &Thing, next: &Thing) -> bool {
    let without_active = |thing: &Thing| {
        let mut body = thing.body.clone();
        body.as_object_mut().unwrap().remove("active");
        body
    };
    without_active(old) != without_active(next) || old.external != next.external
}

fn first(id: ResourceId, mut thing: Thing) -> Thing {
    thing.id = id;
    if thing.is_user && thing.body.get("active").is_none() {
        thing.body["active"] = json!(true);
    }
    thing
}

fn blank(is_user: bool, body: Value, external: Option<usize>, domain: Option<&str>) -> Thing {
    let external = domain.zip(external).map(|(domain, text)| (domain.to_owned(), TEXTS[text].to_owned()));
    Thing {
        id: ResourceId(uuid::Uuid::nil()),
        is_user,
        body,
        external: external.into_iter().collect(),
        invited: false,
        hidden: false,
        deleted: false,
        version: 0,
    }
}

fn user_state(body: &UserBody, domain: Option<&str>) -> Thing {
    blank(true, body.json(), body.external, domain)
}

fn group_state(body: &GroupBody, domain: Option<&str>) -> Thing {
    blank(false, json!({"displayName": NAMES[body.name]}), body.external, domain)
}

/// What a PUT makes of it: `active` stays if it is not given; so does everything else where the tenant says so.
fn replaced(old: &Thing, now: Thing, domain: Option<&str>, keep: bool) -> Thing {
    let (mut body, mut external) = (now.body, old.external.clone());
    for (name, value) in old.body.as_object().unwrap() {
        if body.get(name).is_none() && (keep || name == "active") {
            body[name.as_str()] = value.clone();
        }
    }
    if let Some(domain) = domain {
        match now.external.get(domain) {
            Some(text) => drop(external.insert(domain.to_owned(), text.clone())),
            None if keep => {}
            None => drop(external.remove(domain)),
        }
    }
    Thing { body, external, ..old.clone() }
}

fn patch_user(next: &mut Thing, op: &UserOp, domain: Option<&str>) {
    match op {
        UserOp::Title(text) => put(&mut next.body, &["title"], *text),
        UserOp::GivenName(text) => put(&mut next.body, &["name", "givenName"], *text),
        UserOp::Department(text) => put(&mut next.body, &[ENTERPRISE_USER, "department"], *text),
        UserOp::Name(name) => next.body["userName"] = json!(NAMES[*name]),
        UserOp::Active(active) => next.body["active"] = json!(active),
        UserOp::TitleAndActive(title, active) => {
            next.body["title"] = json!(TEXTS[*title]);
            next.body["active"] = json!(active);
        }
        UserOp::External(text) => {
            if let Some(domain) = domain {
                match text {
                    Some(text) => drop(next.external.insert(domain.to_owned(), TEXTS[*text].to_owned())),
                    None => drop(next.external.remove(domain)),
                }
            }
        }
        UserOp::AddEmail(value, work) => {
            let mut emails = emails(&next.body);
            if !emails.iter().any(|(text, of)| of == work && same(text, TEXTS[*value])) {
                emails.push((TEXTS[*value].to_owned(), *work));
            }
            set_emails(&mut next.body, &emails);
        }
        UserOp::RemoveEmails(work) => {
            let mut emails = emails(&next.body);
            emails.retain(|(_, of)| of != work);
            set_emails(&mut next.body, &emails);
        }
        UserOp::ReplaceEmails(value, work) => {
            let mut emails = emails(&next.body);
            // What the filter had to find is made (`entra.filtered_replace`).
            if !emails.iter().any(|(_, of)| of == work) {
                emails.push((String::new(), *work));
            }
            for (text, _) in emails.iter_mut().filter(|(_, of)| of == work) {
                TEXTS[*value].clone_into(text);
            }
            // Values that have become equal are one.
            let mut seen = HashSet::new();
            emails.retain(|email| seen.insert(email.clone()));
            set_emails(&mut next.body, &emails);
        }
    }
}

/// Sets a text at a path of one or two names, or takes it away, and what holds nothing then.
fn put(body: &mut Value, path: &[&str], text: Option<usize>) {
    let object = body.as_object_mut().unwrap();
    let (name, rest) = path.split_first().unwrap();
    if rest.is_empty() {
        match text {
            Some(text) => drop(object.insert((*name).to_owned(), json!(TEXTS[text]))),
            None => drop(object.remove(*name)),
        }
        return;
    }
    let mut inner = object.remove(*name).unwrap_or_else(|| Value::Object(Map::new()));
    put(&mut inner, rest, text);
    if !inner.as_object().unwrap().is_empty() {
        object.insert((*name).to_owned(), inner);
    }
}

fn emails(body: &Value) -> Vec<(String, bool)> {
    let emails = body.get("emails").and_then(Value::as_array).cloned().unwrap_or_default();
    let read = |email: &Value| (email["value"].as_str().unwrap().to_owned(), email["type"] == "work");
    emails.iter().map(read).collect()
}

fn set_emails(body: &mut Value, emails: &[(String, bool)]) {
    let object = body.as_object_mut().unwrap();
    if emails.is_empty() {
        object.remove("emails");
    } else {
        let emails = emails.iter().map(|(value, work)| json!({"value": value, "type": kind(*work)}));
        object.insert("emails".to_owned(), emails.collect());
    }
}

pub(super) fn kind(work: bool) -> &'static str {
    if work { "work" } else { "home" }
}

impl UserBody {
    /// The document without `externalId`.
    pub(super) fn json(&self) -> Value {
        let mut body = json!({"userName": NAMES[self.name]});
        put(&mut body, &["title"], self.title);
        put(&mut body, &["name", "givenName"], self.given_name);
        put(&mut body, &[ENTERPRISE_USER, "department"], self.department);
        let emails: Vec<_> =
            self.emails.iter().map(|(value, work)| (TEXTS[*value].to_owned(), *work)).collect();
        set_emails(&mut body, &emails);
        if let Some(active) = self.active {
            body["active"] = json!(active);
        }
        body
    }
}
