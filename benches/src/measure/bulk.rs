//! Creates in bulk requests, by the throughput of SQLite itself.

use std::cell::Cell;

use super::writes::creating;
use crate::bench::Bench;
use crate::ceilings::{RawSqlite, Shape};
use crate::load::{Load, Until};
use crate::report::{Figure, Goal};
use crate::rounds::{interleaved, ratios};
use crate::scripts::{Access, CreateMany};
use crate::server::Muster;

/// Operations in a request: as many as are allowed.
const OPERATIONS: u64 = 1_000;
/// So many people are made before the shape of their rows is looked at.
const FIRST: u64 = 2_000;

pub(super) fn creates(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let folder = bench.empty("bulk")?;
    let muster = Muster::start(&folder.join("data"), None)?;
    let (shape, tenant) = (muster.tenant("shape")?, muster.tenant("bench")?);
    creating(&muster, &shape).0.run(1, Until::Asked(FIRST))?;
    let mut raw = RawSqlite::create(&folder, Shape::of(&muster.file("shape", "log.db"), "user.created")?)?;
    raw.fill(FIRST)?;
    let access = Access::new(muster.address, &tenant);
    let load = Load::new(muster.address, CreateMany { access, operations: OPERATIONS });
    load.run(1, Until::Asked(FIRST / OPERATIONS))?;
    let time = bench.scale.round;
    let appends = || muster.metric("muster_append_duration_seconds_count{outcome=\"stored\"}");
    let (batch, mut batches) = (Cell::new(OPERATIONS as f64), Vec::new());
    let [creates, raw_creates] = interleaved(
        bench.scale.rounds,
        &mut [
            &mut || {
                let before = appends()?;
                let outcome = load.run(1, Until::Elapsed(time))?;
                let created = outcome.requests() as f64 * OPERATIONS as f64;
                batch.set(created / (appends()? - before));
                batches.push(batch.get());
                Ok(outcome.per_second() * OPERATIONS as f64)
            },
            &mut || raw.creates_per_second(batch.get().round() as usize, time),
        ],
    )?;
    muster.stop()?;
    Ok(vec![Figure {
        name: "bulk",
        what: "durable creates in bulk requests of 1,000 / rows straight to SQLite in equal batches",
        goal: Goal::AtLeast(0.35),
        rounds: ratios(&creates, &raw_creates),
        behind: vec![
            ("creates/s", creates),
            ("rows/s straight to SQLite", raw_creates),
            ("events in a batch", batches),
        ],
    }])
}
