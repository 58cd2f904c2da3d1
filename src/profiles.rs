//! The profiles that ship with the binary, and how one becomes settings and a stamp.
//!
//! A profile by another name comes as a text, from whoever has the file. Nothing here reads files.

use provisioning::profile::{self, Mistake, Profile};
use provisioning::tenancy::ProfileStamp;
use sha2::{Digest as _, Sha256};

const SHIPPED: [(&str, &str); 6] = [
    ("generic", include_str!("../profiles/generic.toml")),
    ("mezmo", include_str!("../profiles/mezmo.toml")),
    ("zenzap", include_str!("../profiles/zenzap.toml")),
    ("idmelon", include_str!("../profiles/idmelon.toml")),
    ("zulip", include_str!("../profiles/zulip.toml")),
    ("secoda", include_str!("../profiles/secoda.toml")),
];

/// A profile that can be applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Applicable {
    /// What it says.
    pub profile: Profile,
    /// What is recorded of it.
    pub stamp: ProfileStamp,
}

/// Why there is no profile to apply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// None of that name ships.
    #[error("no profile of that name ships; those that do are {}", names().collect::<Vec<_>>().join(", "))]
    Unknown,
    /// The text is none.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Mistaken(Vec<Mistake>),
}

/// The names of those that ship.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// The text of one that ships.
pub fn text_of(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// One that ships.
pub fn shipped(name: &str) -> Result<Applicable, ProfileError> {
    read(text_of(name).ok_or(ProfileError::Unknown)?)
}

/// A profile from its text. Whoever changes one that ships gives it another name, so that a name means one text.
pub fn read(text: &str) -> Result<Applicable, ProfileError> {
    let profile = profile::read(text).map_err(ProfileError::Mistaken)?;
    if text_of(&profile.name).is_some_and(|shipped| shipped != text) {
        let line = text.lines().position(|line| line.trim_start().starts_with("name")).map_or(1, |at| at + 1);
        let problem = "a profile that ships has this name; give yours another".to_owned();
        return Err(ProfileError::Mistaken(vec![Mistake { line, key: "name".to_owned(), problem }]));
    }
    let sha256 = hex::encode(Sha256::digest(text));
    let stamp = ProfileStamp { name: profile.name.clone(), sha256 };
    Ok(Applicable { profile, stamp })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_that_ships_has_its_name_and_no_mistake() {
        for name in names() {
            let applicable = shipped(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!((applicable.profile.name.as_str(), applicable.stamp.sha256.len()), (name, 64));
        }
        assert!(
            shipped("acme")
                .unwrap_err()
                .to_string()
                .ends_with("generic, mezmo, zenzap, idmelon, zulip, secoda")
        );
    }

    #[test]
    fn every_profile_in_the_folder_ships() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles")).unwrap();
        let mut files: Vec<_> =
            folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let mut shipped: Vec<_> = names().map(|name| format!("{name}.toml")).collect();
        files.sort();
        shipped.sort();
        assert_eq!(files, shipped);
    }

    #[test]
    fn a_changed_profile_needs_a_name_of_its_own() {
        let changed = format!("{}\ndelete = \"refuse\"\n", text_of("zenzap").unwrap());
        let error = read(&changed).unwrap_err().to_string();
        assert_eq!(error, "line 2: name: a profile that ships has this name; give yours another");
        assert!(read(&changed.replace("\"zenzap\"", "\"zen\"")).is_ok());
    }
}
