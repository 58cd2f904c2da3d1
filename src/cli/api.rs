//! The admin and audit interface, as commands ask it: a running service over HTTP, or a stopped one's folder.
//!
//! Both answer the same paths with the same documents, so no command knows which of them it talks to. Writing
//! needs a running service: a folder has one writer.

mod folder;
mod pinned;
mod server;

use std::path::PathBuf;

use serde_json::Value;

use super::call::Verb;
use super::exit::{self, Failure};
use super::words::shell;
use folder::{Folder, Whereabouts};
use server::Server;

/// What the command line and the environment say about whom to ask.
#[derive(Debug, Default)]
pub(super) struct Target {
    /// The data folder.
    pub(super) data: Option<PathBuf>,
    /// The service's address, which is asked rather than the data folder's.
    pub(super) url: Option<String>,
    /// The token for `url`.
    pub(super) token: Option<String>,
    /// The file with the master key, which a stopped service's folder needs.
    pub(super) master_key_file: Option<PathBuf>,
}

/// Somebody who answers.
pub(super) enum Api {
    /// A running service.
    Server(Server),
    /// The folder of a stopped one.
    Folder(Folder),
}

impl Api {
    /// Finds who answers.
    pub(super) fn find(target: &Target) -> Result<Self, Failure> {
        if let Some(url) = &target.url {
            let token = target.token.clone().ok_or_else(|| {
                Failure::usage("--url needs a token in MUSTER_TOKEN")
                    .hint(format!("MUSTER_TOKEN=… muster --url {} …", shell(url)))
            })?;
            return Ok(Self::Server(Server::remote(url, token)));
        }
        let data = target.data.as_deref().ok_or_else(|| {
            Failure::usage("no service is named: give --data DIR, or --url URL with MUSTER_TOKEN")
        })?;
        Ok(match folder::whereabouts(data)? {
            Whereabouts::Running { url, certificate } => {
                Self::Server(Server::local(&url, folder::token(data)?, certificate.as_deref())?)
            }
            Whereabouts::Stopped => Self::Folder(Folder::new(data, target.master_key_file.as_deref())),
        })
    }

    /// Sends a request and gives back the document that answers it.
    pub(super) fn send(&self, verb: Verb, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let (status, document) = match self {
            Self::Server(server) => server.send(verb.method(), path, body)?,
            Self::Folder(folder) if verb.only_reads() => folder.get(path)?,
            Self::Folder(folder) => return Err(folder.stopped("this command changes data")),
        };
        if (200..300).contains(&status) { Ok(document) } else { Err(refusal(status, &document)) }
    }

    /// Refuses to go on without a running service.
    pub(super) fn must_run(&self, reason: &str) -> Result<(), Failure> {
        match self {
            Self::Server(_) => Ok(()),
            Self::Folder(folder) => Err(folder.stopped(reason)),
        }
    }
}

/// What an answer other than success means.
fn refusal(status: u16, document: &Value) -> Failure {
    let error = &document["error"];
    let detail = error["detail"].as_str().unwrap_or("the service gave no reason").trim_end_matches('.');
    let code = error["code"].as_str().map_or_else(|| format!("HTTP {status}"), str::to_owned);
    // What the views say and the log does not contain is a verification that failed.
    let exit_code = if code == "log_behind_views" { exit::VERIFICATION_FAILED } else { exit::FAILURE };
    let failure = Failure::new(exit_code, format!("{} ({code})", lower_first(detail)));
    match status {
        401 => {
            failure.hint("set MUSTER_TOKEN to the token of an operator, or name the data folder by --data")
        }
        404 if code == "tenant_not_found" => failure.hint("muster tenant list"),
        _ => failure,
    }
}

/// A sentence as the fragment that reads after `error:`. Names that begin in capitals keep them.
fn lower_first(sentence: &str) -> String {
    let mut characters = sentence.chars();
    match (characters.next(), characters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_reads_as_a_fragment_with_its_code() {
        let document =
            json!({ "error": { "code": "tenant_not_found", "detail": "There is no tenant of that name." } });
        assert_eq!(
            refusal(404, &document).to_string(),
            "error: there is no tenant of that name (tenant_not_found)\nhint: muster tenant list"
        );
        assert_eq!(refusal(502, &Value::Null).to_string(), "error: the service gave no reason (HTTP 502)");
    }

    #[test]
    fn a_service_must_be_named() {
        let failure = Api::find(&Target::default()).err().expect("nothing is named");
        assert_eq!(failure.code(), exit::USAGE);
        let target = Target { url: Some("http://127.0.0.1:1".into()), ..Target::default() };
        let failure = Api::find(&target).err().expect("there is no token");
        assert_eq!(failure.code(), exit::USAGE);
    }

    #[test]
    fn a_service_that_does_not_answer_is_not_reachable() {
        // Nothing listens on port 1 of the loopback network.
        let target =
            Target { url: Some("http://127.0.0.1:1".into()), token: Some("t".into()), ..Target::default() };
        let failure = Api::find(&target).unwrap().send(Verb::Get, "/admin/v1/tenants", None).unwrap_err();
        assert_eq!(failure.code(), exit::NOT_REACHABLE);
    }
}
