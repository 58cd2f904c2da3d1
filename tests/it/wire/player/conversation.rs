//! The form of a conversation file, and reading it.
//!
//! A misspelt key is an error, and so is a file that could not be played: the reader of a failing test must
//! never wonder whether the file means what it seems to say. Nothing here sends or compares anything.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A recorded conversation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Conversation {
    #[serde(skip)]
    file: String,
    /// What the conversation is about, for people.
    pub(crate) name: String,
    /// Where its form comes from.
    pub(crate) source: String,
    /// The kind of client that the tenant must have.
    pub(crate) client: Client,
    /// Whether the tenant has a host name of its own, by which alone it is found.
    #[serde(default)]
    pub(crate) own_host: bool,
    /// Headers of every request, unless the exchange has its own.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// Variables that are set before the first exchange.
    #[serde(default)]
    pub(super) variables: BTreeMap<String, String>,
    /// What happens.
    pub(super) exchanges: Vec<Step>,
}

/// The identity provider that speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Client {
    Generic,
    Okta,
    Entra,
    OneLogin,
}

/// One thing that happens.
#[derive(Debug)]
pub(super) enum Step {
    Exchange(Exchange),
    Repeat(Repeat),
    Pages(Pages),
}

/// A request and what its answer has to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exchange {
    pub(super) title: String,
    /// How long a person would wait before this; only a demo does.
    #[serde(default)]
    pub(super) pause_ms: u64,
    pub(super) request: RequestTemplate,
    pub(super) response: Expected,
}

/// Exchanges that are played several times.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Repeat {
    #[serde(rename = "repeat")]
    pub(super) times: u64,
    /// The variable that counts from 1.
    #[serde(rename = "as")]
    pub(super) number: String,
    pub(super) exchanges: Vec<Exchange>,
}

/// A list that is read page by page. The variable `start_index` moves on by the size of a page each time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pages {
    #[serde(rename = "pages")]
    pub(super) size: u64,
    pub(super) title: String,
    pub(super) request: RequestTemplate,
    /// What each page has to be.
    pub(super) response: Expected,
    /// What the `Resources` of all pages together have to be.
    pub(super) resources: Value,
}

/// A request with variables.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestTemplate {
    pub(super) method: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<Value>,
    /// A body that is no JSON value, or whose exact text matters.
    pub(super) body_text: Option<String>,
}

/// What an answer has to be, and what is kept of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    pub(super) status: u16,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Value>,
    pub(super) body: Option<Value>,
    /// Texts that must not occur anywhere in the body.
    #[serde(default)]
    pub(super) without_text: Vec<String>,
    /// The deviations that the service notes of the request; whoever plays looks them up.
    pub(super) notes: Option<Vec<String>>,
    /// Variables to set, each from a string in the body that a JSON Pointer finds.
    #[serde(default)]
    pub(super) capture: BTreeMap<String, String>,
    /// Lists to lengthen, each by one value; for `{"$collected": "…"}` later on.
    #[serde(default)]
    pub(super) collect: BTreeMap<String, Value>,
}

impl Client {
    /// The kind as a tenant's client has it.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Okta => "okta",
            Self::Entra => "entra",
            Self::OneLogin => "onelogin",
        }
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let place = value.get("title").map(|title| format!("{title}: ")).unwrap_or_default();
        let step = if value.get("repeat").is_some() {
            serde_json::from_value(value).map(Self::Repeat)
        } else if value.get("pages").is_some() {
            serde_json::from_value(value).map(Self::Pages)
        } else {
            serde_json::from_value(value).map(Self::Exchange)
        };
        step.map_err(|error| D::Error::custom(format!("{place}{error}")))
    }
}

impl Conversation {
    /// Reads a file.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&short_name(path), &text)
    }

    /// Reads the text of a file; `file` is what messages call it.
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, String> {
        let mut conversation: Self =
            serde_json::from_str(text).map_err(|error| format!("{file}: {error}"))?;
        file.clone_into(&mut conversation.file);
        conversation.check().map_err(|reason| format!("{file}: {reason}"))?;
        Ok(conversation)
    }

    /// What messages call the file.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    fn check(&self) -> Result<(), String> {
        if self.name.trim().is_empty() || self.source.trim().is_empty() {
            return Err("`name` and `source` need a text".to_owned());
        }
        for step in &self.exchanges {
            match step {
                Step::Exchange(exchange) => exchange.request.check(&exchange.title)?,
                Step::Repeat(block) => {
                    for exchange in &block.exchanges {
                        exchange.request.check(&exchange.title)?;
                    }
                }
                Step::Pages(pages) => {
                    pages.request.check(&pages.title)?;
                    if pages.size == 0 {
                        return Err(format!("\"{}\": `pages` is the size of a page, not 0", pages.title));
                    }
                }
            }
        }
        Ok(())
    }
}

impl RequestTemplate {
    fn check(&self, title: &str) -> Result<(), String> {
        if !self.path.starts_with('/') {
            return Err(format!("\"{title}\": the path does not begin with a slash"));
        }
        if self.body.is_some() && self.body_text.is_some() {
            return Err(format!("\"{title}\": a request has `body` or `body_text`, not both"));
        }
        Ok(())
    }
}

/// The last two parts of a path: `okta/create-user.json`.
fn short_name(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts[parts.len().saturating_sub(2)..].join("/")
}
