//! Tenants, clients, tokens, operators: what is set up.

use provisioning::tenancy::{Client, Tenancy, Token};
use provisioning::{ClientId, Timestamp};
use serde_json::{Value, json};

use super::ReportError;
use crate::directories::{Closed, Directories};
use crate::directory::Directory;

pub(super) fn list(directories: &Directories) -> Value {
    let system = directories.system();
    let closed = directories.closed();
    let tenancy = system.tenancy();
    let mut tenants: Vec<Value> = Vec::new();
    for (stream, registered) in &tenancy.tenants {
        let name = &registered.tenant;
        tenants.push(match directories.tenant(name) {
            Some(directory) => summary(&directory),
            None => json!({
                "tenant": name,
                "stream": stream,
                "base_path": null,
                "state": closed.get(name).map_or("closed", Closed::state),
                "reason": closed.get(name).map(Closed::reason),
                "mode": null,
                "revision": null,
            }),
        });
    }
    tenants.sort_by(|left, right| left["tenant"].as_str().cmp(&right["tenant"].as_str()));
    json!({"tenants": tenants, "position": system.position()})
}

fn summary(directory: &Directory) -> Value {
    let halted = directory.halted();
    let waits = directory.waits().filter(|_| halted.is_none());
    let state = match (&halted, &waits) {
        (Some(_), _) => "halted",
        (None, Some(_)) => "waiting",
        (None, None) => "open",
    };
    let tenancy = directory.tenancy();
    let settings = &tenancy.settings;
    json!({
        "tenant": directory.tenant(),
        "stream": directory.stream(),
        "base_path": settings.base_path,
        "state": if directory.is_ended() { "closed" } else { state },
        "reason": halted.or(waits),
        "mode": settings.mode_in_force(),
        "revision": directory.position(),
    })
}

/// A halted tenant is shown too, with the reason.
pub(super) fn show(directories: &Directories, name: &str) -> Result<Value, ReportError> {
    let directory = &*directories.tenant(name).map_or_else(|| super::tenant(directories, name), Ok)?;
    let tenancy = directory.tenancy();
    let mut shown = summary(directory);
    shown["settings"] = json!(tenancy.settings);
    shown["profile"] = json!(tenancy.profile);
    shown["clients"] = clients(directory)["clients"].take();
    shown["tokens"] = tokens(directory, directories.shared().clock.now())["tokens"].take();
    Ok(shown)
}

pub(super) fn clients(directory: &Directory) -> Value {
    let tenancy = directory.tenancy();
    let clients: Vec<Value> =
        tenancy.clients.iter().map(|(id, client)| self::client(&tenancy, *id, client)).collect();
    json!({"clients": clients, "position": directory.position()})
}

/// A client as it is answered everywhere.
pub fn client(tenancy: &Tenancy, id: ClientId, client: &Client) -> Value {
    json!({
        "id": id,
        "name": client.name,
        "kind": client.kind,
        "domain": client.domain,
        "enabled": client.enabled,
        "requests_per_second": client.requests_per_second,
        "silent_since": tenancy.silent_since(id),
        "created_at": client.created_at,
    })
}

pub(super) fn tokens(directory: &Directory, now: Timestamp) -> Value {
    let tenancy = directory.tenancy();
    let name_of = |token: &Token| {
        token.client.and_then(|id| tenancy.clients.get(&id)).map(|client| client.name.clone())
    };
    let tokens: Vec<Value> = tenancy
        .tokens
        .iter()
        .map(|(id, token)| {
            json!({
                "id": id,
                "client": name_of(token),
                "label": token.label,
                "role": token.role,
                "issued_at": token.issued_at,
                "expires_at": token.expires_at,
                "expires_within_days": token.ends_within_days(now),
                "last_used_at": directory.operations().token_note(*id).last_used,
                "revoked_at": token.revoked_at,
            })
        })
        .collect();
    json!({"tokens": tokens, "position": directory.position()})
}

pub(super) fn operators(directories: &Directories) -> Value {
    let system = directories.system();
    let tenancy = system.tenancy();
    let operators: Vec<Value> = tenancy
        .operators
        .iter()
        .map(|(id, operator)| {
            let revoked: Option<Timestamp> = operator.revoked_at;
            json!({"id": id, "name": operator.name, "created_at": operator.created_at, "revoked_at": revoked})
        })
        .collect();
    json!({"operators": operators, "position": system.position()})
}
