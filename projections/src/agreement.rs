//! The two views of one log: what history tells about any revision is what was current then.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use provisioning::directory::Directory;
use provisioning::evolve::evolve;
use provisioning::{Recorded, Resource, ResourceId, Revision};
use scim::ResourceType;
use serde_json::json;

use crate::current::{CurrentReader, CurrentWriter, GroupRef, MemberRow};
use crate::digest;
use crate::history::{AccessRow, HistoryReader, HistoryWriter, Past};
use crate::testing::{self, Draft, Log, Place, STREAM, id, patch};

const USERS: std::ops::Range<u128> = 0..4;
const GROUPS: std::ops::Range<u128> = 10..12;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Creates, or else renames.
    Name(u128),
    Deactivate(u128),
    Reactivate(u128),
    Activate(u128),
    Hide(u128),
    Delete(u128),
    Add(u128, u128),
    Remove(u128, u128),
}

fn step() -> impl Strategy<Value = Step> {
    let any = || prop_oneof![USERS, GROUPS];
    prop_oneof![
        4 => any().prop_map(Step::Name),
        1 => USERS.prop_map(Step::Deactivate),
        1 => USERS.prop_map(Step::Reactivate),
        1 => USERS.prop_map(Step::Activate),
        1 => USERS.prop_map(Step::Hide),
        1 => any().prop_map(Step::Delete),
        6 => (GROUPS, USERS).prop_map(|(group, user)| Step::Add(group, user)),
        3 => (GROUPS, USERS).prop_map(|(group, user)| Step::Remove(group, user)),
    ]
}

/// What the steps have made so far: enough to record only what can happen.
#[derive(Default)]
struct Model {
    names: u32,
    /// Who was ever there; `true` while visible.
    known: BTreeMap<u128, bool>,
    members: BTreeSet<(u128, u128)>,
}

impl Model {
    /// The transaction that a step comes to; empty if it cannot be.
    fn take(&mut self, step: Step) -> Vec<Draft> {
        let visible = |model: &Self, number| model.known.get(&number) == Some(&true);
        match step {
            Step::Name(number) => self.name(number),
            Step::Deactivate(user) if visible(self, user) => vec![testing::user_deactivated(user)],
            Step::Reactivate(user) if visible(self, user) => vec![testing::user_reactivated(user)],
            Step::Activate(user) if visible(self, user) => vec![testing::user_activated(user)],
            Step::Hide(user) if visible(self, user) => self.end(user, testing::user_hidden(user)),
            Step::Delete(user) if visible(self, user) && USERS.contains(&user) => {
                self.end(user, testing::user_deleted(user))
            }
            Step::Delete(group) if visible(self, group) => self.end(group, testing::group_deleted(group)),
            Step::Add(group, user) if visible(self, group) && visible(self, user) => {
                self.members.insert((group, user));
                vec![testing::members_added(group, &[user])]
            }
            Step::Remove(group, user) if visible(self, group) && visible(self, user) => {
                self.members.remove(&(group, user));
                vec![testing::members_removed(group, &[user])]
            }
            Step::Deactivate(_)
            | Step::Reactivate(_)
            | Step::Activate(_)
            | Step::Hide(_)
            | Step::Delete(_)
            | Step::Add(..)
            | Step::Remove(..) => Vec::new(),
        }
    }

    fn name(&mut self, number: u128) -> Vec<Draft> {
        self.names += 1;
        let name = format!("n{}", self.names);
        let new = !self.known.contains_key(&number);
        if !*self.known.entry(number).or_insert(true) {
            return Vec::new();
        }
        let mut user = patch(json!({"userName": name, "emails": [{"value": format!("{name}@example.com")}]}));
        // Shown by another name, by the same one, or by none of its own.
        let displays = [json!(format!("D{name}")), json!(name), json!(null)];
        user.patch.insert("displayName".to_owned(), displays[self.names as usize % 3].clone());
        user.external_ids = testing::external_ids(&[("okta", self.names.is_multiple_of(2).then_some(&name))]);
        user.invited = new && self.names % 2 == 1;
        vec![match (USERS.contains(&number), new) {
            (true, true) => testing::user_created(number, user),
            (true, false) => testing::user_updated(number, user),
            (false, true) => testing::group_created(number, &name),
            (false, false) => testing::group_updated(number, patch(json!({"displayName": name}))),
        }]
    }

    /// Memberships end before what ends them.
    fn end(&mut self, number: u128, last: Draft) -> Vec<Draft> {
        self.known.insert(number, false);
        let (ended, rest) =
            self.members.iter().copied().partition(|(group, user)| [*group, *user].contains(&number));
        self.members = rest;
        let ended: BTreeSet<(u128, u128)> = ended;
        ended
            .into_iter()
            .map(|(group, user)| testing::members_removed(group, &[user]))
            .chain([last])
            .collect()
    }
}

/// Who is active now, as history will have to tell it.
fn access_now(writer: &CurrentWriter) -> Vec<AccessRow> {
    let mut users: Vec<_> = USERS.filter_map(|number| writer.resource(id(number)).unwrap()).collect();
    users.retain(|user| user.active);
    users.sort_by_key(|user| user.created_revision);
    let groups =
        |user| writer.groups_of(user).unwrap().into_iter().map(|group| (group.id, Some(group.display)));
    users
        .into_iter()
        .map(|user| AccessRow {
            id: user.id,
            user_name: user.attributes["userName"].as_str().map(str::to_owned),
            active: true,
            groups: groups(user.id).collect(),
        })
        .collect()
}

/// All that is true of a resource, and what others say about it.
#[derive(Debug, PartialEq)]
struct Whole {
    resource: Resource,
    groups: Vec<GroupRef>,
    members: Vec<MemberRow>,
}

fn all_now(writer: &CurrentWriter, reader: &CurrentReader) -> Vec<Whole> {
    let all = USERS.chain(GROUPS).map(id);
    let mut all: Vec<_> = all.filter_map(|id| writer.resource(id).unwrap()).collect();
    all.sort_by_key(|resource| resource.created_revision);
    let whole = |resource: Resource| Whole {
        groups: reader.groups_of(resource.id).unwrap(),
        members: reader.members(resource.id, None, 99).unwrap(),
        resource,
    };
    all.into_iter().map(whole).collect()
}

/// The same of a revision, as history and the log tell it.
fn all_then(reader: &HistoryReader, log: &Log, revision: Revision) -> Vec<Whole> {
    let mut all = Vec::new();
    let mut after = Revision::ZERO;
    while let Some(end) = reader.stretch_end(revision, after, 2).unwrap() {
        let changed = reader.changed_since(revision, after, end).unwrap();
        assert!(changed.iter().all(|past| !past.lasts));
        for created in after.0 + 1..=end.0 {
            let past = reader.past(revision, Revision(created)).unwrap();
            let is_changed = changed.iter().find(|past| past.created_revision == Revision(created));
            assert_eq!(past.as_ref().filter(|past| !past.lasts), is_changed);
            all.extend(past.map(|past| whole_then(reader, log, revision, &past)));
        }
        after = end;
    }
    all
}

fn whole_then(reader: &HistoryReader, log: &Log, revision: Revision, past: &Past) -> Whole {
    let event = |revision: &Revision| -> &Recorded { &log.events[usize::try_from(revision.0 - 1).unwrap()] };
    let events = reader.events_of(revision, past.created_revision).unwrap();
    let folded = events.iter().map(event).fold(None, evolve).expect("it was there");
    assert_eq!((folded.resource_type, folded.hidden), (past.resource_type, past.hidden));
    Whole {
        groups: reader.groups_then(revision, past.id).unwrap(),
        members: reader.members_then(revision, past.id, None, 99).unwrap(),
        resource: Resource { revision: past.revision, modified_at: past.modified_at, ..folded },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn history_tells_of_every_revision_what_was_current_then(
        steps in prop::collection::vec(step(), 1..60),
        batch in 1..9_usize,
    ) {
        let mut model = Model::default();
        let mut log = Log::default();
        for drafts in steps.into_iter().map(|step| model.take(step)).filter(|drafts| !drafts.is_empty()) {
            log.record(drafts);
        }
        let place = Place::new();
        let mut current = CurrentWriter::open(&place.file("current.db"), STREAM).unwrap();
        let mut history = HistoryWriter::open(&place.file("history.db"), STREAM).unwrap();
        let current_reader = CurrentReader::open(&place.file("current.db")).unwrap();
        let mut then: BTreeMap<Revision, (Vec<AccessRow>, Vec<Whole>)> = BTreeMap::new();
        let mut taken_in = 0;
        for (count, recorded) in (1..).zip(&log.events) {
            current.begin().unwrap();
            current.apply(recorded).unwrap();
            current.commit().unwrap();
            let now = (access_now(&current), all_now(&current, &current_reader));
            then.insert(recorded.header.revision, now);
            if recorded.header.txn.n == recorded.header.txn.of && count - taken_in >= batch {
                history.apply(&log.events[taken_in..count], [0; 32]).unwrap();
                taken_in = count;
            }
        }
        history.apply(&log.events[taken_in..], [0; 32]).unwrap();

        let reader = HistoryReader::open(&place.file("history.db")).unwrap();
        for (revision, (rows, all)) in then {
            prop_assert_eq!(&all_then(&reader, &log, revision), &all);
            let users = all.iter().filter(|whole| whole.resource.resource_type == ResourceType::User).count();
            prop_assert_eq!(reader.count_then(revision, ResourceType::User).unwrap(), users as u64);
            prop_assert_eq!(&reader.access_at(revision, None).unwrap(), &rows);
            for group in GROUPS.map(id) {
                let of_group = |row: &AccessRow| row.groups.iter().any(|(member_of, _)| *member_of == group);
                let members: Vec<_> = rows.iter().filter(|row| of_group(row)).cloned().collect();
                prop_assert_eq!(reader.access_at(revision, Some(group)).unwrap(), members);
            }
        }
        for number in USERS {
            check_open_memberships(&reader, &current, id(number));
        }

        let mut rebuilt = HistoryWriter::open_for_rebuild(&place.file("rebuilt.db"), STREAM).unwrap();
        rebuilt.apply(&log.events, [0; 32]).unwrap();
        rebuilt.finish().unwrap();
        let digest = |name| digest::tables(&place.file(name)).unwrap();
        prop_assert_eq!(digest("history.db"), digest("rebuilt.db"));
    }
}

#[track_caller]
fn check_open_memberships(reader: &HistoryReader, current: &CurrentWriter, user: ResourceId) {
    let open = reader.memberships_of(user).unwrap().into_iter().filter(|interval| interval.to.is_none());
    let open: BTreeSet<_> = open.map(|interval| interval.group).collect();
    let now: BTreeSet<_> = current.groups_of(user).unwrap().into_iter().map(|group| group.id).collect();
    assert_eq!(open, now);
}
