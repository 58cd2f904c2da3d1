//! The configuration file: TOML in, a [`Config`] or the key at fault out.
//!
//! What is known is what [`Config`] has, read off its default value, so that there is no list of keys to keep
//! up to date. Flags and environment are unknown here.

use std::path::Path;

use serde_json::Value;
use toml::de::{DeTable, Deserializer};

use super::{Config, ConfigError};

/// Reads a file.
pub fn read(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    parse(&text)
}

/// Reads the text of a file.
pub fn parse(text: &str) -> Result<Config, ConfigError> {
    let syntax = |error: toml::de::Error| ConfigError::Syntax {
        reason: error.message().to_owned(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
    };
    let tree = DeTable::parse(text).map_err(syntax)?;
    let mut unknown = Vec::new();
    let read = serde_ignored::deserialize(Deserializer::parse(text).map_err(syntax)?, |path| {
        unknown.push(path.to_string());
    });
    // A misspelt key is the likelier cause where both are wrong.
    if let Some(key) = unknown.into_iter().next() {
        let suggestion = nearest(&key);
        return Err(ConfigError::UnknownKey { key, suggestion });
    }
    read.map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        let reason = format!("{} (line {})", error.message(), line_of(text, start));
        ConfigError::Value { key: key_at(tree.get_ref(), start), reason }
    })
}

/// The path of the innermost key whose value stands at that byte. Tables are looked into first: one under a
/// header of its own does not span its keys.
fn key_at(table: &DeTable<'_>, byte: usize) -> String {
    for (key, value) in table {
        let name = key.get_ref();
        let inner = value.get_ref().as_table().map(|table| key_at(table, byte)).unwrap_or_default();
        if !inner.is_empty() {
            return format!("{name}.{inner}");
        }
        if value.span().contains(&byte) {
            return name.to_string();
        }
    }
    String::new()
}

fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

/// The known key that a misspelt one resembles most, if it resembles any.
fn nearest(key: &str) -> Option<String> {
    const RESEMBLANCE_MIN: f64 = 0.7;
    let known = known_keys();
    // A key in the wrong table is as common a slip as a wrong letter, so the last name is compared as well.
    let score = |candidate: &str| {
        let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
        strsim::jaro_winkler(key, candidate).max(strsim::jaro_winkler(&last(key), &last(candidate)))
    };
    let best = known.into_iter().max_by(|left, right| score(left).total_cmp(&score(right)))?;
    (score(&best) >= RESEMBLANCE_MIN).then_some(best)
}

/// Every key that [`Config`] has, with its path.
fn known_keys() -> Vec<String> {
    let defaults = serde_json::to_value(Config::default()).expect("the configuration is plain data");
    let mut keys = Vec::new();
    collect(&defaults, "", &mut keys);
    keys
}

fn collect(value: &Value, prefix: &str, keys: &mut Vec<String>) {
    for (name, inner) in value.as_object().into_iter().flatten() {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        collect(inner, &key, keys);
        keys.push(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(text: &str, expected: &str) {
        assert_eq!(parse(text).expect_err("the file is wrong").to_string(), expected);
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        assert_eq!(parse("").unwrap(), Config::default());
    }

    #[test]
    fn every_key_can_be_set() {
        let written = r#"
            data = "/var/lib/muster"
            listen = "[::1]:9000"
            nats = "nats://127.0.0.1:4222"
            public_url = "https://scim.example.com/"
            tls_cert = "cert.pem"
            tls_key = "key.pem"
            trusted_proxies = ["10.0.0.0/8", "192.0.2.7"]
            master_key_file = "master.key"
            log = { format = "text", level = "debug" }
            [outbox]
            replicas = 3
            credentials_file = "nats.creds"
            [request_log]
            enabled = false
            contents_days = 1
            rows_days = 2
            file_bytes_max = 1048576
            [silence]
            visit_pause_seconds = 1
            visits_min = 2
            interval_seconds_min = 3
            [limits]
            user_body_bytes_max = 1
            group_body_bytes_max = 2
            bulk_body_bytes_max = 3
            bulk_operations_max = 4
            page_resources_default = 3
            page_resources_max = 4
            cursor_seconds = 7
            sorted_resources_max = 8
            page_events_default = 5
            page_events_max = 6
        "#;
        let read = serde_json::to_value(parse(written).unwrap()).unwrap();
        let defaults = serde_json::to_value(Config::default()).unwrap();
        for key in known_keys() {
            let pointer = format!("/{}", key.replace('.', "/"));
            assert_ne!(read.pointer(&pointer), defaults.pointer(&pointer), "{key} was not read");
        }
        assert_eq!(read["public_url"], "https://scim.example.com");
        assert_eq!(read["trusted_proxies"], serde_json::json!(["10.0.0.0/8", "192.0.2.7/32"]));
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_one_that_was_meant() {
        check_refused("lisen = 'x'", "unknown key `lisen` in the configuration file: did you mean `listen`?");
        check_refused(
            "[limits]\npage_resource_max = 5",
            "unknown key `limits.page_resource_max` in the configuration file: did you mean `limits.page_resources_max`?",
        );
        check_refused(
            "page_events_max = 5",
            "unknown key `page_events_max` in the configuration file: did you mean `limits.page_events_max`?",
        );
        check_refused("zzz = 1", "unknown key `zzz` in the configuration file");
    }

    #[test]
    fn an_unknown_key_is_named_even_where_another_value_is_wrong() {
        check_refused(
            "lisen = 'x'\nlog = 5",
            "unknown key `lisen` in the configuration file: did you mean `listen`?",
        );
    }

    #[test]
    fn a_wrong_type_is_refused_with_its_key() {
        check_refused(
            "listen = 8080",
            "`listen`: invalid type: integer `8080`, expected socket address (line 1)",
        );
        check_refused(
            "data = '/d'\n[limits]\npage_events_max = 'many'",
            "`limits.page_events_max`: invalid type: string \"many\", expected usize (line 3)",
        );
        check_refused(
            "log = { format = 'xml' }",
            "`log.format`: unknown variant `xml`, expected `json` or `text` (line 1)",
        );
    }

    #[test]
    fn a_malformed_value_is_refused_with_its_key() {
        check_refused("listen = 'here'", "`listen`: invalid socket address syntax (line 1)");
        check_refused(
            "trusted_proxies = ['10.0.0.0/8', 'proxy']",
            "`trusted_proxies`: expected a network such as 10.0.0.0/8 or an address, not `proxy` (line 1)",
        );
    }

    #[test]
    fn what_is_not_toml_is_refused_with_its_line() {
        let error = parse("listen = 'a'\nnats nats").expect_err("the file is wrong").to_string();
        assert!(error.starts_with("the configuration file is not TOML: "), "{error}");
        assert!(error.ends_with("(line 2)"), "{error}");
    }
}
