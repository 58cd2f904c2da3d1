//! How much the fault runs do: a little with fixed seeds in `make test`, the full counts in `make soak`.
//!
//! A [`Plan`] says how many rounds a class of faults has and with which seed; a [`Tally`] counts what happened,
//! prints one line for the class, and fails the test if anything was lost or doubled. The environment is read
//! here and nowhere else: `SOAK_ROUNDS` is `full` or a number for every class, `SOAK_SEED` repeats a run,
//! `SOAK_REPORT` is a file that gets the line of each class as well.
//!
//! A class is a test that makes a `Plan`. `make soak` finds it by its module: those are listed in
//! `.config/nextest.toml`, and hold nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
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
        if soaks {
            // Said before anything can go wrong, so that every run can be repeated.
            println!("soak {class:<22} begins: rounds={rounds} seed={seed}");
        }
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
        let mut tally = Tally::default();
        tally.plan = self.clone();
        tally.began = Some(Instant::now());
        tally
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
    /// `None` once the line was printed.
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
    pub(crate) fn finish(mut self) {
        self.tell("");
        let lost = self.lost.iter().map(|what| format!("lost: {what}"));
        let doubled = self.doubled.iter().map(|what| format!("doubled: {what}"));
        let shown: Vec<_> = lost.chain(doubled).take(SHOWN_MAX).collect();
        assert!(shown.is_empty(), "{}: {shown:#?}", self.plan.class);
    }

    fn tell(&mut self, ending: &str) {
        let Some(began) = self.began.take() else { return };
        let line = format!(
            "soak {:<22} rounds={} faults={} acknowledged={} lost={} doubled={} seed={} seconds={}{}{ending}",
            self.plan.class,
            self.rounds,
            self.faults,
            self.acknowledged,
            self.lost.len(),
            self.doubled.len(),
            self.plan.seed,
            began.elapsed().as_secs(),
            self.notes,
        );
        println!("{line}");
        if let Some(report) = variable("SOAK_REPORT") {
            let report = fs::OpenOptions::new().create(true).append(true).open(report);
            let mut report = report.expect("the file of SOAK_REPORT can be written");
            writeln!(report, "{line}").expect("the file of SOAK_REPORT can be written");
        }
    }
}

impl Drop for Tally {
    /// A round that failed leaves its line too: the seed is in it.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell("  FAILED");
        }
    }
}

/// The modules whose files make plans, with the number of plans and of tests in each.
fn modules_with_plans(folder: &Path, module: &str, found: &mut BTreeMap<String, (usize, usize)>) {
    for entry in fs::read_dir(folder).expect("the folder of the tests can be read") {
        let path = entry.expect("the folder of the tests can be read").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a file's name").to_owned();
        let module = if module.is_empty() { name } else { format!("{module}::{name}") };
        if path.is_dir() {
            modules_with_plans(&path, &module, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && module != "soak" {
            let text = fs::read_to_string(&path).expect("a source file can be read");
            let plans = text.matches("Plan::of(").count();
            let tests =
                text.lines().filter(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
            if plans > 0 {
                found.insert(module, (plans, tests.count()));
            }
        }
    }
}

#[test]
fn make_soak_runs_every_class_of_faults_and_nothing_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = fs::read_to_string(root.join(".config/nextest.toml")).expect("nextest is configured");
    let config: toml::Table = config.parse().expect("the configuration is TOML");
    let filter = config["profile"]["soak"]["default-filter"].as_str().expect("a filter");
    let modules = filter.strip_prefix("test(/^(").and_then(|rest| rest.strip_suffix(")::[^:]+$/)"));
    let listed = modules.expect("the filter lists modules").split('|').map(str::to_owned);

    let mut found = BTreeMap::new();
    modules_with_plans(&root.join("tests/it"), "", &mut found);
    assert!(found.len() >= 2, "the scan of the source finds {found:?} only");
    let with_plans: BTreeSet<_> = found.keys().cloned().collect();
    assert_eq!(listed.collect::<BTreeSet<_>>(), with_plans, "profile.soak in .config/nextest.toml");
    for (module, (plans, tests)) in found {
        assert_eq!(plans, tests, "every test of {module} makes one plan: the others belong elsewhere");
    }
}
