//! Lists of a large tenant: pages far down, searches without an index, and who has to wait for those.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;

use crate::bench::{Bench, PAGE};
use crate::load::{Load, Until};
use crate::people;
use crate::report::{Figure, Goal};
use crate::rounds::{interleaved, ratios};
use crate::scripts::{Access, GetUser, List};
use crate::server::Muster;

/// Pages in a round.
const PAGES: u64 = 100;
/// Connections that read by id while somebody searches, and connections that search.
const READERS: usize = 4;
const SEARCHERS: usize = 4;
/// No index knows the parts of values that these ask for.
const CONTAINS: &str =
    "emails.value%20co%20%22kowal%22%20or%20addresses.streetAddress%20co%20%2277%20Long%22";
const COMPLEX: &str = "(title%20sw%20%22Legal%22%20and%20addresses%5Btype%20eq%20%22work%22%20and%20streetAddress%20eq%20\
                       %2277%20Long%20Acre%22%5D)%20or%20(name.familyName%20ew%20%22czyk%22%20and%20not%20(userType%20\
                       eq%20%22Employee%22))";

fn contains_matches(number: u64) -> bool {
    people::user_name(number).to_lowercase().contains("kowal") || people::floor(number) == 77
}

fn complex_matches(number: u64) -> bool {
    people::department(number) == "Legal" && people::floor(number) == 77
}

pub(super) fn pages(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let town = bench.town()?;
    let muster = Muster::start(&town.data, None)?;
    let access = Access::new(muster.address, &town.large);
    let page = |start: u64| {
        let path = format!("/Users?startIndex={start}&count={PAGE}");
        let holding = format!("\"totalResults\":{},", bench.scale.town);
        Load::new(muster.address, List { access: access.clone(), path, holding })
    };
    let (first, deep) = (page(1), page(bench.scale.town / 10 * 9));
    let median_ms = |load: &Load| Ok(load.run(1, Until::Asked(PAGES))?.quantile_ms(0.5));
    let [deep_ms, first_ms] =
        interleaved(bench.scale.rounds, &mut [&mut || median_ms(&deep), &mut || median_ms(&first)])?;
    muster.stop()?;
    Ok(vec![Figure {
        name: "page_deep",
        what: "a page of 100 at 90 % of 100,000 users / the first page",
        goal: Goal::AtMost(2.0),
        rounds: ratios(&deep_ms, &first_ms),
        behind: vec![("ms, page at 90 %", deep_ms), ("ms, first page", first_ms)],
    }])
}

pub(super) fn searches(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let town = bench.town()?;
    let muster = Muster::start(&town.data, None)?;
    let access = Access::new(muster.address, &town.large);
    let search = |filter: &str, matches: fn(u64) -> bool| {
        let path = format!("/Users?filter={filter}&count={PAGE}");
        let count = (0..bench.scale.town).filter(|number| matches(*number)).count();
        let holding = format!("\"totalResults\":{count},");
        Load::new(muster.address, List { access: access.clone(), path, holding })
    };
    let (contains, complex) = (search(CONTAINS, contains_matches), search(COMPLEX, complex_matches));
    let median_ms = |load: &Load| Ok(load.run(1, Until::Asked(3))?.quantile_ms(0.5));
    let [contains_ms, complex_ms] =
        interleaved(bench.scale.rounds, &mut [&mut || median_ms(&contains), &mut || median_ms(&complex)])?;

    let reads = Load::new(muster.address, GetUser { access: access.clone(), ids: Arc::clone(&town.ids) });
    let p99_ms = || Ok(reads.run(READERS, Until::Elapsed(bench.scale.round))?.quantile_ms(0.99));
    let mut searched = Vec::new();
    let [busy_ms, quiet_ms] = interleaved(
        bench.scale.rounds,
        &mut [&mut || while_searching(&contains, &mut searched, p99_ms), &mut || p99_ms()],
    )?;
    muster.stop()?;
    let seconds = |ms: &[f64]| ms.iter().map(|ms| ms / 1_000.0).collect();
    Ok(vec![
        Figure {
            name: "search_contains",
            what: "seconds of a `co` over 100,000 users without an index",
            goal: Goal::AtMost(1.0),
            rounds: seconds(&contains_ms),
            behind: Vec::new(),
        },
        Figure {
            name: "search_complex",
            what: "seconds of a complex filter over 100,000 users without an index",
            goal: Goal::AtMost(1.0),
            rounds: seconds(&complex_ms),
            behind: Vec::new(),
        },
        Figure {
            name: "search_delay",
            what: "99 % of point reads while four clients search / while nobody does",
            goal: Goal::AtMost(3.0),
            rounds: ratios(&busy_ms, &quiet_ms),
            behind: vec![
                ("ms, while four clients search", busy_ms),
                ("ms, while nobody does", quiet_ms),
                ("searches/s meanwhile", searched),
            ],
        },
    ])
}

/// Measures something while other connections search without a pause.
fn while_searching(
    search: &Load,
    searched: &mut Vec<f64>,
    measure: impl FnOnce() -> anyhow::Result<f64>,
) -> anyhow::Result<f64> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| -> anyhow::Result<f64> {
            let (mut requests, began) = (0, std::time::Instant::now());
            while !over.load(Ordering::Relaxed) {
                requests += search.run(SEARCHERS, Until::Asked(SEARCHERS as u64))?.requests();
            }
            Ok(requests as f64 / began.elapsed().as_secs_f64())
        });
        let measured = measure();
        over.store(true, Ordering::Relaxed);
        searched.push(thread.join().ok().context("the searching thread")??);
        measured
    })
}
