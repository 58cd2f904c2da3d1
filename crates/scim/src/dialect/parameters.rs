//! Deviations in query parameters (RFC 7644 section 3.4.2): their names, and how their values are written.

use super::{Dialect, Notes};

/// The parameters that mean something, in the RFC's spelling.
const KNOWN: [&str; 8] =
    ["attributes", "count", "cursor", "excludedAttributes", "filter", "sortBy", "sortOrder", "startIndex"];

/// Parameters by which an administrator chooses another form of what Entra ID sends.
const FLAGS: [&str; 2] = ["aadOptscim062020", "AzureAdScimPatch2017"];

/// Applies every dialect of query parameters.
pub(super) fn rewrite(parameters: &mut [(String, String)], notes: &mut Notes) {
    for index in 0..parameters.len() {
        let (before, rest) = parameters.split_at_mut(index);
        let Some((name, value)) = rest.first_mut() else { return };
        // `entra.url_flag`: the flag that Microsoft has administrators write behind the base URL. It comes with
        // every request and means nothing here.
        if FLAGS.iter().any(|flag| flag.eq_ignore_ascii_case(name)) {
            notes.note(Dialect::EntraUrlFlag, "query");
        }
        let Some(known) = KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(name)) else { continue };
        parameter_case(name, known, notes);
        // `generic.parameter_repeated`: the same parameter again. Lists of attributes count together, of anything
        // else the first counts.
        if before.iter().any(|(earlier, _)| earlier == known) {
            notes.note(Dialect::GenericParameterRepeated, known);
        }
        parameter_form(value, known, notes);
    }
}

/// `entra.parameter_case`: `startindex=0`, from Microsoft's collections.
fn parameter_case(name: &mut String, known: &str, notes: &mut Notes) {
    if name != known {
        known.clone_into(name);
        notes.note(Dialect::EntraParameterCase, known);
    }
}

/// `generic.parameter_form`: blanks around a number or name, or `sortOrder=Descending`.
fn parameter_form(value: &mut String, known: &str, notes: &mut Notes) {
    let plain = match known {
        "sortOrder" => value.trim().to_ascii_lowercase(),
        "sortBy" | "startIndex" | "count" | "cursor" => value.trim().to_owned(),
        _ => return,
    };
    if *value != plain {
        *value = plain;
        notes.note(Dialect::GenericParameterForm, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &[(&str, &str)], after: &[(&str, &str)], dialects: &[&str]) {
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let (mut parameters, mut notes) = (owned(before), Notes::new());
        rewrite(&mut parameters, &mut notes);
        assert_eq!(parameters, owned(after));
        assert_eq!(notes.names(), dialects);
    }

    #[test]
    fn parameters_of_the_rfc_and_unknown_ones_pass_unchanged() {
        let pairs = [("filter", " a "), ("count", "-1"), ("sortOrder", "descending"), ("x", " "), ("x", "2")];
        check(&pairs, &pairs, &[]);
    }

    #[test]
    fn parameters_are_known_whatever_their_case() {
        check(&[("startindex", "0")], &[("startIndex", "0")], &["entra.parameter_case"]);
    }

    #[test]
    fn blanks_and_capitals_are_taken_out_of_plain_values() {
        check(
            &[("count", " 5"), ("sortOrder", "Descending"), ("sortBy", "userName ")],
            &[("count", "5"), ("sortOrder", "descending"), ("sortBy", "userName")],
            &["generic.parameter_form"],
        );
    }

    #[test]
    fn the_flag_of_entra_and_a_parameter_that_comes_twice_are_noted() {
        let pairs = [("aadOptscim062020", ""), ("attributes", "a"), ("attributes", "b")];
        check(&pairs, &pairs, &["entra.url_flag", "generic.parameter_repeated"]);
    }
}
