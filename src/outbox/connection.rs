//! The connection to NATS: made once, renewed for ever, whatever becomes of it.

use std::io;
use std::path::Path;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use tokio::sync::watch;

use super::standing::{Trouble, unavailable};

/// The longest pause between two attempts to reach a server.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(2);

/// The connection as its events told it last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Connection {
    /// Whether there is one.
    pub(super) up: bool,
    /// How often one was made: tells a new connection from the old one.
    pub(super) times: u64,
    /// What was last complained of since it was made, or since there is none: wrong credentials, a subject that may
    /// not be published to.
    pub(super) complaint: Option<String>,
}

/// Connects and keeps trying for ever; returns at once. What becomes of it shows in the [`Connection`]. Fails if
/// the configuration cannot be used.
pub(super) async fn connect(
    servers: &str,
    credentials_file: Option<&Path>,
    connection: watch::Sender<Connection>,
) -> Result<Client, Trouble> {
    let servers =
        servers.split(',').map(|address| address.trim().parse()).collect::<Result<Vec<ServerAddr>, _>>();
    let servers = servers.map_err(|error| misconfigured("nats", &error))?;
    let mut options = ConnectOptions::new()
        .name("muster")
        .retry_on_initial_connect()
        .max_reconnects(None)
        .reconnect_delay_callback(|attempts| {
            let doublings = u32::try_from(attempts).unwrap_or(u32::MAX).min(8);
            RECONNECT_PAUSE_MAX.min(Duration::from_millis(10) * 2_u32.pow(doublings))
        })
        .event_callback(move |event| {
            note(&event, &connection);
            std::future::ready(())
        });
    if let Some(path) = credentials_file {
        let read = options.credentials_file(path).await;
        options = read.map_err(|error| misconfigured("outbox.credentials_file", &error))?;
    }
    options.connect(servers).await.map_err(|error| unavailable(&error))
}

fn misconfigured(key: &str, error: &io::Error) -> Trouble {
    Trouble::halted("nats_misconfigured", format!("`{key}` cannot be used ({error}): mend the configuration"))
}

fn note(event: &Event, connection: &watch::Sender<Connection>) {
    match event {
        Event::Connected => connection.send_modify(|connection| {
            *connection = Connection { up: true, times: connection.times + 1, complaint: None };
        }),
        Event::Disconnected | Event::Closed => connection.send_modify(|connection| {
            connection.up = false;
            connection.complaint = None;
        }),
        Event::ServerError(error) => complain(error.to_string(), connection),
        Event::ClientError(error) => complain(error.to_string(), connection),
        Event::LameDuckMode | Event::Draining | Event::SlowConsumer(_) => {}
    }
}

/// Keeps a complaint without waking those who wait for a change. One that comes again with every attempt and every
/// message is a warning once.
fn complain(complaint: String, connection: &watch::Sender<Connection>) {
    connection.send_if_modified(|connection| {
        if connection.complaint.is_none() {
            tracing::warn!(error = complaint, "NATS: {complaint}");
        }
        connection.complaint = Some(complaint);
        false
    });
}
