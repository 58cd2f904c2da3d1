//! What is known of a request before anybody looks at what it wants: its id, when it came, from where, and under
//! which address we are known to whoever sent it.

use std::net::IpAddr;

use actix_web::HttpMessage as _;
use actix_web::HttpRequest;
use actix_web::dev::ServiceRequest;
use actix_web::http::header;
use provisioning::command::Origin;
use provisioning::event::Context;
use provisioning::recorded::{Actor, Via};
use provisioning::{RequestId, Timestamp};

use super::House;
use super::forwarded::Forwarded;

/// The most characters of a `User-Agent` that are recorded.
const USER_AGENT_CHARACTERS_MAX: usize = 256;

/// A request's circumstances.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Answered as `X-Request-Id` and recorded in headers of events.
    pub id: RequestId,
    /// When its headers were read.
    pub received_at: Timestamp,
    /// The caller's address: the socket's, or what a trusted proxy says.
    pub source_ip: Option<IpAddr>,
    /// Everything that a trusted proxy says; `None` if none sent the request.
    forwarded: Option<Forwarded>,
    /// The route's template for metrics; set by whoever recognises the route.
    route: &'static str,
}

/// Notes the circumstances of a request that has just arrived.
pub fn begin(request: &ServiceRequest, house: &House) {
    let shared = house.directories.shared();
    let peer = request.peer_addr().map(|address| address.ip().to_canonical());
    let is_proxy =
        |address: IpAddr| house.config.trusted_proxies.iter().any(|network| network.contains(&address));
    let forwarded = peer.is_some_and(is_proxy).then(|| Forwarded::read(request.headers(), is_proxy));
    let context = RequestContext {
        id: RequestId(shared.ids.next()),
        received_at: shared.clock.now(),
        source_ip: forwarded.as_ref().and_then(|forwarded| forwarded.client).or(peer),
        forwarded,
        route: "other",
    };
    request.extensions_mut().insert(context);
}

/// The circumstances of a request.
pub fn of(request: &HttpRequest) -> RequestContext {
    request.extensions().get::<RequestContext>().cloned().expect("every request begins with `begin`")
}

/// Names the route for metrics: a template, never an id.
pub fn set_route(request: &HttpRequest, route: &'static str) {
    if let Some(context) = request.extensions_mut().get_mut::<RequestContext>() {
        context.route = route;
    }
}

/// The route's template and the request's id as text.
pub fn route_and_id(request: &HttpRequest) -> (&'static str, String) {
    let extensions = request.extensions();
    extensions
        .get::<RequestContext>()
        .map_or(("other", String::new()), |context| (context.route, context.id.to_string()))
}

impl RequestContext {
    /// What goes into the headers and sealed payloads of events that this request leads to.
    pub fn origin(&self, request: &HttpRequest, actor: Actor, via: Via) -> Origin {
        let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let context = Context {
            source_ip: self.source_ip.map(|address| address.to_string()),
            user_agent: user_agent.map(|text| text.chars().take(USER_AGENT_CHARACTERS_MAX).collect()),
        };
        Origin {
            actor,
            via,
            request: Some(self.id),
            received_at: Some(self.received_at),
            context: Some(context),
        }
    }
}

/// The host and port that the request names, or what a trusted proxy says it named.
fn named_host(request: &HttpRequest) -> Option<String> {
    let forwarded = of(request).forwarded.and_then(|forwarded| forwarded.host);
    let header = || request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    forwarded.or_else(|| header().map(str::to_owned))
}

/// The host that the request names, lower-case and without a port.
pub fn host(request: &HttpRequest) -> String {
    let host = named_host(request).unwrap_or_default();
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => &host,
    };
    without_port.to_ascii_lowercase()
}

/// Scheme and authority under which the caller reaches a tenant, without a trailing slash: those of [`reached`], with
/// the tenant's host, if it has one, since under another no request of its counts.
pub fn authority(request: &HttpRequest, house: &House, tenant_host: Option<&str>) -> String {
    let reached = reached(request, house);
    match tenant_host {
        Some(host) => with_host(&reached, host),
        None => reached,
    }
}

/// Scheme and authority under which the caller reaches us: `--public-url`, else what the request itself says.
pub fn reached(request: &HttpRequest, house: &House) -> String {
    if let Some(public) = &house.config.public_url {
        return public.as_str().to_owned();
    }
    let own_scheme = if house.config.tls().is_some() { "https" } else { "http" };
    let scheme = of(request).forwarded.and_then(|forwarded| forwarded.scheme).unwrap_or(own_scheme);
    let usable = named_host(request)
        .filter(|text| text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b)));
    format!("{scheme}://{}", usable.unwrap_or_else(|| house.config.listen.to_string()))
}

/// An address with a tenant's own host name in place of its host; scheme, port and path stay.
fn with_host(public: &str, host: &str) -> String {
    let (scheme, rest) = public.split_once("://").unwrap_or(("https", public));
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let port = match authority.rsplit_once(':') {
        Some((_, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!(":{port}")
        }
        _ => String::new(),
    };
    format!("{scheme}://{host}{port}{path}")
}

#[cfg(test)]
mod tests {
    use super::with_host;

    #[test]
    fn a_tenants_host_replaces_the_public_host_and_nothing_else() {
        assert_eq!(with_host("https://scim.example.com", "acme.example.com"), "https://acme.example.com");
        assert_eq!(with_host("http://127.0.0.1:8080/x", "acme.test"), "http://acme.test:8080/x");
        assert_eq!(with_host("http://[::1]:8080", "acme.test"), "http://acme.test:8080");
        assert_eq!(with_host("http://[::1]", "acme.test"), "http://acme.test");
    }
}
