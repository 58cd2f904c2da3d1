//! Threads for what nobody waits for: where there is more to do than the cores can, whoever waits comes first.
//!
//! What a batch has to go through lies on one thread. If history and the request log, which come behind it, had the
//! same right to a core, it would stand in line behind its own aftermath.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// How much more yielding those threads are than others: by the measure of `nice`, about a third of the share.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// So many may be at work at the same time; others wait for their turn.
const THREADS_MAX: usize = 16;

/// Has the calling thread yield to others from now on, for good.
pub(crate) fn yield_to_others() {
    // Linux means the thread by that; elsewhere it would be the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(error = %error, "a thread in the background keeps the priority of others: {error}");
    }
}

/// Threads that yield to others, made when there is something to do and gone when there is not.
#[derive(Debug)]
pub(crate) struct Background(Option<Runtime>);

impl Background {
    pub(crate) fn new() -> io::Result<Self> {
        let mut builder = Builder::new_current_thread();
        builder.thread_name("background").max_blocking_threads(THREADS_MAX).on_thread_start(yield_to_others);
        builder.build().map(|runtime| Self(Some(runtime)))
    }

    /// Runs something that blocks.
    pub(crate) async fn block<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let runtime = self.0.as_ref().expect("it is there until it is dropped");
        match runtime.spawn_blocking(work).await {
            Ok(done) => done,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
}

impl Drop for Background {
    /// Waits for nobody, as a runtime by itself would: this is dropped inside of another one.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    fn niceness() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    #[tokio::test]
    async fn what_runs_in_the_background_yields_to_who_asked_for_it() {
        let background = Background::new().unwrap();
        let before = niceness();
        let there = background.block(niceness).await;
        assert_eq!((there, niceness()), ((before + NICENESS).min(19), before));
    }

    #[tokio::test]
    #[should_panic(expected = "told on")]
    async fn a_panic_there_is_one_here() {
        Background::new().unwrap().block(|| panic!("told on")).await;
    }
}
