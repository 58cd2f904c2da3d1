//! The command line: what can be typed, and which file answers it.
//!
//! `serve` runs the service. Every other command asks a running service over its admin and audit interface, or
//! reads a folder whose service is stopped; none of them opens a log or a view to change it. Errors go to stderr
//! as `error: …` and, where there is a remedy, `hint: …` with the exact command.

mod access;
mod api;
mod call;
mod client;
mod events;
pub mod exit;
mod group;
mod observe;
mod operator;
mod outbox;
mod profile;
mod projections;
mod requests;
mod session;
mod setup;
mod table;
mod tenant;
mod timeline;
mod token;
mod user;
mod why;
mod words;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::flags::{self, Flags};
use api::Target;
use exit::Failure;
use session::{Output, Session};

/// An event-sourced SCIM 2.0 provisioning engine.
#[derive(Debug, Parser)]
#[command(name = "muster", version, propagate_version = true)]
struct Cli {
    /// Data folder: of the service to run, or of the one to ask.
    #[arg(long, global = true, value_name = "DIR", env = "MUSTER_DATA")]
    data: Option<PathBuf>,
    /// Service to ask instead of that of a data folder, with the token in `MUSTER_TOKEN`.
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// File with the master key [default: in the data folder].
    #[arg(long, global = true, value_name = "FILE", env = "MUSTER_MASTER_KEY_FILE")]
    master_key_file: Option<PathBuf>,
    /// Form of the answer.
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the service.
    Serve(Box<Flags>),
    /// Creates, shows and closes tenants.
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// Profiles that tenants are set up by.
    #[command(subcommand)]
    Profile(profile::Command),
    /// Connections of identity providers.
    #[command(subcommand)]
    Client(client::Command),
    /// Tokens of clients and auditors.
    #[command(subcommand)]
    Token(token::Command),
    /// People who run this service.
    #[command(subcommand)]
    Operator(operator::Command),
    /// Groups made by hand.
    #[command(subcommand)]
    Group(group::Command),
    /// First sign-ins of invited users.
    #[command(subcommand)]
    User(user::Command),
    /// What was recorded.
    #[command(subcommand)]
    Events(events::Command),
    /// What happened to a person: by whom, when, from what to what.
    Timeline(timeline::Command),
    /// Who was active at an instant.
    Access(access::Command),
    /// What identity providers asked, and what became of it.
    #[command(subcommand)]
    Requests(requests::Command),
    /// Why somebody is, or is not, provisioned, and who has to mend what.
    Why(why::Command),
    /// What to fill in at an identity provider, and how far a connection has come.
    #[command(subcommand)]
    Setup(setup::Command),
    /// The views that are built from the log.
    #[command(subcommand)]
    Projections(projections::Command),
    /// What a tenant that is not published yet would have set off.
    #[command(subcommand)]
    Observe(observe::Command),
    /// Publishing to NATS.
    #[command(subcommand)]
    Outbox(outbox::Command),
}

/// Runs the command that the arguments name and says how it went.
pub fn run<I, T>(arguments: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(message) => {
            // Help and the release go to stdout and are no failure; clap knows. If nobody listens any more,
            // there is nobody left to tell.
            let _unheard = message.print();
            return ExitCode::from(if message.use_stderr() { exit::USAGE } else { exit::OK });
        }
    };
    match answer(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if !failure.is_silent() {
                let _unheard = writeln!(std::io::stderr(), "{failure}");
            }
            ExitCode::from(failure.code())
        }
    }
}

fn answer(cli: Cli) -> Result<u8, Failure> {
    let target =
        Target { data: cli.data, url: cli.url, token: flags::token(), master_key_file: cli.master_key_file };
    let command = match cli.command {
        Command::Serve(flags) => return serve(*flags, target),
        other => other,
    };
    let mut session = Session::new(target, cli.output, Box::new(std::io::stdout().lock()));
    match command {
        Command::Serve(_) => unreachable!("serve was answered above"),
        Command::Tenant(command) => session.perform(&command.call()?),
        Command::Profile(command) => command.run(&mut session),
        Command::Client(command) => session.perform(&command.call()),
        Command::Token(command) => session.perform(&command.call()),
        Command::Operator(command) => session.perform(&command.call()),
        Command::Group(command) => session.perform(&command.call()),
        Command::User(command) => command.run(&mut session),
        Command::Events(command) => command.run(&mut session),
        Command::Timeline(command) => session.perform(&command.call()),
        Command::Access(command) => session.perform(&command.call()),
        Command::Requests(command) => command.run(&mut session),
        Command::Why(command) => session.perform(&command.call()),
        Command::Setup(command) => command.run(&mut session),
        Command::Projections(command) => command.run(&mut session),
        Command::Observe(command) => session.perform(&command.call()),
        Command::Outbox(command) => session.perform(&command.call()),
    }
}

fn serve(flags: Flags, target: Target) -> Result<u8, Failure> {
    if target.url.is_some() {
        return Err(Failure::usage("serve runs a service here, it cannot be given --url"));
    }
    let config = flags
        .resolve(target.data, target.master_key_file)
        .map_err(|error| Failure::usage(error.to_string()))?;
    crate::telemetry::init(&config.log).map_err(|error| Failure::usage(error.to_string()))?;
    crate::app::run(config).map_err(|error| Failure::new(exit::FAILURE, told(&error)))?;
    Ok(exit::OK)
}

/// What went wrong and what was behind it, each said once: some errors tell their causes themselves.
fn told(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |told, cause| {
        let cause = cause.to_string();
        match told.as_str() {
            "" => cause,
            said if said.ends_with(&cause) => told,
            said => format!("{said}: {cause}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn a_cause_that_was_told_is_not_told_again() {
        #[derive(Debug, thiserror::Error)]
        #[error("log.db: {0}")]
        struct Outer(#[source] std::io::Error);
        let error = anyhow::Error::new(Outer(std::io::Error::other("it is broken"))).context("system");
        assert_eq!(told(&error), "system: log.db: it is broken");
    }

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_flag_explains_itself() {
        fn check(command: &clap::Command, path: &str) {
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{path} --{} has no help", argument.get_id());
            }
            for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
                let path = format!("{path} {}", inner.get_name());
                assert!(inner.get_about().is_some(), "{path} has no help");
                check(inner, &path);
            }
        }
        check(&Cli::command(), "muster");
    }

    #[test]
    fn commands_that_people_are_told_can_be_run_as_they_are_printed() {
        let told = crate::explanations::all().flat_map(|explanation| {
            explanation.remedies.iter().map(|remedy| (explanation.code.clone(), remedy.r#do.clone()))
        });
        let traps = crate::reports::told_by_traps();
        let traps = traps.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned()));
        let mut commands = 0;
        for (code, text) in told.chain(traps) {
            for command in text.split('`').filter(|part| part.starts_with("muster ")) {
                let places = [("<n>", "5"), ("<revision>", "7"), ("<tenant>", "acme")];
                let command =
                    places.iter().fold(command.to_owned(), |text, (place, name)| text.replace(place, name));
                let parsed = Cli::try_parse_from(command.split_whitespace());
                assert!(parsed.is_ok(), "{code}: `{command}`: {}", parsed.unwrap_err());
                commands += 1;
            }
        }
        assert!(commands > 20, "{commands}");
    }
}
