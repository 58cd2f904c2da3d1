//! From an `Authorization` header to who asks: a client of a tenant, an operator, an auditor.
//!
//! Tokens are accepted as administrators really paste them: `Bearer T`, `bearer T`, `Bearer Bearer T`, a bare
//! `mst_…`, and `Basic` with the token as password. They are found by their SHA-256, which is then compared in
//! constant time; a token itself is never logged and never leaves this file.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::{StatusCode, header};
use provisioning::recorded::{Actor, ActorKind};
use provisioning::tenancy::{ClientKind, Role, Token};
use provisioning::{ClientId, TokenId};
use subtle::ConstantTimeEq as _;

use super::error::Failure;
use super::{House, context, trace};
use crate::directory::Directory;
use crate::index::token_hash;
use crate::token;

/// A provisioning client, authenticated.
#[derive(Clone)]
pub struct ScimClient {
    /// The tenant that the token decides.
    pub directory: Arc<Directory>,
    /// The client.
    pub id: ClientId,
    /// The token that was shown.
    pub token: TokenId,
    /// The provisioning domain.
    pub domain: String,
    /// The identity provider behind it.
    pub kind: ClientKind,
}

impl ScimClient {
    /// As it stands in the headers of events.
    pub fn actor(&self) -> Actor {
        Actor { kind: ActorKind::Client, id: Some(self.id.to_string()), token: Some(self.token.to_string()) }
    }
}

/// The token in a request's `Authorization`; `Ok(None)` without the header.
fn presented(request: &HttpRequest) -> Result<Option<String>, Failure> {
    let Some(value) = request.headers().get(header::AUTHORIZATION) else { return Ok(None) };
    let invalid = || unauthorized("token_invalid", "the Authorization header holds no token of this service");
    let text = value.to_str().map_err(|_| invalid())?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let mut rest = text;
    let mut schemes = 0;
    while let Some((scheme, behind)) = rest.split_once(char::is_whitespace) {
        if scheme.eq_ignore_ascii_case("bearer") && schemes < 2 {
            rest = behind.trim_start();
            schemes += 1;
        } else if scheme.eq_ignore_ascii_case("basic") && schemes == 0 {
            return basic_password(behind.trim()).map(Some).ok_or_else(invalid);
        } else {
            return Err(invalid());
        }
    }
    Ok(Some(rest.to_owned()))
}

/// Whether credentials are sent as RFC 6750 and RFC 7617 have it, not just pasted: `generic.token_form`.
pub fn is_in_rfc_form(request: &HttpRequest) -> bool {
    let Some(value) = request.headers().get(header::AUTHORIZATION) else { return true };
    let text = value.to_str().unwrap_or_default().trim();
    let Some((scheme, credentials)) = text.split_once(' ') else { return text.is_empty() };
    let known = ["bearer", "basic"].iter().any(|known| known.eq_ignore_ascii_case(scheme));
    known && !credentials.trim().contains(char::is_whitespace)
}

fn basic_password(encoded: &str) -> Option<String> {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
}

/// 401 in the words of RFC 6750.
fn unauthorized(code: &'static str, detail: &str) -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, code, detail)
}

fn missing() -> Failure {
    unauthorized(
        "token_missing",
        "no token was sent; send the tenant's token as `Authorization: Bearer <token>`",
    )
}

fn unknown() -> Failure {
    unauthorized("token_invalid", "the token is unknown or revoked; generate a new one and paste it in full")
}

fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

/// The tenant token in a request, if it is one that still counts.
fn tenant_token(request: &HttpRequest, house: &House) -> Result<(Arc<Directory>, TokenId, Token), Failure> {
    let presented = presented(request)?.ok_or_else(missing)?;
    if !token::is_well_formed(&presented) {
        return Err(unauthorized(
            "token_malformed",
            "what was sent is no complete token of this service; paste it again in full",
        ));
    }
    let hash = token_hash(&presented);
    let (tenant, id) = house.directories.shared().index.token(&hash).ok_or_else(unknown)?;
    let closed = || house.directories.why_closed(&tenant);
    let gone = || closed().map_or_else(unknown, |closed| closed.refusal().into());
    let directory = house.directories.tenant(&tenant).ok_or_else(gone)?;
    let token = directory.tenancy().tokens.get(&id).cloned().ok_or_else(unknown)?;
    trace::party(request, &directory, token.client, id);
    if !same(&token.sha256, &hash) || token.revoked_at.is_some() {
        return Err(unknown());
    }
    let now = context::of(request).received_at;
    if token.expires_at.is_some_and(|at| at <= now) {
        return Err(unauthorized("token_expired", "the token has expired; generate a new one"));
    }
    directory.operations().token_was_used(id, now);
    Ok((directory, id, token))
}

/// The tenant of the token that a request shows, whether it counts or not.
pub fn tenant_of_token(request: &HttpRequest, house: &House) -> Option<Arc<Directory>> {
    let hash = token_hash(&presented(request).ok()??);
    let (tenant, _) = house.directories.shared().index.token(&hash)?;
    house.directories.tenant(&tenant)
}

/// The provisioning client that sends a SCIM request.
pub fn scim_client(request: &HttpRequest, house: &House) -> Result<ScimClient, Failure> {
    let (directory, id, token) = tenant_token(request, house)?;
    let not_a_client = || {
        Failure::new(
            StatusCode::FORBIDDEN,
            "token_role",
            "this token may read the audit interface only, not SCIM",
        )
    };
    let client_id = token.client.filter(|_| token.role == Role::Client).ok_or_else(not_a_client)?;
    let tenancy = directory.tenancy();
    let client = tenancy.clients.get(&client_id).ok_or_else(unknown)?;
    if !client.enabled {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            "client_disabled",
            "this connection is switched off here, by the operator of this service, who alone can switch it on; \
             nothing is lost, and then provisioning goes on",
        ));
    }
    house.silence.came(&directory, client_id, context::of(request).received_at);
    if let Some(most) = client.requests_per_second {
        house.rates.admit(client_id, most).map_err(|wait| Failure::too_many_requests(most, wait))?;
    }
    let (domain, kind) = (client.domain.clone(), client.kind);
    Ok(ScimClient { directory, id: client_id, token: id, domain, kind })
}

/// Whether the request shows any credential at all.
pub fn is_anonymous(request: &HttpRequest) -> bool {
    matches!(presented(request), Ok(None))
}

/// The operator that sends a request.
pub fn operator(request: &HttpRequest, house: &House) -> Result<Actor, Failure> {
    let presented = presented(request)?.ok_or_else(missing)?;
    let hash = token_hash(&presented);
    let tenancy = house.directories.system().tenancy();
    let found = tenancy
        .operators
        .iter()
        .find(|(_, operator)| operator.revoked_at.is_none() && same(&operator.sha256, &hash));
    let (id, _) = found.ok_or_else(unknown)?;
    Ok(Actor { kind: ActorKind::Operator, id: Some(id.to_string()), token: None })
}

/// Whoever may read a tenant's audit interface: an operator, or an auditor of that tenant.
pub fn reader(request: &HttpRequest, house: &House, tenant: &str) -> Result<(), Failure> {
    let Err(refused) = operator(request, house) else { return Ok(()) };
    let Ok((directory, _, token)) = tenant_token(request, house) else { return Err(refused) };
    if token.role != Role::Auditor {
        let detail =
            "a provisioning client's token does not open the audit interface; ask for an auditor's token";
        return Err(Failure::new(StatusCode::FORBIDDEN, "token_role", detail));
    }
    if directory.tenant() != tenant {
        return Err(Failure::not_found("tenant_not_found", "there is no such tenant"));
    }
    Ok(())
}
