//! The queue in front of a tenant's writer: what waits is drained into batches.
//!
//! A lone command is carried out at once; under load, what queued while the last batch was made durable forms
//! the next one. Tenants run in parallel on a bounded number of threads.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use tokio::sync::mpsc;

use super::open::Shared;
use super::writer::Job;
use super::{Directory, ended_error, halted_error};

/// The most commands in a batch.
const COMMANDS_MAX: usize = 64;
/// The most bytes of requests in a batch; one command is always taken, whatever its size.
const BYTES_MAX: usize = 1024 * 1024;
/// How many batches a tenant may carry out before it lets go of its thread.
const BATCHES_PER_TURN: usize = 32;

/// Drains a tenant's queue until the house shuts down; what waits then is still carried out.
pub(super) async fn run(directory: Arc<Directory>, mut queue: mpsc::Receiver<Job>, shared: Arc<Shared>) {
    let mut stopping = shared.tasks.stopping();
    loop {
        let first = tokio::select! {
            biased;
            first = queue.recv() => first,
            _ = stopping.wait_for(|stop| *stop) => {
                queue.close();
                queue.try_recv().ok()
            }
        };
        let Some(first) = first else { return };
        let Ok(turn) = shared.writers.acquire().await else { return };
        let (worker, context) = (Arc::clone(&directory), Arc::clone(&shared));
        queue = shared
            .tasks
            .block(move || {
                take_turn(&worker, &context, first, &mut queue);
                queue
            })
            .await;
        drop(turn);
        refill_keys(&directory, &shared);
    }
}

fn take_turn(directory: &Arc<Directory>, shared: &Shared, first: Job, queue: &mut mpsc::Receiver<Job>) {
    let mut next = Some(first);
    for _ in 0..BATCHES_PER_TURN {
        let Some(job) = next.take().or_else(|| queue.try_recv().ok()) else { return };
        let mut bytes = job.bytes;
        let mut jobs = vec![job];
        while jobs.len() < COMMANDS_MAX && bytes < BYTES_MAX {
            let Ok(job) = queue.try_recv() else { break };
            bytes += job.bytes;
            jobs.push(job);
        }
        directory.carry_out(jobs, shared);
    }
}

/// Makes data keys ahead of use, outside the write path.
fn refill_keys(directory: &Arc<Directory>, shared: &Arc<Shared>) {
    let named = directory.greatest_key.load(Ordering::Acquire);
    if !directory.keys.is_low(named) {
        return;
    }
    let (directory, tasks) = (Arc::clone(directory), Arc::clone(&shared.tasks));
    shared.tasks.spawn(async move {
        let refilled = tasks.block(move || directory.keys.refill(named)).await;
        if let Err(error) = refilled {
            tracing::warn!(error = %error, "key pool could not be refilled: {error}");
        }
    });
}

impl Directory {
    fn carry_out(&self, jobs: Vec<Job>, shared: &Shared) {
        let mut guard = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // What was queued before the tenant was halted or closed is not carried out any more.
        if self.is_ended() {
            return jobs.into_iter().for_each(|job| job.refuse(ended_error()));
        }
        // Without a writer it is halted.
        let Some(writer) = guard.as_mut().filter(|_| self.halted().is_none()) else {
            return jobs.into_iter().for_each(|job| job.refuse(halted_error()));
        };
        let finished = writer.batch(jobs, |report, tenancy| {
            // Tenancy and position move before the callers are answered: they read what they wrote.
            if report.tenancy_changed {
                self.put_tenancy(tenancy, shared);
            }
            if let Some(committed) = report.committed {
                self.committed.send_replace(committed);
            }
            self.greatest_key.fetch_max(report.greatest_key, Ordering::AcqRel);
        });
        drop(guard);
        if let Some((outcome, elapsed)) = finished.append {
            shared.metrics.append_ended(outcome, elapsed);
        }
        for event_type in finished.recorded {
            shared.metrics.event_appended(event_type.as_str());
        }
        if let Some(reason) = finished.halt {
            self.halt(reason);
        }
    }
}
