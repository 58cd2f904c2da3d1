//! Records as evidence that the broker accepted deprovisioning messages: `deprovisioning.published`, for each
//! tenant at most once a second.
//!
//! What cannot be recorded now is kept and tried again. What is lost in a crash is not lost for ever: when the
//! tenant opens, the publisher compares history with the broker and hands over what is missing ([`super::resume`]).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use projections::ViewError;
use projections::history::HistoryReader;
use provisioning::command::{Command, Origin};
use provisioning::recorded::{Actor, Via};
use provisioning::{Revision, StreamId, Timestamp};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::lanes::Lane;
use crate::directories::Directories;
use crate::directory::Directory;
use crate::tasks::Tasks;

/// The least time between two events of one tenant.
const PAUSE: Duration = Duration::from_secs(1);

/// The pause after an event that could not be recorded.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// How many messages one event names: about 256 KiB, well below what any log backend takes in one append.
const MESSAGES_PER_EVENT_MAX: usize = 5_000;

/// How long the last events may take when the service shuts down.
const FAREWELL: Duration = Duration::from_secs(1);

/// A deprovisioning message that the broker accepted.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    tenant: Arc<str>,
    stream: StreamId,
    revision: Revision,
    sequence: u64,
    at: Timestamp,
}

/// The publisher's end: hands acceptances over to the [`Recorder`].
#[derive(Debug, Clone)]
pub(super) struct Evidence(pub(super) mpsc::UnboundedSender<Accepted>);

impl Evidence {
    /// Hands an acceptance over, unless that revision has been already: once is enough, also when a stream that
    /// was lost is filled again.
    pub(super) fn hand_over(&self, lane: &mut Lane, revision: Revision, sequence: u64, at: Timestamp) {
        if lane.evidenced.is_some_and(|evidenced| evidenced >= revision) {
            return;
        }
        lane.evidenced = Some(revision);
        let tenant = Arc::from(lane.directory.tenant());
        let message = Accepted { tenant, stream: lane.directory.stream(), revision, sequence, at };
        if self.0.send(message).is_err() {
            tracing::debug!(
                "nobody records acceptances any more; the next start compares history with the broker"
            );
        }
    }
}

/// What waits to be recorded for one tenant. It is in the map from the first message until it has nothing more
/// and its pause is over.
struct Waiting {
    tenant: Arc<str>,
    messages: VecDeque<(Revision, u64, Timestamp)>,
    /// The oldest of them are with the writer.
    submitted: bool,
    /// The last attempt failed, which was logged.
    failed: bool,
}

enum Step {
    /// The tenant's pause is over.
    Due(StreamId),
    /// So many of the oldest messages were recorded, or not.
    Done(StreamId, usize, Result<(), String>),
}

/// The recorder.
pub(super) struct Recorder {
    directories: Arc<Directories>,
    waiting: HashMap<StreamId, Waiting>,
    /// One step for each tenant that is in the map, no more.
    steps: FuturesUnordered<BoxFuture<'static, Step>>,
}

impl Recorder {
    pub(super) fn new(directories: Arc<Directories>) -> Self {
        Self { directories, waiting: HashMap::new(), steps: FuturesUnordered::new() }
    }

    /// Records what comes until nobody is left to send anything.
    pub(super) async fn run(mut self, mut accepted: mpsc::UnboundedReceiver<Accepted>) {
        const RECEIVED_AT_ONCE: usize = 1_024;
        let mut received = Vec::new();
        loop {
            tokio::select! {
                count = accepted.recv_many(&mut received, RECEIVED_AT_ONCE) => {
                    if count == 0 {
                        break;
                    }
                    for message in received.drain(..) {
                        self.take(message);
                    }
                }
                Some(step) = self.steps.next() => self.step(step),
            }
        }
        if tokio::time::timeout(FAREWELL, self.finish()).await.is_err() {
            tracing::debug!("what was not recorded is compared with the broker at the next start");
        }
    }

    fn take(&mut self, Accepted { tenant, stream, revision, sequence, at }: Accepted) {
        let steps = &self.steps;
        let waiting = self.waiting.entry(stream).or_insert_with(|| {
            steps.push(Box::pin(std::future::ready(Step::Due(stream))));
            Waiting { tenant, messages: VecDeque::new(), submitted: false, failed: false }
        });
        waiting.messages.push_back((revision, sequence, at));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Due(stream) => self.submit(stream),
            Step::Done(stream, count, outcome) => {
                let pause = match outcome {
                    Ok(()) => self.recorded(stream, count),
                    Err(error) => self.not_recorded(stream, &error),
                };
                let due = Instant::now() + pause;
                self.steps.push(Box::pin(async move {
                    tokio::time::sleep_until(due).await;
                    Step::Due(stream)
                }));
            }
        }
    }

    fn recorded(&mut self, stream: StreamId, count: usize) -> Duration {
        if let Some(waiting) = self.waiting.get_mut(&stream) {
            waiting.messages.drain(..count);
            waiting.submitted = false;
            waiting.failed = false;
        }
        PAUSE
    }

    fn not_recorded(&mut self, stream: StreamId, error: &str) -> Duration {
        if let Some(waiting) = self.waiting.get_mut(&stream) {
            waiting.submitted = false;
            if !std::mem::replace(&mut waiting.failed, true) {
                let tenant: &str = &waiting.tenant;
                tracing::warn!(
                    tenant.id = tenant, stream = %stream, error,
                    "that NATS accepted deprovisioning messages of tenant {tenant} cannot be recorded now: {error}"
                );
            }
        }
        PAUSE_AFTER_FAILURE
    }

    /// Submits what waits of a tenant; forgets a tenant of which nothing does, or that is not open any more.
    fn submit(&mut self, stream: StreamId) {
        let Some(waiting) = self.waiting.get_mut(&stream).filter(|waiting| !waiting.submitted) else {
            return;
        };
        let directory = self.directories.tenant(&waiting.tenant);
        // The stream of a tenant that was closed gets no event any more.
        let open = |directory: &Arc<Directory>| {
            directory.stream() == stream && directory.halted().is_none() && !directory.is_ended()
        };
        match directory.filter(open) {
            Some(directory) if !waiting.messages.is_empty() => {
                let messages: Vec<_> =
                    waiting.messages.iter().take(MESSAGES_PER_EVENT_MAX).copied().collect();
                let (again, tasks) = (waiting.failed, Arc::clone(&self.directories.shared().tasks));
                waiting.submitted = true;
                self.steps.push(Box::pin(async move {
                    let count = messages.len();
                    let outcome = if again {
                        record_again(&directory, messages, &tasks).await
                    } else {
                        record(&directory, messages).await
                    };
                    Step::Done(stream, count, outcome)
                }));
            }
            _ => {
                self.waiting.remove(&stream);
            }
        }
    }

    /// Submits everything that waits now, without pauses, and what fails not again.
    async fn finish(&mut self) {
        let streams: Vec<_> = self.waiting.keys().copied().collect();
        for stream in streams {
            self.submit(stream);
        }
        while self.waiting.values().any(|waiting| waiting.submitted) {
            match self.steps.next().await {
                Some(Step::Done(stream, count, Ok(()))) => {
                    self.recorded(stream, count);
                    self.submit(stream);
                }
                Some(Step::Done(stream, _, Err(_))) => {
                    self.waiting.remove(&stream);
                }
                Some(Step::Due(_)) => {}
                None => break,
            }
        }
    }
}

type Messages = Vec<(Revision, u64, Timestamp)>;

async fn record(directory: &Directory, messages: Messages) -> Result<(), String> {
    let written = directory.submit(Command::RecordPublished(messages), system()).await;
    written.map(|_| ()).map_err(|error| error.to_string())
}

/// A write that failed may have been stored all the same; history knows.
async fn record_again(
    directory: &Arc<Directory>,
    mut messages: Messages,
    tasks: &Tasks,
) -> Result<(), String> {
    if !directory.history_caught_up().await {
        return Err("history is behind".to_owned());
    }
    let reader = Arc::clone(directory);
    let last = tasks.block(move || reader.with_history(HistoryReader::last_accepted)).await;
    let last = last.map_err(|error: ViewError| error.to_string())?;
    messages.retain(|(revision, ..)| Some(*revision) > last);
    if messages.is_empty() { Ok(()) } else { record(directory, messages).await }
}

fn system() -> Origin {
    Origin { actor: Actor::SYSTEM, via: Via::System, request: None, received_at: None, context: None }
}
