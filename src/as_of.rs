//! The users and groups of a tenant as they were after some revision: pages that all show one state, however much is
//! written meanwhile, and auditors' questions about an instant.
//!
//! Whatever nothing was recorded about since is today as it was then and is read from `current.db`; the rest is
//! folded from the log, by the events that history names. `current.db` is read first, and history must have reached
//! what it showed: so nothing that changed in between is missed. Work is done in stretches of resources in the order
//! of their creation, each of which takes its own turn among the searches.

mod links;
mod orders;
mod stretch;

use std::sync::Arc;

use projections::ViewError;
use projections::current::{GroupRef, MemberRow, StoredResource};
use provisioning::Revision;
use scim::list::{ListQuery, sort::SortKey};
use tokio::sync::Semaphore;

use crate::directory::catch_up::CatchUpError;
use crate::directory::{Directory, ReadingError};
use crate::tasks::Tasks;
pub use orders::{OrderKey, Orders};

/// How many resources a stretch looks at.
const STRETCH_RESOURCES: usize = 4_096;
/// A page that looked at so many stretches, or folded so many events, is answered with what it has found; the next
/// one goes on behind that.
const PAGE_STRETCHES_MAX: usize = 64;
const PAGE_EVENTS_MAX: usize = 10_000;

/// What other resources say about one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Derived {
    /// A user's groups.
    Groups(Vec<GroupRef>),
    /// A group's members.
    Members(Vec<MemberRow>),
    /// The answer does not have it.
    Left,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// A provisioning client: hidden and erased people do not exist.
    Client,
    /// An auditor, who sees a hidden account as an inactive one, and of an erased person that there was one.
    Auditor,
}

/// A list as of a revision that the views have reached.
pub struct Question {
    /// Whose resources.
    pub directory: Arc<Directory>,
    /// Where work that blocks is done.
    pub tasks: Arc<Tasks>,
    /// Turns for searches.
    pub turns: Arc<Semaphore>,
    /// After this revision: the end of a transaction.
    pub revision: Revision,
    /// Which resources, in what order, with which attributes.
    pub query: ListQuery,
    /// What `externalId` means.
    pub domain: Option<String>,
    /// Who asks.
    pub audience: Audience,
}

/// Why a list as of a revision cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum AsOfError {
    /// A view failed.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] CatchUpError),
    /// History did not catch up in time.
    #[error("history has not caught up with what is committed")]
    Behind,
    /// There are more resources to be put in order than is allowed.
    #[error("more resources are to be sorted than the limit allows")]
    TooMany,
}

impl ReadingError for AsOfError {
    fn view_error(&self) -> Option<&ViewError> {
        match self {
            Self::View(error) => Some(error),
            Self::Log(_) | Self::Behind | Self::TooMany => None,
        }
    }
}

/// A page in the order of creation.
#[derive(Debug)]
pub struct Page {
    /// What it shows; fewer than were asked for, or none, if finding them was too much work.
    pub resources: Vec<StoredResource>,
    /// The next page goes on behind this resource.
    pub last: Revision,
    /// There is nothing behind it.
    pub ended: bool,
}

impl Question {
    /// A page of at most `count` resources behind `after`.
    pub async fn page(self: &Arc<Self>, after: Revision, count: usize) -> Result<Page, AsOfError> {
        let mut page = Page { resources: Vec::new(), last: after, ended: false };
        let mut events = 0;
        for _ in 0..PAGE_STRETCHES_MAX {
            let missing = count - page.resources.len();
            let Some(mut found) = self.stretch(page.last, missing).await? else {
                page.ended = true;
                break;
            };
            page.last = found.end;
            if let Some(first_left) = found.resources.get(missing) {
                page.last = Revision(first_left.created_revision.0 - 1);
                found.resources.truncate(missing);
            }
            page.resources.append(&mut found.resources);
            events += found.events;
            if page.resources.len() == count || events >= PAGE_EVENTS_MAX {
                break;
            }
        }
        Ok(page)
    }

    /// How many resources match in all.
    pub async fn count(self: &Arc<Self>) -> Result<u64, AsOfError> {
        let is_filtered = self.query.parts.iter().any(|part| part.filter.is_some());
        if !is_filtered && self.audience == Audience::Auditor {
            return self.block(Self::count_all).await;
        }
        let mut total = 0;
        let mut after = Revision::ZERO;
        while let Some(found) = self.stretch(after, STRETCH_RESOURCES).await? {
            total += found.resources.len() as u64;
            after = found.end;
        }
        Ok(total)
    }

    /// All resources that match in the list's order, by the revisions that created them; at most `limit`.
    pub async fn order(self: &Arc<Self>, limit: usize) -> Result<Vec<Revision>, AsOfError> {
        let mut keyed: Vec<(Option<SortKey>, Revision)> = Vec::new();
        let mut after = Revision::ZERO;
        while let Some(found) = self.stretch(after, STRETCH_RESOURCES).await? {
            after = found.end;
            let resources = found.resources;
            keyed.append(&mut self.block(move |question| question.keys(&resources)).await?);
            if keyed.len() > limit {
                return Err(AsOfError::TooMany);
            }
        }
        let order = self.query.order;
        keyed.sort_by(|(one, created), (other, later)| {
            order.compare(one.as_ref(), other.as_ref()).then(created.cmp(later))
        });
        Ok(keyed.into_iter().map(|(_, created)| created).collect())
    }

    /// These resources as they were, in this order; erased people are left out.
    pub async fn resources(
        self: &Arc<Self>,
        created: Vec<Revision>,
    ) -> Result<Vec<StoredResource>, AsOfError> {
        let asked = created.clone();
        let (position, lasting) = self.block(move |question| question.lasting_of(&asked)).await?;
        self.reaches(position).await?;
        self.block(move |question| question.completed(&created, lasting)).await
    }

    /// What other resources said about these, as far as the answer shows it.
    pub async fn derived(
        self: &Arc<Self>,
        resources: Vec<StoredResource>,
    ) -> Result<Vec<(StoredResource, Derived)>, AsOfError> {
        self.block(move |question| {
            let derive = |stored: StoredResource| {
                let part = question.query.part(stored.resource_type);
                let derived = match part {
                    Some(part) if part.returned.wants(links::attribute(stored.resource_type)) => {
                        question.links(&stored)?
                    }
                    _ => Derived::Left,
                };
                Ok((stored, derived))
            };
            resources.into_iter().map(derive).collect()
        })
        .await
    }

    /// Does something that blocks, in its turn.
    async fn block<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, AsOfError> + Send + 'static,
    ) -> Result<T, AsOfError> {
        let _turn = self.turns.acquire().await;
        let question = Arc::clone(self);
        self.tasks.block(move || work(&question)).await
    }

    async fn reaches(&self, position: Revision) -> Result<(), AsOfError> {
        if self.directory.history_reaches(position).await { Ok(()) } else { Err(AsOfError::Behind) }
    }
}
