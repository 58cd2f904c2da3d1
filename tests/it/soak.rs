//! How much the fault runs do: a little with fixed seeds in `make test`, the full counts in `make soak`.
//!
//! A [`Plan`] says how many rounds a class of faults has and with which seed; a [`Tally`] counts what happened,
//! prints one line for the class, and fails the test if anything was lost or doubled. The environment is read
//! here and nowhere else: `SOAK_ROUNDS` is `full` or a number for every class, `SOAK_SEED` repeats a run.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::dice::Dice;

/// The seed of `make test`.
const FIXED_SEED: u64 = 20_260_101;

/// How many contradictions a failure shows: the first ones tell most.
const SHOWN_MAX: usize = 10;

/// What a class of faults does in this run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    class: &'static str,
    pub(crate) rounds: u64,
    pub(crate) seed: u64,
    /// The full counts were asked for: times are asserted, in a release build.
    pub(crate) soaks: bool,
}

impl Plan {
    /// So many rounds in `make test`, so many in `make soak`.
    pub(crate) fn of(class: &'static str, in_test: u64, in_soak: u64) -> Self {
        let wanted = variable("SOAK_ROUNDS");
        let soaks = wanted.is_some();
        let rounds = match wanted.as_deref() {
            None => in_test,
            Some("full") => in_soak,
            Some(number) => number.parse().expect("SOAK_ROUNDS is `full` or a number"),
        };
        let seed = match variable("SOAK_SEED") {
            Some(seed) => seed.parse().expect("SOAK_SEED is a number"),
            None if soaks => fresh_seed(),
            None => FIXED_SEED,
        };
        Self { class, rounds, seed, soaks }
    }

    /// Dice that fall the same way for the same seed and round.
    pub(crate) fn dice(&self, round: u64) -> Dice {
        // Neighbouring rounds must not fall alike, and a linear generator alone would let them (SplitMix64's mixing).
        let mut mixed = self.seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Dice::new(mixed ^ (mixed >> 31))
    }

    pub(crate) fn tally(&self) -> Tally {
        Tally { plan: self.clone(), began: Some(Instant::now()), ..Tally::default() }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where the fault runs read their environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn fresh_seed() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    // Short enough to be typed again.
    u64::from_be_bytes(bytes) % 1_000_000_000
}

/// A moment from one to the other.
pub(crate) fn between(dice: &mut Dice, least: Duration, most: Duration) -> Duration {
    let range = usize::try_from(most.saturating_sub(least).as_micros()).expect("a short time");
    least + Duration::from_micros(dice.below(range + 1) as u64)
}

/// What a class of faults came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    plan: Plan,
    began: Option<Instant>,
    pub(crate) rounds: u64,
    pub(crate) faults: u64,
    /// Writes that were answered 2xx.
    pub(crate) acknowledged: u64,
    lost: Vec<String>,
    doubled: Vec<String>,
    notes: String,
}

impl Tally {
    /// Something that was answered 2xx is not there.
    pub(crate) fn lost(&mut self, what: String) {
        self.lost.push(what);
    }

    /// Something is there twice, or was refused and is there all the same.
    pub(crate) fn doubled(&mut self, what: String) {
        self.doubled.push(what);
    }

    /// Something more to say at the end of the line.
    pub(crate) fn note(&mut self, text: &str) {
        write!(self.notes, "  {text}").expect("a String takes everything");
    }

    /// Prints the line of this class and fails if anything was lost or doubled.
    pub(crate) fn finish(self) {
        let Self { plan, began, rounds, faults, acknowledged, lost, doubled, notes } = self;
        println!(
            "soak {:<22} rounds={rounds} faults={faults} acknowledged={acknowledged} lost={} doubled={} \
             seed={} seconds={}{notes}",
            plan.class,
            lost.len(),
            doubled.len(),
            plan.seed,
            began.map_or(0, |began| began.elapsed().as_secs()),
        );
        let shown: Vec<_> = lost
            .iter()
            .map(|what| format!("lost: {what}"))
            .chain(doubled.iter().map(|what| format!("doubled: {what}")))
            .take(SHOWN_MAX)
            .collect();
        assert!(shown.is_empty(), "{}: {:#?}", plan.class, shown);
    }
}
