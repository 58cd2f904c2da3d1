//! The SCIM interface (RFC 7644): from a path below some tenant's base path to a handler.
//!
//! Order of checks: route, authentication, method, syntax, schema; what depends on the state is the decider's.
//! Path segments are matched whatever their case and with or without a trailing slash, since identity providers
//! send both.

mod body;
mod bulk;
mod conditions;
mod deviations;
mod discovery;
mod list;
mod media;
pub(super) mod pages;
mod read;
mod render;
mod write;

use std::sync::Arc;

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use percent_encoding::percent_decode_str;
use provisioning::ResourceId;
use provisioning::tenancy::PutUnknown;
use scim::dialect::Notes;
use scim::{ResourceType, ScimError, ScimType};

use super::error::Failure;
use super::{House, auth, context, openapi, trace};
use crate::directory::{Directory, halted_error};
use crate::query;
use crate::request_log::Sender;

/// The media type of every answer (RFC 7644 section 3.8).
pub const CONTENT_TYPE: &str = "application/scim+json";

/// What is listed where no endpoint says which.
const EVERY_TYPE: [ResourceType; 2] = [ResourceType::User, ResourceType::Group];

/// What a path below a base path names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Route {
    ServiceProviderConfig,
    ResourceTypes(Option<String>),
    Schemas(Option<String>),
    /// The base URL itself: resources of every type.
    Root,
    Resources(ResourceType),
    Resource(ResourceType, String),
    Bulk,
    /// `/.search` below an endpoint, or below the base URL.
    Search(Option<ResourceType>),
    Me,
}

impl Route {
    fn find(segments: &[String]) -> Option<Self> {
        let Some(first) = segments.first() else { return Some(Self::Root) };
        let first = first.to_ascii_lowercase();
        let second = segments.get(1).cloned();
        if segments.len() > 2 {
            return None;
        }
        let searches = segments.last().is_some_and(|last| last.eq_ignore_ascii_case(".search"));
        Some(match (first.as_str(), second) {
            (".search", None) => Self::Search(None),
            ("users", Some(_)) if searches => Self::Search(Some(ResourceType::User)),
            ("groups", Some(_)) if searches => Self::Search(Some(ResourceType::Group)),
            ("me", None) => Self::Me,
            ("serviceproviderconfig", None) => Self::ServiceProviderConfig,
            ("resourcetypes", name) => Self::ResourceTypes(name),
            ("schemas", urn) => Self::Schemas(urn),
            ("users", None) => Self::Resources(ResourceType::User),
            ("users", Some(id)) => Self::Resource(ResourceType::User, id),
            ("groups", None) => Self::Resources(ResourceType::Group),
            ("groups", Some(id)) => Self::Resource(ResourceType::Group, id),
            ("bulk", None) => Self::Bulk,
            _ => return None,
        })
    }

    fn is_discovery(&self) -> bool {
        matches!(self, Self::ServiceProviderConfig | Self::ResourceTypes(_) | Self::Schemas(_))
    }

    /// The template under which the route is counted.
    fn template(&self) -> &'static str {
        match self {
            Self::ServiceProviderConfig => "/ServiceProviderConfig",
            Self::ResourceTypes(_) => "/ResourceTypes",
            Self::Schemas(_) => "/Schemas",
            Self::Root => "/",
            Self::Search(None) => "/.search",
            Self::Search(Some(ResourceType::User)) => "/Users/.search",
            Self::Search(Some(ResourceType::Group)) => "/Groups/.search",
            Self::Me => "/Me",
            Self::Resources(ResourceType::User) => "/Users",
            Self::Resource(ResourceType::User, _) => "/Users/{id}",
            Self::Resources(ResourceType::Group) => "/Groups",
            Self::Resource(ResourceType::Group, _) => "/Groups/{id}",
            Self::Bulk => "/Bulk",
        }
    }

    fn allowed(&self) -> &'static str {
        match self {
            Self::ServiceProviderConfig | Self::ResourceTypes(_) | Self::Schemas(_) | Self::Root => {
                "GET, HEAD, OPTIONS"
            }
            Self::Search(_) | Self::Bulk => "POST, OPTIONS",
            Self::Me => "OPTIONS",
            Self::Resources(_) => "GET, HEAD, POST, OPTIONS",
            Self::Resource(..) => "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
        }
    }
}

/// A request that has been let in, and everything that handlers ask of it.
struct ScimRequest<'r> {
    http: &'r HttpRequest,
    house: &'r House,
    client: auth::ScimClient,
    directory: Arc<Directory>,
    /// The tenant's SCIM base URL, without a trailing slash.
    base: String,
    /// Decoded query parameters.
    parameters: Vec<(String, String)>,
    /// Whether the tenant refuses what deviates from the RFCs.
    strict: bool,
}

/// Answers every request that is not admin, audit or health.
pub async fn serve(http: HttpRequest, payload: web::Payload, house: web::Data<House>) -> HttpResponse {
    trace::begin(&http);
    let mut answer = match dispatch(&http, payload, &house).await {
        Ok(answer) => answer,
        Err(failure) => {
            trace::failed(&http, &failure);
            trace::tenant(&http, || meant_tenant(&http, &house));
            failure.scim_response()
        }
    };
    if let Some(content_type) = answer.headers_mut().get_mut(header::CONTENT_TYPE) {
        *content_type = header::HeaderValue::from_static(media::of_answer(&http));
    }
    answer
}

async fn dispatch(http: &HttpRequest, payload: web::Payload, house: &House) -> Result<HttpResponse, Failure> {
    let path = http.path();
    let trimmed = path.trim_end_matches('/');
    let Some(base_path) = house.directories.shared().index.base_path(trimmed) else {
        return Err(no_such_base(house, trimmed));
    };
    let segments = decoded_segments(&trimmed[base_path.len()..])?;
    let route = Route::find(&segments);
    if let Some(route) = &route {
        context::set_route(http, route.template());
    }
    let mut parameters = query::decode(http.query_string())?;
    let notes =
        route.as_ref().map(|route| deviations::of(http, base_path, (route, &segments), &mut parameters));
    let notes = notes.unwrap_or_default();
    if let Some(route) = route.as_ref().filter(|route| route.is_discovery())
        && auth::is_anonymous(http)
    {
        let directory = anonymous_tenant(http, house, base_path)?;
        deviations::tolerate(http, directory.tenancy().settings.is_strict(), &notes)?;
        let (base, schemas) = (base_url(http, house, &directory), directory.schemas());
        return discovery::answer(http, route, &base, &schemas, &parameters);
    }
    let client = auth::scim_client(http, house);
    let party = client.as_ref().map_or_else(|_| trace::party_of(http), |it| Some(Arc::clone(&it.directory)));
    let is_elsewhere = party.as_ref().is_some_and(|directory| !is_at(http, directory, base_path));
    if is_elsewhere {
        trace::astray(http);
    }
    let client = match client {
        Ok(client) => client,
        Err(refused) => {
            // Whoever shows a token that nobody knows is a stranger, whose body is not even looked at.
            if party.is_some() {
                body::glimpse(http, payload).await;
            }
            return Err(refused);
        }
    };
    let directory = Arc::clone(&client.directory);
    let strict = directory.tenancy().settings.is_strict();
    let admitted =
        if is_elsewhere { Err(token_elsewhere()) } else { deviations::tolerate(http, strict, &notes) };
    if let Err(refused) = admitted {
        body::glimpse(http, payload).await;
        return Err(refused);
    }
    let Some(route) = route else {
        body::glimpse(http, payload).await;
        let detail = "there is nothing at this path below the tenant's SCIM base URL; the endpoints are /Users, \
                      /Groups, /Bulk, /.search, /ServiceProviderConfig, /ResourceTypes and /Schemas";
        return Err(Failure::not_found("route_not_found", detail));
    };
    if http.method() == Method::OPTIONS {
        return Ok(HttpResponse::NoContent().insert_header((header::ALLOW, route.allowed())).finish());
    }
    if directory.halted().is_some() {
        return Err(halted_error().into());
    }
    if !directory.caught_up().await {
        return Err(Failure::view_behind());
    }
    let base = base_url(http, house, &directory);
    let request = ScimRequest { http, house, client, directory, base, parameters, strict };
    request.answer(route, payload).await
}

impl ScimRequest<'_> {
    /// Writes notes down, and refuses what was noted if the tenant is strict.
    fn tolerate(&self, notes: &Notes) -> Result<(), Failure> {
        deviations::tolerate(self.http, self.strict, notes)
    }

    async fn answer(&self, route: Route, payload: web::Payload) -> Result<HttpResponse, Failure> {
        let reads = matches!(*self.http.method(), Method::GET | Method::HEAD);
        match (&route, self.http.method()) {
            (route, _) if route.is_discovery() => {
                discovery::answer(self.http, route, &self.base, &self.directory.schemas(), &self.parameters)
            }
            (Route::Me, _) => Err(no_me()),
            (Route::Root, _) if reads => self.list(&EVERY_TYPE).await,
            (Route::Resources(resource_type), _) if reads => self.list(&[*resource_type]).await,
            (Route::Search(Some(resource_type)), &Method::POST) => {
                self.search(&[*resource_type], payload).await
            }
            (Route::Search(None), &Method::POST) => self.search(&EVERY_TYPE, payload).await,
            (Route::Resource(resource_type, id), _) if reads => {
                self.get(*resource_type, resource_id(*resource_type, id)?).await
            }
            (Route::Resources(resource_type), &Method::POST) => self.create(*resource_type, payload).await,
            (Route::Resource(resource_type, id), method) => {
                let (resource_type, method) = (*resource_type, method.clone());
                if ![Method::PUT, Method::PATCH, Method::DELETE].contains(&method) {
                    return Err(Failure::method_not_allowed(route.allowed()));
                }
                let id = match method {
                    Method::PUT => self.id_to_put_to(resource_type, id),
                    _ => resource_id(resource_type, id),
                };
                let id = match id {
                    Ok(id) => id,
                    Err(refused) => {
                        body::glimpse(self.http, payload).await;
                        return Err(refused);
                    }
                };
                match method {
                    Method::PUT => self.replace(resource_type, id, payload).await,
                    Method::PATCH => self.patch(resource_type, id, payload).await,
                    _ => self.delete(resource_type, id).await,
                }
            }
            (Route::Bulk, &Method::POST) => self.bulk(payload).await,
            (route, _) => Err(Failure::method_not_allowed(route.allowed())),
        }
    }

    /// Where a PUT creates users, whoever chose the id is told which ids there can be.
    fn id_to_put_to(&self, resource_type: ResourceType, text: &str) -> Result<ResourceId, Failure> {
        let creates = resource_type == ResourceType::User
            && self.directory.tenancy().settings.put_unknown == PutUnknown::Create;
        resource_id(resource_type, text).map_err(|failure| {
            if !creates {
                return failure;
            }
            let detail = "User not found: a PUT creates a user only under a canonical lower-case UUID that was never \
                          used, and the id in the path is none";
            Failure::not_found("resource_not_found", detail)
        })
    }
}

/// RFC 7644 section 3.11: 501 where `/Me` is not offered.
fn no_me() -> Failure {
    let detail = "there is no /Me here: a token belongs to a provisioning client, not to a person; address a \
                  person as /Users/{id}";
    Failure::new(StatusCode::NOT_IMPLEMENTED, "me_not_offered", detail)
}

/// An id is a canonical lower-case UUID; anything else never was one of ours.
fn resource_id(resource_type: ResourceType, text: &str) -> Result<ResourceId, Failure> {
    let not_found = || {
        let detail =
            format!("{} not found: the id in the path is none of this tenant's", resource_type.name());
        Failure::not_found("resource_not_found", detail)
    };
    ResourceId::parse(text).ok_or_else(not_found)
}

/// No tenant has a base path that the path lies under; one that could not be opened is named as such.
fn no_such_base(house: &House, path: &str) -> Failure {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    if let Some(closed) = house.directories.why_closed(first) {
        return closed.refusal().into();
    }
    let is_ours = !first.is_empty() && path == format!("/{first}");
    if let Some(methods) = is_ours.then(|| openapi::allowed(path)).flatten() {
        return Failure::method_not_allowed(methods);
    }
    let detail =
        "no tenant has a SCIM base URL with this path; check the URL in the identity provider's set-up";
    Failure::not_found("tenant_not_found", detail)
}

/// The tenant whose discovery is asked for without a token: by host, or by being alone under its path.
fn anonymous_tenant(http: &HttpRequest, house: &House, base_path: &str) -> Result<Arc<Directory>, Failure> {
    let name = house.directories.shared().index.tenant_at(base_path, &context::host(http));
    match name.and_then(|name| house.directories.tenant(&name)) {
        Some(directory) => Ok(directory),
        // The failure that a missing token leads to.
        None => Err(auth::scim_client(http, house).err().unwrap_or_else(Failure::view_behind)),
    }
}

/// Whom a request that was refused was meant for, as far as its token or address tells.
fn meant_tenant(http: &HttpRequest, house: &House) -> Option<(Arc<Directory>, Sender)> {
    let by_token = auth::tenant_of_token(http, house);
    let by_address = || Some((tenant_of_address(http, house)?, Sender::Stranger));
    by_token.map(|found| (found, Sender::Own)).or_else(by_address)
}

/// The tenant that the address means, by base path or by name.
pub(super) fn tenant_of_address(http: &HttpRequest, house: &House) -> Option<Arc<Directory>> {
    let index = &house.directories.shared().index;
    let path = http.path().trim_end_matches('/');
    let by_path = || index.tenant_at(index.base_path(path)?, &context::host(http));
    let by_name = || path.split('/').nth(1).map(str::to_owned);
    let open = |name: String| house.directories.tenant(&name);
    by_path().and_then(open).or_else(|| open(by_name()?))
}

/// Whether an address names that tenant.
fn is_at(http: &HttpRequest, directory: &Directory, base_path: &str) -> bool {
    let tenancy = directory.tenancy();
    let settings = &tenancy.settings;
    settings.base_path == base_path && settings.host.as_ref().is_none_or(|host| *host == context::host(http))
}

fn token_elsewhere() -> Failure {
    let detail = "the token belongs to another SCIM base URL; use the URL that was shown with it";
    Failure::new(StatusCode::UNAUTHORIZED, "token_elsewhere", detail)
}

pub(super) fn base_url(http: &HttpRequest, house: &House, directory: &Directory) -> String {
    let tenancy = directory.tenancy();
    let authority = context::authority(http, house, tenancy.settings.host.as_deref());
    format!("{authority}{}", tenancy.settings.base_path)
}

fn decoded_segments(path: &str) -> Result<Vec<String>, Failure> {
    let undecodable = |_| {
        let detail = "the path is no percent-encoded UTF-8";
        ScimError::new(ScimType::InvalidSyntax, "path_encoding", detail)
    };
    let mut segments = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        segments.push(percent_decode_str(segment).decode_utf8().map_err(undecodable)?.into_owned());
    }
    Ok(segments)
}

#[cfg(test)]
mod tests;
