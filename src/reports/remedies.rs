//! What codes mean, told to whoever asked about one tenant: commands in it can be run as they stand.

use provisioning::ClientId;
use provisioning::tenancy::Client;
use serde_json::{Value, json};

use crate::directory::Directory;
use crate::explanations::{self, Explanation, Remedy, Who};
use crate::request_log::Row;
use crate::shell;

/// What the registry, to which such requests are logged, has in place of a tenant's name; no tenant can have it.
const NO_TENANT: &str = "system";

/// Of whom commands speak.
pub(super) struct Names<'n> {
    /// None where a request reached no tenant.
    pub(super) tenant: Option<&'n str>,
    /// The connection that sent the request, if one was known.
    pub(super) client: Option<Client>,
}

impl<'n> Names<'n> {
    pub(super) fn of(directory: &'n Directory, row: Option<&Row>) -> Self {
        let id = row.and_then(|row| ClientId::parse(row.client.as_deref()?));
        let client = id.and_then(|id| directory.tenancy().clients.get(&id).cloned());
        let tenant = Some(directory.tenant()).filter(|tenant| *tenant != NO_TENANT);
        Self { tenant, client }
    }

    /// A text with the names in their places.
    pub(super) fn put_into(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (place, name) in
            [("<tenant>", self.tenant), ("<client>", self.client.as_ref().map(|client| client.name.as_str()))]
        {
            if let Some(name) = name {
                text = text.replace(place, &shell::word(name));
            }
        }
        text
    }

    /// Who can do what, with the names in their places.
    pub(super) fn remedy(&self, who: Who, text: &str) -> Remedy {
        Remedy { who, r#do: self.put_into(text), only: None }
    }

    /// What can be done about a failure, the likeliest first.
    pub(super) fn remedies(&self, explanation: &Explanation) -> Vec<Remedy> {
        let kind = self.client.as_ref().map(|client| client.kind);
        let remedies = explanation.remedies_for(kind).into_iter();
        remedies.map(|remedy| self.remedy(remedy.who, &remedy.r#do)).collect()
    }
}

/// What the codes of a request mean.
pub(super) fn explained(directory: &Directory, row: &Row) -> Value {
    let names = Names::of(directory, Some(row));
    let codes = row.code.as_deref().into_iter().flat_map(|codes| codes.split(", "));
    codes
        .filter_map(explanations::of)
        .map(|explanation| {
            json!({
                "code": explanation.code,
                "why": explanation.why,
                "remedies": names.remedies(explanation),
            })
        })
        .collect()
}
