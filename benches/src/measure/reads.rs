//! Point reads: by id against an endpoint that answers the same bytes every time and with and without the request log,
//! by name at two sizes.

use std::sync::Arc;
use std::time::Duration;

use super::writes::CONNECTIONS;
use crate::bench::{Bench, VILLAGE};
use crate::ceilings::{Fixed, GetFixed};
use crate::load::{Load, Until};
use crate::report::{Figure, Goal};
use crate::rounds::{interleaved, ratios};
use crate::scripts::{Access, FindUser, GetUser};
use crate::server::{Muster, Process, exchange, request};

/// Connections, statements and pages are warm before anything counts.
const WARM: Duration = Duration::from_millis(300);

/// People of the tenants that are read with and without the request log: few enough that reading them is as cheap as
/// it gets, so that what the log costs is as much of it as it gets.
const READ: u64 = 10_000;

/// Times as many requests as there are people: after three of them 19 in 20 have been asked for, as where a service
/// has run for a while.
const TIMES_EACH: u64 = 3;

/// Asks for nearly everybody; answers what processor time each request cost the process.
fn meet(load: &Load, process: &Process, people: u64) -> anyhow::Result<f64> {
    let before = process.cpu_us()?;
    let outcome = load.run(CONNECTIONS, Until::Asked(TIMES_EACH * people))?;
    Ok((process.cpu_us()? - before) / outcome.requests() as f64)
}

/// Runs a load and notes what processor time each request cost the process.
fn per_second(load: &Load, process: &Process, time: Duration, cpu: &mut Vec<f64>) -> anyhow::Result<f64> {
    let before = process.cpu_us()?;
    let outcome = load.run(CONNECTIONS, Until::Elapsed(time))?;
    let used = process.cpu_us()? - before;
    cpu.push(used / outcome.requests() as f64);
    Ok(outcome.per_second())
}

pub(super) fn by_id(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let town = bench.town()?;
    let folder = bench.empty("get")?;
    let muster = Muster::start(&town.data, None)?;
    let path = format!("/{}/scim/v2/Users/{}", town.large.name, town.ids[0]);
    let asked = request(muster.address, "GET", &path, &town.large.token, None);
    let (_, body) = exchange(muster.address, &asked)?;
    let fixed = Fixed::start(&folder, body.as_bytes())?;
    let access = Access::new(muster.address, &town.large);
    let reads = Load::new(muster.address, GetUser { access, ids: Arc::clone(&town.ids) });
    let same = Load::new(fixed.address, GetFixed { request: asked, body_bytes: body.len() });
    for load in [&reads, &same] {
        load.run(CONNECTIONS, Until::Elapsed(WARM))?;
    }
    let met = meet(&reads, &muster.process, bench.scale.town)?;
    let (mut cpu, mut fixed_cpu) = (Vec::new(), Vec::new());
    let time = bench.scale.round;
    let [gets, ceiling] = interleaved(
        bench.scale.rounds,
        &mut [&mut || per_second(&reads, &muster.process, time, &mut cpu), &mut || {
            per_second(&same, &fixed.process, time, &mut fixed_cpu)
        }],
    )?;
    muster.stop()?;
    Ok(vec![Figure {
        name: "get",
        what: "GETs by id at 64 connections / an actix-web endpoint with a fixed body of that size",
        goal: Goal::AtLeast(0.55),
        rounds: ratios(&gets, &ceiling),
        behind: vec![
            ("GETs/s", gets),
            ("answers/s of the fixed endpoint", ceiling),
            ("us of processor time a GET", cpu),
            ("us of processor time, fixed endpoint", fixed_cpu),
            ("us of processor time a GET of the first three for each user", vec![met]),
        ],
    }])
}

pub(super) fn by_name(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let town = bench.town()?;
    let muster = Muster::start(&town.data, None)?;
    let load = |tenant, people| {
        Load::new(muster.address, FindUser { access: Access::new(muster.address, tenant), people })
    };
    let large = load(&town.large, bench.scale.town);
    let small = load(&town.small, VILLAGE);
    for load in [&large, &small] {
        load.run(CONNECTIONS, Until::Elapsed(WARM))?;
    }
    let met = meet(&large, &muster.process, bench.scale.town)?;
    let (mut cpu, mut small_cpu) = (Vec::new(), Vec::new());
    let time = bench.scale.round;
    let [finds, few] = interleaved(
        bench.scale.rounds,
        &mut [&mut || per_second(&large, &muster.process, time, &mut cpu), &mut || {
            per_second(&small, &muster.process, time, &mut small_cpu)
        }],
    )?;
    muster.stop()?;
    Ok(vec![Figure {
        name: "eq",
        what: "`userName eq` at 100,000 users / at 1,000",
        goal: Goal::AtLeast(0.9),
        rounds: ratios(&finds, &few),
        behind: vec![
            ("answers/s at 100,000", finds),
            ("answers/s at 1,000", few),
            ("us of processor time at 100,000", cpu),
            ("us of processor time at 1,000", small_cpu),
            ("us of processor time at 100,000 of the first three for each user", vec![met]),
        ],
    }])
}

pub(super) fn logged(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let off = bench.empty("request_log")?.join("off.toml");
    std::fs::write(&off, "[request_log]\nenabled = false\n")?;
    let server = |name, config| -> anyhow::Result<(Muster, Load)> {
        let place = bench.place(name, READ)?;
        let muster = Muster::start_with(&place.data, None, config)?;
        let access = Access::new(muster.address, &place.tenant);
        let reads = Load::new(muster.address, GetUser { access, ids: place.ids });
        reads.run(CONNECTIONS, Until::Asked(2 * READ))?;
        Ok((muster, reads))
    };
    let (with, logged) = server("logged", None)?;
    let (without, unlogged) = server("unlogged", Some(&off))?;
    let (mut cpu, mut bare_cpu) = (Vec::new(), Vec::new());
    let time = bench.scale.round;
    let [gets, bare] = interleaved(
        bench.scale.rounds,
        &mut [&mut || per_second(&logged, &with.process, time, &mut cpu), &mut || {
            per_second(&unlogged, &without.process, time, &mut bare_cpu)
        }],
    )?;
    let dropped = with.metric("muster_request_log_dropped_total")?;
    with.stop()?;
    without.stop()?;
    Ok(vec![Figure {
        name: "request_log",
        what: "GETs by id at 64 connections with the request log / without",
        goal: Goal::AtLeast(0.9),
        rounds: ratios(&gets, &bare),
        behind: vec![
            ("GETs/s, logged", gets),
            ("GETs/s, not logged", bare),
            ("us of processor time a GET, logged", cpu),
            ("us of processor time a GET, not logged", bare_cpu),
            ("GETs that the log dropped", vec![dropped]),
        ],
    }])
}
