//! The outbox: follows every tenant's log and publishes to NATS JetStream, in order, each revision once.
//!
//! The log is the outbox: there is no table of messages. Each of the two JetStream streams ([`crate::feed`]) has one
//! `publisher` for all tenants; `resume` says where a tenant goes on, [`message`] what is said about an event,
//! `acceptance` records as evidence what the broker accepted. A broker that is away, slow, full or misconfigured
//! delays publishing and nothing else; a tenant that cannot be published is set aside alone.

mod acceptance;
mod connection;
mod jetstream;
mod lanes;
pub mod message;
mod operator;
mod pipeline;
mod positions;
mod publisher;
mod refused;
mod resume;
mod seen;
mod slice;
mod standing;
mod trouble;
mod verdict;
pub mod withheld;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use futures_util::FutureExt as _;
use provisioning::{Revision, Timestamp};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::config;
use crate::directories::Directories;
use crate::directory::{Directory, decode};
use crate::feed::Feed;
use acceptance::{Evidence, Recorder};
use connection::Connection;
use jetstream::Broker;
use operator::Request;
pub use operator::{ResumeError, ResumeFrom};
use publisher::{Publisher, Signals};
use standing::{Board, Standing};
pub use trouble::State;

/// How long it takes until credentials that could not be read are read again.
const CREDENTIALS_PAUSE: Duration = Duration::from_secs(5);

/// Where all tenants stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutboxStatus {
    /// The connection.
    pub nats: NatsStatus,
    /// By name.
    pub tenants: Vec<TenantStatus>,
}

/// Whether NATS is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NatsStatus {
    /// The service was told of a server.
    pub configured: bool,
    /// The service is connected to one.
    pub connected: bool,
}

/// Where a tenant stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TenantStatus {
    /// Its name.
    pub tenant: String,
    /// One for each JetStream stream.
    pub streams: Vec<StreamStatus>,
}

/// Where a tenant stands in a JetStream stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamStatus {
    /// The JetStream stream.
    pub stream: &'static str,
    /// The last revision that needs nothing more there.
    pub revision: Revision,
    /// The sequence of the last message that the broker acknowledged.
    pub sequence: u64,
    /// How many events are behind that revision.
    pub lag_events: u64,
    /// Whether messages go out.
    pub state: State,
    /// If not, why: code, colon, sentence.
    pub reason: Option<String>,
}

/// The outbox before it runs.
pub struct Outbox {
    nats: String,
    config: config::Outbox,
    connected: watch::Sender<Connection>,
    requests: [mpsc::Receiver<Request>; 2],
    handle: OutboxHandle,
}

/// The outbox as the rest of the house sees it.
#[derive(Clone)]
pub struct OutboxHandle {
    directories: Arc<Directories>,
    connection: watch::Receiver<Connection>,
    boards: [Arc<Board>; 2],
    requests: [mpsc::Sender<Request>; 2],
}

impl Outbox {
    /// An outbox for all tenants, and what others may ask of it. `nats` are the servers, separated by commas.
    pub fn new(nats: &str, config: &config::Outbox, directories: Arc<Directories>) -> (Self, OutboxHandle) {
        let (connected, connection) = watch::channel(Connection::default());
        let boards = Feed::ALL.map(|feed| Arc::new(Board::new(feed)));
        let (to_events, events) = mpsc::channel(1);
        let (to_deprovisioning, deprovisioning) = mpsc::channel(1);
        let requests = [to_events, to_deprovisioning];
        let handle = OutboxHandle { directories, connection, boards, requests };
        let outbox = Self {
            nats: nats.to_owned(),
            config: config.clone(),
            connected,
            requests: [events, deprovisioning],
            handle: handle.clone(),
        };
        (outbox, handle)
    }

    /// Publishes until `stopping` becomes true. Whatever NATS does or does not, this goes on.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) {
        let client = tokio::select! {
            client = self.connect() => client,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        let OutboxHandle { directories, connection, boards, .. } = self.handle;
        let (accepted, to_record) = mpsc::unbounded_channel();
        let mut publishers = JoinSet::new();
        for ((feed, board), requests) in Feed::ALL.into_iter().zip(boards).zip(self.requests) {
            let broker = Broker::new(client.clone(), feed, self.config.replicas);
            let evidence = Evidence(accepted.clone());
            let directory_changes = directories.changes();
            let standing = Arc::clone(&board);
            let publisher =
                Publisher::new(feed, broker, Arc::clone(&directories), board, evidence, connection.clone());
            let publishing = publisher.run(Signals {
                stopping: stopping.clone(),
                connection: connection.clone(),
                requests,
                changes: directory_changes,
            });
            publishers.spawn(async move { survived(feed, &standing, publishing).await });
        }
        drop(accepted);
        // The recorder ends when no publisher is left to tell it anything.
        Recorder::new(directories).run(to_record).await;
        publishers.join_all().await;
    }

    async fn connect(&self) -> Client {
        loop {
            let credentials = self.config.credentials_file.as_deref();
            let trouble = match connection::connect(&self.nats, credentials, self.connected.clone()).await {
                Ok(client) => return client,
                Err(trouble) => trouble,
            };
            for board in &self.handle.boards {
                board.set_trouble(Some(trouble.clone()));
            }
            tokio::time::sleep(CREDENTIALS_PAUSE).await;
        }
    }
}

impl OutboxHandle {
    /// Whether NATS is connected.
    pub fn is_connected(&self) -> bool {
        self.connection.borrow().up
    }

    /// Lets a tenant that is set aside go on in every JetStream stream where it is.
    pub async fn resume(&self, directory: &Directory, from: ResumeFrom) -> Result<(), ResumeError> {
        let gone = || ResumeError::Unavailable("nothing is published now".into());
        let mut resumed = false;
        for requests in &self.requests {
            let (answer, outcome) = oneshot::channel();
            let request = Request { stream: directory.stream(), from, answer };
            requests.send(request).await.map_err(|_| gone())?;
            resumed |= outcome.await.map_err(|_| gone())??;
        }
        if resumed { Ok(()) } else { Err(ResumeError::NotSetAside) }
    }

    /// Where all tenants stand. Blocks: positions that no publisher has told of are read from the tenants' files.
    pub fn status(&self) -> OutboxStatus {
        let tenants = self.directories.tenants().into_iter().map(|directory| TenantStatus {
            tenant: directory.tenant().to_owned(),
            streams: Feed::ALL
                .into_iter()
                .zip(&self.boards)
                .map(|(feed, board)| stream_status(&directory, feed, board))
                .collect(),
        });
        let nats = NatsStatus { configured: true, connected: self.is_connected() };
        OutboxStatus { nats, tenants: tenants.collect() }
    }

    /// Brings lag, age and connection in the metrics up to date. Blocks: reads the oldest unpublished events.
    pub fn measure(&self) {
        let shared = self.directories.shared();
        let now = shared.clock.now();
        let status = self.status();
        let mut oldest = now;
        for TenantStatus { tenant, streams } in &status.tenants {
            for stream in streams {
                shared.metrics.outbox_lags(tenant, stream.stream, stream.lag_events);
                if stream.lag_events > 0
                    && let Some(recorded_at) = self.recorded_at(tenant, stream.revision)
                {
                    oldest = oldest.min(recorded_at);
                }
            }
        }
        shared.metrics.outbox_oldest(Duration::from_micros(now.0.abs_diff(oldest.0)));
        shared.metrics.nats_is(status.nats.connected);
    }

    /// When the first event behind a revision was recorded.
    fn recorded_at(&self, tenant: &str, behind: Revision) -> Option<Timestamp> {
        let stored = self.directories.tenant(tenant)?.stored(behind, 1).ok()?;
        Some(decode::header(stored.first()?).ok()?.recorded_at)
    }
}

/// Why nothing of a tenant goes out that observes: code, colon, sentence.
pub fn why_observing(tenant: &str) -> String {
    trouble::observing(tenant).to_string()
}

/// Publishes, and says so at once if a defect ends that: nothing else would until the service stops.
async fn survived(feed: Feed, board: &Board, publishing: impl Future<Output = ()>) {
    if AssertUnwindSafe(publishing).catch_unwind().await.is_err() {
        board.set_trouble(Some(trouble::panicked(feed)));
    }
}

fn stream_status(directory: &Directory, feed: Feed, board: &Board) -> StreamStatus {
    let Standing { position, trouble } = board.standing(directory.stream());
    let observes = directory.tenancy().settings.observes();
    let trouble = match directory.halted() {
        Some(reason) => Some(trouble::tenant_halted(reason)),
        None if observes => Some(trouble::observing(directory.tenant())),
        None if position.is_none() && trouble.is_none() => Some(trouble::beginning()),
        None => trouble,
    };
    let kept = || directory.operations().outbox(feed.jetstream_stream()).ok().flatten();
    let position = position.or_else(kept).unwrap_or_default();
    // Nothing is behind that is not to go out.
    let settled = if observes { directory.position() } else { position.revision };
    StreamStatus {
        stream: feed.jetstream_stream(),
        revision: position.revision,
        sequence: position.sequence,
        lag_events: directory.position().0.saturating_sub(settled.0),
        state: trouble.as_ref().map_or(State::Live, |trouble| trouble.state),
        reason: trouble.map(|trouble| trouble.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use provisioning::StreamId;

    use super::*;

    #[tokio::test]
    async fn a_publisher_that_panics_is_a_halted_one_at_once() {
        let feed = Feed::ALL[0];
        let board = Board::new(feed);
        let tenant = StreamId(uuid::Uuid::nil());
        survived(feed, &board, async {}).await;
        assert_eq!(board.standing(tenant).trouble, None);
        survived(feed, &board, async { panic!("a defect") }).await;
        let trouble = board.standing(tenant).trouble.expect("it is told");
        assert_eq!((trouble.state, trouble.code), (State::Halted, "publisher_panicked"));
    }
}
