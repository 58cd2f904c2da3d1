//! What was measured: figures with their goals, as a table for people and as JSON for machines.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

/// What a figure should reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// A measured figure: one value a round.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    /// What is divided by what, or what is counted.
    pub(crate) what: &'static str,
    pub(crate) goal: Goal,
    pub(crate) rounds: Vec<f64>,
    /// What lies behind it: values with their units, one a round.
    pub(crate) behind: Vec<(&'static str, Vec<f64>)>,
}

/// The middle of some values; of an even number the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[length / 2],
        length => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
    }
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn greatest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Rounded to what a reader can use.
fn shown(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

impl Figure {
    pub(crate) fn reached(&self) -> bool {
        let value = median(&self.rounds);
        match self.goal {
            Goal::AtLeast(goal) => value >= goal,
            Goal::AtMost(goal) => value <= goal,
        }
    }

    fn goal_text(&self) -> String {
        match self.goal {
            Goal::AtLeast(goal) => format!(">= {goal}"),
            Goal::AtMost(goal) => format!("<= {goal}"),
        }
    }

    /// One line for the figure and one for each value behind it.
    pub(crate) fn print(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        let verdict = if self.reached() { "reached" } else { "NOT reached" };
        writeln!(
            out,
            "{:<18} {:>9}  ({} to {})  goal {:<8} {verdict:<12} {}",
            self.name,
            shown(median(&self.rounds)),
            shown(least(&self.rounds)),
            shown(greatest(&self.rounds)),
            self.goal_text(),
            self.what,
        )?;
        for (what, values) in &self.behind {
            let (middle, low, high) = (median(values), least(values), greatest(values));
            writeln!(out, "  {:>25}  ({} to {})  {what}", shown(middle), shown(low), shown(high))?;
        }
        out.flush()
    }

    fn json(&self) -> Value {
        let behind = self.behind.iter().map(|(what, values)| {
            json!({"what": what, "median": median(values), "least": least(values), "greatest": greatest(values),
                   "rounds": values})
        });
        json!({
            "name": self.name,
            "what": self.what,
            "goal": self.goal_text(),
            "reached": self.reached(),
            "median": median(&self.rounds),
            "least": least(&self.rounds),
            "greatest": greatest(&self.rounds),
            "rounds": self.rounds,
            "behind": behind.collect::<Vec<_>>(),
        })
    }
}

/// Writes all figures as one JSON document.
pub(crate) fn write(path: &Path, scale: &str, seconds: f64, figures: &[Figure]) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let report = json!({
        "release": env!("CARGO_PKG_VERSION"),
        "scale": scale,
        "seconds": seconds,
        "machine": {"cores": cores, "processor": processor.map(|(_, name)| name)},
        "reached": figures.iter().filter(|figure| figure.reached()).count(),
        "figures": figures.iter().map(Figure::json).collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&report).context("the report")?;
    std::fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))
}
