//! HTTP: route tables, in whose order requests are looked at, and what every answer carries.
//!
//! Admin, audit and health have their routes here; everything else is SCIM, whose base paths belong to the
//! tenants and are found by [`scim::serve`]. Inner layers know nothing of HTTP; this one knows no SQL.

pub mod admin;
pub mod audit;
pub mod auth;
mod connection;
pub mod context;
pub mod error;
mod forwarded;
pub mod health;
mod listener;
pub mod openapi;
pub mod rates;
pub mod scim;
mod trace;

use std::sync::Arc;

use actix_web::dev::Service as _;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::{App, web};

use crate::as_of::Orders;
use crate::config::Config;
use crate::directories::Directories;
use crate::outbox::OutboxHandle;
use crate::request_log::RequestLog;
use crate::sealing::TextSeal;
use crate::silence::Silence;
use crate::telemetry::Metrics;

/// What handlers work with.
pub struct House {
    /// The tenants.
    pub directories: Arc<Directories>,
    /// The configuration.
    pub config: Config,
    /// The outbox, if NATS is configured.
    pub outbox: Option<OutboxHandle>,
    /// Where SCIM requests are logged.
    pub request_log: Arc<RequestLog>,
    /// Which clients have fallen silent.
    pub silence: Arc<Silence>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Turns for lists that may have to look at every resource: they leave cores to everybody else.
    pub searches: Arc<tokio::sync::Semaphore>,
    /// Orders of sorted lists that are being paged through.
    pub orders: Orders,
    /// Seals cursors.
    pub seal: TextSeal,
    /// Bounds the requests of clients that have a bound.
    pub rates: rates::Rates,
    /// False from the moment a shutdown begins.
    pub ready: std::sync::atomic::AtomicBool,
    /// Goes last, when everything above is closed: whoever has the other end learns of it.
    pub closed: tokio::sync::oneshot::Sender<std::convert::Infallible>,
}

/// Makes the server of a listener; it serves once awaited.
pub fn server(
    house: Arc<House>,
    listener: std::net::TcpListener,
    tls: Option<rustls::ServerConfig>,
) -> std::io::Result<actix_web::dev::Server> {
    let app = move || {
        let counted = Arc::clone(&house);
        App::new()
            .app_data(web::Data::from(Arc::clone(&house)))
            .wrap_fn(move |request, service| {
                let house = Arc::clone(&counted);
                context::begin(&request, &house);
                let began = std::time::Instant::now();
                let answer = service.call(request);
                async move {
                    let mut answer = answer.await?;
                    let (route, id) = context::route_and_id(answer.request());
                    let method = answer.request().method().as_str();
                    let elapsed = began.elapsed();
                    house.metrics.request_answered(method, route, answer.status().as_u16(), elapsed);
                    trace::log(&house, &answer, elapsed);
                    if let Ok(id) = HeaderValue::from_str(&id) {
                        answer.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
                    }
                    Ok(answer)
                }
            })
            .configure(routes)
    };
    listener::server(app, listener, tls)
}

fn routes(app: &mut web::ServiceConfig) {
    app.route("/livez", web::get().to(health::live))
        .route("/readyz", web::get().to(health::ready))
        .route("/metrics", web::get().to(health::metrics))
        .route("/openapi.json", web::get().to(openapi::serve))
        .service(web::scope("/admin/v1").wrap(from_fn(admin::operators_only)).configure(admin::routes))
        .service(web::scope("/audit/v1").configure(audit::routes))
        .default_service(web::to(scim::serve));
}
