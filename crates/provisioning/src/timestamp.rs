//! Instants as they are stored and answered: UTC, RFC 3339 with `Z`, six decimals.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Reads any RFC 3339 text; digits beyond the sixth decimal are cut.
    pub fn parse(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|instant| Self(instant.timestamp_micros()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = DateTime::<Utc>::from_timestamp_micros(self.0).unwrap_or_default();
        f.write_str(&instant.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 instant"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, printed: Option<&str>) {
        assert_eq!(Timestamp::parse(text).map(|instant| instant.to_string()).as_deref(), printed);
    }

    #[test]
    fn instants_are_printed_in_utc_with_six_decimals() {
        check("2026-06-30T23:59:59Z", Some("2026-06-30T23:59:59.000000Z"));
        check("2026-07-01T01:59:59.5+02:00", Some("2026-06-30T23:59:59.500000Z"));
        check("2026-06-30T23:59:59.123456999Z", Some("2026-06-30T23:59:59.123456Z"));
        check("1969-12-31T23:59:59.000001Z", Some("1969-12-31T23:59:59.000001Z"));
    }

    #[test]
    fn what_is_no_instant_is_not_read() {
        for text in ["", "2026-06-30", "2026-06-30T23:59:59", "2026-02-30T00:00:00Z"] {
            check(text, None);
        }
    }
}
