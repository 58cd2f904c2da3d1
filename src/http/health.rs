//! `/livez`, `/readyz`, `/metrics`.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use actix_web::{HttpResponse, web};
use provisioning::tenancy::Token;
use serde_json::json;

use super::House;
use crate::directories::Closed;
use crate::outbox::OutboxHandle;

/// The process answers.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok\n")
}

/// Whether what all tenants share works. Halted tenants are named and answer 503 themselves; NATS being away
/// fails nothing here, since the outbox exists for that.
pub async fn ready(house: web::Data<House>) -> HttpResponse {
    let directories = &house.directories;
    let ready = house.ready.load(Ordering::Acquire) && directories.system().halted().is_none();
    let (mut halted, mut waiting) = (BTreeMap::new(), BTreeMap::new());
    for (name, closed) in directories.closed() {
        let state = if let Closed::Waiting(_) = closed { &mut waiting } else { &mut halted };
        state.insert(name, closed.reason().to_owned());
    }
    for directory in directories.tenants() {
        if let Some(reason) = directory.halted() {
            halted.insert(directory.tenant().to_owned(), reason);
        }
    }
    let behind = directories.tenants();
    let behind = behind.iter();
    waiting.extend(behind.filter_map(|tenant| Some((tenant.tenant().to_owned(), tenant.waits()?))));
    let body = json!({
        "ready": ready,
        "halted_tenants": halted,
        "waiting_tenants": waiting,
        "nats_connected": house.outbox.as_ref().map(OutboxHandle::is_connected),
    });
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.content_type("application/json").body(body.to_string())
}

/// Metrics in the Prometheus exposition format; what is only known on asking is asked now.
pub async fn metrics(house: web::Data<House>) -> HttpResponse {
    let now = house.directories.shared().clock.now();
    for directory in house.directories.tenants() {
        let behind = directory.position().0.saturating_sub(directory.history_position().borrow().0);
        house.metrics.projection_lags(directory.tenant(), "history", behind);
        let tenancy = directory.tenancy();
        let silent = tenancy.clients.keys().filter(|id| tenancy.silent_since(**id).is_some()).count();
        house.metrics.clients_are_silent(directory.tenant(), if directory.is_ended() { 0 } else { silent });
        for days in Token::WARNING_DAYS {
            let ends = |token: &&Token| token.ends_within_days(now).is_some_and(|within| within <= days);
            let expiring = tenancy.tokens.values().filter(ends).count();
            house.metrics.tokens_expire(
                directory.tenant(),
                days,
                if directory.is_ended() { 0 } else { expiring },
            );
        }
        for file in ["log.db", "current.db", "history.db"] {
            house.metrics.write_ahead_is(directory.tenant(), file, directory.write_ahead_bytes(file));
        }
    }
    if let Some(outbox) = house.outbox.clone() {
        house.directories.shared().tasks.block(move || outbox.measure()).await;
    }
    let text = house.metrics.encode();
    HttpResponse::Ok().content_type(crate::telemetry::metrics::CONTENT_TYPE).body(text)
}
