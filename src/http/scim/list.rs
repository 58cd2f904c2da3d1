//! Lists: GET of an endpoint or of the base URL, and POST of a `SearchRequest` (RFC 7644 sections 3.4.2, 3.4.3).

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use projections::ViewError;
use scim::dialect::Notes;
use scim::list::{ListQuery, search};
use scim::{ResourceSchema, ResourceType};

use super::pages::{self, PagedList};
use super::read::derive;
use super::render::{self, Derived, Renderer};
use super::{CONTENT_TYPE, ScimRequest, body};
use crate::directory::KnownUser;
use crate::http::error::Failure;
use crate::http::trace;

impl ScimRequest<'_> {
    /// GET of a list of resources of these types.
    pub(super) async fn list(&self, types: &[ResourceType]) -> Result<HttpResponse, Failure> {
        self.page(types, &self.parameters).await
    }

    /// The same asked for in a body. What stands in the URL does not count.
    pub(super) async fn search(
        &self,
        types: &[ResourceType],
        payload: web::Payload,
    ) -> Result<HttpResponse, Failure> {
        let limits = &self.house.config.limits;
        let body = body::read(self.http, payload, limits.user_body_bytes_max).await?;
        let mut notes = Notes::new();
        let asked = search::parameters(body.json, &mut notes);
        self.tolerate(&notes)?;
        self.page(types, &asked?).await
    }

    async fn page(
        &self,
        types: &[ResourceType],
        parameters: &[(String, String)],
    ) -> Result<HttpResponse, Failure> {
        let schemas: Vec<Arc<ResourceSchema>> = types.iter().map(|of| self.schema(*of)).collect();
        let known: Vec<&ResourceSchema> = schemas.iter().map(AsRef::as_ref).collect();
        let mut notes = Notes::new();
        let query = ListQuery::from_parameters(parameters, &known, pages::limits(self.house), &mut notes);
        self.tolerate(&notes)?;
        let query = query?;
        if query.cursor.is_some() {
            let list = PagedList::of_client(self, schemas, query, parameters);
            let (found, answer) = list.answer().await?;
            trace::results(self.http, found);
            return Ok(answer);
        }
        // A look-up costs what a GET by id costs and is read here; anything else may look at every resource.
        let is_lookup = query.is_lookup();
        if is_lookup && let Some((found, body)) = self.looked_up(&query, &schemas)? {
            trace::results(self.http, found);
            return Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(body));
        }
        let directory = Arc::clone(&self.directory);
        let (domain, base) = (self.client.domain.clone(), self.base.clone());
        let work = move || -> Result<(u64, String), ViewError> {
            directory.with_current(|reader| {
                reader.snapshot(|| {
                    let page = reader.list(&query, Some(&domain))?;
                    let mut bodies = Vec::with_capacity(page.resources.len());
                    for stored in &page.resources {
                        let asked = query.parts.iter().zip(&schemas);
                        let mut asked = asked.filter(|(part, _)| part.resource_type == stored.resource_type);
                        let Some((part, schema)) = asked.next() else { continue };
                        let renderer = Renderer { base: &base, schema, returned: &part.returned };
                        bodies.push(renderer.resource(stored, &derive(reader, stored, &part.returned)?));
                    }
                    Ok((page.total, render::list(page.total, query.start_index, &bodies)))
                })
            })
        };
        let (found, body) = if is_lookup {
            work()?
        } else {
            let _turn = self.house.searches.acquire().await;
            self.house.directories.shared().tasks.block(work).await?
        };
        trace::results(self.http, found);
        Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(body))
    }

    /// The first page of a look-up, with a user as it was read last; `None` if it has to be read as a list.
    fn looked_up(
        &self,
        query: &ListQuery,
        schemas: &[Arc<ResourceSchema>],
    ) -> Result<Option<(u64, String)>, Failure> {
        let ([part], [schema]) = (query.parts.as_slice(), schemas) else { return Ok(None) };
        if query.start_index > 1 || query.count == 0 {
            return Ok(None);
        }
        let Some(user) = self.directory.look_up(query, &self.client.domain)? else { return Ok(None) };
        let renderer = Renderer { base: &self.base, schema, returned: &part.returned };
        let bodies: Vec<String> = user.into_iter().map(|user| render_user(&renderer, user)).collect();
        let total = bodies.len() as u64;
        Ok(Some((total, render::list(total, query.start_index, &bodies))))
    }
}

fn render_user(renderer: &Renderer<'_>, user: KnownUser) -> String {
    let shows_groups = renderer.returned.wants("groups");
    let derived = if shows_groups { Derived::Groups(user.groups) } else { Derived::Left };
    renderer.resource(&user.stored, &derived)
}
