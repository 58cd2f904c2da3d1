//! The connection to NATS: made once, renewed for ever, whatever becomes of it.

use std::io;
use std::path::Path;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use percent_encoding::percent_decode_str;
use tokio::sync::watch;

use super::trouble::{Trouble, misconfigured, unavailable};

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
    let (servers, login) = addresses(servers).map_err(|error| misconfigured("nats", &error))?;
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
    options = match login {
        Some((user, Some(password))) => options.user_and_password(user, password),
        Some((token, None)) => options.token(token),
        None => options,
    };
    if let Some(path) = credentials_file {
        let read = options.credentials_file(path).await;
        options = read.map_err(|error| misconfigured("outbox.credentials_file", &error))?;
    }
    options.connect(servers).await.map_err(|error| unavailable(&error))
}

/// User and password, or a token alone.
type Login = (String, Option<String>);

/// The servers, and the login that the first of them with one names. The client library passes over what an
/// address says about that (nats.rs issue 1623), but would show it in its debug log.
fn addresses(list: &str) -> io::Result<(Vec<ServerAddr>, Option<Login>)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut login = None;
    let mut servers = Vec::new();
    for address in list.split(',') {
        let server: ServerAddr = address.trim().parse()?;
        if let Some(user) = server.username() {
            login.get_or_insert_with(|| (decoded(user), server.password().map(decoded)));
        }
        let mut url = server.into_inner();
        let bare = url.set_username("").and_then(|()| url.set_password(None));
        bare.map_err(|()| io::Error::other("an address that has a login must have a host"))?;
        servers.push(ServerAddr::from_url(url)?);
    }
    Ok((servers, login))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &str, expected: &[&str], login: Option<(&str, Option<&str>)>) {
        let (servers, found) = addresses(list).unwrap();
        let servers: Vec<_> =
            servers.iter().map(|server| format!("{}:{}", server.host(), server.port())).collect();
        assert_eq!(servers, expected);
        let login = login.map(|(user, password)| (user.to_owned(), password.map(ToOwned::to_owned)));
        assert_eq!(found, login);
    }

    #[test]
    fn several_servers_are_separated_by_commas() {
        check("nats://a:4222, b:4223,nats://c", &["a:4222", "b:4223", "c:4222"], None);
    }

    #[test]
    fn the_first_login_counts_for_all_servers() {
        check(
            "nats://a,nats://me:p%40ss@b,nats://you:x@c",
            &["a:4222", "b:4222", "c:4222"],
            Some(("me", Some("p@ss"))),
        );
        check("nats://secret@a", &["a:4222"], Some(("secret", None)));
    }

    #[test]
    fn a_login_stays_in_no_address() {
        let (servers, _) = addresses("nats://me:secret@a,nats://secret@b").unwrap();
        assert!(!format!("{servers:?}").contains("secret"), "{servers:?}");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert!(addresses("ftp://a").is_err());
        assert!(addresses("").is_err());
    }
}
