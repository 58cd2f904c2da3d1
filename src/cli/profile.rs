//! `muster profile …`: profiles that ship, and what is wrong with one's own. Needs no service.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use super::call::View;
use super::exit::{self, Failure};
use super::session::Session;
use super::table::Table;
use super::words;
use crate::profiles::{self, ProfileError};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists the profiles that ship.
    List,
    /// Shows the text of a profile that ships: a start for one of your own.
    Show {
        /// Name of the profile.
        name: String,
    },
    /// Tells everything that is wrong in a profile, with its line.
    Check {
        /// The profile.
        file: PathBuf,
    },
}

impl Command {
    pub(super) fn run(&self, session: &mut Session) -> Result<u8, Failure> {
        match self {
            Self::List => session.show(View::Rows(list), &json!({ "profiles": all()? }))?,
            Self::Show { name } => {
                session.refuse_csv()?;
                let text = profiles::text_of(name).ok_or_else(|| failed(&ProfileError::Unknown))?;
                session.show(View::Text(shown), &json!({ "name": name, "text": text }))?;
            }
            Self::Check { file } => {
                let answer = checked(&read(file)?);
                session.show(View::Rows(mistakes), &answer)?;
                if answer["mistakes"] != json!([]) {
                    return Ok(exit::FINDINGS);
                }
            }
        }
        Ok(exit::OK)
    }
}

/// What a request sends for `--profile`: the name of one that ships, or else the text of a file.
pub(super) fn asked(name_or_file: Option<&str>) -> Result<(Option<Value>, Option<Value>), Failure> {
    match name_or_file {
        None => Ok((None, None)),
        Some(name) if profiles::text_of(name).is_some() => Ok((Some(json!(name)), None)),
        Some(file) if Path::new(file).exists() => Ok((None, Some(json!(read(Path::new(file))?)))),
        Some(other) => Err(Failure::usage(format!("{other} is no file, and {}", ProfileError::Unknown))),
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::new(exit::FAILURE, format!("{}: {error}", file.display())))
}

fn failed(error: &ProfileError) -> Failure {
    Failure::new(exit::FAILURE, error.to_string()).hint("`muster profile list` shows all")
}

fn all() -> Result<Vec<Value>, Failure> {
    let one = |name| {
        let applicable = profiles::shipped(name).map_err(|error| failed(&error))?;
        Ok(json!({
            "name": name, "sha256": applicable.stamp.sha256, "description": applicable.profile.description,
        }))
    };
    profiles::names().map(one).collect()
}

fn checked(text: &str) -> Value {
    match profiles::read(text) {
        Ok(applicable) => {
            json!({"name": applicable.stamp.name, "sha256": applicable.stamp.sha256, "mistakes": []})
        }
        Err(ProfileError::Mistaken(found)) => {
            let one = |mistake: &provisioning::profile::Mistake| json!({"line": mistake.line, "key": mistake.key, "problem": mistake.problem});
            json!({"name": null, "sha256": null, "mistakes": found.iter().map(one).collect::<Vec<_>>()})
        }
        Err(ProfileError::Unknown) => unreachable!("a text is not looked for by its name"),
    }
}

fn list(answer: &Value) -> Table {
    Table::of(&answer["profiles"], &["name", "description"])
}

fn shown(answer: &Value) -> String {
    answer["text"].as_str().unwrap_or_default().to_owned()
}

fn mistakes(answer: &Value) -> Table {
    let found = answer["mistakes"].as_array().map_or(0, Vec::len);
    let summary = match found {
        0 => format!("{} has no mistakes", words::value(&answer["name"])),
        1 => "1 mistake".to_owned(),
        found => format!("{found} mistakes"),
    };
    Table::of(&answer["mistakes"], &["line", "key", "problem"]).summary(summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_line_by_line() {
        let answer = checked("name = \"crew\"\ndescription = \"A crew\"\ngroups = \"some\"\n");
        assert_eq!(answer["mistakes"][0]["line"], 3);
        let text = mistakes(&answer).to_text();
        assert!(text.contains("groups") && text.ends_with("1 mistake\n"), "{text}");
        let right = checked("name = \"crew\"\ndescription = \"A crew\"\n");
        assert!(mistakes(&right).to_text().ends_with("crew has no mistakes\n"));
    }

    #[test]
    fn a_profile_is_named_or_a_file() {
        assert_eq!(asked(Some("mezmo")), Ok((Some(json!("mezmo")), None)));
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/zulip.toml");
        let (name, text) = asked(Some(file)).unwrap();
        assert!(name.is_none() && text.unwrap().as_str().unwrap().contains("zulip"));
        assert!(asked(Some("/nowhere/profile.toml")).unwrap_err().to_string().contains("generic, mezmo"));
        assert_eq!(asked(None), Ok((None, None)));
    }
}
