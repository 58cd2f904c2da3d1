//! The outbox: what it takes from the write path, and how fast it publishes.

use std::time::{Duration, Instant};

use anyhow::bail;

use super::writes::{CONNECTIONS, creating};
use crate::bench::Bench;
use crate::ceilings::{Broker, publish_per_second};
use crate::load::Until;
use crate::report::{Figure, Goal};
use crate::rounds::{interleaved, ratios};
use crate::server::Muster;

/// How long the broker may need for what is left.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often the metrics are looked at.
const GLANCE: Duration = Duration::from_millis(5);
/// Events that wait for the broker in a round of `relay`.
const WAITING: u64 = 20_000;
/// About what a message in notice form has.
const MESSAGE_BYTES: usize = 800;
const PUBLISHED: &str = "muster_outbox_published_total{stream=\"MUSTER_EVENTS\"}";

pub(super) fn relays(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let folder = bench.empty("outbox")?;
    let mut broker = Broker::start(&folder)?;
    let alone = Muster::start(&folder.join("alone"), None)?;
    let relayed = Muster::start(&folder.join("relayed"), Some(broker.address))?;
    let (load_alone, _) = creating(&alone, &alone.tenant("bench")?);
    let (load_relayed, _) = creating(&relayed, &relayed.tenant("bench")?);
    let until = Until::Elapsed(bench.scale.round);
    let [with, without] = interleaved(
        bench.scale.rounds,
        &mut [
            &mut || {
                let rate = load_relayed.run(CONNECTIONS, until)?.per_second();
                drained(&relayed)?;
                Ok(rate)
            },
            &mut || Ok(load_alone.run(CONNECTIONS, until)?.per_second()),
        ],
    )?;
    alone.stop()?;

    let waiting = WAITING.min(bench.scale.town / 4);
    let (mut relay, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..bench.scale.rounds {
        bare.push(publish_per_second(&broker, MESSAGE_BYTES, bench.scale.round)?);
        broker.pause()?;
        load_relayed.run(CONNECTIONS, Until::Asked(waiting))?;
        let before = relayed.metric(PUBLISHED)?;
        broker.resume()?;
        relay.push(drain_per_second(&relayed, before)?);
    }
    relayed.stop()?;
    Ok(vec![
        Figure {
            name: "outbox",
            what: "durable creates at 64 connections with the outbox running / without",
            goal: Goal::AtLeast(0.7),
            rounds: ratios(&with, &without),
            behind: vec![("creates/s with", with), ("creates/s without", without)],
        },
        Figure {
            name: "relay",
            what: "events/s that the outbox publishes / bare async-nats with as many in flight",
            goal: Goal::AtLeast(0.25),
            rounds: ratios(&relay, &bare),
            behind: vec![("events/s published", relay), ("messages/s of bare async-nats", bare)],
        },
    ])
}

/// Waits until the broker has everything.
fn drained(muster: &Muster) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut seen = (muster.metric(PUBLISHED)?, Instant::now());
    // The lag is looked at once a second only; the count of messages stands still when there is no more.
    while seen.1.elapsed() < Duration::from_millis(200) {
        std::thread::park_timeout(GLANCE);
        let published = muster.metric(PUBLISHED)?;
        if published > seen.0 {
            seen = (published, Instant::now());
        }
        if began.elapsed() > PATIENCE {
            bail!("the outbox does not come to its end");
        }
    }
    Ok(())
}

/// From the first message that the broker takes to the last, whatever the connection took before.
fn drain_per_second(muster: &Muster, before: f64) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut first = None;
    let mut last = (before, Instant::now());
    loop {
        std::thread::park_timeout(GLANCE);
        let published = muster.metric(PUBLISHED)?;
        let now = Instant::now();
        if published > last.0 {
            first.get_or_insert((published, now));
            last = (published, now);
        }
        match first {
            Some((count, at)) if last.1.elapsed() > Duration::from_millis(500) => {
                return Ok((last.0 - count) / (last.1 - at).as_secs_f64());
            }
            _ if began.elapsed() > PATIENCE => bail!("the outbox publishes nothing"),
            _ => {}
        }
    }
}
