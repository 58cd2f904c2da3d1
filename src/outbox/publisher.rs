//! Publishes to one JetStream stream for all tenants: in order, each revision once, whatever dies when.
//!
//! Many messages are in flight. Each says which sequence it expects the stream to end at, so that the broker
//! refuses everything behind a message that was lost. Every acknowledgement is awaited and must name the sequence
//! that was predicted. After anything else nothing more is sent until all answers are in; then the tenants
//! concerned find out from the stream's leader where they stand ([`resume`]) and go on from there. That is also
//! how each of them begins.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use provisioning::{Revision, StreamId, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::acceptance::Accepted;
use super::feed::Feed;
use super::jetstream::{self, Broker, Connection, Prepared, Refusal};
use super::lanes::{Lane, Lanes, Phase};
use super::message::Message;
use super::operator::{Request, ResumeError};
use super::resume::{self, Resolved};
use super::slice::{self, Slice, SliceError};
use super::standing::{Board, Trouble};
use crate::clock::Clock;
use crate::directories::Directories;
use crate::operations::OutboxPosition;
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

/// How many messages may be unanswered at a time.
const IN_FLIGHT_MAX: usize = 256;

/// How long a position may differ from the kept one. One that is lost is harmless: the broker is asked.
const KEEP_WITHIN: Duration = Duration::from_secs(1);

/// How long NATS may be away before that is called trouble.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);

/// How long answers are awaited when the service shuts down.
const FAREWELL: Duration = Duration::from_secs(3);

/// The first pause after trouble, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What became of a message, or of a stretch of the log that had none.
struct Answer {
    stream: StreamId,
    /// Needs nothing more if the outcome is as it should be.
    revision: Revision,
    /// The predicted sequence, and the broker's word; `None` if nothing had to be sent.
    outcome: Option<(u64, Result<u64, Refusal>)>,
}

/// The publisher of one JetStream stream.
pub(super) struct Publisher {
    feed: Feed,
    broker: Broker,
    directories: Arc<Directories>,
    tasks: Arc<Tasks>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    board: Arc<Board>,
    accepted: mpsc::UnboundedSender<Accepted>,
    lanes: Lanes,
    /// Whose turn it is, and what is still to be sent in it.
    turn: Option<(StreamId, Slice)>,
    /// In the order in which they were sent.
    in_flight: FuturesOrdered<BoxFuture<'static, Answer>>,
    /// What the JetStream stream looked like last.
    prepared: Option<Prepared>,
    /// It had never held anything when it was first seen.
    began_empty: bool,
    /// The last sequence that the broker has told of.
    confirmed: u64,
    /// The last sequence when everything in flight is stored.
    predicted: u64,
    /// Tenants whose position is newer than the kept one.
    unkept: HashSet<StreamId>,
    keep_at: Option<Instant>,
}

impl Publisher {
    pub(super) fn new(
        feed: Feed,
        broker: Broker,
        directories: Arc<Directories>,
        board: Arc<Board>,
        accepted: mpsc::UnboundedSender<Accepted>,
    ) -> Self {
        let shared = directories.shared();
        Self {
            feed,
            broker,
            tasks: Arc::clone(&shared.tasks),
            clock: Arc::clone(&shared.clock),
            metrics: Arc::clone(&shared.metrics),
            lanes: Lanes::new(feed, Arc::clone(&board)),
            directories,
            board,
            accepted,
            turn: None,
            in_flight: FuturesOrdered::new(),
            prepared: None,
            began_empty: false,
            confirmed: 0,
            predicted: 0,
            unkept: HashSet::new(),
            keep_at: None,
        }
    }

    /// Publishes until the service shuts down.
    pub(super) async fn run(
        mut self,
        mut stopping: watch::Receiver<bool>,
        mut connection: watch::Receiver<Connection>,
        mut requests: mpsc::Receiver<Request>,
    ) {
        tokio::select! {
            () = self.publish_for_ever(&mut connection, &mut requests) => {}
            // Whatever the other branch was about to do, it is done again at the next start.
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
        let until = Instant::now() + FAREWELL;
        while let Ok(Some(answer)) = tokio::time::timeout_at(until, self.in_flight.next()).await {
            if self.settle(answer).is_err() {
                break;
            }
        }
        self.keep().await;
    }

    async fn publish_for_ever(
        &mut self,
        connection: &mut watch::Receiver<Connection>,
        requests: &mut mpsc::Receiver<Request>,
    ) {
        let mut changes = self.directories.changes();
        let mut pause = PAUSE_MIN;
        self.lanes.follow(self.directories.tenants());
        loop {
            let trouble = self.publish(connection, requests, &mut changes, &mut pause).await;
            self.drain().await;
            let Some(trouble) = trouble else { continue };
            self.board.set_trouble(Some(trouble.clone()));
            let until = Instant::now() + pause;
            pause = PAUSE_MAX.min(pause * 2);
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(until) => break,
                    _ = connection.changed() => break,
                    Some(request) = requests.recv() => {
                        let unavailable = ResumeError::Unavailable(trouble.detail.clone());
                        answer(request, Err(unavailable));
                    }
                    Ok(()) = changes.changed() => self.lanes.follow(self.directories.tenants()),
                }
            }
        }
    }

    /// Publishes until something is not as it should be, or the connection is another one (`None`).
    async fn publish(
        &mut self,
        connection: &mut watch::Receiver<Connection>,
        requests: &mut mpsc::Receiver<Request>,
        changes: &mut watch::Receiver<u64>,
        pause: &mut Duration,
    ) -> Option<Trouble> {
        if let Err(trouble) = self.begin(connection).await {
            return Some(trouble);
        }
        loop {
            if let Err(trouble) = self.fill().await {
                return Some(trouble);
            }
            if self.in_flight.is_empty() {
                self.board.set_trouble(None);
            }
            let keep_at = self.keep_at.unwrap_or_else(Instant::now);
            tokio::select! {
                Some(answer) = self.in_flight.next(), if !self.in_flight.is_empty() => match self.settle(answer) {
                    Ok(()) => *pause = PAUSE_MIN,
                    Err(trouble) => return Some(trouble),
                },
                () = self.lanes.woken() => {}
                Some(request) = requests.recv() => {
                    let outcome = self.resume(&request).await;
                    answer(request, outcome);
                }
                Ok(()) = changes.changed() => self.lanes.follow(self.directories.tenants()),
                _ = connection.changed() => return None,
                () = tokio::time::sleep_until(keep_at), if self.keep_at.is_some() => self.keep().await,
            }
        }
    }

    /// Waits for the connection and looks at the JetStream stream. If it is another one than before, or shorter,
    /// every tenant has to find out anew where it stands.
    async fn begin(&mut self, connection: &mut watch::Receiver<Connection>) -> Result<(), Trouble> {
        match tokio::time::timeout(CONNECT_PATIENCE, connection.wait_for(|connection| connection.up)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => {
                return Err(Trouble::waiting("nats_unavailable", "NATS cannot be reached"));
            }
        }
        let prepared = self.broker.prepare().await?;
        let another = self.prepared.is_none_or(|before| before.created != prepared.created);
        if another {
            self.began_empty = prepared.last_sequence == 0;
        }
        if another || prepared.last_sequence < self.confirmed {
            for stream in self.lanes.streams() {
                self.lanes.unresolve(stream);
            }
        }
        self.prepared = Some(prepared);
        self.confirmed = prepared.last_sequence;
        self.predicted = prepared.last_sequence;
        Ok(())
    }

    /// Sends as much as may be in flight, one turn after the other.
    async fn fill(&mut self) -> Result<(), Trouble> {
        while self.in_flight.len() < IN_FLIGHT_MAX {
            let Some((stream, slice)) = &mut self.turn else {
                match self.lanes.next() {
                    Some(stream) => self.begin_turn(stream).await?,
                    None => return Ok(()),
                }
                continue;
            };
            let stream = *stream;
            if let Some(message) = slice.messages.pop_front() {
                self.send(stream, message).await?;
            } else {
                let end = Answer { stream, revision: slice.end, outcome: None };
                self.in_flight.push_back(Box::pin(std::future::ready(end)));
                self.turn = None;
                self.lanes.make_ready(stream);
            }
        }
        Ok(())
    }

    /// Reads a tenant's next slice, if there is one.
    async fn begin_turn(&mut self, stream: StreamId) -> Result<(), Trouble> {
        self.resolve(stream).await?;
        let (feed, Some(lane)) = (self.feed, self.lanes.get(stream)) else { return Ok(()) };
        if lane.phase != Phase::Live {
            return Ok(());
        }
        let (directory, after) = (Arc::clone(&lane.directory), lane.read);
        let at_work = Arc::clone(&directory);
        match self.tasks.block(move || slice::read(&at_work, feed, after)).await {
            Ok(slice) => {
                self.lanes.works(stream);
                // Otherwise there is nothing new, and the tenant wakes up when there is.
                if let Some(lane) = self.lanes.get(stream).filter(|_| slice.end > after) {
                    lane.read = slice.end;
                    self.turn = Some((stream, slice));
                }
            }
            Err(SliceError::Unavailable(reason)) => {
                self.lanes.rest(stream, Trouble::waiting("outbox_files_unreadable", reason));
            }
            Err(SliceError::Broken(reason)) => {
                directory.halt(reason.clone());
                self.lanes.set_aside(stream, Trouble::halted("tenant_halted", reason));
            }
        }
        Ok(())
    }

    /// Finds out where a tenant goes on, if that is not known.
    async fn resolve(&mut self, stream: StreamId) -> Result<(), Trouble> {
        let Some(lane) = self.lanes.get(stream).filter(|lane| lane.phase == Phase::Unresolved) else {
            return Ok(());
        };
        let jetstream = resume::JetStream { last_sequence: self.confirmed, began_empty: self.began_empty };
        match resume::resolve(self.feed, lane, &self.broker, jetstream, &self.tasks).await? {
            Resolved::GoOn { position, evidenced, unseen } => {
                lane.evidenced = Some(evidenced);
                for (revision, sequence, at) in unseen {
                    hand_over(&self.accepted, lane, revision, sequence, at);
                }
                self.lanes.go_on(stream, position);
                self.keep_soon(stream);
            }
            Resolved::SetAside(trouble) => self.lanes.set_aside(stream, trouble),
            Resolved::Rest(trouble) => self.lanes.rest(stream, trouble),
            Resolved::AwaitHistory => {}
        }
        Ok(())
    }

    async fn send(&mut self, stream: StreamId, message: Message) -> Result<(), Trouble> {
        let revision = message.revision;
        match self.broker.send(message, self.predicted).await {
            Ok(answer) => {
                self.predicted += 1;
                let predicted = self.predicted;
                self.in_flight.push_back(Box::pin(async move {
                    let outcome = Some((predicted, jetstream::acknowledged(answer).await));
                    Answer { stream, revision, outcome }
                }));
                Ok(())
            }
            Err(Refusal::TooLarge) => {
                self.turn = None;
                self.too_large(stream, revision);
                Ok(())
            }
            Err(Refusal::Unclear(reason)) => Err(self.refused(&reason)),
        }
    }

    /// Takes in an answer. Everything before it was as it should be.
    fn settle(&mut self, answer: Answer) -> Result<(), Trouble> {
        let Answer { stream, revision, outcome } = answer;
        let sequence = match outcome {
            None => None,
            Some((predicted, Ok(sequence))) if sequence == predicted => Some(sequence),
            Some((predicted, outcome)) => {
                self.lanes.unresolve(stream);
                return Err(match outcome {
                    Ok(sequence) => self.refused(&format!("stored as {sequence} instead of {predicted}")),
                    Err(Refusal::Unclear(reason)) => self.refused(&reason),
                    Err(Refusal::TooLarge) => {
                        self.too_large(stream, revision);
                        self.refused("a message is too large")
                    }
                });
            }
        };
        if let Some(sequence) = sequence {
            self.confirmed = sequence;
            self.metrics.outbox_published(self.feed.jetstream_stream(), 1);
        }
        let Some(lane) = self.lanes.get(stream) else { return Ok(()) };
        let before = lane.position.unwrap_or_default();
        let position = OutboxPosition {
            revision: before.revision.max(revision),
            sequence: sequence.unwrap_or(before.sequence),
            settled_sequence: before.settled_sequence,
        };
        lane.position = Some(position);
        if let (Feed::Deprovisioning, Some(sequence)) = (self.feed, sequence) {
            hand_over(&self.accepted, lane, revision, sequence, self.clock.now());
        }
        self.board.moved(stream, position);
        self.keep_soon(stream);
        Ok(())
    }

    /// Awaits all answers. What they say does not count any more: the tenants ask the broker.
    async fn drain(&mut self) {
        if let Some((stream, _)) = self.turn.take() {
            self.lanes.unresolve(stream);
        }
        while let Some(answer) = self.in_flight.next().await {
            self.lanes.unresolve(answer.stream);
        }
        self.keep().await;
    }

    fn refused(&self, reason: &str) -> Trouble {
        let jetstream = self.feed.jetstream_stream();
        self.metrics.outbox_failed(jetstream);
        Trouble::waiting(
            "jetstream_refused",
            format!("{jetstream} did not take in a message as expected ({reason})"),
        )
    }

    fn too_large(&mut self, stream: StreamId, revision: Revision) {
        self.metrics.outbox_failed(self.feed.jetstream_stream());
        let Some(lane) = self.lanes.get(stream) else { return };
        let detail = format!(
            "the message of revision {revision} is larger than NATS allows: raise max_payload of the server or \
             max_msg_size of {}, then `muster outbox resume --tenant {} --from {}`",
            self.feed.jetstream_stream(),
            lane.directory.tenant(),
            revision.0 - 1
        );
        self.lanes.set_aside(stream, Trouble::halted("outbox_message_too_large", detail));
    }

    /// An operator says where a tenant that is set aside goes on. What the broker holds now is settled by that.
    async fn resume(&mut self, request: &Request) -> Result<bool, ResumeError> {
        let unavailable = |reason: String| ResumeError::Unavailable(reason);
        let stream = request.stream;
        let Some(lane) = self.lanes.get(stream).filter(|lane| lane.phase == Phase::SetAside) else {
            return Ok(false);
        };
        let directory = Arc::clone(&lane.directory);
        let held =
            self.broker.last_of(directory.tenant()).await.map_err(|trouble| unavailable(trouble.detail))?;
        let (name, from, confirmed) = (self.feed.jetstream_stream(), request.from, self.confirmed);
        let kept = self.tasks.block(move || {
            let head = directory.log().head().map_err(|error| unavailable(error.to_string()))?.revision;
            let sequence = held.map_or(0, |held| held.sequence);
            let position = OutboxPosition {
                revision: from.behind(head)?,
                sequence,
                settled_sequence: confirmed.max(sequence),
            };
            let kept = directory.operations().keep_outbox(name, position);
            kept.map(|()| position).map_err(|error| unavailable(error.to_string()))
        });
        let position = kept.await?;
        if let Some(lane) = self.lanes.get(stream) {
            let (tenant, behind) = (lane.directory.tenant(), position.revision);
            tracing::info!(
                tenant.id = tenant, jetstream = name, revision = %behind,
                "an operator lets tenant {tenant} go on behind revision {behind} in {name}"
            );
            lane.position = Some(position);
            lane.phase = Phase::Unresolved;
            self.lanes.make_ready(stream);
        }
        Ok(true)
    }

    fn keep_soon(&mut self, stream: StreamId) {
        self.unkept.insert(stream);
        self.keep_at.get_or_insert_with(|| Instant::now() + KEEP_WITHIN);
    }

    /// Keeps the positions that have moved.
    async fn keep(&mut self) {
        self.keep_at = None;
        let name = self.feed.jetstream_stream();
        let mut moved = Vec::with_capacity(self.unkept.len());
        for stream in self.unkept.drain() {
            if let Some(lane) = self.lanes.get(stream)
                && let Some(position) = lane.position
            {
                moved.push((Arc::clone(&lane.directory), position));
            }
        }
        if moved.is_empty() {
            return;
        }
        let keep = move || {
            for (directory, position) in moved {
                if let Err(error) = directory.operations().keep_outbox(name, position) {
                    let tenant = directory.tenant();
                    tracing::warn!(
                        tenant.id = tenant, error = %error,
                        "the position of tenant {tenant} in {name} is not kept now: {error}"
                    );
                }
            }
        };
        self.tasks.block(keep).await;
    }
}

/// Hands an acceptance over as evidence, unless that revision has been already: once is enough, also when a lost
/// stream is filled again.
fn hand_over(
    accepted: &mpsc::UnboundedSender<Accepted>,
    lane: &mut Lane,
    revision: Revision,
    sequence: u64,
    at: Timestamp,
) {
    if lane.evidenced.is_some_and(|evidenced| evidenced >= revision) {
        return;
    }
    lane.evidenced = Some(revision);
    let tenant = Arc::from(lane.directory.tenant());
    let message = Accepted { tenant, stream: lane.directory.stream(), revision, sequence, at };
    if accepted.send(message).is_err() {
        tracing::debug!(
            "nobody records acceptances any more; the next start compares history with the broker"
        );
    }
}

fn answer(request: Request, outcome: Result<bool, ResumeError>) {
    if request.answer.send(outcome).is_err() {
        tracing::debug!("whoever asked to resume a tenant did not wait for the answer");
    }
}
