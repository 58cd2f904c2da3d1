//! Profiles: TOML files that say how a tenant is set up.
//!
//! A profile is applied once. What is recorded are the settings that it comes to, so that a log is read without it.
//! Every setting of a tenant is a key here, but for those that are each tenant's own. [`read()`] finds all mistakes of a
//! file at once, each with its line.

mod read;
mod schemas;
mod source;

use std::fmt;

use scim::Object;
use serde_json::Value;

use crate::tenancy::Settings;

/// Keys that are no settings.
const OWN_KEYS: [(&str, &str); 2] =
    [("name", "1 to 63 of a-z, 0-9 and -"), ("description", "a sentence for whoever chooses among profiles")];

/// A profile that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// A sentence for people.
    pub description: String,
    /// The settings that it has an opinion about.
    settings: Object,
}

/// What is wrong in a profile, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// The key, with those above it; empty where the text is no TOML.
    pub key: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "line {}: {}", self.line, self.problem),
            key => write!(f, "line {}: {key}: {}", self.line, self.problem),
        }
    }
}

/// Reads a profile, or tells everything that is wrong with it, in the order of its lines.
pub fn read(text: &str) -> Result<Profile, Vec<Mistake>> {
    read::read(text)
}

/// Every key that a profile can have, and what it takes.
pub fn keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    OWN_KEYS.into_iter().chain(Settings::of_profiles())
}

impl Profile {
    /// The settings of a new tenant; what they do not name has its default.
    pub fn settings(&self) -> Object {
        self.settings.clone()
    }

    /// What brings an existing tenant to the profile, as a merge patch: settings that the profile does not name go back
    /// to their defaults, those that are the tenant's own stay. So does the base path, unless the profile names one.
    pub fn patch(&self) -> Object {
        let defaults = Settings::default().to_object();
        let of_profiles = Settings::of_profiles().map(|(name, _)| name).filter(|name| *name != "base_path");
        let mut patch: Object = of_profiles
            .map(|name| (name.to_owned(), defaults.get(name).cloned().unwrap_or_default()))
            .collect();
        patch.extend(self.settings());
        // An object is merged with the one that is there; what the profile does not add has to go.
        if let Some(Value::Object(schemas)) = patch.get_mut("schemas") {
            for name in ["User", "Group"] {
                schemas.entry(name).or_insert(Value::Null);
            }
        }
        patch
    }
}

#[cfg(test)]
mod tests;
