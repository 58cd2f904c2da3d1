//! Decisions about users.
//!
//! `active` is split from all other changes: it has events of its own, which downstream systems live by. A
//! user who leaves (deleted or hidden) first leaves every group, in the same transaction.

use scim::dialect::Notes;
use scim::patch::apply::Applied;
use scim::patch::{PatchRequest, Target};
use scim::resource::{Document, check_names};
use scim::{Object, ResourceType, ScimError, ScimType};
use serde_json::Value;

use super::decision::{DecideError, Decided, Decision, Draft, Outcome};
use super::scope::{Scope, is_active, not_found, note, set_active};
use super::{members, policy, unique};
use crate::command::{Origin, Precondition};
use crate::directory::Directory;
use crate::event::{self, Event};
use crate::ids::ResourceId;
use crate::recorded::Subject;
use crate::rejection::Rejection;
use crate::resource::Resource;
use crate::tenancy::{DeletePolicy, InitialState, PostDeactivated, PutOmitted, PutUnknown};

/// POST.
pub(super) fn create<D: Directory>(scope: &Scope<'_, D>, document: Document) -> Decided<D> {
    let wanted = first_state(document);
    if scope.settings().post_deactivated == PostDeactivated::Reactivate
        && let Some(person) = unique::person_to_bring_back(scope, &wanted)?
    {
        return bring_back(scope, person, wanted);
    }
    create_new(scope, wanted)
}

/// PUT to an id that nobody has: creates the user there if the tenant wants that and the log never named the
/// id.
pub(super) fn create_under_its_id<D: Directory>(scope: &Scope<'_, D>, document: Document) -> Decided<D> {
    if scope.settings().put_unknown != PutUnknown::Create {
        return Err(scope.not_found().into());
    }
    if scope.directory.was_named(scope.id).map_err(DecideError::Directory)? {
        let detail = format!(
            "User not found: the id {} is or was another resource's, and a PUT creates a user only under a canonical \
             lower-case UUID that was never used; in Okta unassign the user and assign them again",
            scope.id
        );
        return Err(Rejection::NotFound(detail).into());
    }
    if *scope.precondition != Precondition::None {
        let detail = "If-Match asks for a User that is there already, and nobody has this id yet";
        return Err(Rejection::PreconditionFailed(detail.to_owned()).into());
    }
    create_new(scope, first_state(document))
}

/// PUT.
pub(super) fn replace<D: Directory>(
    scope: &Scope<'_, D>,
    mut user: Resource,
    document: Document,
) -> Decided<D> {
    let keep_omitted = scope.settings().put_omitted == PutOmitted::Keep;
    let old = scope.take_target(&mut user);
    let new = scim::resource::replace(&old, document, scope.schema, keep_omitted)?;
    settle(scope, user, old, new)
}

/// PATCH.
pub(super) fn patch<D: Directory>(
    scope: &Scope<'_, D>,
    mut user: Resource,
    request: &PatchRequest,
) -> Decided<D> {
    let target = scope.take_target(&mut user);
    let Applied { before, after, notes } = scim::patch::apply::apply(request, scope.schema, target)?;
    scope.tolerate(&notes)?;
    Ok(Decision { notes, ..settle(scope, user, before, after)? })
}

/// DELETE, as the tenant's policy has it.
pub(super) fn delete<D: Directory>(scope: &Scope<'_, D>, user: &Resource) -> Decided<D> {
    let (event, after) = match scope.settings().delete {
        DeletePolicy::Delete => (Event::UserDeleted(scope.note()), None),
        DeletePolicy::Deactivate => (Event::UserHidden(scope.note()), Some(false)),
        DeletePolicy::Refuse => {
            let detail =
                "users of this tenant are not deleted: deactivate instead, by setting active to false";
            return Err(ScimError::new(ScimType::Mutability, "delete_refused", detail).into());
        }
    };
    let mut events = members::leave_all_groups(scope.directory, user.id, ResourceType::User)?;
    members::caused_by_the_next(&mut events);
    events.push(about(user.id, Vec::new(), [Some(user.active), after], event));
    Ok(Decision::done(events))
}

/// Reports the first sign-in of an invited user.
pub(super) fn activate<D: Directory>(id: ResourceId, origin: &Origin, directory: &D) -> Decided<D> {
    let user = directory.resource(id).map_err(DecideError::Directory)?;
    let user = user
        .filter(|resource| resource.resource_type == ResourceType::User && !resource.hidden)
        .ok_or_else(|| not_found(ResourceType::User, id))?;
    let mut events = Vec::new();
    if user.invited {
        let active = Some(user.active);
        events.push(about(id, Vec::new(), [active, active], Event::UserActivated(note(origin))));
    }
    Ok(Decision::changed(user, events))
}

/// The state that a document asks for where there was none.
fn first_state(document: Document) -> Target {
    let Document { mut attributes, external_id, members: _ } = document;
    let active = is_active(&attributes);
    set_active(&mut attributes, active);
    Target { attributes, external_id }
}

fn create_new<D: Directory>(scope: &Scope<'_, D>, wanted: Target) -> Decided<D> {
    check_names(&Target::default(), &wanted)?;
    policy::check_user_name(scope, &Target::default(), &wanted)?;
    unique::check(scope, None, &wanted)?;
    let (id, active) = (scope.id, is_active(&wanted.attributes));
    let (names, change) = scope.change(&Target::default(), wanted);
    let invited = scope.settings().initial == InitialState::Invited;
    let created = Event::UserCreated(event::Change { invited, ..change });
    let events = vec![about(id, names, [None, Some(active)], created)];
    Ok(Decision { events, outcome: Outcome::Created(id), notes: Notes::new() })
}

/// A POST for somebody who was here: the same id again, with the document that the POST brings.
///
/// A hidden user comes into sight by `user.reactivated` alone. If the POST says inactive, `user.deactivated`
/// follows, so that whoever follows the log ends with no access given.
fn bring_back<D: Directory>(scope: &Scope<'_, D>, mut person: Resource, wanted: Target) -> Decided<D> {
    let mut old = scope.take_target(&mut person);
    let document = Document { attributes: wanted.attributes, external_id: wanted.external_id, members: None };
    let new = scim::resource::replace(&old, document, scope.schema, false)?;
    check_names(&old, &new)?;
    policy::check_user_name(scope, &old, &new)?;
    // A hidden user holds nothing: what it had may be somebody else's now.
    unique::check_added(scope, Some(&old).filter(|_| !person.hidden), &new)?;
    let mut events = Vec::new();
    if person.hidden || is_active(&new.attributes) {
        events.push(set_active_draft(scope, person.id, false, true));
        set_active(&mut old.attributes, true);
    }
    events.extend(drafts(scope, person.id, &old, new));
    let decision = Decision::changed(Resource { attributes: old.attributes, ..person }, events);
    Ok(match decision.outcome {
        Outcome::Changed(id) => Decision { outcome: Outcome::Created(id), ..decision },
        Outcome::Created(_) | Outcome::Unchanged(_) | Outcome::Done => decision,
    })
}

/// The events that lead to a new state, if it takes nobody's name.
fn settle<D: Directory>(scope: &Scope<'_, D>, user: Resource, old: Target, mut new: Target) -> Decided<D> {
    // A leaver must not come back by omission: without a value, `active` stays as it is.
    let active = new.attributes.get("active").and_then(Value::as_bool).unwrap_or(user.active);
    set_active(&mut new.attributes, active);
    check_names(&old, &new)?;
    policy::check_user_name(scope, &old, &new)?;
    unique::check(scope, Some(&old), &new)?;
    let events = drafts(scope, user.id, &old, new);
    Ok(Decision::changed(Resource { attributes: old.attributes, ..user }, events))
}

/// What leads from one state to another: first everything but `active`, then `active`.
fn drafts<D: Directory>(scope: &Scope<'_, D>, id: ResourceId, old: &Target, new: Target) -> Vec<Draft> {
    let (before, after) = (is_active(&old.attributes), is_active(&new.attributes));
    let mut still = new;
    set_active(&mut still.attributes, before);
    let mut events = Vec::new();
    let (names, change) = scope.change(old, still);
    if !names.is_empty() {
        events.push(about(id, names, [Some(before); 2], Event::UserUpdated(change)));
    }
    if before != after {
        events.push(set_active_draft(scope, id, before, after));
    }
    events
}

fn set_active_draft<D: Directory>(scope: &Scope<'_, D>, id: ResourceId, before: bool, after: bool) -> Draft {
    let change = scope.change_of(Object::from_iter([("active".to_owned(), Value::Bool(after))]));
    let event = if after { Event::UserReactivated(change) } else { Event::UserDeactivated(change) };
    about(id, vec!["active".to_owned()], [Some(before), Some(after)], event)
}

fn about(id: ResourceId, attributes: Vec<String>, active: [Option<bool>; 2], event: Event) -> Draft {
    Draft { attributes, active: Some(active), ..Draft::new(Subject::User(id), event) }
}
