//! Who comes into a group and who leaves it.
//!
//! A [`Roster`] follows the changes of one request and keeps only whom they meet, so that adding one member
//! to a group of any size costs one look-up. The whole group is read, page by page and once, only if a change
//! asks for everybody. What is recorded is the net effect: whoever came and went again within the request did
//! neither.

use std::collections::{HashMap, HashSet};

use scim::dialect::{Dialect, Notes};
use scim::filter::{TypedFilter, evaluate};
use scim::{MemberRef, Object, ResourceType, ScimError, ScimType};
use serde_json::Value;
use uuid::Uuid;

use super::decision::{DecideError, Draft};
use super::scope::Scope;
use crate::directory::Directory;
use crate::event::{Event, MEMBERS_PER_EVENT, Members};
use crate::ids::ResourceId;
use crate::recorded::Subject;
use crate::tenancy::{ClientKind, UnknownMembers};

#[cfg(test)]
mod tests;

type Member = (ResourceId, ResourceType);

/// The most comparisons that filters on members may ask for in one request. The writer waits for them.
pub(super) const COMPARISONS_MAX: usize = 10_000_000;

/// How many unknown members a refusal names.
const UNKNOWN_NAMED_MAX: usize = 10;
/// How long an id that is none of ours may be to be repeated.
const UNKNOWN_BYTES_MAX: usize = 64;

/// The members of one group while a request changes them.
pub(super) struct Roster<'a, D> {
    directory: &'a D,
    group: ResourceId,
    unknown_members: UnknownMembers,
    met: HashMap<ResourceId, Met>,
    /// The keys of `met` in the order in which they were met.
    order: Vec<ResourceId>,
    /// Those of `met` who are members as it stands.
    now: HashSet<ResourceId>,
    /// Everybody who was a member is in `met`.
    whole: bool,
    comparisons: usize,
    notes: Notes,
}

/// Somebody whom the request named, or who was read.
struct Met {
    member_type: ResourceType,
    was_member: bool,
}

impl<'a, D: Directory> Roster<'a, D> {
    /// The members of the group that the command names.
    pub(super) fn of(scope: &Scope<'a, D>) -> Self {
        let provider = scope.provider;
        let by_kind = || match provider.kind {
            ClientKind::Okta => UnknownMembers::Skip,
            ClientKind::Generic | ClientKind::Entra | ClientKind::OneLogin => UnknownMembers::Reject,
        };
        Self {
            directory: scope.directory,
            group: scope.id,
            unknown_members: scope.settings().unknown_members.unwrap_or_else(by_kind),
            met: HashMap::new(),
            order: Vec::new(),
            now: HashSet::new(),
            whole: false,
            comparisons: 0,
            notes: Notes::new(),
        }
    }

    /// The members of a group that is not there yet: none.
    pub(super) fn of_new_group(scope: &Scope<'a, D>) -> Self {
        Self { whole: true, ..Self::of(scope) }
    }

    /// These are members, whoever else is.
    pub(super) fn add(&mut self, members: &[MemberRef]) -> Result<(), DecideError<D::Error>> {
        let mut unknown = Vec::new();
        for (index, member) in members.iter().enumerate() {
            let id = ResourceId::parse(&member.value);
            if id == Some(self.group) {
                return Err(group_itself().into());
            }
            let found = match id {
                Some(id) => self.look_up(id)?.map(|member_type| (id, member_type)),
                None => None,
            };
            let Some((id, member_type)) = found else {
                unknown.push((index + 1, member.value.as_str()));
                continue;
            };
            // The type is a fact about the member, not the client's to choose (RFC 7643 section 4.2).
            if member.member_type.is_some_and(|named| named != member_type) {
                self.note(Dialect::MembersTypeCorrected, index + 1);
            }
            self.meet((id, member_type))?;
            self.now.insert(id);
        }
        if unknown.is_empty() {
            return Ok(());
        }
        match self.unknown_members {
            UnknownMembers::Reject => Err(unknown_member(&unknown).into()),
            UnknownMembers::Skip => {
                for (number, _) in unknown {
                    self.note(Dialect::MembersUnknownSkipped, number);
                }
                Ok(())
            }
        }
    }

    /// These are no members; whoever is unknown is none already.
    pub(super) fn remove(&mut self, ids: &[String]) -> Result<(), DecideError<D::Error>> {
        for id in ids.iter().filter_map(|id| ResourceId::parse(id)) {
            if let Some(member_type) = self.look_up(id)? {
                self.meet((id, member_type))?;
                self.now.remove(&id);
            }
        }
        Ok(())
    }

    /// Nobody whom the filter matches is a member.
    pub(super) fn remove_matching(&mut self, filter: &TypedFilter) -> Result<(), DecideError<D::Error>> {
        self.read_all()?;
        self.comparisons =
            self.comparisons.saturating_add(self.now.len().saturating_mul(comparisons_in(filter)));
        if self.comparisons > COMPARISONS_MAX {
            return Err(filter_too_costly().into());
        }
        let met = &self.met;
        self.now.retain(|id| !evaluate::matches(filter, &element(*id, met[id].member_type)));
        Ok(())
    }

    /// Nobody is a member.
    pub(super) fn remove_all(&mut self) -> Result<(), DecideError<D::Error>> {
        self.read_all()?;
        self.now = HashSet::new();
        Ok(())
    }

    /// These are members, and nobody else.
    pub(super) fn replace(&mut self, members: &[MemberRef]) -> Result<(), DecideError<D::Error>> {
        self.remove_all()?;
        self.add(members)
    }

    /// Adds the net effect to the events, first who left, then who came; gives the notes.
    pub(super) fn settle(self, events: &mut Vec<Draft>) -> Notes {
        let (mut left, mut came) = (Vec::new(), Vec::new());
        for id in &self.order {
            let met = &self.met[id];
            match (met.was_member, self.now.contains(id)) {
                (true, false) => left.push((*id, met.member_type)),
                (false, true) => came.push((*id, met.member_type)),
                (true, true) | (false, false) => {}
            }
        }
        events.extend(left.chunks(MEMBERS_PER_EVENT).map(|members| removed(self.group, members)));
        events.extend(came.chunks(MEMBERS_PER_EVENT).map(|members| added(self.group, members)));
        self.notes
    }

    /// The type of somebody who may be a member.
    fn look_up(&self, id: ResourceId) -> Result<Option<ResourceType>, DecideError<D::Error>> {
        match self.met.get(&id) {
            Some(met) => Ok(Some(met.member_type)),
            None => self.directory.visible_type(id).map_err(DecideError::Directory),
        }
    }

    fn meet(&mut self, (id, member_type): Member) -> Result<(), DecideError<D::Error>> {
        if self.met.contains_key(&id) {
            return Ok(());
        }
        let was_member =
            !self.whole && self.directory.is_member(self.group, id).map_err(DecideError::Directory)?;
        self.keep((id, member_type), was_member);
        Ok(())
    }

    fn keep(&mut self, (id, member_type): Member, was_member: bool) {
        self.met.insert(id, Met { member_type, was_member });
        self.order.push(id);
        if was_member {
            self.now.insert(id);
        }
    }

    fn read_all(&mut self) -> Result<(), DecideError<D::Error>> {
        if !self.whole {
            for_each_page(self.directory, self.group, |page| {
                for member in page {
                    if !self.met.contains_key(&member.0) {
                        self.keep(*member, true);
                    }
                }
            })?;
            self.whole = true;
        }
        Ok(())
    }

    /// `members.unknown_skipped`: a member that does not exist, since Okta drops a whole push that is refused.
    /// `members.type_corrected`: one that is no such thing as the client says.
    fn note(&mut self, dialect: Dialect, number: usize) {
        self.notes.note(dialect, format_args!("members (element {number})"));
    }
}

/// The events by which everybody leaves a group.
pub(super) fn dismiss_all<D: Directory>(
    directory: &D,
    group: ResourceId,
) -> Result<Vec<Draft>, DecideError<D::Error>> {
    let mut events = Vec::new();
    for_each_page(directory, group, |page| events.push(removed(group, page)))?;
    Ok(events)
}

/// The events by which a resource leaves every group that has it as a direct member.
pub(super) fn leave_all_groups<D: Directory>(
    directory: &D,
    member: ResourceId,
    member_type: ResourceType,
) -> Result<Vec<Draft>, DecideError<D::Error>> {
    let groups = directory.groups_of(member).map_err(DecideError::Directory)?;
    Ok(groups.into_iter().map(|group| removed(group, &[(member, member_type)])).collect())
}

/// Makes the event that will be added next the cause of all these.
pub(super) fn caused_by_the_next(events: &mut [Draft]) {
    let next = events.len();
    for event in events {
        event.cause = Some(next);
    }
}

fn for_each_page<D: Directory>(
    directory: &D,
    group: ResourceId,
    mut visit: impl FnMut(&[Member]),
) -> Result<(), DecideError<D::Error>> {
    let mut after = None;
    loop {
        let page = directory.members(group, after, MEMBERS_PER_EVENT).map_err(DecideError::Directory)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(*last);
        visit(&page);
    }
}

fn added(group: ResourceId, members: &[Member]) -> Draft {
    members_draft(group, Event::GroupMembersAdded(Members { members: members.to_vec() }))
}

fn removed(group: ResourceId, members: &[Member]) -> Draft {
    members_draft(group, Event::GroupMembersRemoved(Members { members: members.to_vec() }))
}

fn members_draft(group: ResourceId, event: Event) -> Draft {
    Draft { attributes: vec!["members".to_owned()], ..Draft::new(Subject::Group(group), event) }
}

/// A member as a filter on `members` sees it.
fn element(id: ResourceId, member_type: ResourceType) -> Object {
    Object::from_iter([
        ("value".to_owned(), Value::String(id.to_string())),
        ("type".to_owned(), Value::String(member_type.name().to_owned())),
    ])
}

fn comparisons_in(filter: &TypedFilter) -> usize {
    match filter {
        TypedFilter::And(terms) | TypedFilter::Or(terms) => terms.iter().map(comparisons_in).sum(),
        TypedFilter::Not(inner) | TypedFilter::ValuePath { filter: inner, .. } => comparisons_in(inner),
        TypedFilter::Compare(_) | TypedFilter::Present(_) => 1,
    }
}

fn group_itself() -> ScimError {
    let detail = "members names the group itself; a group cannot be a member of itself";
    ScimError::new(ScimType::InvalidValue, "member_is_group_itself", detail)
}

fn filter_too_costly() -> ScimError {
    let detail = "the filters on members compare too many members with too many values; name the members by \
                  value, or send several requests";
    ScimError::new(ScimType::TooMany, "patch_too_costly", detail)
}

/// Members that do not exist, each with its number in the list.
fn unknown_member(members: &[(usize, &str)]) -> ScimError {
    let mut named: Vec<_> =
        members.iter().take(UNKNOWN_NAMED_MAX).map(|(number, value)| named_member(*number, value)).collect();
    if members.len() > UNKNOWN_NAMED_MAX {
        named.push(format!("{} more", members.len() - UNKNOWN_NAMED_MAX));
    }
    let detail = format!(
        "members names {} that do not exist here ({}); create the users or groups first, and name them by the id \
         that was answered",
        members.len(),
        named.join(", ")
    );
    ScimError::new(ScimType::InvalidValue, "unknown_member", detail)
}

/// What looks like somebody's id is repeated. Anything else could be a person's name or address, which no error
/// repeats: its place has to do.
fn named_member(number: usize, value: &str) -> String {
    let looks_like_an_id = value.len() <= UNKNOWN_BYTES_MAX
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:{}".contains(&byte));
    match (ResourceId::parse(value), Uuid::try_parse(value)) {
        (Some(id), _) => id.to_string(),
        (None, Ok(id)) => format!("{id} in another spelling"),
        (None, Err(_)) if looks_like_an_id => format!("\"{value}\", which is no UUID"),
        (None, Err(_)) => format!("member {number}, whose value is no UUID"),
    }
}
