//! The tasks of the house: every one is owned here, and shutting down waits for all of them.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::background::Background;

/// Spawns tasks on the runtime of the house and joins them at the end.
#[derive(Debug)]
pub struct Tasks {
    runtime: Handle,
    background: Background,
    running: Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
}

impl Tasks {
    /// Owns the tasks that will run on `runtime`. Fails if the system gives nothing to wait on for more threads.
    pub fn new(runtime: Handle) -> std::io::Result<Self> {
        let (background, running) = (Background::new()?, Mutex::new(JoinSet::new()));
        Ok(Self { runtime, background, running, stop: watch::Sender::new(false) })
    }

    /// Starts a task. Ones that have ended are forgotten on the way.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while running.try_join_next().is_some() {}
        running.spawn_on(task, &self.runtime);
    }

    /// Runs something that blocks (SQLite, fsync) on a thread where it may.
    pub async fn block<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        match self.runtime.spawn_blocking(work).await {
            Ok(done) => done,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }

    /// Runs something that blocks on a thread that yields to all others, since nobody waits for it.
    pub async fn block_behind<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.background.block(work).await
    }

    /// Becomes true when the house shuts down.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Tells every task to stop and waits for them, at most `patience`.
    pub async fn shut_down(&self, patience: Duration) {
        self.stop.send_replace(true);
        let mut running = std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("tasks did not stop in time and are given up");
        }
    }
}
