//! Publishes to one JetStream stream for all tenants: in order, each revision once, whatever dies when.
//!
//! As long as every answer of the broker is the predicted one, messages flow ([`Pipeline`]), in bounded turns of
//! the tenants ([`Lanes`]). After anything else all answers are awaited; then the tenants concerned find out from
//! the leader where they stand ([`Resolver`]) and go on from there. That is also how each of them begins.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use provisioning::{Revision, StreamId};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::acceptance::Evidence;
use super::connection::Connection;
use super::jetstream::{Broker, Refusal};
use super::lanes::{Lane, Lanes, Phase, REST};
use super::operator::{self, Request, ResumeError};
use super::pipeline::{Answer, Outcome, Pipeline};
use super::positions::Positions;
use super::refused::{Consequence, Progress, Refused};
use super::resume::{JetStream, Obstacle, Resolved, Resolver};
use super::seen::{Change, Seen};
use super::slice::{self, Slice, SliceError};
use super::standing::Board;
use super::trouble::{self, Trouble};
use crate::directories::Directories;
use crate::directory::Shared;
use crate::feed::Feed;
use crate::operations::OutboxPosition;

/// How long NATS may be away before that is called trouble.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);

/// How often the JetStream stream is looked at although nothing is wrong: somebody may have altered or removed it
/// while nothing is published.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long answers are awaited when the service shuts down.
const FAREWELL: Duration = Duration::from_secs(2);

/// The first pause after trouble, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The publisher of one JetStream stream.
pub(super) struct Publisher {
    feed: Feed,
    broker: Broker,
    directories: Arc<Directories>,
    shared: Arc<Shared>,
    board: Arc<Board>,
    evidence: Evidence,
    lanes: Lanes,
    positions: Positions,
    pipeline: Pipeline,
    /// Whose turn it is, and what is still to be sent in it.
    turn: Option<(StreamId, Slice)>,
    connection: watch::Receiver<Connection>,
    /// What the JetStream stream looked like last, and over which connection.
    seen: Seen,
    /// How many messages were stored, and how many before publishing began last.
    stored: u64,
    stored_before: u64,
    /// How long the next trouble is waited out.
    pause: Duration,
}

/// Why nothing more is sent until all answers are in.
enum Interruption {
    /// It may come again: publishing begins again after a pause.
    Trouble(Trouble),
    /// It concerns one tenant, or the connection is another one: publishing begins again at once.
    Other,
}

impl From<Trouble> for Interruption {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// What a publisher listens to.
pub(super) struct Signals {
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) connection: watch::Receiver<Connection>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) changes: watch::Receiver<u64>,
}

impl Publisher {
    pub(super) fn new(
        feed: Feed,
        broker: Broker,
        directories: Arc<Directories>,
        board: Arc<Board>,
        evidence: Evidence,
        connection: watch::Receiver<Connection>,
    ) -> Self {
        Self {
            feed,
            shared: Arc::clone(directories.shared()),
            lanes: Lanes::new(feed, Arc::clone(&board)),
            positions: Positions::new(feed.jetstream_stream()),
            pipeline: Pipeline::new(broker.clone()),
            broker,
            directories,
            board,
            evidence,
            turn: None,
            connection,
            seen: Seen::default(),
            stored: 0,
            stored_before: 0,
            pause: PAUSE_MIN,
        }
    }

    /// Publishes until the service shuts down.
    pub(super) async fn run(mut self, mut signals: Signals) {
        let mut stopping = signals.stopping.clone();
        tokio::select! {
            () = self.publish_for_ever(&mut signals) => {}
            // Whatever the other branch was about to do, it is done again at the next start.
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
        let until = Instant::now() + FAREWELL;
        while let Ok(Some(answer)) = tokio::time::timeout_at(until, self.pipeline.next()).await {
            // What failed is compared with the broker at the next start.
            drop(self.settle(answer));
        }
        self.positions.keep(&self.shared.tasks).await;
    }

    async fn publish_for_ever(&mut self, signals: &mut Signals) {
        self.lanes.follow(self.directories.tenants());
        loop {
            let Err(interruption) = self.publish(signals).await;
            let met = self.drain(&mut signals.connection).await;
            let trouble = match interruption {
                Interruption::Trouble(trouble) => Some(trouble),
                Interruption::Other => met,
            };
            if let Some(trouble) = trouble {
                self.board.set_trouble(Some(trouble.clone()));
                self.wait_out(&trouble, signals).await;
            }
        }
    }

    /// Publishes until something is not as it should be.
    async fn publish(&mut self, signals: &mut Signals) -> Result<Infallible, Interruption> {
        self.begin(&mut signals.connection).await?;
        let next_look = Instant::now() + LOOK_EVERY;
        loop {
            self.fill().await?;
            if self.pipeline.is_empty() {
                self.all_is_well();
            }
            tokio::select! {
                Some(answer) = self.pipeline.next(), if !self.pipeline.is_empty() => {
                    self.settle(answer)?;
                    self.all_is_well();
                }
                () = self.lanes.woken() => {}
                () = self.positions.due() => self.positions.keep(&self.shared.tasks).await,
                Some(request) = signals.requests.recv() => {
                    let outcome = self.resume(&request).await;
                    request.answer(outcome);
                }
                Ok(()) = signals.changes.changed() => self.lanes.follow(self.directories.tenants()),
                _ = signals.connection.changed() => return Err(Interruption::Other),
                () = tokio::time::sleep_until(next_look) => return Err(Interruption::Other),
            }
        }
    }

    /// Waits for the connection and looks at the JetStream stream. Whatever happened to it that was not our doing,
    /// no tenant sends anything before it has found out anew where it stands.
    async fn begin(&mut self, connection: &mut watch::Receiver<Connection>) -> Result<(), Trouble> {
        // Whether that was in vain shows in what the connection is like now.
        let connected = connection.wait_for(|connection| connection.up);
        drop(tokio::time::timeout(CONNECT_PATIENCE, connected).await);
        let Connection { up, times, complaint } = connection.borrow_and_update().clone();
        if !up {
            return Err(trouble::not_connected(complaint));
        }
        let prepared = self.broker.prepare().await?;
        match self.seen.look(times, prepared, self.pipeline.confirmed()) {
            Change::None => {}
            Change::Grown => self.lanes.unresolve_all(),
            // What it does not hold any more has to be sent again, though nothing new was recorded.
            Change::Lost => {
                self.lanes.unresolve_all();
                self.lanes.streams().into_iter().for_each(|stream| self.lanes.make_ready(stream));
            }
        }
        self.stored_before = self.stored;
        self.pipeline.begin(prepared.last_sequence);
        Ok(())
    }

    /// Sends as much as may be in flight, one turn after the other.
    async fn fill(&mut self) -> Result<(), Interruption> {
        while !self.pipeline.is_full() {
            let Some((stream, slice)) = &mut self.turn else {
                match self.lanes.next() {
                    Some(stream) => self.begin_turn(stream).await?,
                    None => return Ok(()),
                }
                continue;
            };
            let stream = *stream;
            if let Some(message) = slice.messages.pop_front() {
                let revision = message.revision;
                let sent = self.pipeline.send(stream, message).await;
                sent.map_err(|refusal| self.not_stored(stream, revision, &refusal))?;
            } else {
                self.pipeline.pass(stream, slice.end);
                self.turn = None;
                self.lanes.make_ready(stream);
            }
        }
        Ok(())
    }

    /// Reads a tenant's next slice, if there is one.
    async fn begin_turn(&mut self, stream: StreamId) -> Result<(), Trouble> {
        // Nothing of it is to go out. It wakes up when it is made live, as with every event.
        let observes = |lane: &mut Lane| lane.directory.tenancy().settings.observes();
        if self.lanes.get(stream).is_some_and(observes) {
            return Ok(());
        }
        self.resolve(stream).await?;
        let feed = self.feed;
        let Some(lane) = self.lanes.get(stream).filter(|lane| lane.phase == Phase::Live) else {
            return Ok(());
        };
        if let Some(reason) = lane.directory.halted() {
            self.lanes.set_aside(stream, trouble::tenant_halted(reason));
            return Ok(());
        }
        let (directory, after) = (Arc::clone(&lane.directory), lane.read);
        let at_work = Arc::clone(&directory);
        match self.shared.tasks.block(move || slice::read(&at_work, feed, after)).await {
            Ok(slice) => {
                self.lanes.works(stream);
                // Otherwise there is nothing new, and the tenant wakes up when there is.
                if let Some(lane) = self.lanes.get(stream).filter(|_| slice.end > after) {
                    lane.read = slice.end;
                    self.turn = Some((stream, slice));
                }
            }
            Err(SliceError::Unavailable(reason)) => {
                self.lanes.rest(stream, trouble::files_unreadable(reason), REST);
            }
            Err(SliceError::Broken(reason)) => {
                directory.halt(reason.clone());
                self.lanes.set_aside(stream, trouble::tenant_halted(reason));
            }
        }
        Ok(())
    }

    /// Finds out where a tenant goes on, if that is not known.
    async fn resolve(&mut self, stream: StreamId) -> Result<(), Trouble> {
        let Some(lane) = self.lanes.get(stream).filter(|lane| lane.phase == Phase::Unresolved) else {
            return Ok(());
        };
        let resolver = Resolver {
            feed: self.feed,
            lane,
            broker: &self.broker,
            jetstream: JetStream {
                last_sequence: self.pipeline.confirmed(),
                began_empty: self.seen.began_empty(),
            },
            tasks: &self.shared.tasks,
        };
        match resolver.resolve().await {
            Ok(Resolved::GoOn { position, evidenced, unseen }) => {
                lane.evidenced = Some(evidenced);
                for (revision, sequence, at) in unseen {
                    self.evidence.hand_over(lane, revision, sequence, at);
                }
                self.positions.moved(&lane.directory, position);
                self.lanes.go_on(stream, position);
            }
            Ok(Resolved::SetAside(trouble)) => self.lanes.set_aside(stream, trouble),
            Ok(Resolved::AwaitHistory) => {}
            Err(Obstacle::Files(trouble)) => self.lanes.rest(stream, trouble, REST),
            Err(Obstacle::Broker(trouble)) => {
                self.lanes.unresolve(stream);
                return Err(trouble);
            }
        }
        Ok(())
    }

    /// Takes in an answer.
    fn settle(&mut self, answer: Answer) -> Result<(), Interruption> {
        let Answer { stream, revision, outcome } = answer;
        let sequence = match outcome {
            Outcome::Passed => None,
            Outcome::Stored(sequence) => {
                self.stored += 1;
                self.shared.metrics.outbox_published(self.feed.jetstream_stream(), 1);
                Some(sequence)
            }
            Outcome::Failed(refusal) => return Err(self.not_stored(stream, revision, &refusal)),
            Outcome::Void => {
                self.lanes.unresolve(stream);
                return Ok(());
            }
        };
        let Some(lane) = self.lanes.get(stream) else { return Ok(()) };
        let before = lane.position.unwrap_or_default();
        let position = OutboxPosition {
            revision: before.revision.max(revision),
            sequence: sequence.unwrap_or(before.sequence),
            settled_sequence: before.settled_sequence,
        };
        lane.position = Some(position);
        let taken_in_at_last = sequence.is_some() && lane.turned_away.take().is_some();
        if let (Feed::Deprovisioning, Some(sequence)) = (self.feed, sequence) {
            self.evidence.hand_over(lane, revision, sequence, self.shared.clock.now());
        }
        self.positions.moved(&lane.directory, position);
        self.board.moved(stream, position);
        if taken_in_at_last {
            self.lanes.works(stream);
        }
        Ok(())
    }

    /// Awaits all answers, or a new connection: then none comes any more. Tenants with a message that is not
    /// surely stored ask the broker. Answers the trouble that it meets: a broker that stores nothing answers nothing
    /// until the stream is looked at, so that it shows here alone.
    async fn drain(&mut self, connection: &mut watch::Receiver<Connection>) -> Option<Trouble> {
        let mut trouble = None;
        if let Some((stream, _)) = self.turn.take() {
            self.lanes.unresolve(stream);
        }
        let times = self.seen.times();
        loop {
            tokio::select! {
                answer = self.pipeline.next() => match answer {
                    // At most one is a failure: what was sent behind it is void.
                    Some(answer) => if let Err(Interruption::Trouble(met)) = self.settle(answer) {
                        trouble = Some(met);
                    },
                    None => break,
                },
                _ = connection.wait_for(|connection| connection.times != times) => {
                    self.pipeline.abandon();
                    self.lanes.unresolve_unacknowledged();
                    break;
                }
            }
        }
        self.positions.keep(&self.shared.tasks).await;
        trouble
    }

    fn all_is_well(&mut self) {
        // Only trouble has made the pause longer.
        if self.pause > PAUSE_MIN {
            self.pause = PAUSE_MIN;
            self.board.set_trouble(None);
        }
    }

    /// Pauses, longer each time, unless the connection changes.
    async fn wait_out(&mut self, trouble: &Trouble, signals: &mut Signals) {
        let until = Instant::now() + self.pause;
        self.pause = PAUSE_MAX.min(self.pause * 2);
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                _ = signals.connection.changed() => return,
                Some(request) = signals.requests.recv() => {
                    request.answer(Err(ResumeError::Unavailable(trouble.detail.clone())));
                }
                Ok(()) = signals.changes.changed() => self.lanes.follow(self.directories.tenants()),
            }
        }
    }

    /// An operator says where a tenant goes on that is set aside, or of which a message is turned away.
    async fn resume(&mut self, request: &Request) -> Result<bool, ResumeError> {
        let stream = request.stream;
        let Some(lane) = self.lanes.get(stream) else { return Ok(false) };
        match lane.phase {
            Phase::SetAside => {}
            // Nothing of it is in flight.
            _ if lane.turned_away.is_some() && lane.is_resting() => {}
            _ if lane.turned_away.is_some() => {
                return Err(ResumeError::Unavailable("a message is just being tried again".to_owned()));
            }
            Phase::Unresolved | Phase::Live => return Ok(false),
        }
        let (confirmed, tasks) = (self.pipeline.confirmed(), &self.shared.tasks);
        let settled =
            operator::settle(self.feed, &lane.directory, request.from, &self.broker, confirmed, tasks)
                .await?;
        lane.position = Some(settled);
        lane.phase = Phase::Unresolved;
        lane.turned_away = None;
        lane.awake();
        // A position that was to be kept must not come after the operator's.
        self.positions.moved(&lane.directory, settled);
        self.lanes.make_ready(stream);
        Ok(true)
    }

    /// What follows from a message that was not stored.
    fn not_stored(&mut self, stream: StreamId, revision: Revision, refusal: &Refusal) -> Interruption {
        self.lanes.unresolve(stream);
        self.shared.metrics.outbox_failed(self.feed.jetstream_stream());
        let Some(lane) = self.lanes.get(stream) else { return Interruption::Other };
        let refused = Refused {
            feed: self.feed,
            tenant: lane.directory.tenant(),
            revision,
            refusal,
            duplicate_window: self.seen.duplicate_window(),
            complaint: self.connection.borrow().complaint.clone(),
        };
        let progress = Progress { stored: self.stored, stored_here: self.stored > self.stored_before };
        match refused.weigh(&mut lane.turned_away, progress) {
            Consequence::Again => Interruption::Other,
            Consequence::Pause(trouble) => Interruption::Trouble(trouble),
            Consequence::Rest(trouble, time) => {
                self.lanes.rest(stream, trouble, time);
                Interruption::Other
            }
        }
    }
}
