//! A running service, asked over HTTP.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use ureq::config::ConfigBuilder;
use ureq::http::Request;
use ureq::typestate::AgentScope;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector as _, TcpConnector};
use ureq::{Agent, Body};

use super::pinned::PinnedTls;
use crate::cli::exit::{self, Failure};

/// A service on the same machine, or behind a quick proxy, takes a connection at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Comparing the views of a large tenant reads its whole log before it answers.
const ANSWER_TIMEOUT: Duration = Duration::from_hours(1);
/// An answer is held in memory; 100,000 people with their groups are about a tenth of this.
const ANSWER_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// A running service and the token it wants.
pub(in crate::cli) struct Server {
    agent: Agent,
    url: String,
    token: String,
}

impl Server {
    /// A service anywhere. Its certificate must be one that browsers would take.
    pub(super) fn remote(url: &str, token: String) -> Self {
        Self::asked_by(settings().build().new_agent(), url, token)
    }

    /// The service of a folder on this machine: no proxy stands between, and with TLS its certificate must be
    /// the very one in that file, whoever issued it and to whatever name.
    pub(super) fn local(url: &str, token: String, certificate: Option<&Path>) -> Result<Self, Failure> {
        let config = settings().proxy(None).build();
        let agent = match certificate {
            None => config.new_agent(),
            Some(path) => {
                let tls = PinnedTls::read(path).map_err(|error| {
                    let message = format!("cannot read the certificate {}: {error}", path.display());
                    Failure::new(exit::FAILURE, message)
                })?;
                let connector = ().chain(TcpConnector::default()).chain(tls);
                Agent::with_parts(config, connector, DefaultResolver::default())
            }
        };
        Ok(Self::asked_by(agent, url, token))
    }

    fn asked_by(agent: Agent, url: &str, token: String) -> Self {
        Self { agent, url: url.trim_end_matches('/').to_owned(), token }
    }

    /// Sends a request; any status is an answer.
    pub(super) fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), Failure> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.token))
            .header("accept", "application/json");
        let answer = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json").body(body.to_string());
                self.agent.run(request.map_err(|error| self.bad_request(&error))?)
            }
            None => self.agent.run(request.body(()).map_err(|error| self.bad_request(&error))?),
        };
        let (parts, body) = answer.map_err(|error| self.not_reachable(&error))?.into_parts();
        Ok((parts.status.as_u16(), self.document(body)?))
    }

    /// The document in a body; null if there is none, or if it is not JSON, as from a proxy.
    fn document(&self, mut body: Body) -> Result<Value, Failure> {
        let read = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let bytes = read.map_err(|error| self.not_reachable(&error))?;
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    fn bad_request(&self, error: &ureq::http::Error) -> Failure {
        Failure::usage(format!("{} is no address of a service, or the token is malformed: {error}", self.url))
    }

    fn not_reachable(&self, error: &ureq::Error) -> Failure {
        Failure::new(exit::NOT_REACHABLE, format!("no service answers at {}: {error}", self.url))
    }
}

fn settings() -> ConfigBuilder<AgentScope> {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(ANSWER_TIMEOUT))
}
