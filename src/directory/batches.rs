//! The queue in front of a tenant's writer: what waits is drained into batches.
//!
//! A lone command is carried out at once; under load, what queued while the last batch was made durable forms
//! the next one. Tenants run in parallel on a bounded number of threads.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::condition::View;
use super::job::Job;
use super::open::Shared;
use super::{Directory, WriteError, ended_error, halted_error};

/// The most commands in a batch.
const COMMANDS_MAX: usize = 64;
/// The most bytes of requests that are drained into a batch; one command is always taken, whatever its size.
const BYTES_MAX: usize = 1024 * 1024;
/// How many batches a tenant may carry out before it lets go of its thread.
const BATCHES_PER_TURN: usize = 32;
/// How often a writer that failed tries to recover while nobody writes.
const RECOVERY_INTERVAL: Duration = Duration::from_secs(1);

/// Drains a tenant's queue until the house shuts down, when what waits is still carried out, or until the tenant is
/// halted, when it is refused. After a failure it tries to recover by itself: reads wait for that too.
pub(super) async fn run(directory: Arc<Directory>, mut queue: mpsc::Receiver<Job>, shared: Arc<Shared>) {
    let mut stopping = shared.tasks.stopping();
    let mut suspect = false;
    // What the last turn had no room for.
    let mut jobs = VecDeque::new();
    loop {
        tokio::select! {
            biased;
            () = directory.condition.halted() => {
                queue.close();
                refuse_all(&mut jobs, &halted_error());
                // Whoever is just queueing learns it from the closed queue.
                while let Ok(job) = queue.try_recv() {
                    job.refuse(&halted_error());
                }
                return;
            }
            () = std::future::ready(()), if !jobs.is_empty() => {}
            job = queue.recv() => match job {
                Some(job) => jobs.push_back(job),
                None => return,
            },
            _ = stopping.wait_for(|stop| *stop) => {
                queue.close();
                continue;
            }
            () = tokio::time::sleep(RECOVERY_INTERVAL), if suspect => {}
        }
        let Ok(turn) = shared.writers.acquire().await else { return };
        let (worker, context) = (Arc::clone(&directory), Arc::clone(&shared));
        (jobs, queue, suspect) = shared
            .tasks
            .block(move || {
                let suspect = take_turn(&worker, &context, &mut jobs, &mut queue);
                (jobs, queue, suspect)
            })
            .await;
        drop(turn);
        refill_keys(&directory, &shared);
    }
}

/// Carries out what waits, or, with nothing to do, only recovers. Answers whether the writer has still to recover;
/// what its last batch had no room for is in `jobs` then.
fn take_turn(
    directory: &Arc<Directory>,
    shared: &Shared,
    jobs: &mut VecDeque<Job>,
    queue: &mut mpsc::Receiver<Job>,
) -> bool {
    let mut batches = 0;
    loop {
        let mut bytes: usize = jobs.iter().map(Job::bytes).sum();
        while jobs.len() < COMMANDS_MAX && bytes < BYTES_MAX {
            let Ok(job) = queue.try_recv() else { break };
            bytes += job.bytes();
            jobs.push_back(job);
        }
        let suspect = directory.carry_out(jobs, shared);
        batches += 1;
        if batches == BATCHES_PER_TURN || (jobs.is_empty() && queue.is_empty()) {
            return suspect;
        }
    }
}

fn refuse_all(jobs: &mut VecDeque<Job>, why: &WriteError) {
    for job in jobs.drain(..) {
        job.refuse(why);
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
    /// Carries out a batch of what waits; an empty one only recovers. Answers whether the writer has still to recover.
    fn carry_out(self: &Arc<Self>, jobs: &mut VecDeque<Job>, shared: &Shared) -> bool {
        let mut guard = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // What was queued before the tenant was halted or closed is not carried out any more.
        if self.is_ended() {
            refuse_all(jobs, &ended_error());
            return false;
        }
        // Without a writer it is halted.
        let Some(writer) = guard.as_mut().filter(|_| self.halted().is_none()) else {
            refuse_all(jobs, &halted_error());
            return false;
        };
        let finished = writer.batch(jobs, |report, tenancy| {
            // Tenancy and position move before the callers are answered: they read what they wrote.
            if report.tenancy_changed {
                self.put_tenancy(tenancy, shared);
            }
            let fresh = report.fresh.take();
            if report.unaccounted || report.committed.is_some() {
                let events = fresh.as_ref().map(|(batch, _)| batch.events.as_slice());
                self.known.moved(events.filter(|_| !report.unaccounted));
            }
            if let Some(committed) = report.committed {
                if let Some((batch, bytes)) = fresh {
                    self.fresh.put(batch, bytes);
                }
                self.committed.send_replace(committed);
            }
            self.greatest_key.fetch_max(report.greatest_key, Ordering::AcqRel);
        });
        let suspect = writer.suspect.clone();
        let still = suspect.is_some();
        let due = !still && writer.is_tending_due();
        self.condition.set_unwritable(suspect);
        drop(guard);
        if due {
            self.tend_behind_the_writer();
        }
        if let Some((outcome, elapsed)) = finished.append {
            shared.metrics.append_ended(outcome, elapsed);
        }
        for event_type in finished.recorded {
            shared.metrics.event_appended(event_type.as_str());
        }
        if let Some(reason) = finished.damaged {
            self.condition.set_damaged(View::Current, reason);
        }
        if let Some(reason) = finished.halt {
            self.halt(reason);
        }
        still
    }
}
