//! A tenant with a million users and events: memory, start after a kill, rebuild of the views.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::writes::CONNECTIONS;
use crate::bench::{Bench, PAGE};
use crate::load::{Load, Until};
use crate::report::{Figure, Goal};
use crate::scripts::{Access, CreateUser, FindUser, GetUser, List, SwitchUser};
use crate::server::Muster;

const MIB: f64 = 1_048_576.0;
/// How often a rebuild is asked how far it is.
const GLANCE: Duration = Duration::from_millis(20);
/// How long a rebuild may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// Every kind of load in turn, then the most memory that the process ever had.
pub(super) fn memory(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let city = bench.city()?;
    let muster = Muster::start(&city.data, None)?;
    let access = Access::new(muster.address, &city.tenant);
    let idle = muster.process.memory("VmRSS")? / MIB;
    let until = Until::Elapsed(bench.scale.round);
    let ids = Arc::clone(&city.ids);
    Load::new(muster.address, GetUser { access: access.clone(), ids: Arc::clone(&ids) })
        .run(CONNECTIONS, until)?;
    let find = FindUser { access: access.clone(), people: bench.scale.city };
    Load::new(muster.address, find).run(CONNECTIONS, until)?;
    let path = format!("/Users?startIndex={}&count={PAGE}", bench.scale.city / 2);
    let page = List { access: access.clone(), path, holding: format!("\"itemsPerPage\":{PAGE}") };
    Load::new(muster.address, page).run(8, until)?;
    let path = format!("/Users?filter=title%20co%20%22Special%22&count={PAGE}");
    let search = List { access: access.clone(), path, holding: format!("\"itemsPerPage\":{PAGE}") };
    Load::new(muster.address, search).run(8, Until::Asked(8))?;
    let switch = SwitchUser { access: access.clone(), ids };
    Load::new(muster.address, switch).run(CONNECTIONS, until)?;
    let create = CreateUser { access, first: bench.scale.city, created: Arc::default() };
    Load::new(muster.address, create).run(CONNECTIONS, until)?;
    let peak = muster.process.memory("VmHWM")? / MIB;
    let own = muster.process.memory("RssAnon")? / MIB;
    // Killed in the middle of its work, for the start that is measured next.
    drop(muster);
    Ok(vec![Figure {
        name: "memory",
        what: "MiB of memory at most, after every kind of load on a tenant of 1,000,000 users",
        goal: Goal::AtMost(200.0),
        rounds: vec![peak],
        behind: vec![("MiB after start", vec![idle]), ("MiB of its own at the end", vec![own])],
    }])
}

pub(super) fn start(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let city = bench.city()?;
    let mut seconds = Vec::new();
    let mut writes = Muster::start(&city.data, None)?;
    for round in 0..bench.scale.rounds {
        let access = Access::new(writes.address, &city.tenant);
        let first = bench.scale.city * 2 + round as u64 * 1_000_000;
        let create = CreateUser { access, first, created: Arc::default() };
        Load::new(writes.address, create).run(CONNECTIONS, Until::Elapsed(bench.scale.round / 4))?;
        // `kill -9`, then a start on what that left.
        drop(writes);
        writes = Muster::start(&city.data, None)?;
        seconds.push(writes.ready_after.as_secs_f64());
    }
    writes.stop()?;
    Ok(vec![Figure {
        name: "start",
        what: "seconds from exec to ready, after a kill under load, at 1,000,000 events",
        goal: Goal::AtMost(1.0),
        rounds: seconds,
        behind: Vec::new(),
    }])
}

pub(super) fn rebuild(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let city = bench.city()?;
    let muster = Muster::start(&city.data, None)?;
    let path = format!("/admin/v1/tenants/{}/projections/rebuild", city.tenant.name);
    let (mut rates, mut cpu, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.scale.rounds.min(3) {
        let (began, before) = (Instant::now(), muster.process.cpu_us()?);
        let mut progress = muster.operate("POST", &path, None)?;
        while progress["state"] == "running" {
            if began.elapsed() > PATIENCE {
                bail!("a rebuild does not end");
            }
            std::thread::park_timeout(GLANCE);
            progress = muster.operate("GET", &path, None)?;
        }
        if progress["state"] != "done" {
            bail!("a rebuild failed: {progress}");
        }
        // Each event counts once, although both views take it in.
        let events = progress["events_total"].as_f64().unwrap_or(f64::NAN);
        rates.push(events / began.elapsed().as_secs_f64());
        cpu.push((muster.process.cpu_us()? - before) / events);
        memory.push(muster.process.memory("VmHWM")? / MIB);
    }
    muster.stop()?;
    Ok(vec![Figure {
        name: "rebuild",
        what: "events/s of a rebuild, from the question until both views are in their places",
        goal: Goal::AtLeast(60_000.0),
        rounds: rates,
        behind: vec![("us of processor time an event", cpu), ("MiB of memory at most", memory)],
    }])
}
