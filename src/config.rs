//! One typed configuration: the file's values, overridden by the environment, overridden by flags.
//!
//! Every limit of the service has its name, its unit (last in the name) and its default here, and nowhere else
//! a second time. Keys that nobody knows are refused with a suggestion, because a typing error must not become
//! a silent default. Reading the file is [`mod@file`]'s, flags and environment are [`flags`]'.

pub mod file;
pub mod flags;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ipnet::IpNet;
use scim::ResourceType;
use serde::{Deserialize, Serialize};

/// Everything that `muster serve` can be told. The field names are the keys of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The data folder. Never empty once a configuration is resolved.
    pub data: PathBuf,
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The NATS servers, separated by commas; without them the outbox waits.
    pub nats: Option<String>,
    /// The address by which clients reach the service, if it is not the one it listens on.
    pub public_url: Option<PublicUrl>,
    /// PEM file of the certificate chain. Given if and only if `tls_key` is.
    pub tls_cert: Option<PathBuf>,
    /// PEM file of the private key.
    pub tls_key: Option<PathBuf>,
    /// Networks whose `Forwarded` headers count.
    #[serde(with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// The file with the master key; by default it is kept in the data folder.
    pub master_key_file: Option<PathBuf>,
    /// What is logged, and how.
    pub log: Log,
    /// How events reach NATS.
    pub outbox: Outbox,
    /// What is kept of requests.
    pub request_log: RequestLogConfig,
    /// When a client counts as silent.
    pub silence: Silence,
    /// How much is too much.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::new(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            nats: None,
            public_url: None,
            tls_cert: None,
            tls_key: None,
            trusted_proxies: Vec::new(),
            master_key_file: None,
            log: Log::default(),
            outbox: Outbox::default(),
            request_log: RequestLogConfig::default(),
            silence: Silence::default(),
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Certificate and key, if TLS is on.
    pub fn tls(&self) -> Option<(&Path, &Path)> {
        self.tls_cert.as_deref().zip(self.tls_key.as_deref())
    }

    /// Checks what no single key can say about itself.
    fn check(&self) -> Result<(), ConfigError> {
        if self.data.as_os_str().is_empty() {
            return Err(ConfigError::NoData);
        }
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => return Err(ConfigError::HalfTls { given: "tls_cert", missing: "tls_key" }),
            (None, Some(_)) => return Err(ConfigError::HalfTls { given: "tls_key", missing: "tls_cert" }),
            _ => {}
        }
        for address in self.nats.iter().flat_map(|list| list.split(',')) {
            if let Err(error) = address.parse::<async_nats::ServerAddr>() {
                return Err(ConfigError::Value { key: "nats".into(), reason: error.to_string() });
            }
        }
        self.request_log.check()?;
        self.silence.check()?;
        self.limits.check()
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// Levels by target, such as `info` or `info,muster::outbox=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::default(), level: "info".into() }
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    #[default]
    Json,
    /// Text, for people.
    Text,
}

/// How events reach NATS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outbox {
    /// Replicas of the streams that Muster creates: 1, 3 or 5.
    pub replicas: usize,
    /// A NATS credentials file (`.creds`).
    pub credentials_file: Option<PathBuf>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { replicas: 1, credentials_file: None }
    }
}

/// What is kept of requests, for each tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestLogConfig {
    /// Whether requests are logged at all.
    pub enabled: bool,
    /// How long paths, queries and bodies are kept, in days; they are sealed.
    pub contents_days: u32,
    /// How long the rest of a request is kept, in days.
    pub rows_days: u32,
    /// How large a tenant's file may become: then the oldest requests go.
    pub file_bytes_max: u64,
}

impl Default for RequestLogConfig {
    fn default() -> Self {
        Self { enabled: true, contents_days: 30, rows_days: 400, file_bytes_max: 1024 * 1024 * 1024 }
    }
}

impl RequestLogConfig {
    fn check(&self) -> Result<(), ConfigError> {
        /// A file with its tables and indexes, and room for the requests of a moment.
        const FILE_BYTES_MIN: u64 = 1024 * 1024;
        let refuse = |key: &str, reason: String| Err(ConfigError::Value { key: key.into(), reason });
        if self.rows_days < self.contents_days.max(1) {
            let reason = "must be at least 1, and not below `request_log.contents_days`";
            return refuse("request_log.rows_days", reason.to_owned());
        }
        if self.file_bytes_max < FILE_BYTES_MIN {
            return refuse("request_log.file_bytes_max", format!("must be at least {FILE_BYTES_MIN}"));
        }
        Ok(())
    }
}

/// When a client counts as silent. Zero is refused everywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Silence {
    /// Requests of a client that are no further apart are one visit.
    pub visit_pause_seconds: u32,
    /// So many visits must have been seen before anything is usual.
    pub visits_min: u32,
    /// A shorter usual interval counts as this one.
    pub interval_seconds_min: u32,
}

impl Default for Silence {
    fn default() -> Self {
        Self { visit_pause_seconds: 60, visits_min: 4, interval_seconds_min: 20 * 60 }
    }
}

impl Silence {
    fn check(&self) -> Result<(), ConfigError> {
        refuse_zero("silence", self)
    }
}

/// How much is too much. Zero is refused everywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// The body of a request about a user.
    pub user_body_bytes_max: usize,
    /// The body of a request about a group, whose members may be many.
    pub group_body_bytes_max: usize,
    /// The body of a bulk request.
    pub bulk_body_bytes_max: usize,
    /// Operations in a bulk request.
    pub bulk_operations_max: usize,
    /// Resources on a page of a list, where the client does not say.
    pub page_resources_default: usize,
    /// Resources on a page of a list, whatever the client says.
    pub page_resources_max: usize,
    /// For how long a cursor may be used, in seconds.
    pub cursor_seconds: usize,
    /// Resources in a list that is sorted and paged by cursor.
    pub sorted_resources_max: usize,
    /// Events in an answer of the audit interface, where the caller does not say.
    pub page_events_default: usize,
    /// Events in an answer of the audit interface, whatever the caller says.
    pub page_events_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            user_body_bytes_max: 1024 * 1024,
            group_body_bytes_max: 16 * 1024 * 1024,
            bulk_body_bytes_max: 16 * 1024 * 1024,
            bulk_operations_max: 1_000,
            page_resources_default: 100,
            page_resources_max: 1_000,
            cursor_seconds: 24 * 60 * 60,
            sorted_resources_max: 1_000_000,
            page_events_default: 1_000,
            page_events_max: 10_000,
        }
    }
}

impl Limits {
    /// The body of a request about one resource.
    pub fn body_bytes_max(&self, resource_type: ResourceType) -> usize {
        match resource_type {
            ResourceType::User => self.user_body_bytes_max,
            ResourceType::Group => self.group_body_bytes_max,
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        refuse_zero("limits", self)?;
        for (key, default, max) in [
            ("limits.page_resources_default", self.page_resources_default, self.page_resources_max),
            ("limits.page_events_default", self.page_events_default, self.page_events_max),
        ] {
            if default > max {
                let reason = format!("must not be above the maximum, which is {max}");
                return Err(ConfigError::Value { key: key.into(), reason });
            }
        }
        Ok(())
    }
}

/// Refuses a section of numbers of which one is 0.
fn refuse_zero(section: &str, numbers: &impl Serialize) -> Result<(), ConfigError> {
    let named = serde_json::to_value(numbers).expect("a struct of numbers is a JSON object");
    let zero = named.as_object().into_iter().flatten().find(|(_, number)| number.as_u64() == Some(0));
    zero.map_or(Ok(()), |(name, _)| {
        Err(ConfigError::Value { key: format!("{section}.{name}"), reason: "must be at least 1".into() })
    })
}

/// An address by which clients reach the service: `http` or `https`, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicUrl(String);

impl PublicUrl {
    /// The address as text; a path can be appended to it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a URL such as https://scim.example.com, not `{text}`");
        let rest =
            text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or_else(expected)?;
        let host = rest.split('/').next().unwrap_or_default();
        let in_url = |byte: u8| byte.is_ascii_graphic() && !b"@\"<>\\^`{|}".contains(&byte);
        if host.is_empty() || !rest.bytes().all(in_url) {
            return Err(expected());
        }
        if text.contains(['?', '#']) {
            return Err(format!("the URL must end before a query or fragment: `{text}`"));
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PublicUrl> for String {
    fn from(url: PublicUrl) -> Self {
        url.0
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a configuration cannot be used. Texts are fragments that read after `error:`.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file is not TOML: {reason} (line {line})")]
    Syntax {
        /// What the parser said.
        reason: String,
        /// Where it stopped.
        line: usize,
    },
    /// A key that nobody knows.
    #[error("unknown key `{key}` in the configuration file{}", suggest(suggestion.as_deref()))]
    UnknownKey {
        /// The key with its path.
        key: String,
        /// The known key that resembles it most, with its path.
        suggestion: Option<String>,
    },
    /// A key whose value is of the wrong type, out of range or malformed.
    #[error("`{key}`: {reason}")]
    Value {
        /// The key with its path.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// One half of TLS.
    #[error("`{given}` is given without `{missing}`")]
    HalfTls {
        /// The key that is there.
        given: &'static str,
        /// The key that is not.
        missing: &'static str,
    },
    /// Nobody said where the data are.
    #[error("no data folder is named: give --data, MUSTER_DATA or `data` in the configuration file")]
    NoData,
}

fn suggest(suggestion: Option<&str>) -> String {
    suggestion.map(|key| format!(": did you mean `{key}`?")).unwrap_or_default()
}

/// A network, or a single address as the network that holds only it.
fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| format!("expected a network such as 10.0.0.0/8 or an address, not `{text}`"))
}

/// Networks as the texts that stand in the file.
mod networks {
    use ipnet::IpNet;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(networks: &[IpNet], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(networks.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| super::network(text).map_err(D::Error::custom)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_http_without_query_and_loses_its_trailing_slash() {
        let parse = |text: &str| text.parse::<PublicUrl>().map(|url| url.to_string()).ok();
        assert_eq!(parse("https://scim.example.com/").as_deref(), Some("https://scim.example.com"));
        assert_eq!(parse("http://h:8080/muster//").as_deref(), Some("http://h:8080/muster"));
        for refused in
            ["", "scim.example.com", "ftp://h", "https://", "https://h?a=b", "https://h#x", "https://u@h"]
        {
            assert_eq!(parse(refused), None, "{refused}");
        }
    }
}
