//! Text to [`Filter`], or an error with its offset.
//!
//! One pass from left to right without going back, so that the time is linear in the length; nesting is bounded,
//! so that no text exhausts the stack. Blanks are only asked for where two words would run together: RFC 7644
//! itself writes `value eq"…"` (section 3.5.2.2).

use serde_json::{Number, Value};

use super::{CompareOp, Filter};
use crate::attribute_path::{AttributePath, Written, is_path_byte};
use crate::{ScimError, ScimType};

/// The longest filter that is read, in bytes.
pub const FILTER_BYTES_MAX: usize = 10 * 1024;
/// The deepest nesting of parentheses, `not` and value paths.
pub const FILTER_DEPTH_MAX: usize = 64;

/// Parses the whole text.
pub fn parse(text: &str) -> Result<Filter, ScimError> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(too_long());
    }
    let mut parser = Parser { text, at: 0, depth: 0, subject: "filter", counted: (0, 0) };
    let filter = parser.any_of(Place::Resource)?;
    if parser.at < text.len() {
        return Err(parser.unexpected(parser.at, "and, or or the end of the filter"));
    }
    Ok(filter)
}

/// The refusal of a filter beyond [`FILTER_BYTES_MAX`], also where it is too long to be read at all.
pub fn too_long() -> ScimError {
    let detail = format!(
        "the filter is longer than {FILTER_BYTES_MAX} bytes; send a shorter one, or ask in several requests"
    );
    ScimError::new(ScimType::InvalidFilter, "filter_too_long", detail)
}

/// Parses the filter of a PATCH path, whose `[` stands just before `at`, up to its `]`. Gives the filter and
/// where the text goes on. The length is not limited here: the request body is.
pub(crate) fn parse_bracketed(text: &str, at: usize) -> Result<(Filter, usize), ScimError> {
    let mut parser = Parser { text, at, depth: 0, subject: "path", counted: (0, 0) };
    let filter = parser.deeper(|parser| parser.any_of(Place::Element))?;
    parser.closing(b']', "and, or or ]")?;
    Ok((filter, parser.at))
}

/// What a filter is about: inside the brackets of a value path there is no further one.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Resource,
    Element,
}

struct Parser<'t> {
    text: &'t str,
    /// Offset of the next byte; always at a character boundary.
    at: usize,
    depth: usize,
    /// What the text is, for error texts.
    subject: &'static str,
    /// So many characters were counted up to this offset.
    counted: (usize, usize),
}

impl<'t> Parser<'t> {
    /// Terms joined by `or`. Leaves the parser at the first byte that is not part of them.
    fn any_of(&mut self, place: Place) -> Result<Filter, ScimError> {
        let first = self.all_of(place)?;
        if !self.keyword("or") {
            return Ok(first);
        }
        let mut terms = vec![first, self.all_of(place)?];
        while self.keyword("or") {
            terms.push(self.all_of(place)?);
        }
        Ok(Filter::Or(terms))
    }

    /// Terms joined by `and`, which binds tighter than `or`.
    fn all_of(&mut self, place: Place) -> Result<Filter, ScimError> {
        let first = self.term(place)?;
        if !self.keyword("and") {
            return Ok(first);
        }
        let mut terms = vec![first, self.term(place)?];
        while self.keyword("and") {
            terms.push(self.term(place)?);
        }
        Ok(Filter::And(terms))
    }

    fn term(&mut self, place: Place) -> Result<Filter, ScimError> {
        self.skip_blanks();
        if self.peek() == Some(b'(') {
            return self.group(place);
        }
        let start = self.at;
        let word = self.word();
        if word.is_empty() {
            return Err(self.unexpected(start, "an attribute name, not or ("));
        }
        if word.eq_ignore_ascii_case("not") {
            self.skip_blanks();
            if self.peek() == Some(b'(') {
                return Ok(Filter::Not(Box::new(self.group(place)?)));
            }
        }
        let path = AttributePath::scan(word)
            .map_err(|error| self.unexpected(start + error.offset, error.expected))?;
        let path =
            AttributePath { written: Written::at(self.subject, self.characters_before(start)), ..path };
        if self.peek() == Some(b'[') {
            return self.value_path(path, place);
        }
        self.comparison(path)
    }

    /// A filter in parentheses.
    fn group(&mut self, place: Place) -> Result<Filter, ScimError> {
        self.at += 1;
        let filter = self.deeper(|parser| parser.any_of(place))?;
        self.closing(b')', "and, or or )")?;
        Ok(filter)
    }

    fn value_path(&mut self, path: AttributePath, place: Place) -> Result<Filter, ScimError> {
        if place == Place::Element {
            return Err(self.unexpected(self.at, "an operator, since brackets do not nest"));
        }
        self.at += 1;
        let filter = self.deeper(|parser| parser.any_of(Place::Element))?;
        self.closing(b']', "and, or or ]")?;
        Ok(Filter::ValuePath { path, filter: Box::new(filter) })
    }

    fn comparison(&mut self, path: AttributePath) -> Result<Filter, ScimError> {
        self.skip_blanks();
        let start = self.at;
        let word = self.word();
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Filter::Present(path));
        }
        let Some(op) = CompareOp::named(word) else {
            return Err(self.unexpected(start, "an operator such as eq, co or sw"));
        };
        self.skip_blanks();
        Ok(Filter::Compare { path, op, value: self.value()? })
    }

    /// `compValue`: literals are JSON's (RFC 7159), so their case counts.
    fn value(&mut self) -> Result<Value, ScimError> {
        const EXPECTED: &str = "a value: text in double quotes, a number, true, false or null";
        if self.peek() == Some(b'"') {
            return self.string();
        }
        let start = self.at;
        match self.word() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "null" => Ok(Value::Null),
            word => number(word).map(Value::Number).ok_or_else(|| self.unexpected(start, EXPECTED)),
        }
    }

    fn string(&mut self) -> Result<Value, ScimError> {
        let start = self.at;
        let mut escaped = false;
        let length = self.text.as_bytes()[start + 1..].iter().position(|&byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        });
        let Some(length) = length else {
            return Err(self.unexpected(start, "a closing double quote after this one"));
        };
        self.at = start + length + 2;
        serde_json::from_str(&self.text[start..self.at])
            .map(Value::String)
            .map_err(|_| self.unexpected(start, "a JSON string with valid escapes"))
    }

    /// Consumes a word if it comes next, whatever its case.
    fn keyword(&mut self, word: &str) -> bool {
        self.skip_blanks();
        let end = self.at + word.len();
        let found = self.text.get(self.at..end).is_some_and(|next| next.eq_ignore_ascii_case(word))
            && !self.text.as_bytes().get(end).copied().is_some_and(is_path_byte);
        if found {
            self.at = end;
        }
        found
    }

    /// Consumes what could be a path, an operator or a number; empty if none of them comes next.
    fn word(&mut self) -> &'t str {
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        self.at += rest.iter().position(|&byte| !is_path_byte(byte)).unwrap_or(rest.len());
        &self.text[start..self.at]
    }

    fn skip_blanks(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len());
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn closing(&mut self, bracket: u8, expected: &'static str) -> Result<(), ScimError> {
        self.skip_blanks();
        if self.peek() != Some(bracket) {
            return Err(self.unexpected(self.at, expected));
        }
        self.at += 1;
        Ok(())
    }

    /// Runs a parser one level deeper.
    fn deeper(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<Filter, ScimError>,
    ) -> Result<Filter, ScimError> {
        if self.depth == FILTER_DEPTH_MAX {
            let detail = format!(
                "{} position {}: brackets are nested deeper than {FILTER_DEPTH_MAX} levels",
                self.subject,
                self.characters(0, self.at)
            );
            return Err(ScimError::new(ScimType::InvalidFilter, "filter_too_deep", detail));
        }
        self.depth += 1;
        let filter = parse(self)?;
        self.depth -= 1;
        Ok(filter)
    }

    fn unexpected(&self, offset: usize, expected: &'static str) -> ScimError {
        let place = self.characters(0, offset) + 1;
        let detail = format!("{} position {place}: expected {expected}", self.subject);
        ScimError::new(ScimType::InvalidFilter, "filter_invalid", detail)
    }

    /// People count characters. Offsets that are asked for one after another are counted once.
    fn characters_before(&mut self, offset: usize) -> usize {
        let (from, before) = if self.counted.0 <= offset { self.counted } else { (0, 0) };
        let characters = before + self.characters(from, offset);
        self.counted = (offset, characters);
        characters
    }

    fn characters(&self, from: usize, to: usize) -> usize {
        self.text.get(from..to).map_or(0, |text| text.chars().count())
    }
}

/// A JSON number. `serde_json` checks the grammar; fractions are read by the standard library, which unlike it
/// always finds the nearest value, so that what was printed reads back the same.
fn number(word: &str) -> Option<Number> {
    let number: Number = serde_json::from_str(word).ok()?;
    if number.is_f64() { Number::from_f64(word.parse().ok()?) } else { Some(number) }
}
