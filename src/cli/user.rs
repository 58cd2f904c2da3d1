//! `muster user …`: what no identity provider tells us about users.

use clap::Subcommand;
use serde_json::Value;
use uuid::Uuid;

use super::call::{Call, Verb, View, admin, audit, query};
use super::exit::{self, Failure};
use super::session::Session;
use super::words::{self, shell};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Records the first sign-in of an invited user.
    Activate {
        /// Name of the tenant.
        #[arg(long, value_name = "ID")]
        tenant: String,
        /// Id, userName or e-mail address of the user.
        user: String,
    },
}

impl Command {
    pub(super) fn run(self, session: &mut Session) -> Result<u8, Failure> {
        let Self::Activate { tenant, user } = self;
        session.refuse_csv()?;
        let id = id_of(session, &tenant, &user)?;
        session.perform(&Call::new(
            Verb::Post,
            admin(&tenant, &["users", &id, "activate"]),
            View::Text(activated),
        ))
    }
}

/// The id of the one user who bears a name; an id is taken as it is.
fn id_of(session: &Session, tenant: &str, user: &str) -> Result<String, Failure> {
    if user.parse::<Uuid>().is_ok() {
        return Ok(user.to_owned());
    }
    let found = session.get(&query(&audit(tenant, &["timeline"]), [("user", Some(user))]))?;
    one_id(&found["resources"]).map_err(|failure| {
        failure.hint(format!("muster timeline --tenant {} {}", shell(tenant), shell(user)))
    })
}

fn one_id(resources: &Value) -> Result<String, Failure> {
    let ids: Vec<&str> =
        resources.as_array().into_iter().flatten().filter_map(|resource| resource["id"].as_str()).collect();
    match ids[..] {
        [id] => Ok(id.to_owned()),
        [] => Err(Failure::new(exit::FAILURE, "no user bears that name")),
        _ => {
            let message = format!("{} users bore that name, so name one by its id", ids.len());
            Err(Failure::new(exit::FAILURE, message))
        }
    }
}

fn activated(answer: &Value) -> String {
    let id = words::value(&answer["id"]);
    if answer["activated"] == true {
        format!("{id} is active from now on\n")
    } else {
        format!("{id} was active before\n")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_must_mean_one_user() {
        assert_eq!(one_id(&json!([{ "id": "a" }])).unwrap(), "a");
        assert_eq!(one_id(&json!([])).unwrap_err().code(), exit::FAILURE);
        assert!(one_id(&json!([{ "id": "a" }, { "id": "b" }])).unwrap_err().to_string().contains("2 users"));
    }
}
