//! The tenants of one publisher: whose turn it is, who waits for news, who is set aside.
//!
//! A tenant is in the queue at most once, and back at its end after each turn: a busy tenant keeps no other one
//! waiting for longer than a slice. Nobody is polled: a tenant whose log ends wakes up when more is committed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use provisioning::{Revision, StreamId};
use tokio::sync::watch;

use super::standing::Board;
use super::trouble::Trouble;
use crate::directory::Directory;
use crate::feed::Feed;
use crate::operations::OutboxPosition;

/// How long a tenant rests that cannot be published now, for a reason that is its own and passes.
pub(super) const REST: Duration = Duration::from_secs(2);

/// What may be done with a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Where to go on has to be found out from the broker first.
    Unresolved,
    /// Its messages go out.
    Live,
    /// Nothing goes out until an operator resumes it.
    SetAside,
}

/// A tenant as a publisher sees it.
pub(super) struct Lane {
    pub(super) directory: Arc<Directory>,
    pub(super) phase: Phase,
    /// What was committed when the tenant came here: history must have come that far before it is asked what the
    /// broker accepted.
    pub(super) begun_at: Revision,
    /// Acknowledged; `None` until it is read from `operations.db`.
    pub(super) position: Option<OutboxPosition>,
    /// Read and sent, but perhaps not acknowledged.
    pub(super) read: Revision,
    /// The last revision whose acceptance was handed over as evidence; `None` until history was asked.
    pub(super) evidenced: Option<Revision>,
    /// The message that was turned away last; forgotten when one of this tenant was stored since.
    pub(super) turned_away: Option<TurnedAway>,
    queued: bool,
    resting: bool,
}

impl Lane {
    fn unresolve(&mut self) {
        if self.phase == Phase::Live {
            self.phase = Phase::Unresolved;
        }
    }

    /// Nothing is sent, for a while.
    pub(super) fn is_resting(&self) -> bool {
        self.resting
    }

    /// Has rested, however long it was to.
    pub(super) fn awake(&mut self) {
        self.resting = false;
    }

    fn may_publish(&self) -> bool {
        self.phase != Phase::SetAside && !self.resting
    }
}

/// A message that the broker did not take in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TurnedAway {
    pub(super) revision: Revision,
    /// How often, since others were taken in.
    pub(super) times: u32,
    /// How many messages of all tenants had been stored before the first time.
    pub(super) stored_before: u64,
}

/// Why a tenant may have something to do.
enum Wake {
    /// More was committed, or history has come further.
    News(StreamId, Watched),
    /// It has rested.
    Rested(StreamId),
}

/// What a tenant's wake-up waits for.
struct Watched {
    committed: watch::Receiver<Revision>,
    history: watch::Receiver<Revision>,
    feed: Feed,
}

impl Watched {
    /// `None` once the directory is gone.
    async fn changed(mut self) -> Option<Self> {
        let changed = match self.feed {
            Feed::Events => self.committed.changed().await,
            // Some messages have to wait until history knows who was a member before.
            Feed::Deprovisioning => tokio::select! {
                changed = self.committed.changed() => changed,
                changed = self.history.changed() => changed,
            },
        };
        changed.is_ok().then_some(self)
    }
}

/// The tenants of one publisher.
pub(super) struct Lanes {
    feed: Feed,
    board: Arc<Board>,
    tenants: HashMap<StreamId, Lane>,
    ready: VecDeque<StreamId>,
    wakes: FuturesUnordered<BoxFuture<'static, Option<Wake>>>,
}

impl Lanes {
    pub(super) fn new(feed: Feed, board: Arc<Board>) -> Self {
        Self { feed, board, tenants: HashMap::new(), ready: VecDeque::new(), wakes: FuturesUnordered::new() }
    }

    /// Takes in the tenants that are new and lets go of those that are not open any more.
    pub(super) fn follow(&mut self, directories: Vec<Arc<Directory>>) {
        let open: HashSet<_> = directories.iter().map(|directory| directory.stream()).collect();
        let board = &self.board;
        self.tenants.retain(|stream, _| {
            let stays = open.contains(stream);
            if !stays {
                board.forget(*stream);
            }
            stays
        });
        for directory in directories {
            let stream = directory.stream();
            if self.tenants.contains_key(&stream) {
                continue;
            }
            let watched = Watched {
                committed: directory.committed(),
                history: directory.history_position(),
                feed: self.feed,
            };
            let lane = Lane {
                phase: Phase::Unresolved,
                begun_at: *watched.committed.borrow(),
                position: None,
                read: Revision::ZERO,
                evidenced: None,
                turned_away: None,
                queued: false,
                resting: false,
                directory,
            };
            self.tenants.insert(stream, lane);
            self.wait_for_news(stream, watched);
            self.make_ready(stream);
        }
    }

    /// All tenants, in no order.
    pub(super) fn streams(&self) -> Vec<StreamId> {
        self.tenants.keys().copied().collect()
    }

    /// A tenant, if it is still open.
    pub(super) fn get(&mut self, stream: StreamId) -> Option<&mut Lane> {
        self.tenants.get_mut(&stream)
    }

    /// Puts a tenant at the end of the queue, if it is not in it, set aside or resting.
    pub(super) fn make_ready(&mut self, stream: StreamId) {
        if let Some(lane) = self.tenants.get_mut(&stream)
            && !lane.queued
            && lane.may_publish()
        {
            lane.queued = true;
            self.ready.push_back(stream);
        }
    }

    /// Whose turn it is.
    pub(super) fn next(&mut self) -> Option<StreamId> {
        loop {
            let stream = self.ready.pop_front()?;
            if let Some(lane) = self.tenants.get_mut(&stream) {
                lane.queued = false;
                if lane.may_publish() {
                    return Some(stream);
                }
            }
        }
    }

    /// The broker has to be asked where the tenant goes on.
    pub(super) fn unresolve(&mut self, stream: StreamId) {
        if let Some(lane) = self.tenants.get_mut(&stream) {
            lane.unresolve();
        }
        self.make_ready(stream);
    }

    /// Likewise for every tenant, but of one that has nothing to send only when it has.
    pub(super) fn unresolve_all(&mut self) {
        self.tenants.values_mut().for_each(Lane::unresolve);
    }

    /// Likewise for every tenant that has sent something which was not acknowledged.
    pub(super) fn unresolve_unacknowledged(&mut self) {
        let acknowledged = |lane: &Lane| lane.position.is_some_and(|position| position.revision >= lane.read);
        let unacknowledged = self.tenants.iter().filter(|(_, lane)| !acknowledged(lane));
        for stream in unacknowledged.map(|(stream, _)| *stream).collect::<Vec<_>>() {
            self.unresolve(stream);
        }
    }

    /// Nothing more of the tenant goes out until an operator resumes it. The others go on.
    pub(super) fn set_aside(&mut self, stream: StreamId, trouble: Trouble) {
        if let Some(lane) = self.tenants.get_mut(&stream) {
            lane.phase = Phase::SetAside;
            self.board.tenant_trouble(stream, lane.directory.tenant(), Some(trouble));
        }
    }

    /// The tenant is tried again in a while. The others go on.
    pub(super) fn rest(&mut self, stream: StreamId, trouble: Trouble, time: Duration) {
        if let Some(lane) = self.tenants.get_mut(&stream) {
            lane.resting = true;
            self.board.tenant_trouble(stream, lane.directory.tenant(), Some(trouble));
            self.wakes.push(Box::pin(async move {
                tokio::time::sleep(time).await;
                Some(Wake::Rested(stream))
            }));
        }
    }

    /// The tenant goes on from there.
    pub(super) fn go_on(&mut self, stream: StreamId, position: OutboxPosition) {
        if let Some(lane) = self.tenants.get_mut(&stream) {
            lane.phase = Phase::Live;
            lane.position = Some(position);
            lane.read = position.revision;
            self.board.moved(stream, position);
        }
    }

    /// The tenant's files can be read. Unless the broker turns a message away, nothing is wrong.
    pub(super) fn works(&self, stream: StreamId) {
        if let Some(lane) = self.tenants.get(&stream)
            && lane.turned_away.is_none()
        {
            self.board.tenant_trouble(stream, lane.directory.tenant(), None);
        }
    }

    /// Waits until some tenant may have something to do, and puts it in the queue.
    pub(super) async fn woken(&mut self) {
        match self.wakes.next().await {
            Some(Some(Wake::News(stream, watched))) => {
                if self.tenants.contains_key(&stream) {
                    self.wait_for_news(stream, watched);
                    self.make_ready(stream);
                }
            }
            Some(Some(Wake::Rested(stream))) => {
                if let Some(lane) = self.tenants.get_mut(&stream) {
                    lane.awake();
                }
                self.make_ready(stream);
            }
            Some(None) => {}
            None => std::future::pending().await,
        }
    }

    fn wait_for_news(&mut self, stream: StreamId, watched: Watched) {
        self.wakes.push(Box::pin(async move { Some(Wake::News(stream, watched.changed().await?)) }));
    }
}
