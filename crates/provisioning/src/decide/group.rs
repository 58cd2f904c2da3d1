//! Decisions about groups: the group's own document as for users, its members by [`Roster`].

use scim::dialect::Notes;
use scim::patch::apply::Applied;
use scim::patch::members::{MemberChange, split};
use scim::patch::{PatchRequest, Target};
use scim::resource::{Document, check_names};

use super::decision::{Decided, Decision, Draft, Outcome};
use super::members::{self, Roster};
use super::scope::Scope;
use super::{policy, unique};
use crate::directory::Directory;
use crate::event::Event;
use crate::ids::ResourceId;
use crate::recorded::Subject;
use crate::resource::Resource;
use crate::tenancy::PutOmitted;

/// POST.
pub(super) fn create<D: Directory>(scope: &Scope<'_, D>, document: Document) -> Decided<D> {
    policy::check_may_create(scope)?;
    let id = scope.id;
    let Document { attributes, external_id, members } = document;
    let wanted = Target { attributes, external_id };
    check_names(&Target::default(), &wanted)?;
    policy::check_group_name(scope, &wanted)?;
    let mut roster = Roster::of_new_group(scope);
    roster.add(members.as_deref().unwrap_or_default())?;
    unique::check(scope, None, &wanted)?;
    let (names, change) = scope.change(&Target::default(), wanted);
    let mut events = vec![about(id, names, Event::GroupCreated(change))];
    let notes = roster.settle(&mut events);
    scope.tolerate(&notes)?;
    Ok(Decision { events, outcome: Outcome::Created(id), notes })
}

/// PUT. An omitted `members` is treated as every other omitted attribute.
pub(super) fn replace<D: Directory>(
    scope: &Scope<'_, D>,
    mut group: Resource,
    mut document: Document,
) -> Decided<D> {
    let keep_omitted = scope.settings().put_omitted == PutOmitted::Keep;
    let members = document.members.take();
    let old = scope.take_target(&mut group);
    let new = scim::resource::replace(&old, document, scope.schema, keep_omitted)?;
    let mut roster = Roster::of(scope);
    match &members {
        Some(members) => roster.replace(members)?,
        None if keep_omitted => {}
        None => roster.remove_all()?,
    }
    settle(scope, group, Applied { before: old, after: new, notes: Notes::new() }, roster)
}

/// PATCH.
pub(super) fn patch<D: Directory>(
    scope: &Scope<'_, D>,
    mut group: Resource,
    request: PatchRequest,
) -> Decided<D> {
    let (own, of_members) = split(request, scope.schema)?;
    let target = scope.take_target(&mut group);
    let applied = if own.operations.is_empty() {
        Applied { before: target.clone(), after: target, notes: Notes::new() }
    } else {
        scim::patch::apply::apply(&own, scope.schema, target)?
    };
    let mut roster = Roster::of(scope);
    for change in &of_members {
        match change {
            MemberChange::Add(members) => roster.add(members)?,
            MemberChange::Remove(ids) => roster.remove(ids)?,
            MemberChange::RemoveMatching(filter) => roster.remove_matching(filter)?,
            MemberChange::RemoveAll => roster.remove_all()?,
            MemberChange::Replace(members) => roster.replace(members)?,
        }
    }
    settle(scope, group, applied, roster)
}

/// DELETE: ends the memberships on both sides first.
pub(super) fn delete<D: Directory>(scope: &Scope<'_, D>, group: &Resource) -> Decided<D> {
    policy::check_may_delete(scope)?;
    let mut events = members::dismiss_all(scope.directory, group.id)?;
    events.extend(members::leave_all_groups(scope.directory, group.id, group.resource_type)?);
    members::caused_by_the_next(&mut events);
    events.push(about(group.id, Vec::new(), Event::GroupDeleted(scope.note())));
    Ok(Decision::done(events))
}

/// The events that lead to a new document and new members: the document's first.
fn settle<D: Directory>(
    scope: &Scope<'_, D>,
    group: Resource,
    applied: Applied,
    roster: Roster<'_, D>,
) -> Decided<D> {
    let Applied { before: old, after: mut new, mut notes } = applied;
    policy::keep_name(scope, &old, &mut new)?;
    check_names(&old, &new)?;
    unique::check(scope, Some(&old), &new)?;
    let mut events = Vec::new();
    let (names, change) = scope.change(&old, new);
    if !names.is_empty() {
        events.push(about(group.id, names, Event::GroupUpdated(change)));
    }
    notes.extend(roster.settle(&mut events));
    scope.tolerate(&notes)?;
    Ok(Decision { notes, ..Decision::changed(Resource { attributes: old.attributes, ..group }, events) })
}

fn about(id: ResourceId, attributes: Vec<String>, event: Event) -> Draft {
    Draft { attributes, ..Draft::new(Subject::Group(id), event) }
}
