//! A create that succeeded: read without making values of what says nothing about whom it creates.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::read::truth;
use super::{Kind, Operation};
use crate::request_log::names::same_name;

/// Whom it creates; none if it is no JSON object.
pub(super) fn created(body: &[u8]) -> Option<Operation<String>> {
    let text = std::str::from_utf8(body).ok()?;
    serde_json::Deserializer::from_str(text).deserialize_map(Created).ok()
}

struct Created;

impl<'de> Visitor<'de> for Created {
    type Value = Operation<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a user")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut operation = Operation::new(Kind::Create);
        while let Some(name) = members.next_key()? {
            if name == Known::Other {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: Value = members.next_value()?;
            let text = || value.as_str().map(same_name).filter(|text| !text.is_empty());
            match name {
                Known::Login => operation.name = text(),
                Known::External => operation.external_id = text(),
                Known::Active => operation.active = truth(&value),
                Known::Other => {}
            }
        }
        Ok(operation)
    }
}

/// The name of a member, if it matters here.
#[derive(PartialEq, Eq)]
enum Known {
    Login,
    External,
    Active,
    Other,
}

impl<'de> Deserialize<'de> for Known {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;
        impl Visitor<'_> for Reading {
            type Value = Known;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a member")
            }

            fn visit_str<E>(self, name: &str) -> Result<Known, E> {
                let known =
                    [("userName", Known::Login), ("externalId", Known::External), ("active", Known::Active)];
                let found = known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                Ok(found.map_or(Known::Other, |(_, name)| name))
            }
        }
        deserializer.deserialize_str(Reading)
    }
}
