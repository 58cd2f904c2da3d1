//! A stretch of resources as of a revision: what lasts from `current.db`, the rest folded from the log.

use std::sync::Arc;

use projections::ViewError;
use projections::current::{self, StoredResource};
use projections::history::Past;
use provisioning::evolve::evolve;
use provisioning::{Resource, Revision, Status};
use scim::ResourceType;
use scim::filter::{CompareOp, Comparison, TypedFilter, TypedValue, evaluate};
use scim::fold::fold;
use scim::list::ListQuery;

use super::{AsOfError, Audience, Question, STRETCH_RESOURCES};

/// What matches in a stretch.
pub(super) struct Found {
    /// Oldest first; it may be more than were asked for.
    pub(super) resources: Vec<StoredResource>,
    /// Where the stretch ends.
    pub(super) end: Revision,
    /// How many events were folded for it.
    pub(super) events: usize,
}

/// The half of it that `current.db` tells.
struct Lasting {
    resources: Vec<StoredResource>,
    after: Revision,
    end: Revision,
    position: Revision,
}

impl Question {
    /// What matches in the next stretch behind `after`; of a stretch with very many, only those up to about the
    /// `limit`th. `None`: there is nothing behind it.
    pub(super) async fn stretch(
        self: &Arc<Self>,
        after: Revision,
        limit: usize,
    ) -> Result<Option<Found>, AsOfError> {
        // Of what it has not reached, history does not know that it was there.
        self.reaches(self.revision).await?;
        let Some(lasting) = self.block(move |question| question.lasting(after, limit)).await? else {
            return Ok(None);
        };
        self.reaches(lasting.position).await?;
        self.block(move |question| question.complete(lasting)).await.map(Some)
    }

    fn lasting(&self, after: Revision, limit: usize) -> Result<Option<Lasting>, AsOfError> {
        let end = self
            .directory
            .with_history(|history| history.stretch_end(self.revision, after, STRETCH_RESOURCES))?;
        let Some(end) = end else { return Ok(None) };
        let elsewhere = self.looks_elsewhere();
        let (searched, limit) =
            if elsewhere { (&without_filter(&self.query), STRETCH_RESOURCES) } else { (&self.query, limit) };
        let stretch = current::Stretch {
            revision: self.revision,
            after,
            up_to: end,
            limit,
            hidden: self.audience == Audience::Auditor,
        };
        let (position, resources) = self
            .directory
            .with_current(|current| current.lasting(searched, self.domain.as_deref(), stretch))?;
        let end = match resources.last() {
            // What lies behind the last one was not looked for.
            Some(last) if resources.len() == limit => last.created_revision,
            _ => end,
        };
        Ok(Some(Lasting { resources, after, end, position }))
    }

    fn complete(&self, lasting: Lasting) -> Result<Found, AsOfError> {
        let Lasting { mut resources, after, end, .. } = lasting;
        if self.looks_elsewhere() {
            let mut matching = Vec::with_capacity(resources.len());
            for stored in resources {
                if self.matches(&stored)? {
                    matching.push(stored);
                }
            }
            resources = matching;
        }
        let changed =
            self.directory.with_history(|history| history.changed_since(self.revision, after, end))?;
        let mut events = 0;
        for past in changed.iter().filter(|past| self.may_show(past)) {
            let (stored, folded) = self.fold(past)?;
            events += folded;
            if self.matches(&stored)? {
                resources.push(stored);
            }
        }
        resources.sort_by_key(|stored| stored.created_revision);
        // Whatever changed after `current.db` was read, and before history was, is in both halves.
        resources.dedup_by_key(|stored| stored.created_revision);
        Ok(Found { resources, end, events })
    }

    pub(super) fn count_all(&self) -> Result<u64, AsOfError> {
        let mut total = 0;
        for part in &self.query.parts {
            total += self
                .directory
                .with_history(|history| history.count_then(self.revision, part.resource_type))?;
        }
        Ok(total)
    }

    pub(super) fn lasting_of(
        &self,
        created: &[Revision],
    ) -> Result<(Revision, Vec<StoredResource>), AsOfError> {
        let domain = self.domain.as_deref();
        Ok(self.directory.with_current(|current| current.lasting_of(created, self.revision, domain))?)
    }

    /// Adds to those that last those that do not.
    pub(super) fn completed(
        &self,
        created: &[Revision],
        lasting: Vec<StoredResource>,
    ) -> Result<Vec<StoredResource>, AsOfError> {
        let mut lasting = lasting.into_iter().peekable();
        let mut resources = Vec::with_capacity(created.len());
        for rid in created {
            if let Some(stored) = lasting.next_if(|stored| stored.created_revision == *rid) {
                resources.push(stored);
                continue;
            }
            let past = self.directory.with_history(|history| history.past(self.revision, *rid))?;
            if let Some(past) = past.filter(|past| self.may_show(past)) {
                resources.push(self.fold(&past)?.0);
            }
        }
        Ok(resources)
    }

    /// Whether a resource can be on the list at all, by what is known without its document.
    fn may_show(&self, past: &Past) -> bool {
        let Some(asked) = self.query.part(past.resource_type) else { return false };
        if self.audience == Audience::Client && (past.hidden || past.erased) {
            return false;
        }
        let required = asked.filter.as_ref().and_then(|filter| required_name(filter, past.resource_type));
        required.is_none_or(|name| past.name.as_deref().is_some_and(|then| fold(then) == name))
    }

    /// A resource as it was then, and how many events that took.
    fn fold(&self, past: &Past) -> Result<(StoredResource, usize), AsOfError> {
        let events =
            self.directory.with_history(|history| history.events_of(self.revision, past.created_revision))?;
        let mut state: Option<Resource> = None;
        for revision in &events {
            state = evolve(state, &self.directory.event(*revision)?);
        }
        let Some(mut resource) = state else {
            let reason = format!("no event makes the resource of revision {}", past.created_revision);
            return Err(ViewError::Broken { view: "history", reason }.into());
        };
        if resource.erased && resource.resource_type == ResourceType::User {
            // A header's fact, which outlives the payload.
            resource.attributes.insert("active".to_owned(), resource.active.into());
        }
        let domain = self.domain.as_ref();
        let stored = StoredResource {
            created_revision: past.created_revision,
            id: resource.id,
            resource_type: resource.resource_type,
            document: serde_json::to_string(&resource.attributes).expect("a JSON object can be printed"),
            external_id: domain.and_then(|domain| resource.external_ids.get(domain)).cloned(),
            revision: past.revision,
            created_at: resource.created_at,
            modified_at: past.modified_at,
            status: Status::of(resource.active, resource.invited),
        };
        Ok((stored, events.len()))
    }

    fn matches(&self, stored: &StoredResource) -> Result<bool, AsOfError> {
        let part = self.query.part(stored.resource_type);
        match part.and_then(|part| part.filter.as_ref()) {
            None => Ok(true),
            Some(filter) => Ok(evaluate::matches(filter, &self.wire(stored)?)),
        }
    }
}

fn without_filter(query: &ListQuery) -> ListQuery {
    let mut query = query.clone();
    for part in &mut query.parts {
        part.filter = None;
    }
    query
}

/// The folded name that a resource must have to satisfy the filter, if there is one.
fn required_name(filter: &TypedFilter, resource_type: ResourceType) -> Option<&str> {
    let attribute = match resource_type {
        ResourceType::User => "userName",
        ResourceType::Group => "displayName",
    };
    match filter {
        TypedFilter::Compare(Comparison { path, op: CompareOp::Eq, value: TypedValue::Text(name) }) => {
            let is_name = path.extension.is_none() && path.attribute == attribute && !path.case_exact;
            is_name.then_some(name)
        }
        TypedFilter::And(terms) => terms.iter().find_map(|term| required_name(term, resource_type)),
        TypedFilter::Compare(_)
        | TypedFilter::Or(_)
        | TypedFilter::Not(_)
        | TypedFilter::Present(_)
        | TypedFilter::ValuePath { .. } => None,
    }
}
