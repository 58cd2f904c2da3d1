//! What the users of a tenant have in common: the form of their documents, names of attributes and what colleagues
//! share.
//!
//! Each user that is kept is compressed against such a form. It holds no value that tells who somebody is, so nobody
//! outlives in it that was erased, and it stays as people change.

use std::sync::OnceLock;

/// How many forms a tenant has at most: of its first user, and of users whom their own suits much better than the last.
const FORMS_MAX: usize = 4;
/// No more of a document counts for its form.
const FORM_BYTES_MAX: usize = 4 * 1024;
/// No other form is looked for if a text has less than this part of its length.
const SUITABLE: usize = 2;

/// The forms of one tenant, in the order in which they were taken. None is ever changed or taken away.
#[derive(Debug, Default)]
pub(super) struct Forms([OnceLock<Box<[u8]>>; FORMS_MAX]);

impl Forms {
    /// A text that begins with a document, compressed against a form, and that form's number. `None` if it does not
    /// get shorter.
    pub(super) fn compress(&self, text: &[u8], document: &str) -> Option<(u8, Vec<u8>)> {
        let taken = self.0.iter().take_while(|form| form.get().is_some()).count();
        let mut best = match taken.checked_sub(1) {
            Some(last) => (last, compress_against(&self.0[last], text)),
            None => (0, text.to_vec()),
        };
        if best.1.len() > text.len() / SUITABLE && taken < FORMS_MAX {
            let own = form_of(document);
            if lz4_flex::block::compress_with_dict(text, &own).len() < best.1.len() / 4 * 3 {
                // Whoever comes second uses what the first took.
                self.0[taken].get_or_init(|| own.into());
                best = (taken, compress_against(&self.0[taken], text));
            }
        }
        let (number, compressed) = best;
        (compressed.len() < text.len()).then(|| (u8::try_from(number).unwrap_or_default(), compressed))
    }

    /// The text of `length` bytes that was compressed against that form.
    pub(super) fn decompress(&self, number: u8, compressed: &[u8], length: usize) -> Option<Vec<u8>> {
        let form = self.0.get(usize::from(number))?.get()?;
        let mut text = vec![0; length];
        let read = lz4_flex::block::decompress_into_with_dict(compressed, &mut text, form).ok()?;
        (read == length).then_some(text)
    }
}

fn compress_against(form: &OnceLock<Box<[u8]>>, text: &[u8]) -> Vec<u8> {
    lz4_flex::block::compress_with_dict(text, form.get().map_or(&[][..], |form| form))
}

/// Attributes whose values say what kind of thing something is, or where people are: no more than that stays of them.
const SHARED: [&str; 11] = [
    "country",
    "department",
    "division",
    "locale",
    "locality",
    "organization",
    "preferredLanguage",
    "region",
    "timezone",
    "type",
    "userType",
];

/// The names, brackets and words (`true`, `false`, `null`) of a JSON text, and values that are shared; other strings are
/// empty and numbers are left out.
fn form_of(document: &str) -> Vec<u8> {
    let bytes = &document.as_bytes()[..document.len().min(FORM_BYTES_MAX)];
    let mut form = Vec::with_capacity(bytes.len());
    let (mut at, mut is_shared) = (0, false);
    while at < bytes.len() {
        if bytes[at] != b'"' {
            if !matches!(bytes[at], b'0'..=b'9' | b'-' | b'+' | b'.' | b'E') {
                form.push(bytes[at]);
            }
            at += 1;
            continue;
        }
        let Some(end) = end_of_string(bytes, at + 1) else { break };
        let is_name = bytes.get(end) == Some(&b':');
        form.extend_from_slice(if is_name || is_shared { &bytes[at..end] } else { b"\"\"" });
        is_shared = is_name && SHARED.iter().any(|name| bytes[at + 1..end - 1] == *name.as_bytes());
        at = end;
    }
    form
}

/// Behind the quote that ends the string whose text begins at `at`.
fn end_of_string(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(document: &str, form: &str) {
        assert_eq!(String::from_utf8(form_of(document)).unwrap(), form);
    }

    #[test]
    fn a_form_has_names_and_values_that_tell_nobody_apart() {
        check("{}", "{}");
        check(r#"{"a":"b","c":true,"d":[{"e":"f"},"g"]}"#, r#"{"a":"","c":true,"d":[{"e":""},""]}"#);
        check(r#"{"a":-1.5E+3,"b":20}"#, r#"{"a":,"b":}"#);
        check(
            r#"{"type":"work","value":"x","country":"GB","typed":"y"}"#,
            r#"{"type":"work","value":"","country":"GB","typed":""}"#,
        );
        check(
            r#"{"type":["a","b"],"locale":{"c":"d"},"region":7}"#,
            r#"{"type":["a",""],"locale":{"c":""},"region":}"#,
        );
        check(r#"{"a":"say \"b\":1 \\","c":"Zoë"}"#, r#"{"a":"","c":""}"#);
    }

    #[test]
    fn a_form_of_what_is_cut_off_ends_before_the_string_that_is_cut() {
        let document = format!(r#"{{"a":"{}"}}"#, "x".repeat(FORM_BYTES_MAX));
        check(&document, r#"{"a":"#);
    }

    #[test]
    fn a_form_that_does_not_suit_is_followed_by_another_and_earlier_texts_stay_readable() {
        let forms = Forms::default();
        let names = |seed: u64| -> String {
            let members: Vec<String> =
                (1..20).map(|nth| format!("\"{:x}\":1", seed.wrapping_mul(nth))).collect();
            format!("{{{}}}", members.join(","))
        };
        let documents: Vec<String> =
            (1..7).map(|nth| names(0x9e37_79b9_7f4a_7c15_u64.rotate_left(nth * 9))).collect();
        let packed: Vec<(u8, Vec<u8>)> = documents
            .iter()
            .map(|document| forms.compress(document.as_bytes(), document).expect("it gets shorter"))
            .collect();
        let numbers: Vec<u8> = packed.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 3, 3]);
        for ((number, compressed), document) in packed.iter().zip(&documents) {
            let text = forms.decompress(*number, compressed, document.len());
            assert_eq!(text.as_deref(), Some(document.as_bytes()));
        }
        assert_eq!(forms.compress(b"\"kdlw\"", "\"kdlw\""), None, "too short");
        assert_eq!(Forms::default().decompress(0, b"", 0), None);
    }
}
