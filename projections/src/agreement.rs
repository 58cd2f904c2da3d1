//! The two views of one log: what history tells about any revision is what was current then.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use provisioning::directory::Directory;
use provisioning::{ResourceId, Revision};
use serde_json::json;

use crate::current::CurrentWriter;
use crate::digest;
use crate::history::{AccessRow, HistoryReader, HistoryWriter};
use crate::testing::{self, Draft, Log, Place, STREAM, id, patch};

const USERS: std::ops::Range<u128> = 0..4;
const GROUPS: std::ops::Range<u128> = 10..12;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Creates, or else renames.
    Name(u128),
    Deactivate(u128),
    Reactivate(u128),
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
        let user = patch(json!({"userName": name, "emails": [{"value": format!("{name}@example.com")}]}));
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
        let mut then: BTreeMap<Revision, Vec<AccessRow>> = BTreeMap::new();
        let mut taken_in = 0;
        for (count, recorded) in (1..).zip(&log.events) {
            current.begin().unwrap();
            current.apply(recorded).unwrap();
            current.commit().unwrap();
            then.insert(recorded.header.revision, access_now(&current));
            if recorded.header.txn.n == recorded.header.txn.of && count - taken_in >= batch {
                history.apply(&log.events[taken_in..count], [0; 32]).unwrap();
                taken_in = count;
            }
        }
        history.apply(&log.events[taken_in..], [0; 32]).unwrap();

        let reader = HistoryReader::open(&place.file("history.db")).unwrap();
        for (revision, rows) in then {
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
