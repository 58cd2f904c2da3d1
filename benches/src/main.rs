//! `make bench`: drives the real service on data folders of its own and compares it with what the machine can do.
//!
//! Absolute figures say more about the machine than about the product, so every figure is a ratio between sides that
//! take turns in the same run, or has a bound that holds on any machine. `docs/performance.md` names them all.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of a run are far below 2^52, and places in a list come from such counts"
)]

mod bench;
mod ceilings;
mod http;
mod load;
mod measure;
mod people;
mod report;
mod rounds;
mod scripts;
mod seed;
mod server;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;
use clap::{Parser, Subcommand, ValueEnum};

use bench::{Bench, Scale};

/// Measures Muster against the limits of this machine.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Cli {
    /// How large the measurements are: those of `quick` are too small for some goals.
    #[arg(long, value_enum, default_value_t)]
    scale: Size,
    /// Measures these figures only, and what is measured together with them.
    #[arg(long, value_name = "FIGURE", value_delimiter = ',')]
    only: Vec<String>,
    #[command(subcommand)]
    other: Option<Other>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Size {
    #[default]
    Full,
    Quick,
}

#[derive(Debug, Subcommand)]
enum Other {
    /// The ceiling of reads: answers the bytes of a file to everything.
    #[command(hide = true)]
    Fixed { body: PathBuf, address: SocketAddr },
    /// Fills a data folder, for a look at the service by hand; prints the tenant's token.
    Fill { data: PathBuf, people: u64 },
    /// Names every figure with its goal.
    List,
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    match cli.other {
        None => {
            // `--only=` chooses nothing, as if it were left out.
            let only: Vec<String> = cli.only.into_iter().filter(|name| !name.is_empty()).collect();
            run(cli.scale, &only)
        }
        Some(Other::Fixed { body, address }) => {
            ceilings::serve_fixed(&body, address)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Other::Fill { data, people }) => {
            let token = bench::fill(&data, people)?;
            writeln!(std::io::stdout(), "{token}")?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Other::List) => {
            for measurement in measure::ALL {
                writeln!(std::io::stdout(), "{}", measurement.figures.join(" "))?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A missed goal is a finding, not a failure: whoever runs this looks at the report.
fn run(size: Size, only: &[String]) -> anyhow::Result<ExitCode> {
    let known = |name: &String| measure::ALL.iter().any(|one| one.figures.contains(&name.as_str()));
    if let Some(unknown) = only.iter().find(|name| !known(name)) {
        bail!("there is no figure `{unknown}`; `bench list` names them");
    }
    let scale = match size {
        Size::Full => Scale::FULL,
        Size::Quick => Scale::QUICK,
    };
    let began = Instant::now();
    let bench = Bench::new(scale)?;
    let mut figures = Vec::new();
    for measurement in measure::ALL {
        let chosen = measurement.figures.iter().any(|figure| only.iter().any(|name| name == figure));
        if !only.is_empty() && !chosen {
            continue;
        }
        for figure in (measurement.measure)(&bench)? {
            figure.print()?;
            figures.push(figure);
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let path = bench::home()?.join("report.json");
    report::write(&path, scale.name, seconds, &figures)?;
    let reached = figures.iter().filter(|figure| figure.reached()).count();
    let count = figures.len();
    writeln!(std::io::stdout(), "{reached} of {count} goals reached in {seconds:.0} s; {}", path.display())?;
    Ok(ExitCode::SUCCESS)
}
