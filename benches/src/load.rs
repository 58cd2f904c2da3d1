//! The load generator: so many connections, each asking as soon as it is answered (a closed loop).
//!
//! One thread drives all connections, since the cores belong to what is measured. Every answer is checked; the
//! first wrong one ends the measurement.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::http::{Answer, Connection};

/// What is asked, and what is a right answer. Turns are counted from 0 over all connections and runs.
pub(crate) trait Script: Send + Sync {
    /// Writes the whole request of a turn.
    fn ask(&self, turn: u64, request: &mut Vec<u8>);
    /// Says what is wrong with the answer.
    fn check(&self, turn: u64, answer: &Answer<'_>) -> Result<(), String>;
}

/// A script against an address.
#[derive(Clone)]
pub(crate) struct Load {
    address: SocketAddr,
    script: Arc<dyn Script>,
    turn: Arc<AtomicU64>,
}

/// When a run ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// After this time.
    Elapsed(Duration),
    /// After about so many requests.
    Asked(u64),
}

/// What a run came to.
pub(crate) struct Outcome {
    elapsed: Duration,
    /// Sorted.
    latencies: Vec<Duration>,
}

impl Outcome {
    pub(crate) fn requests(&self) -> usize {
        self.latencies.len()
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that `part` of the requests did not exceed, in milliseconds.
    pub(crate) fn quantile_ms(&self, part: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let place = (last as f64 * part).round() as usize;
        self.latencies.get(place).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1_000.0)
    }
}

impl Load {
    pub(crate) fn new(address: SocketAddr, script: impl Script + 'static) -> Self {
        Self { address, script: Arc::new(script), turn: Arc::default() }
    }

    /// How many turns were begun.
    pub(crate) fn turns(&self) -> u64 {
        self.turn.load(Ordering::Relaxed)
    }

    /// Runs on this thread. Connections are open before the clock starts.
    pub(crate) fn run(&self, connections: usize, until: Until) -> anyhow::Result<Outcome> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("runtime")?;
        runtime.block_on(async {
            let mut open = Vec::with_capacity(connections);
            for _ in 0..connections {
                open.push(Connection::open(self.address).await.context("connecting")?);
            }
            let began = Instant::now();
            let (deadline, last) = match until {
                Until::Elapsed(time) => (Some(began + time), u64::MAX),
                Until::Asked(requests) => (None, self.turns() + requests),
            };
            let mut drivers = JoinSet::new();
            for connection in open {
                drivers.spawn(self.clone().drive(connection, deadline, last));
            }
            let mut latencies = Vec::new();
            while let Some(driven) = drivers.join_next().await {
                latencies.append(&mut driven.context("a connection's task")??);
            }
            let elapsed = began.elapsed();
            latencies.sort_unstable();
            Ok(Outcome { elapsed, latencies })
        })
    }

    async fn drive(
        self,
        mut connection: Connection,
        deadline: Option<Instant>,
        last: u64,
    ) -> anyhow::Result<Vec<Duration>> {
        let mut request = Vec::new();
        let mut latencies = Vec::new();
        let mut now = Instant::now();
        while deadline.is_none_or(|deadline| now < deadline) {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            if turn >= last {
                break;
            }
            request.clear();
            self.script.ask(turn, &mut request);
            let began = Instant::now();
            let answer = connection.exchange(&request).await?;
            now = Instant::now();
            latencies.push(now - began);
            self.script.check(turn, &answer).map_err(|wrong| {
                let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(400)]).into_owned();
                anyhow::anyhow!("a wrong answer ({wrong}): {} {body}", answer.status)
            })?;
        }
        Ok(latencies)
    }
}
