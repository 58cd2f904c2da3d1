//! `make demo`: a NATS server, Muster with one tenant, and two identity providers that provision into it.
//!
//! Starts both servers on free loopback ports, with their files under `target/demo/<pid>`; replays the two
//! conversations of `tests/wire/demo` at human speed; prints each deprovisioning message as a consumer of the
//! broker receives it; and keeps serving until Ctrl-C. It knows Muster from outside only: by its command line,
//! SCIM and NATS.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a demo talks to the person who runs it")]

mod consumer;
mod servers;
mod story;

#[path = "../../tests/it/wire/player.rs"]
#[expect(dead_code, reason = "the tests use more of the player than the demo does")]
mod player;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};

use servers::{Muster, Servers};
use story::Account;

/// The tenant of the demo.
const TENANT: &str = "acme";
/// How long the broker may take to hand out what was published last.
const LAST_MESSAGES: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> ExitCode {
    match demo().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs until it is interrupted or something ends that should not; stops the servers either way.
async fn demo() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut servers = Servers::start()?;
    let muster = servers.muster();
    let ended = tokio::select! {
        ended = show(&muster) => ended,
        ended = servers.watch() => ended,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
    };
    println!("\nStopping.");
    let stopped = servers.stop().await;
    println!("The data are still in {}.", muster.folder.display());
    ended.and(stopped)
}

/// Sets the tenant up, plays the story and serves from then on.
async fn show(muster: &Muster) -> anyhow::Result<()> {
    muster.ready().await?;
    println!("Muster serves on {} and publishes to {}.", muster.url, muster.nats_url);
    let (entra, okta) = set_up(muster)?;
    println!("It has a tenant `{TENANT}` with two clients: `default` for Entra ID, and `okta`.");
    let mut messages = consumer::subscribe(&muster.nats_url, TENANT).await?;
    tokio::select! {
        ended = messages.print() => ended,
        ended = tell(muster, &okta, &entra) => ended,
    }
}

async fn tell(muster: &Muster, okta: &Account, entra: &Account) -> anyhow::Result<()> {
    for (file, account) in [("okta.json", okta), ("entra.json", entra)] {
        story::play(file, account).await?;
        tokio::time::sleep(LAST_MESSAGES).await;
    }
    print_directions(muster, okta, entra);
    std::future::pending().await
}

/// Makes the tenant and its clients with the commands that an operator would type.
fn set_up(muster: &Muster) -> anyhow::Result<(Account, Account)> {
    let created = muster.command(&["tenant", "create", TENANT, "--kind", "entra"])?;
    muster.command(&["client", "create", "--tenant", TENANT, "okta", "--kind", "okta"])?;
    let issued = muster.command(&["token", "issue", "--tenant", TENANT, "--client", "okta"])?;
    let (Some(base_url), Some(entra), Some(okta)) =
        (created["base_url"].as_str(), created["token"].as_str(), issued["token"].as_str())
    else {
        bail!("the commands answered without base URL or token: {created} {issued}");
    };
    let account = |token: &str| Account { base_url: base_url.to_owned(), token: token.to_owned() };
    Ok((account(entra), account(okta)))
}

/// How to go on from here.
fn print_directions(muster: &Muster, okta: &Account, entra: &Account) {
    let command = |arguments: &str| muster.command_line(arguments);
    println!(
        "
------------------------------------------------------------------------------
SCIM base URL    {base_url}
token (Entra)    {entra}
token (Okta)     {okta}

The tokens are shown this once. Try one:
  curl -H 'Authorization: Bearer {okta}' '{base_url}/Users?count=5'

What happened to a person, who was active at an instant, what was recorded:
  {timeline}
  {access}
  {events}
  {outbox}

ready: serving until Ctrl-C",
        base_url = okta.base_url,
        entra = entra.token,
        okta = okta.token,
        timeline = command(&format!("timeline --tenant {TENANT} chloe@example.com")),
        access = command(&format!("access --tenant {TENANT} --at \"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"")),
        events = command(&format!("events list --tenant {TENANT}")),
        outbox = command("outbox status"),
    );
}

/// A port that is free now.
fn free_port() -> anyhow::Result<u16> {
    let listener =
        std::net::TcpListener::bind("127.0.0.1:0").context("no port is free on the loopback network")?;
    Ok(listener.local_addr()?.port())
}
