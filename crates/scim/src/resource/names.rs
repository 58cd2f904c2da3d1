//! The texts by which people and programs tell resources apart: nothing invisible in them.
//!
//! RFC 7644 section 5 wants a `userName` prepared as RFC 8265 says, which has no control character, and blanks
//! only between its parts. Control characters are refused in the other naming attributes too: downstream systems
//! cut texts at a NUL or a line break, and two accounts would then bear one name. Only a value that is given anew
//! is looked at, so that whoever has such a name from before can still be changed, and deactivated.

use serde_json::Value;

use crate::patch::Target;
use crate::{ScimError, ScimType};

use super::EXTERNAL_ID;

/// The attribute of a User that people sign in with.
const USER_NAME: &str = "userName";
/// The attribute that both types are shown under.
const DISPLAY_NAME: &str = "displayName";

/// Checks the names that the new state has and the old one has not.
pub fn check_names(old: &Target, new: &Target) -> Result<(), ScimError> {
    for name in [USER_NAME, DISPLAY_NAME] {
        let given = new.attributes.get(name);
        if let Some(Value::String(text)) = given
            && given != old.attributes.get(name)
        {
            without_control(name, text)?;
            if name == USER_NAME {
                without_outer_blanks(name, text)?;
            }
        }
    }
    match &new.external_id {
        Some(text) if new.external_id != old.external_id => without_control(EXTERNAL_ID, text),
        _ => Ok(()),
    }
}

fn without_control(name: &str, text: &str) -> Result<(), ScimError> {
    let mut characters = text.chars().enumerate();
    let Some((index, character)) = characters.find(|(_, character)| character.is_control()) else {
        return Ok(());
    };
    let (number, code) = (index + 1, u32::from(character));
    let detail =
        format!("{name} has the control character U+{code:04X} as character {number}; send it without");
    Err(ScimError::new(ScimType::InvalidValue, "control_character", detail))
}

fn without_outer_blanks(name: &str, text: &str) -> Result<(), ScimError> {
    if text.trim() == text {
        return Ok(());
    }
    let detail = format!("{name} begins or ends with a blank; send it without");
    Err(ScimError::new(ScimType::InvalidValue, "outer_blank", detail))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target(name: &str, value: &str) -> Target {
        match name {
            EXTERNAL_ID => Target { external_id: Some(value.to_owned()), ..Target::default() },
            _ => Target {
                attributes: serde_json::from_value(json!({ name: value })).unwrap(),
                ..Target::default()
            },
        }
    }

    #[track_caller]
    fn check(name: &str, value: &str, code: Option<&str>) {
        let refused = check_names(&Target::default(), &target(name, value)).err();
        assert_eq!(refused.as_ref().map(|error| error.code), code, "{name} {value:?}");
        if let Some(error) = refused {
            assert_eq!(error.scim_type, ScimType::InvalidValue);
            assert!(error.detail.contains(name), "{}", error.detail);
        }
        // What is there already stays, whatever else changes.
        assert_eq!(check_names(&target(name, value), &target(name, value)), Ok(()));
    }

    #[test]
    fn names_have_no_control_character() {
        for name in ["userName", "displayName", "externalId"] {
            for value in ["a\0b", "\0", "a\nb", "a\tb", "\u{7f}a", "a\u{85}b", "a\u{1b}[31m"] {
                check(name, value, Some("control_character"));
            }
            for value in ["alice@example.com", "Alice  Smith", "é 🦀", "\u{202e}rtl", "quote \" \\ /"] {
                check(name, value, None);
            }
        }
        let error = check_names(&Target::default(), &target("userName", "al\u{1}ice")).unwrap_err();
        assert_eq!(error.detail, "userName has the control character U+0001 as character 3; send it without");
    }

    #[test]
    fn a_user_name_has_no_blank_at_its_ends() {
        for value in [" alice", "alice ", "\u{a0}alice", "alice\u{3000}"] {
            check("userName", value, Some("outer_blank"));
            check("displayName", value, None);
            check("externalId", value, None);
        }
    }
}
