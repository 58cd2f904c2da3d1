//! From a socket to the app: accepting, TLS, and the times that a client has.
//!
//! Put together from actix's own parts, because its ready-made server does not let [`Connection`] in between.
//! HTTP/1.1 only: identity providers speak nothing else, and over HTTP/2 a refused head or body would end the
//! stream without an answer.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol};
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_tls::accept::TlsError;
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, ServiceRequest, ServiceResponse};
use actix_web::rt::net::TcpStream;
use actix_web::{App, Error};
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::Connection;

/// How long running requests may take to finish at shutdown, in seconds.
const SHUTDOWN_SECONDS: u64 = 5;
/// How long a client may take to send its request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client that was refused before its body was read is listened to, so that it reads the refusal.
const LINGER: Duration = Duration::from_secs(5);
/// The name of the listener in actix's own log.
const NAME: &str = "muster";

/// A server of `app` on a listener; it serves once awaited.
pub(super) fn server<S, B>(
    app: impl Fn() -> App<S> + Send + Clone + 'static,
    listener: TcpListener,
    tls: Option<rustls::ServerConfig>,
) -> std::io::Result<Server>
where
    S: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let builder = Server::build().workers(workers).shutdown_timeout(SHUTDOWN_SECONDS).disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let stopping = move || {
        let signal = stopping.clone();
        async move { signal.notified().await }
    };
    let bound = match tls {
        None => builder.listen(NAME, listener, move || {
            fn_service(|stream: TcpStream| async {
                let peer = stream.peer_addr().ok();
                Ok((Connection::new(stream), Protocol::Http1, peer))
            })
            .and_then(http(app(), stopping.clone()))
        })?,
        Some(mut tls) => {
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            builder.listen(NAME, listener, move || {
                Acceptor::new(tls.clone())
                    .map_err(TlsError::into_service_error)
                    .and_then(|stream: TlsStream<TcpStream>| async {
                        let peer = stream.get_ref().0.peer_addr().ok();
                        Ok((Connection::new(stream), Protocol::Http1, peer))
                    })
                    .and_then(http(app(), stopping.clone()).map_err(TlsError::Service))
            })?
        }
    };
    Ok(bound.run())
}

/// Speaks HTTP on connections of any kind.
fn http<T, S, B, F>(
    app: App<S>,
    stopping: impl Fn() -> F + 'static,
) -> impl ServiceFactory<
    (T, Protocol, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    S: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
    F: Future<Output = ()> + 'static,
{
    HttpService::build()
        .graceful_shutdown_signal(stopping)
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(LINGER)
        .finish(map_config(app, |()| AppConfig::default()))
}
