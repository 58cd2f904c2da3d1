//! From the text of a profile to the profile, or to everything that is wrong with it.

use scim::kept::Kept;
use serde_json::Value;

use super::schemas::check_schemas;
use super::source::{Source, Step};
use super::{Mistake, OWN_KEYS, Profile, keys};
use crate::rejection::Rejection;
use crate::tenancy::Settings;
use crate::tenancy::contradictions::{Contradiction, Place};

pub(super) fn read(text: &str) -> Result<Profile, Vec<Mistake>> {
    let source = Source::parse(text)?;
    let mut mistakes = Vec::new();
    let [name, description] = own(&source, &mut mistakes);
    let settings = settings(&source, &mut mistakes);
    if !mistakes.iter().any(|mistake| mistake.key.starts_with("schemas")) {
        check_lists(&source, &settings, &mut mistakes);
        check_together(&source, &settings, &mut mistakes);
    }
    if mistakes.is_empty()
        && let Err(rejection) = settings.check()
    {
        mistakes.push(source.mistake(&[Step::Key("name")], detail(&rejection)));
    }
    if !mistakes.is_empty() {
        mistakes.sort();
        return Err(mistakes);
    }
    let mut settings = source.root.clone();
    settings.retain(|key, _| OWN_KEYS.iter().all(|(own, _)| own != key));
    Ok(Profile { name, description, settings })
}

/// `name` and `description`.
fn own(source: &Source<'_>, mistakes: &mut Vec<Mistake>) -> [String; 2] {
    OWN_KEYS.map(|(key, takes)| {
        let path = [Step::Key(key)];
        match source.value(&path) {
            Some(Value::String(text)) if !text.trim().is_empty() && (key != "name" || is_name(text)) => {
                return text.clone();
            }
            Some(_) => mistakes.push(source.mistake(&path, format!("takes {takes}"))),
            None => mistakes.push(source.mistake(&path, format!("is missing; it takes {takes}"))),
        }
        String::new()
    })
}

/// As a tenant's, but that nothing is reserved.
fn is_name(text: &str) -> bool {
    text.len() <= 63 && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
}

/// The settings that are right in themselves, for a tenant that is nobody's.
fn settings(source: &Source<'_>, mistakes: &mut Vec<Mistake>) -> Settings {
    let nobodys = || {
        let (tenant, base_path) = ("any".to_owned(), "/any/scim/v2".to_owned());
        Settings { tenant, base_path, ..Settings::default() }
    };
    let mut settings = nobodys();
    for (key, value) in &source.root {
        let path = [Step::Key(key)];
        if OWN_KEYS.iter().any(|(own, _)| own == key) {
            continue;
        }
        if !Settings::of_profiles().any(|(name, _)| name == key) {
            let problem = if Settings::is_setting(key) {
                "is each tenant's own and no profile's: set it with --set when you create the tenant"
                    .to_owned()
            } else {
                let known: Vec<_> = keys().map(|(name, _)| name).collect();
                format!("there is no such key; the keys are {}", known.join(", "))
            };
            mistakes.push(source.mistake(&path, problem));
            continue;
        }
        if key == "schemas" {
            let found = mistakes.len();
            check_schemas(source, mistakes);
            if mistakes.len() > found {
                continue;
            }
        }
        // Lists and schemas are looked at part by part; what is left to be wrong is the path.
        let with = settings.with(key, value).and_then(|with| {
            let alone = Settings { base_path: with.base_path.clone(), ..nobodys() };
            alone.check().map(|()| with)
        });
        match with {
            Ok(with) => settings = with,
            Err(rejection) => mistakes.push(source.mistake(&path, detail(&rejection))),
        }
    }
    settings
}

/// Each attribute that a list names is there.
fn check_lists(source: &Source<'_>, settings: &Settings, mistakes: &mut Vec<Mistake>) {
    let additions = settings.schemas.clone().unwrap_or_default();
    let enforced = settings.enforce_canonical_values.iter().flatten();
    for (index, path) in enforced.enumerate() {
        if let Err(error) = additions.check_enforced(std::slice::from_ref(path)) {
            let place = [Step::Key("enforce_canonical_values"), Step::Index(index)];
            mistakes.push(source.mistake(&place, error.detail));
        }
    }
    let schemas = settings.all_attributes();
    let needed = ["userName", "active"].map(str::to_owned);
    let mut fits = true;
    for (index, path) in settings.attributes.iter().flatten().enumerate() {
        let mut with_path = needed.to_vec();
        with_path.push(path.clone());
        if let Err(error) = Kept::read(&with_path, &schemas.user) {
            fits = false;
            mistakes.push(source.mistake(&[Step::Key("attributes"), Step::Index(index)], error.detail));
        }
    }
    if let Some(paths) = settings.attributes.as_ref().filter(|_| fits)
        && let Err(error) = Kept::read(paths, &schemas.user)
    {
        mistakes.push(source.mistake(&[Step::Key("attributes")], error.detail));
    }
}

/// No setting contradicts another.
fn check_together(source: &Source<'_>, settings: &Settings, mistakes: &mut Vec<Mistake>) {
    let additions = settings.schemas.clone().unwrap_or_default();
    if let Err(rejection) = settings.check_status(&additions) {
        mistakes.push(source.mistake(&[Step::Key("schemas")], detail(&rejection)));
    }
    for Contradiction { place, problem } in settings.contradictions() {
        mistakes.push(source.mistake(&steps(place), problem));
    }
}

fn steps(place: Place) -> Vec<Step<'static>> {
    match place {
        Place::UnknownMembers => vec![Step::Key("unknown_members")],
        Place::GroupSchemas => vec![Step::Key("schemas"), Step::Key("Group")],
        Place::Enforced(index) => vec![Step::Key("enforce_canonical_values"), Step::Index(index)],
        Place::Added { schema, attribute } => vec![
            Step::Key("schemas"),
            Step::Key("User"),
            Step::Index(schema),
            Step::Key("attributes"),
            Step::Index(attribute),
        ],
    }
}

/// What a refusal says; the key says which setting it is.
fn detail(rejection: &Rejection) -> String {
    let text = rejection.to_string();
    match text.strip_prefix("the setting ").and_then(|rest| rest.split_once(' ')) {
        Some((_, takes)) => takes.to_owned(),
        None => text,
    }
}
