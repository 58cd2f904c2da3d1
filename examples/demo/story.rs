//! Replays a recorded conversation at human speed and prints each exchange.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::oneshot;
use ureq::Agent;

use crate::player::{self, Conversation, Moment, Request, Response, Service};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What an administrator pastes into an identity provider.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) base_url: String,
    pub(crate) token: String,
}

/// Plays a file of `tests/wire/demo` on a thread of its own, which an interrupted demo leaves behind.
pub(crate) async fn play(file: &str, account: &Account) -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/demo").join(file);
    let conversation = Conversation::load(&path).map_err(anyhow::Error::msg)?;
    let service = Service { base: account.base_url.clone(), token: account.token.clone() };
    println!("\n== {}", conversation.name);
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        let agent: Agent =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into();
        let played = player::play(&conversation, &service, &mut |request| send(&agent, request), &mut print);
        // Nobody listens any more if the demo was interrupted.
        drop(tell.send(played));
    });
    told.await.context("the conversation broke off")??;
    Ok(())
}

fn print(moment: &Moment<'_>) {
    match moment {
        Moment::Sending { title, pause, .. } => {
            wait(*pause);
            println!("\n  {title}");
        }
        Moment::Answered { request, response, .. } => {
            println!("     {} {} -> {}", request.method, request.path, response.status);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the pause is what makes it human speed")]
fn wait(pause: Duration) {
    std::thread::sleep(pause);
}

fn send(agent: &Agent, request: &Request) -> Result<Response, String> {
    let mut builder = ureq::http::Request::builder().method(request.method.as_str()).uri(&request.url);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let body = request.body.as_deref();
    let answer = match body {
        Some(body) => builder.body(body).map(|request| agent.run(request)),
        None => builder.body(()).map(|request| agent.run(request)),
    };
    let mut answer = answer.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    let headers = answer.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    Ok(Response {
        status: answer.status().as_u16(),
        headers: headers.collect(),
        body: answer.body_mut().read_to_string().map_err(|error| error.to_string())?,
    })
}
