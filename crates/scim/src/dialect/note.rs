//! What was noted of a request: which dialects it speaks, and where.
//!
//! A place is made of attribute names in schema spelling, of a client's own names where they look like names, and of
//! numbers that count from one. It never holds a value, so that it may be answered and logged.

use std::fmt;

use super::Dialect;
use crate::json::is_plain_name;

/// The most notes that are kept of a request, beside the first of each dialect.
const NOTES_MAX: usize = 64;
/// The longest part of a client's name that is kept.
const NAME_CHARS_MAX: usize = 64;

/// One deviation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Which.
    pub dialect: Dialect,
    /// Where.
    pub place: String,
}

/// As whoever is refused for it reads it.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dialect, place } = self;
        let (name, wanted) = (dialect.name(), dialect.wanted());
        write!(
            f,
            "{place} deviates from the RFC as {name}, which this tenant is too strict to take: {wanted}"
        )
    }
}

/// The notes of a request, in order, none twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notes(Vec<Note>);

impl Notes {
    /// Nothing noted.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Notes a deviation.
    pub fn note(&mut self, dialect: Dialect, place: impl fmt::Display) {
        let of_dialect = |note: &&Note| note.dialect == dialect;
        // Whoever sends very much that deviates in one way is told of the first of it.
        if self.0.len() < NOTES_MAX || !self.0.iter().any(|note| of_dialect(&note)) {
            let place = place.to_string();
            if !self.0.iter().filter(of_dialect).any(|note| note.place == place) {
                self.0.push(Note { dialect, place });
            }
        }
    }

    /// Adds what was noted elsewhere.
    pub fn extend(&mut self, notes: Self) {
        for Note { dialect, place } in notes.0 {
            self.note(dialect, place);
        }
    }

    /// The same notes about a part of something larger.
    #[must_use]
    pub fn within(mut self, whole: &str) -> Self {
        for note in &mut self.0 {
            note.place = format!("{whole}: {}", note.place);
        }
        self
    }

    /// The names of the dialects, each once, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for name in self.0.iter().map(|note| note.dialect.name()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Note> {
        self.0.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a strict service provider refuses: the first of them.
    pub fn refuse(&self) -> Result<(), Note> {
        self.0.first().map_or(Ok(()), |first| Err(first.clone()))
    }
}

impl<'n> IntoIterator for &'n Notes {
    type Item = &'n Note;
    type IntoIter = std::slice::Iter<'n, Note>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A place in a body, made on the way down to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'p> {
    outer: Option<&'p Place<'p>>,
    part: Part<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Part<'p> {
    Body,
    Operation(usize),
    Name(&'p str),
    Element(usize),
}

impl<'p> Place<'p> {
    /// The whole body.
    pub(crate) const BODY: Self = Self { outer: None, part: Part::Body };

    /// An operation of a PATCH, counted from one.
    pub(crate) const fn operation(number: usize) -> Self {
        Self { outer: None, part: Part::Operation(number) }
    }

    /// A member of what stands here.
    pub(crate) const fn member(&'p self, name: &'p str) -> Self {
        Self { outer: Some(self), part: Part::Name(name) }
    }

    /// An element of the list that stands here, counted from one.
    pub(crate) const fn element(&'p self, number: usize) -> Self {
        Self { outer: Some(self), part: Part::Element(number) }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outer) = self.outer {
            write!(f, "{outer}")?;
        }
        match (self.part, self.outer.map(|outer| outer.part)) {
            (Part::Body, _) => Ok(()),
            (Part::Operation(number), _) => write!(f, "operation {number}"),
            (Part::Element(number), _) => write!(f, " (element {number})"),
            (Part::Name(name), outer) => {
                f.write_str(match outer {
                    None | Some(Part::Body) => "",
                    Some(Part::Operation(_)) => ": ",
                    Some(Part::Name(urn)) if urn.contains(':') => ":",
                    Some(Part::Name(_) | Part::Element(_)) => ".",
                })?;
                let end = name.char_indices().nth(NAME_CHARS_MAX).map_or(name.len(), |(end, _)| end);
                // What does not look like a name may be a value in the wrong place, which must not get into a log.
                f.write_str(if is_plain_name(&name[..end]) { &name[..end] } else { "(no plain name)" })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_by_names_and_numbers() {
        let operation = Place::operation(2);
        let emails = operation.member("emails");
        let second = emails.element(2);
        assert_eq!(second.member("primary").to_string(), "operation 2: emails (element 2).primary");
        let urn = Place::BODY.member("urn:example:hr");
        assert_eq!(urn.member("grade").to_string(), "urn:example:hr:grade");
    }

    #[test]
    fn what_is_no_name_is_not_repeated() {
        for name in ["alice@example.com", "ü", "a b", ""] {
            let expected = if name.is_empty() { "" } else { "(no plain name)" };
            assert_eq!(Place::BODY.member(name).to_string(), expected);
        }
        assert_eq!(Place::BODY.member(&"x".repeat(200)).to_string(), "x".repeat(NAME_CHARS_MAX));
    }

    #[test]
    fn notes_are_bounded_but_know_every_dialect() {
        let mut notes = Notes::new();
        for number in 0..1_000 {
            notes.note(Dialect::GenericAttributeUnknown, number);
            notes.note(Dialect::GenericAttributeUnknown, number);
        }
        notes.note(Dialect::EntraOpCase, "operation 1");
        assert_eq!(notes.iter().count(), NOTES_MAX + 1);
        assert_eq!(notes.names(), ["generic.attribute_unknown", "entra.op_case"]);
        let mut all = Notes::new();
        all.extend(notes.clone());
        assert_eq!(all, notes);
    }

    #[test]
    fn a_refusal_names_place_dialect_and_what_is_wanted() {
        let mut notes = Notes::new();
        assert_eq!(notes.refuse(), Ok(()));
        notes.note(Dialect::EntraOpCase, "operation 1: op");
        assert_eq!(
            notes.within("operation 3").refuse().unwrap_err().to_string(),
            "operation 3: operation 1: op deviates from the RFC as entra.op_case, which this tenant is too strict to \
             take: RFC 7644 section 3.5.2 has op as add, remove or replace, in lower case"
        );
    }
}
