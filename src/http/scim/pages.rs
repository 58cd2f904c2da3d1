//! Lists whose pages all show one state: with a cursor (RFC 9865), and for auditors as of an instant.
//!
//! Nothing is kept of a cursor: it carries its revision and place, sealed for the tenant, the caller and the query.
//! Whatever was changed, forged or belongs to somebody else is one and the same error.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use projections::current::StoredResource;
use provisioning::{Revision, Timestamp};
use scim::dialect::Notes;
use scim::list::cursor::Cursor;
use scim::list::{ListQuery, Order, PageLimits};
use scim::{ResourceSchema, ResourceType, ScimError, ScimType};
use sha2::{Digest as _, Sha256};

use super::render::{self, Renderer};
use super::{CONTENT_TYPE, base_url};
use crate::as_of::{AsOfError, Audience, Question};
use crate::directory::Directory;
use crate::http::error::Failure;
use crate::http::{House, context};
use crate::reports;

/// Parameters that make a query what it is.
const BOUND: [&str; 7] =
    ["filter", "sortby", "sortorder", "attributes", "excludedattributes", "at", "domain"];

/// A list that is asked for page by page.
pub(in crate::http) struct PagedList<'r> {
    http: &'r HttpRequest,
    house: &'r House,
    directory: Arc<Directory>,
    base: String,
    schemas: Vec<Arc<ResourceSchema>>,
    query: ListQuery,
    domain: Option<String>,
    audience: Audience,
    /// As of when; `None` as of now.
    at: Option<Timestamp>,
    /// What its cursors are sealed for.
    purpose: [u8; 32],
}

impl<'r> PagedList<'r> {
    /// A client's list, whose query has a cursor.
    pub(super) fn of_client(
        request: &super::ScimRequest<'r>,
        schemas: Vec<Arc<ResourceSchema>>,
        query: ListQuery,
        parameters: &[(String, String)],
    ) -> Self {
        let client = &request.client;
        let (stream, id) = (client.directory.stream().to_string(), client.id.to_string());
        let purpose = purpose(&["scim", &stream, &id, &client.domain], &schemas, parameters);
        Self {
            http: request.http,
            house: request.house,
            directory: Arc::clone(&request.directory),
            base: request.base.clone(),
            schemas,
            query,
            domain: Some(client.domain.clone()),
            audience: Audience::Client,
            at: None,
            purpose,
        }
    }

    /// An auditor's list of the tenant's resources of a type as of the instant `at`.
    pub(in crate::http) fn of_auditor(
        http: &'r HttpRequest,
        house: &'r House,
        tenant: &str,
        resource_type: ResourceType,
        mut parameters: Vec<(String, String)>,
    ) -> Result<Self, Failure> {
        let directory = reports::tenant(&house.directories, tenant)?;
        let schemas = vec![Arc::clone(directory.schemas().of(resource_type))];
        let parameter = |wanted: &str| {
            let mut found = parameters.iter().filter(|(name, _)| name == wanted);
            found.next().map(|(_, value)| value.clone())
        };
        let at = parameter("at").map(|text| {
            Timestamp::parse(&text).ok_or_else(|| {
                let detail = "`at` must be an RFC 3339 instant such as 2026-06-30T23:59:59Z";
                Failure::new(StatusCode::BAD_REQUEST, "parameter_invalid", detail)
            })
        });
        let at = at.transpose()?;
        let domain = parameter("domain").or_else(|| only_domain(&directory));
        let stream = directory.stream().to_string();
        let purpose = purpose(&["audit", &stream], &schemas, &parameters);
        // An answer without a cursor is the first page of one with.
        if !parameters.iter().any(|(name, _)| name.eq_ignore_ascii_case("cursor")) {
            parameters.push(("cursor".to_owned(), String::new()));
        }
        // What an auditor asks in another form is understood as well; the request log is about clients.
        let mut notes = Notes::new();
        let query = ListQuery::from_parameters(&parameters, &[&*schemas[0]], limits(house), &mut notes)?;
        let base = base_url(http, house, &directory);
        let audience = Audience::Auditor;
        Ok(Self { http, house, directory, base, schemas, query, domain, audience, at, purpose })
    }

    /// The page that the query's cursor asks for, and how many resources match in all.
    pub(in crate::http) async fn answer(mut self) -> Result<(u64, HttpResponse), Failure> {
        let text = self.query.cursor.take().unwrap_or_default();
        let (mut cursor, order) =
            if text.is_empty() { self.first().await? } else { (self.next(&text)?, None) };
        let question = Arc::new(self.question(Revision(cursor.revision)));
        let (resources, ended) = if self.query.count == 0 {
            (Vec::new(), true)
        } else if self.query.order == Order::Created {
            let page = question.page(Revision(cursor.last), self.query.count).await?;
            cursor.last = page.last.0;
            cursor.shown += page.resources.len() as u64;
            (page.resources, page.ended)
        } else {
            let order = match order.or_else(|| self.house.orders.get(&self.order_key(cursor.revision))) {
                Some(order) => order,
                None => self.order_again(&question).await?,
            };
            let begin = usize::try_from(cursor.shown).unwrap_or(usize::MAX).min(order.len());
            let end = begin.saturating_add(self.query.count).min(order.len());
            cursor.shown = end as u64;
            (question.resources(order[begin..end].to_vec()).await?, end == order.len())
        };
        let next = if ended || cursor.shown >= cursor.total { None } else { Some(self.seal(cursor)?) };
        let bodies = self.bodies(&question, resources).await?;
        let body = render::paged_list(cursor.total, next.as_deref(), &bodies);
        Ok((cursor.total, HttpResponse::Ok().content_type(CONTENT_TYPE).body(body)))
    }

    /// Where the list begins: its revision and total; its order if it has one of its own.
    async fn first(&self) -> Result<(Cursor, Option<Arc<[Revision]>>), Failure> {
        let (revision, total, order) = match self.audience {
            Audience::Client => self.first_of_client().await?,
            Audience::Auditor => self.first_of_auditor().await?,
        };
        if let Some(order) = &order {
            self.house.orders.put(self.order_key(revision.0), Arc::clone(order));
        }
        let count = self.query.count as u64;
        Ok((Cursor { revision: revision.0, total, count, shown: 0, last: 0, expires_at: 0 }, order))
    }

    async fn first_of_client(&self) -> Result<(Revision, u64, Option<Arc<[Revision]>>), Failure> {
        let (directory, query) = (Arc::clone(&self.directory), self.query.clone());
        let (domain, most) = (self.domain.clone(), self.house.orders.resources_max());
        let work = move || {
            directory.with_current(|current| {
                if query.order == Order::Created {
                    let (revision, total) = current.total_at(&query, domain.as_deref())?;
                    return Ok::<_, AsOfError>((revision, total, None));
                }
                let (revision, order) =
                    current.order_at(&query, domain.as_deref(), most.saturating_add(1))?;
                if order.len() > most {
                    return Err(AsOfError::TooMany);
                }
                Ok((revision, order.len() as u64, Some(order.into())))
            })
        };
        let _turn = self.house.searches.acquire().await;
        Ok(self.house.directories.shared().tasks.block(work).await?)
    }

    async fn first_of_auditor(&self) -> Result<(Revision, u64, Option<Arc<[Revision]>>), Failure> {
        if !self.directory.history_caught_up().await {
            return Err(Failure::view_behind());
        }
        let (directory, at) = (Arc::clone(&self.directory), self.at);
        let work = move || {
            directory.with_history(|history| match at {
                Some(at) => history.revision_at(at),
                None => history.position().map(|position| position.revision),
            })
        };
        let revision = self.house.directories.shared().tasks.block(work).await?;
        let question = Arc::new(self.question(revision));
        if self.query.order == Order::Created {
            return Ok((revision, question.count().await?, None));
        }
        let order: Arc<[Revision]> = question.order(self.house.orders.resources_max()).await?.into();
        Ok((revision, order.len() as u64, Some(order)))
    }

    /// An order that is not kept any more.
    async fn order_again(&self, question: &Arc<Question>) -> Result<Arc<[Revision]>, Failure> {
        let order: Arc<[Revision]> = question.order(self.house.orders.resources_max()).await?.into();
        self.house.orders.put(self.order_key(question.revision.0), Arc::clone(&order));
        Ok(order)
    }

    /// The place that a cursor of ours names.
    fn next(&self, text: &str) -> Result<Cursor, Failure> {
        let invalid = || {
            let detail = "the cursor is none that this query was answered with; send the nextCursor of the page \
                          before and leave everything else as it was, or send an empty cursor for the first page";
            ScimError::new(ScimType::InvalidCursor, "cursor_invalid", detail)
        };
        let opened = self.house.seal.open(text, &self.purpose);
        let cursor = opened.and_then(|bytes| Cursor::from_bytes(&bytes)).ok_or_else(invalid)?;
        let committed = *self.directory.committed().borrow();
        if cursor.expires_at < context::of(self.http).received_at.0 || cursor.revision > committed.0 {
            let detail = "the cursor has expired; begin again with an empty cursor, and ask for each page within \
                          the cursorTimeout of /ServiceProviderConfig";
            return Err(ScimError::new(ScimType::ExpiredCursor, "cursor_expired", detail).into());
        }
        if cursor.count != self.query.count as u64 {
            let detail = "count must be the same for every page; send the count of the first page";
            return Err(ScimError::new(ScimType::InvalidCount, "cursor_count", detail).into());
        }
        Ok(cursor)
    }

    fn seal(&self, cursor: Cursor) -> Result<String, Failure> {
        let life = i64::try_from(self.house.config.limits.cursor_seconds).unwrap_or(i64::MAX);
        let now = context::of(self.http).received_at.0;
        let expires_at = now.saturating_add(life.saturating_mul(1_000_000));
        let bytes = Cursor { expires_at, ..cursor }.to_bytes();
        let randomness = self.house.directories.shared().randomness.as_ref();
        self.house.seal.seal(&bytes, &self.purpose, randomness).map_err(|error| {
            Failure::new(StatusCode::SERVICE_UNAVAILABLE, "randomness_unavailable", error.to_string())
        })
    }

    fn order_key(&self, revision: u64) -> crate::as_of::OrderKey {
        (self.purpose, Revision(revision))
    }

    fn question(&self, revision: Revision) -> Question {
        Question {
            directory: Arc::clone(&self.directory),
            tasks: Arc::clone(&self.house.directories.shared().tasks),
            turns: Arc::clone(&self.house.searches),
            revision,
            query: self.query.clone(),
            domain: self.domain.clone(),
            audience: self.audience,
        }
    }

    async fn bodies(
        &self,
        question: &Arc<Question>,
        resources: Vec<StoredResource>,
    ) -> Result<Vec<String>, Failure> {
        let mut bodies = Vec::with_capacity(resources.len());
        for (stored, derived) in question.derived(resources).await? {
            let mut asked = self.query.parts.iter().zip(&self.schemas);
            let asked = asked.find(|(part, _)| part.resource_type == stored.resource_type);
            let Some((part, schema)) = asked else { continue };
            let renderer = Renderer { base: &self.base, schema, returned: &part.returned };
            bodies.push(renderer.resource(&stored, &derived));
        }
        Ok(bodies)
    }
}

/// How large pages are.
pub(super) fn limits(house: &House) -> PageLimits {
    let limits = &house.config.limits;
    PageLimits { default: limits.page_resources_default, max: limits.page_resources_max }
}

/// The provisioning domain of all of a tenant's clients, if they have one only.
fn only_domain(directory: &Directory) -> Option<String> {
    let tenancy = directory.tenancy();
    let mut domains: Vec<&String> = tenancy.clients.values().map(|client| &client.domain).collect();
    domains.sort();
    domains.dedup();
    match domains.as_slice() {
        [only] => Some((*only).clone()),
        _ => None,
    }
}

/// What a cursor is sealed for: who asks, of which types, with which parameters.
fn purpose(who: &[&str], schemas: &[Arc<ResourceSchema>], parameters: &[(String, String)]) -> [u8; 32] {
    let types = schemas.iter().map(|schema| schema.resource_type.name().to_owned());
    let mut bound: Vec<(String, &String)> = parameters
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| BOUND.contains(&name.as_str()))
        .collect();
    // Stable: of a parameter that comes twice, the first one counts.
    bound.sort_by(|(one, _), (other, _)| one.cmp(other));
    let bound = bound.into_iter().flat_map(|(name, value)| [name, value.clone()]);
    let mut digest = Sha256::new();
    for text in who.iter().map(|text| (*text).to_owned()).chain(types).chain(bound) {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    digest.finalize().into()
}
