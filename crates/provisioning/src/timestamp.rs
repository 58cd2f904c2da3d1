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
        if let Some(text) = self.of_a_common_year() {
            return f.write_str(std::str::from_utf8(&text).expect("digits and punctuation are ASCII"));
        }
        let instant = DateTime::<Utc>::from_timestamp_micros(self.0).unwrap_or_default();
        f.write_str(&instant.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl Timestamp {
    /// The text of an instant whose year has four digits. Every answer and every header has some, and chrono takes
    /// several times as long.
    fn of_a_common_year(self) -> Option<[u8; 27]> {
        let micros = self.0.rem_euclid(86_400_000_000).unsigned_abs();
        let (year, month, day) = date(self.0.div_euclid(86_400_000_000));
        let year = u64::try_from(year).ok().filter(|year| *year <= 9_999)?;
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let seconds = micros / 1_000_000;
        for (value, last, digits) in [
            (year, 3, 4),
            (month, 6, 2),
            (day, 9, 2),
            (seconds / 3_600, 12, 2),
            (seconds / 60 % 60, 15, 2),
            (seconds % 60, 18, 2),
            (micros % 1_000_000, 25, 6),
        ] {
            let mut rest = value;
            for place in text[last + 1 - digits..=last].iter_mut().rev() {
                *place = b"0123456789"[(rest % 10) as usize];
                rest /= 10;
            }
        }
        Some(text)
    }
}

/// Year, month and day of a day that is counted from 1970-01-01, in the Gregorian calendar. Years are taken to begin in
/// March, so that the day that not every year has is the last one.
fn date(day: i64) -> (i64, u64, u64) {
    const DAYS_TO_1970: i64 = 719_468;
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let day = day + DAYS_TO_1970;
    let (era, day) = (day.div_euclid(DAYS_OF_400_YEARS), day.rem_euclid(DAYS_OF_400_YEARS).unsigned_abs());
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let first = (153 * month + 2) / 5;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year.cast_signed() + next_year, month, day - first + 1)
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
    fn every_day_is_printed_as_chrono_prints_it() {
        const DAY: i64 = 86_400_000_000;
        // From the year -1 to 10,001, on a step that meets every time of the day.
        for number in -720_000..2_934_000_i64 {
            if number % 37 != 0 && !(10_950..11_400).contains(&number) {
                continue;
            }
            let instant = Timestamp(number * DAY + number.rem_euclid(9_973) * 8_663_393);
            let chronos = DateTime::<Utc>::from_timestamp_micros(instant.0).unwrap();
            assert_eq!(instant.to_string(), chronos.to_rfc3339_opts(SecondsFormat::Micros, true));
        }
    }

    #[test]
    fn what_is_no_instant_is_not_read() {
        for text in ["", "2026-06-30", "2026-06-30T23:59:59", "2026-02-30T00:00:00Z"] {
            check(text, None);
        }
    }
}
