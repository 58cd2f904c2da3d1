//! Whether what was refused has its effect by now.
//!
//! The rule: only what was carried out later about the same person, at the same place, settles anything.
//!
//! - A look-up is settled by anything later about the person.
//! - A create is settled by anything but a look-up about whoever bears the userName that it gave, or the `externalId`
//!   where it gave none: the provider may have found whoever was here, and gone on with them. But as long as it would
//!   have had somebody active who is not, only by what takes them away again.
//! - A deactivation, whatever else it says, and a delete are settled when a later request deactivates or deletes the
//!   person, or the person is inactive now; an activation by whatever says later whether they are active.
//! - Any other attribute is settled by a later change of it, or of something that it is a part of; by a create that
//!   brings the person back, by a delete; or if the person has the value that was wanted. A PUT or PATCH is settled
//!   when everything that it was to change is.
//! - What nobody could read is settled by a PUT that says whether they are active, or as a deactivation is.
//! - A membership is settled if the person is in the group now, or a later request has put them into the same group;
//!   the end of one accordingly. Nothing of that is left to settle for whoever is deleted.

use super::acts::{Act, Asked};
use super::whom::Whom;
use crate::request_log::{Change, Kind, Operation, Reader};

/// Everything by which it is judged.
pub(super) struct Acts<'a, 'r> {
    pub(super) all: &'a [Act<'r>],
    pub(super) whom: &'a Whom,
    pub(super) reader: &'a Reader,
}

impl Acts<'_, '_> {
    /// Whether what failed in the act at that place has its effect by now.
    pub(super) fn is_settled(&self, at: usize) -> bool {
        let act = &self.all[at];
        let later = || self.all[at + 1..].iter().filter(|later| later.is_done());
        match &act.asked {
            Asked::LookUp => later().any(Act::is_about_person),
            Asked::User(operation) => {
                let later: Vec<&Operation> =
                    later().filter(|later| self.is_same(act, later)).filter_map(Act::of_user).collect();
                self.has_effect(act, operation, &later)
            }
            Asked::Join(group) => {
                let is_in = |person: usize| self.whom.people[person].is_in(group.id, group.name);
                self.people(act).any(is_in)
                    || later().any(|later| match &later.asked {
                        Asked::Join(other) => is_same_group(group, other),
                        _ => deletes(later),
                    })
            }
            Asked::Leave(group) => {
                let is_out = |person: usize| {
                    let known = &self.whom.people[person];
                    known.is_here && group.id.is_some() && !known.is_in(group.id, None)
                };
                act.person.is_some_and(is_out)
                    || later().any(|later| match &later.asked {
                        Asked::Leave(other) => is_same_group(group, other),
                        _ => deletes(later),
                    })
            }
        }
    }

    /// Whom an act may be about.
    fn people(&self, act: &Act<'_>) -> impl Iterator<Item = usize> {
        let only = act.person;
        (0..self.whom.people.len()).filter(move |person| only.is_none_or(|only| only == *person))
    }

    fn has_effect(&self, act: &Act<'_>, operation: &Operation, later: &[&Operation]) -> bool {
        let ended = || {
            let is_inactive = |person: usize| {
                let known = &self.whom.people[person];
                known.is_here && !known.is_active
            };
            act.person.is_some_and(is_inactive)
                || later.iter().any(|later| later.kind == Kind::Delete || later.active == Some(false))
        };
        match operation.kind {
            Kind::Create if operation.active != Some(false) && self.are_inactive(act) => ended(),
            Kind::Create => !later.is_empty(),
            Kind::Delete => ended(),
            Kind::Replace | Kind::Change if operation.active == Some(false) => ended(),
            Kind::Replace | Kind::Change if operation.changes.is_empty() => {
                let says_all = |later: &&Operation| later.kind == Kind::Replace && later.active.is_some();
                ended() || later.iter().any(says_all)
            }
            Kind::Replace | Kind::Change => operation.changes.iter().all(|change| {
                let says = |later: &Operation| later.active.is_some() || later.kind == Kind::Create;
                let is_active = change.attribute.as_deref() == Some("active");
                is_active && later.iter().any(|later| says(later)) || self.has_changed(act, change, later)
            }),
            Kind::Group => false,
        }
    }

    /// Whether of whom an act may be about somebody is here, and nobody active.
    fn are_inactive(&self, act: &Act<'_>) -> bool {
        let people = self.people(act).map(|person| &self.whom.people[person]);
        let mut here = people.filter(|known| known.is_here).peekable();
        here.peek().is_some() && here.all(|known| !known.is_active)
    }

    fn has_changed(&self, act: &Act<'_>, change: &Change, later: &[&Operation]) -> bool {
        let has = |person: usize| {
            let known = &self.whom.people[person];
            known.is_here && known.has(change, self.reader, self.whom.domain(act.row))
        };
        act.person.is_some_and(has)
            || later.iter().any(|later| match later.kind {
                Kind::Create | Kind::Delete => true,
                Kind::Replace | Kind::Change => later.changes.iter().any(|later| later.covers(change)),
                Kind::Group => false,
            })
    }

    /// Whether two acts are about one person.
    fn is_same(&self, act: &Act<'_>, other: &Act<'_>) -> bool {
        let (Some(first), Some(second)) = (act.of_user(), other.of_user()) else { return false };
        if act.person.is_some() && other.person.is_some() {
            return act.person == other.person;
        }
        // By what names the ids are known, the acts tell themselves.
        let bears = |person: usize, name| {
            let told = |act: &Act<'_>| {
                act.is_done() && act.person == Some(person) && act.of_user().and_then(|it| it.name) == name
            };
            self.whom.people[person].user_name == name || self.all.iter().any(told)
        };
        let has_name = |act: &Act<'_>, operation: &Operation, name| {
            operation.name == name || act.person.is_some_and(|person| bears(person, name))
        };
        match (first.name, first.external_id, act.person) {
            (Some(_), ..) => has_name(other, second, first.name),
            (None, _, Some(person)) => second.name.is_some() && bears(person, second.name),
            (None, Some(external_id), None) => {
                let domain = self.whom.domain(other.row);
                let has = |person: usize| self.whom.people[person].has_external_id(external_id, domain);
                second.external_id == first.external_id || other.person.is_some_and(has)
            }
            // An id that nobody has, or an address only: what is told of it is told for whoever was asked about.
            (None, None, None) => first.id.is_none() || first.id == second.id,
        }
    }
}

fn deletes(act: &Act<'_>) -> bool {
    act.of_user().is_some_and(|operation| operation.kind == Kind::Delete)
}

/// Whether two writes are to the same group.
fn is_same_group(group: &Operation, other: &Operation) -> bool {
    match (group.id, other.id) {
        (Some(group), Some(other)) => group == other,
        _ => group.name.is_some() && group.name == other.name,
    }
}
