//! Durable writes: by the throughput of SQLite itself, by their number at one connection, by one fdatasync.

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use crate::bench::Bench;
use crate::ceilings::{RawSqlite, Shape, fdatasync_ms};
use crate::load::{Load, Until};
use crate::report::{Figure, Goal};
use crate::rounds::{interleaved, ratios};
use crate::scripts::{Access, CreateUser, SwitchUser};
use crate::server::{Muster, Tenant};

/// As many connections as the goals name.
pub(super) const CONNECTIONS: usize = 64;
/// So many people are made before the shape of their rows is looked at.
const FIRST: u64 = 2_000;
/// How many people are switched off and on.
const SWITCHED: u64 = 20_000;

/// Creates of new people on a running service.
pub(super) fn creating(muster: &Muster, tenant: &Tenant) -> (Load, Arc<Mutex<Vec<String>>>) {
    let created = Arc::new(Mutex::new(Vec::new()));
    let access = Access::new(muster.address, tenant);
    let script = CreateUser { access, first: 0, created: Arc::clone(&created) };
    (Load::new(muster.address, script), created)
}

/// Makes so many people, and switches them off and on.
pub(super) fn switching(muster: &Muster, tenant: &Tenant, people: u64) -> anyhow::Result<Load> {
    let (load, created) = creating(muster, tenant);
    load.run(CONNECTIONS, Until::Asked(people))?;
    let ids = created.lock().map(|mut created| std::mem::take(&mut *created)).unwrap_or_default();
    let access = Access::new(muster.address, tenant);
    Ok(Load::new(muster.address, SwitchUser { access, ids: Arc::new(ids) }))
}

/// One side's share of a round on a running service.
#[derive(Debug, Clone, Copy)]
struct Round {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Of the service's processor time, for each request.
    cpu_us: f64,
    /// Events in an append, on average.
    batch: f64,
}

fn round(muster: &Muster, load: &Load, connections: usize, until: Until) -> anyhow::Result<Round> {
    let counts = || -> anyhow::Result<(f64, f64)> {
        let appends = muster.metric("muster_append_duration_seconds_count{outcome=\"stored\"}")?;
        Ok((muster.metric("muster_events_appended_total")?, appends))
    };
    let ((events, appends), cpu) = (counts()?, muster.process.cpu_us()?);
    let outcome = load.run(connections, until)?;
    let ((events_now, appends_now), cpu_now) = (counts()?, muster.process.cpu_us()?);
    Ok(Round {
        per_second: outcome.per_second(),
        p50_ms: outcome.quantile_ms(0.5),
        p99_ms: outcome.quantile_ms(0.99),
        cpu_us: (cpu_now - cpu) / outcome.requests() as f64,
        batch: (events_now - events) / (appends_now - appends),
    })
}

/// Keeps a round and answers how many requests a second it came to.
fn kept(round: anyhow::Result<Round>, rounds: &mut Vec<Round>) -> anyhow::Result<f64> {
    let round = round?;
    rounds.push(round);
    Ok(round.per_second)
}

fn each(rounds: &[Round], value: fn(&Round) -> f64) -> Vec<f64> {
    rounds.iter().map(value).collect()
}

pub(super) fn creates(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let folder = bench.empty("create")?;
    let muster = Muster::start(&folder.join("data"), None)?;
    let tenant = muster.tenant("bench")?;
    let (load, _) = creating(&muster, &tenant);
    let first = round(&muster, &load, CONNECTIONS, Until::Asked(FIRST))?;
    let mut raw = RawSqlite::create(&folder, Shape::of(&muster.file("bench", "log.db"), "user.created")?)?;
    raw.fill(FIRST)?;
    let time = bench.scale.round;
    let until = Until::Elapsed(time);
    let batch = Cell::new(first.batch);
    let (mut many, mut lone) = (Vec::new(), Vec::new());
    let [creates, raw_creates, lone_creates, sync_ms] = interleaved(
        bench.scale.rounds,
        &mut [
            &mut || {
                let round = round(&muster, &load, CONNECTIONS, until)?;
                batch.set(round.batch);
                kept(Ok(round), &mut many)
            },
            &mut || raw.creates_per_second(batch.get().round() as usize, time),
            &mut || kept(round(&muster, &load, 1, until), &mut lone),
            &mut || fdatasync_ms(&folder, time / 4),
        ],
    )?;
    muster.stop()?;
    let lone_ms = each(&lone, |round| round.p50_ms);
    Ok(vec![
        Figure {
            name: "create",
            what: "durable creates at 64 connections / rows straight to SQLite in equal batches",
            goal: Goal::AtLeast(0.40),
            rounds: ratios(&creates, &raw_creates),
            behind: vec![
                ("creates/s", creates.clone()),
                ("rows/s straight to SQLite", raw_creates),
                ("events in a batch", each(&many, |round| round.batch)),
                ("ms, median of a create", each(&many, |round| round.p50_ms)),
                ("ms, 99 % of creates", each(&many, |round| round.p99_ms)),
                ("us of processor time a create", each(&many, |round| round.cpu_us)),
            ],
        },
        Figure {
            name: "create_scaling",
            what: "durable creates at 64 connections / at one",
            goal: Goal::AtLeast(4.0),
            rounds: ratios(&creates, &lone_creates),
            behind: vec![("creates/s at one connection", lone_creates)],
        },
        Figure {
            name: "lone_create",
            what: "median of a lone create / of one append with fdatasync",
            goal: Goal::AtMost(3.5),
            rounds: ratios(&lone_ms, &sync_ms),
            behind: vec![
                ("ms, a lone create", lone_ms),
                ("ms, one fdatasync", sync_ms),
                ("ms, 99 % of lone creates", each(&lone, |round| round.p99_ms)),
                ("us of processor time a lone create", each(&lone, |round| round.cpu_us)),
            ],
        },
    ])
}

pub(super) fn patches(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let folder = bench.empty("patch")?;
    let muster = Muster::start(&folder.join("data"), None)?;
    let tenant = muster.tenant("bench")?;
    let load = switching(&muster, &tenant, SWITCHED)?;
    let first = round(&muster, &load, CONNECTIONS, Until::Asked(FIRST))?;
    let mut raw =
        RawSqlite::create(&folder, Shape::of(&muster.file("bench", "log.db"), "user.deactivated")?)?;
    raw.fill(SWITCHED)?;
    let time = bench.scale.round;
    let batch = Cell::new(first.batch);
    let mut many = Vec::new();
    let [patches, raw_patches] = interleaved(
        bench.scale.rounds,
        &mut [
            &mut || {
                let round = round(&muster, &load, CONNECTIONS, Until::Elapsed(time))?;
                batch.set(round.batch);
                kept(Ok(round), &mut many)
            },
            &mut || raw.patches_per_second(batch.get().round() as usize, time),
        ],
    )?;
    muster.stop()?;
    Ok(vec![Figure {
        name: "patch",
        what: "durable PATCHes of `active` at 64 connections / the same straight to SQLite",
        goal: Goal::AtLeast(0.30),
        rounds: ratios(&patches, &raw_patches),
        behind: vec![
            ("PATCHes/s", patches),
            ("updates/s straight to SQLite", raw_patches),
            ("events in a batch", each(&many, |round| round.batch)),
            ("ms, median of a PATCH", each(&many, |round| round.p50_ms)),
            ("ms, 99 % of PATCHes", each(&many, |round| round.p99_ms)),
            ("us of processor time a PATCH", each(&many, |round| round.cpu_us)),
        ],
    }])
}
