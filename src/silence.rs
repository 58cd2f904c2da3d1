//! Clients that have fallen silent: an identity provider whose token expired stops without a word, and its leavers
//! stay.
//!
//! Whoever authenticates a request tells which client came when. A sweep compares that with each client's usual
//! interval ([`Presence`]) and records `client.silent`, and `client.heard` as soon as it comes again: both go to NATS
//! as every event does. A client that is switched off, or whose tokens were all revoked, is not expected to come; one
//! whose token has expired is.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use provisioning::command::{Command, Origin};
use provisioning::recorded::{Actor, Via};
use provisioning::tenancy::Client;
use provisioning::{ClientId, StreamId, Timestamp};
use tokio::sync::{Notify, watch};

use crate::config;
use crate::directories::Directories;
use crate::directory::{Directory, Shared};
use crate::operations::{Habits, Presence};

/// How often clients are looked at, at least.
const INTERVAL: Duration = Duration::from_secs(30);

/// How many visits of a client are told apart between two sweeps.
const VISITS_MAX: usize = 64;

/// First and last request of a visit.
type Visit = (Timestamp, Timestamp);

/// Visits by client, of one tenant.
type Visits = HashMap<ClientId, Vec<Visit>>;

/// Watches which clients come.
pub struct Silence {
    habits: Habits,
    serving_since: Timestamp,
    /// Visits since the last sweep. Locked for a moment by every request.
    visits: Mutex<HashMap<StreamId, Visits>>,
    /// What is remembered, by tenant. Held for a whole sweep.
    known: tokio::sync::Mutex<HashMap<StreamId, Remembered>>,
    /// A client that was silent has come.
    heard: Notify,
}

/// What is remembered of a tenant's clients.
#[derive(Default)]
struct Remembered {
    presences: BTreeMap<ClientId, Presence>,
    /// Whose presence `operations.db` does not have yet.
    unkept: BTreeSet<ClientId>,
    /// When a client was last not expected to come.
    unexpected: HashMap<ClientId, Timestamp>,
}

impl Silence {
    /// Nobody has come yet.
    pub fn new(config: &config::Silence, now: Timestamp) -> Self {
        let micros = |seconds: u32| i64::from(seconds) * 1_000_000;
        Self {
            habits: Habits {
                pause: micros(config.visit_pause_seconds),
                visits_min: config.visits_min,
                interval_min: micros(config.interval_seconds_min),
            },
            serving_since: now,
            visits: Mutex::default(),
            known: tokio::sync::Mutex::default(),
            heard: Notify::new(),
        }
    }

    /// A client sent a request with a token that counts.
    pub fn came(&self, directory: &Directory, client: ClientId, at: Timestamp) {
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        let of_client = visits.entry(directory.stream()).or_default().entry(client).or_default();
        let is_full = of_client.len() >= VISITS_MAX;
        match of_client.last_mut() {
            Some((_, last)) if is_full || at.0 - last.0 <= self.habits.pause => *last = at.max(*last),
            Some(_) => of_client.push((at, at)),
            None => {
                of_client.push((at, at));
                let tenancy = directory.tenancy();
                if tenancy.clients.get(&client).is_some_and(|client| client.silent_since.is_some()) {
                    self.heard.notify_one();
                }
            }
        }
    }

    /// Sweeps again and again until the house shuts down.
    pub async fn watch(self: Arc<Self>, directories: Arc<Directories>, mut stopping: watch::Receiver<bool>) {
        let shortest = Duration::from_micros(self.habits.interval_min.unsigned_abs());
        loop {
            tokio::select! {
                _ = stopping.wait_for(|stops| *stops) => return,
                () = self.heard.notified() => {}
                () = tokio::time::sleep(INTERVAL.min(shortest)) => {}
            }
            self.sweep(&directories).await;
        }
    }

    /// Looks at all clients: remembers who came, and records who is silent and who is heard again.
    pub async fn sweep(&self, directories: &Directories) {
        let mut known = self.known.lock().await;
        let mut tenants = directories.tenants();
        tenants.retain(|directory| !directory.is_ended());
        let open: HashSet<_> = tenants.iter().map(|directory| directory.stream()).collect();
        known.retain(|stream, _| open.contains(stream));
        self.visits.lock().unwrap_or_else(PoisonError::into_inner).retain(|stream, _| open.contains(stream));
        for directory in tenants {
            if directory.halted().is_some() {
                continue;
            }
            if let Err(error) = self.sweep_tenant(&directory, directories.shared(), &mut known).await {
                let tenant = directory.tenant();
                tracing::warn!(
                    tenant.id = tenant,
                    error,
                    "which clients of {tenant} are silent cannot be kept now: {error}"
                );
            }
        }
    }

    async fn sweep_tenant(
        &self,
        directory: &Arc<Directory>,
        shared: &Shared,
        known: &mut HashMap<StreamId, Remembered>,
    ) -> Result<(), String> {
        let now = shared.clock.now();
        let remembered = match known.entry(directory.stream()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let operations = Arc::clone(directory.operations());
                let kept = shared.tasks.block(move || operations.presences()).await;
                let presences = kept.map_err(|error| error.to_string())?;
                unknown.insert(Remembered { presences, ..Remembered::default() })
            }
        };
        self.take_in(directory.stream(), remembered);
        let tenancy = directory.tenancy();
        for (id, client) in &tenancy.clients {
            if !tenancy.is_expected(*id) {
                remembered.unexpected.insert(*id, now);
            }
            if let Some(command) = self.noteworthy(*id, client, remembered, now) {
                directory.submit(command, system()).await.map_err(|error| error.to_string())?;
            }
        }
        keep(directory, shared, remembered).await
    }

    /// Takes in who came since the last sweep.
    fn take_in(&self, stream: StreamId, remembered: &mut Remembered) {
        let came = self.visits.lock().unwrap_or_else(PoisonError::into_inner).remove(&stream);
        for (client, visits) in came.into_iter().flatten() {
            let watched_since = self.watched_since(client, remembered);
            for (first, last) in visits {
                let presence = remembered.presences.entry(client).or_insert_with(|| Presence::new(first));
                presence.visited(first, last, watched_since, self.habits);
            }
            remembered.unkept.insert(client);
        }
    }

    /// Since when every request of a client would have been noticed, and the client may be expected to come.
    fn watched_since(&self, client: ClientId, remembered: &Remembered) -> Timestamp {
        remembered.unexpected.get(&client).map_or(self.serving_since, |last| self.serving_since.max(*last))
    }

    /// What is to be recorded of a client now, if anything.
    fn noteworthy(
        &self,
        id: ClientId,
        client: &Client,
        remembered: &Remembered,
        now: Timestamp,
    ) -> Option<Command> {
        let presence = remembered.presences.get(&id)?;
        let usual_seconds = presence.usual(self.habits).unwrap_or(0).unsigned_abs() / 1_000_000;
        let seen_at = presence.last_seen;
        let watched_since = self.watched_since(id, remembered);
        let silent = match client.silent_since {
            Some(silent_since) if seen_at > silent_since => false,
            // Whoever is not expected has just been noted as such, hence is never silent.
            None if presence.is_silent(now, watched_since, self.habits) => true,
            Some(_) | None => return None,
        };
        Some(Command::NotePresence { id, silent, seen_at, usual_seconds })
    }
}

/// Keeps what has changed; what cannot be kept now is kept with the next sweep.
async fn keep(directory: &Directory, shared: &Shared, remembered: &mut Remembered) -> Result<(), String> {
    let changed: Vec<_> = remembered
        .unkept
        .iter()
        .filter_map(|client| Some((*client, remembered.presences.get(client)?.clone())))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let operations = Arc::clone(directory.operations());
    let kept = shared.tasks.block(move || operations.keep_presences(&changed)).await;
    kept.map_err(|error| error.to_string())?;
    remembered.unkept.clear();
    Ok(())
}

fn system() -> Origin {
    Origin { actor: Actor::SYSTEM, via: Via::System, request: None, received_at: None, context: None }
}
