//! What can happen in a random history, in the terms of whoever asks. Resources are named by their number among all
//! that the history ever made, so that a shrunk history still makes sense.

use proptest::prelude::*;
use provisioning::tenancy::{
    DeletePolicy, InitialState, PostDeactivated, PutOmitted, PutUnknown, Settings, UnknownMembers,
};

/// Equal but for case, and not.
pub(super) const NAMES: [&str; 5] = ["alice", "ALICE", "bob", "Straße", "STRASSE"];
pub(super) const TEXTS: [&str; 3] = ["x", "X", "y"];
/// The last one is taken for the operator's: no domain, hence no `externalId`.
pub(super) const DOMAINS: [Option<&str>; 3] = [Some("okta"), Some("entra"), None];

#[derive(Debug, Clone, Default)]
pub(super) struct UserBody {
    pub(super) name: usize,
    pub(super) external: Option<usize>,
    pub(super) active: Option<bool>,
    pub(super) title: Option<usize>,
    pub(super) given_name: Option<usize>,
    /// Value and whether it is for work.
    pub(super) emails: Vec<(usize, bool)>,
    pub(super) department: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct GroupBody {
    pub(super) name: usize,
    pub(super) external: Option<usize>,
    pub(super) members: Option<Vec<usize>>,
}

#[derive(Debug, Clone)]
pub(super) enum UserOp {
    Title(Option<usize>),
    GivenName(Option<usize>),
    Department(Option<usize>),
    Name(usize),
    External(Option<usize>),
    Active(bool),
    /// Without a path.
    TitleAndActive(usize, bool),
    AddEmail(usize, bool),
    /// Of those for work, or not.
    RemoveEmails(bool),
    ReplaceEmails(usize, bool),
}

#[derive(Debug, Clone)]
pub(super) enum GroupOp {
    Name(usize),
    Add(Vec<usize>),
    Remove(usize),
    RemoveAll,
    Replace(Vec<usize>),
}

/// `If-Match`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Match {
    No,
    Any,
    /// The version that it has.
    Now,
    Other,
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    CreateUser(UserBody),
    PutUser(usize, UserBody),
    PatchUser(usize, Vec<UserOp>),
    CreateGroup(GroupBody),
    PutGroup(usize, GroupBody),
    PatchGroup(usize, Vec<GroupOp>),
    DeleteUser(usize),
    DeleteGroup(usize),
    Activate(usize),
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Write {
        change: Change,
        domain: usize,
        if_match: Match,
    },
    /// The next append fails, whether stored or not.
    Fault {
        stored: bool,
    },
    Restart,
    Rebuild,
}

fn name() -> impl Strategy<Value = usize> {
    0..NAMES.len()
}

fn text() -> impl Strategy<Value = usize> {
    0..TEXTS.len()
}

fn who() -> impl Strategy<Value = usize> {
    0..12_usize
}

fn emails() -> impl Strategy<Value = Vec<(usize, bool)>> {
    prop::collection::btree_set((text(), any::<bool>()), 0..3).prop_map(|emails| {
        let mut seen = Vec::new();
        // Two that differ only in case are the same address, about which nothing is to be said here.
        emails
            .into_iter()
            .filter(|(value, work)| {
                let folded = (TEXTS[*value].to_lowercase(), *work);
                let new = !seen.contains(&folded);
                seen.push(folded);
                new
            })
            .collect()
    })
}

fn user_body() -> impl Strategy<Value = UserBody> {
    let option = || prop::option::of(text());
    (name(), option(), prop::option::of(any::<bool>()), option(), option(), emails(), option()).prop_map(
        |(name, external, active, title, given_name, emails, department)| UserBody {
            name,
            external,
            active,
            title,
            given_name,
            emails,
            department,
        },
    )
}

fn group_body() -> impl Strategy<Value = GroupBody> {
    let members = prop::option::of(prop::collection::vec(who(), 0..4));
    (name(), prop::option::of(text()), members).prop_map(|(name, external, members)| GroupBody {
        name,
        external,
        members,
    })
}

fn user_op() -> impl Strategy<Value = UserOp> {
    let option = || prop::option::of(text());
    prop_oneof![
        option().prop_map(UserOp::Title),
        option().prop_map(UserOp::GivenName),
        option().prop_map(UserOp::Department),
        name().prop_map(UserOp::Name),
        option().prop_map(UserOp::External),
        any::<bool>().prop_map(UserOp::Active),
        (text(), any::<bool>()).prop_map(|(title, active)| UserOp::TitleAndActive(title, active)),
        (text(), any::<bool>()).prop_map(|(value, work)| UserOp::AddEmail(value, work)),
        any::<bool>().prop_map(UserOp::RemoveEmails),
        (text(), any::<bool>()).prop_map(|(value, work)| UserOp::ReplaceEmails(value, work)),
    ]
}

fn group_op() -> impl Strategy<Value = GroupOp> {
    let members = || prop::collection::vec(who(), 1..4);
    prop_oneof![
        2 => name().prop_map(GroupOp::Name),
        4 => members().prop_map(GroupOp::Add),
        3 => who().prop_map(GroupOp::Remove),
        1 => Just(GroupOp::RemoveAll),
        1 => members().prop_map(GroupOp::Replace),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let user_ops = prop::collection::vec(user_op(), 1..4);
    let group_ops = prop::collection::vec(group_op(), 1..4);
    prop_oneof![
        5 => user_body().prop_map(Change::CreateUser),
        3 => (who(), user_body()).prop_map(|(who, body)| Change::PutUser(who, body)),
        6 => (who(), user_ops).prop_map(|(who, ops)| Change::PatchUser(who, ops)),
        3 => group_body().prop_map(Change::CreateGroup),
        2 => (who(), group_body()).prop_map(|(who, body)| Change::PutGroup(who, body)),
        6 => (who(), group_ops).prop_map(|(who, ops)| Change::PatchGroup(who, ops)),
        2 => who().prop_map(Change::DeleteUser),
        1 => who().prop_map(Change::DeleteGroup),
        1 => who().prop_map(Change::Activate),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let if_match = prop_oneof![
        6 => Just(Match::No), 1 => Just(Match::Any), 2 => Just(Match::Now), 1 => Just(Match::Other)
    ];
    let write = (change(), 0..DOMAINS.len(), if_match).prop_map(|(change, domain, if_match)| Step::Write {
        change,
        domain,
        if_match,
    });
    prop_oneof![
        40 => write,
        3 => any::<bool>().prop_map(|stored| Step::Fault { stored }),
        1 => Just(Step::Restart),
        1 => Just(Step::Rebuild),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let delete = [DeletePolicy::Delete, DeletePolicy::Deactivate, DeletePolicy::Refuse];
    let members = [None, Some(UnknownMembers::Skip), Some(UnknownMembers::Reject)];
    let chosen = (
        prop::sample::select(delete.to_vec()),
        prop::sample::select(&[PutOmitted::Clear, PutOmitted::Keep][..]),
        prop::sample::select(&[PutUnknown::NotFound, PutUnknown::Create][..]),
        prop::sample::select(&[PostDeactivated::Conflict, PostDeactivated::Reactivate][..]),
        prop::sample::select(&[InitialState::Active, InitialState::Invited][..]),
        prop::sample::select(members.to_vec()),
    );
    chosen.prop_map(|(delete, put_omitted, put_unknown, post_deactivated, initial, unknown_members)| {
        Settings {
            delete,
            put_omitted,
            put_unknown,
            post_deactivated,
            initial,
            unknown_members,
            ..Settings::default()
        }
    })
}

/// A tenant's settings and what happens in it.
pub(super) fn history() -> impl Strategy<Value = (Settings, Vec<Step>)> {
    (settings(), prop::collection::vec(step(), 1..60))
}
