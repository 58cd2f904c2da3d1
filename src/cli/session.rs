//! One run of a command: whom it asks, in which form it answers, and where the answer goes.

use std::io::Write;

use serde_json::Value;

use super::api::{Api, Target};
use super::call::{Call, Verb, View};
use super::exit::Failure;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum Output {
    /// Text for people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// CSV, where rows come out.
    Csv,
}

/// One run of a command.
pub(super) struct Session {
    target: Target,
    /// The form of the answer.
    pub(super) output: Output,
    /// Where the answer goes.
    pub(super) out: Box<dyn Write>,
}

impl Session {
    /// A session that will ask the target.
    pub(super) fn new(target: Target, output: Output, out: Box<dyn Write>) -> Self {
        Self { target, output, out }
    }

    /// Finds the service, or the folder of a stopped one.
    pub(super) fn api(&self) -> Result<Api, Failure> {
        Api::find(&self.target)
    }

    /// Refuses CSV where no rows come out; called before anything is asked, for it may change something.
    pub(super) fn refuse_csv(&self) -> Result<(), Failure> {
        match self.output {
            Output::Csv => {
                Err(Failure::usage("no rows come out of this command, so --output csv has no meaning"))
            }
            Output::Table | Output::Json => Ok(()),
        }
    }

    /// Sends a call, shows its answer and says what exit code that means.
    pub(super) fn perform(&mut self, call: &Call) -> Result<u8, Failure> {
        if matches!(call.view, View::Text(_)) {
            self.refuse_csv()?;
        }
        let answer = self.api()?.send(call.verb, &call.path, call.body.as_ref())?;
        self.show(call.view, &answer)?;
        Ok((call.verdict)(&answer))
    }

    /// Reads one document.
    pub(super) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.api()?.send(Verb::Get, path, None)
    }

    /// Shows an answer in the form that was asked for.
    pub(super) fn show(&mut self, view: View, answer: &Value) -> Result<(), Failure> {
        let text = match (self.output, view) {
            (Output::Json, _) => format!("{answer:#}\n"),
            (Output::Csv, View::Rows(table)) => table(answer).to_csv(),
            (_, View::Rows(table)) => table(answer).to_text(),
            (_, View::Text(text)) => text(answer),
        };
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }
}
