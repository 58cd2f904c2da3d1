//! Deviations in the text of a filter, whether in a query or in the path of a PATCH operation.
//!
//! The text is cut into words, quoted texts and brackets; a comparison is a word, an operator and a value. A text
//! in RFC form is given back as it came. One that cannot be read is, too: the filter parser says what is wrong.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::Range;

use super::{Dialect, Notes};
use crate::ResourceSchema;
use crate::attribute_path::AttributePath;
use crate::filter::CompareOp;
use crate::schema::{Attribute, AttributeType};

/// Applies every dialect of a filter that stands at `place`.
pub(super) fn rewrite<'a>(
    text: &'a str,
    schema: &ResourceSchema,
    place: &dyn Display,
    notes: &mut Notes,
) -> Cow<'a, str> {
    match spelling(text, place, notes) {
        Cow::Borrowed(text) => comparisons(text, schema, place, notes),
        Cow::Owned(text) => Cow::Owned(comparisons(&text, schema, place, notes).into_owned()),
    }
}

/// How a filter is written, whatever it says. `generic.filter_blanks`: blanks at its ends, more than one between two
/// words, tabs and line breaks. `generic.single_quotes`: a value in single quotes.
fn spelling<'a>(text: &'a str, place: &dyn Display, notes: &mut Notes) -> Cow<'a, str> {
    let Some(tokens) = tokens(text) else { return Cow::Borrowed(text) };
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return Cow::Borrowed(text) };
    let mut edits = Vec::new();
    let mut blank = |range: Range<usize>, right: &str| {
        if !matches!(&text[range.clone()], "" | " ") || (right.is_empty() && !range.is_empty()) {
            edits.push((range, right.to_owned()));
            notes.note(Dialect::GenericFilterBlanks, place);
        }
    };
    blank(0..first.range.start, "");
    for pair in tokens.windows(2) {
        blank(pair[0].range.end..pair[1].range.start, " ");
    }
    blank(last.range.end..text.len(), "");
    let quoted = tokens.iter().filter(|token| token.kind == TokenKind::SingleQuoted);
    for Token { range, .. } in quoted {
        let inner = &text[range.start + 1..range.end - 1];
        edits.push((range.clone(), serde_json::Value::from(inner).to_string()));
        notes.note(Dialect::GenericSingleQuotes, place);
    }
    edits.sort_by_key(|(range, _)| range.start);
    edited(text, edits)
}

/// The dialects of what is compared with what.
fn comparisons<'a>(
    text: &'a str,
    schema: &ResourceSchema,
    place: &dyn Display,
    notes: &mut Notes,
) -> Cow<'a, str> {
    let Some(tokens) = tokens(text) else { return Cow::Borrowed(text) };
    let mut rewriting = Rewriting { text, schema, tokens, brackets: None, edits: Vec::new(), place, notes };
    rewriting.run();
    edited(text, rewriting.edits)
}

/// The text with something else in place of each range. They are in order and do not overlap.
fn edited(text: &str, edits: Vec<(Range<usize>, String)>) -> Cow<'_, str> {
    if edits.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut rewritten = String::with_capacity(text.len() + 16 * edits.len());
    let mut copied = 0;
    for (range, replacement) in edits {
        rewritten.push_str(&text[copied..range.start]);
        rewritten.push_str(&replacement);
        copied = range.end;
    }
    rewritten.push_str(&text[copied..]);
    Cow::Owned(rewritten)
}

/// A piece of a filter.
#[derive(Debug, Clone, PartialEq)]
struct Token {
    kind: TokenKind,
    range: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum TokenKind {
    /// Anything between blanks, quotes and brackets.
    Word,
    /// With its quotes.
    Quoted,
    /// The same in single quotes, where a value is expected.
    SingleQuoted,
    /// One of `( ) [ ]`.
    Bracket(u8),
}

/// Cuts the text; `None` if a quoted text does not end.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let bytes = text.as_bytes();
    let is_bracket = |byte: u8| matches!(byte, b'(' | b')' | b'[' | b']');
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        at += 1;
        let kind = match bytes[start] {
            byte if byte.is_ascii_whitespace() => continue,
            byte if is_bracket(byte) => TokenKind::Bracket(byte),
            b'"' => {
                while *bytes.get(at)? != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
                TokenKind::Quoted
            }
            byte => {
                let ends = |&byte: &u8| byte.is_ascii_whitespace() || byte == b'"' || is_bracket(byte);
                let quoted = if byte == b'\'' { single_quoted(&bytes[at..], ends) } else { None };
                at += quoted.or_else(|| bytes[at..].iter().position(ends)).unwrap_or(bytes.len() - at);
                if quoted.is_some() { TokenKind::SingleQuoted } else { TokenKind::Word }
            }
        };
        tokens.push(Token { kind, range: start..at });
    }
    Some(tokens)
}

/// How far the text behind a single quote goes, its closing one included, if that ends a word.
fn single_quoted(bytes: &[u8], ends: impl Fn(&u8) -> bool) -> Option<usize> {
    let length = bytes.iter().position(|&byte| byte == b'\'')? + 1;
    bytes.get(length).is_none_or(ends).then_some(length)
}

/// The brackets of a value path that the text is in.
#[derive(Clone, Copy)]
struct Brackets<'s> {
    /// What stands before them, if it is known.
    attribute: Option<&'s Attribute>,
    /// Behind the opening one.
    start: usize,
    /// Whether there is an `or` inside.
    has_or: bool,
}

struct Rewriting<'t, 's, 'n> {
    text: &'t str,
    schema: &'s ResourceSchema,
    tokens: Vec<Token>,
    brackets: Option<Brackets<'s>>,
    /// What to put in place of what, in order.
    edits: Vec<(Range<usize>, String)>,
    /// Where the filter stands.
    place: &'n dyn Display,
    notes: &'n mut Notes,
}

impl<'t, 's> Rewriting<'t, 's, '_> {
    fn run(&mut self) {
        let mut index = 0;
        while let Some(token) = self.tokens.get(index) {
            index += match token.kind {
                TokenKind::Word => self.word(index),
                TokenKind::Bracket(b']') => self.after_brackets(index),
                TokenKind::Bracket(_) | TokenKind::Quoted | TokenKind::SingleQuoted => 1,
            };
        }
    }

    /// A word that may begin a value path or a comparison. Says how many tokens it took.
    fn word(&mut self, index: usize) -> usize {
        let (word, end) = (self.slice(index), self.tokens[index].range.end);
        let next = self.tokens.get(index + 1);
        if next.is_some_and(|next| next.kind == TokenKind::Bracket(b'[') && next.range.start == end) {
            let attribute = self.attribute(word);
            self.brackets = Some(Brackets { attribute, start: end + 1, has_or: false });
            return 2;
        }
        if self.is_comparison(index + 1) {
            let attribute = self.compared(word);
            if let Some(value) = self.value(index + 2, attribute) {
                self.edits.push((self.tokens[index + 2].range.clone(), value));
            }
            return 3;
        }
        if let Some(brackets) = &mut self.brackets {
            brackets.has_or |= word.eq_ignore_ascii_case("or");
        }
        1
    }

    /// `entra.value_path_eq`: a value path that is compared, `emails[type eq "work"] eq "x"`, from Microsoft's
    /// documentation. `entra.value_path_sub`: a part of it is, `emails[type eq "work"].value eq "x"`, which Entra
    /// sends to match people. Both mean one more condition inside the brackets.
    fn after_brackets(&mut self, index: usize) -> usize {
        let Some(brackets) = self.brackets.take() else { return 1 };
        let closing = self.tokens[index].range.clone();
        let (name, operator, dialect) = match self.tokens.get(index + 1) {
            Some(next) if next.kind == TokenKind::Word && next.range.start == closing.end => {
                match self.slice(index + 1).strip_prefix('.').filter(|name| !name.is_empty()) {
                    Some(name) => (name, index + 2, Dialect::EntraValuePathSub),
                    None => return 1,
                }
            }
            _ => ("value", index + 1, Dialect::EntraValuePathEq),
        };
        let present = dialect == Dialect::EntraValuePathSub && self.is_word(operator, "pr");
        if !present && !self.is_comparison(operator) {
            return 1;
        }
        let mut condition = format!("{name} {}", self.slice(operator));
        let mut last = operator;
        if !present {
            last += 1;
            let attribute = brackets.attribute.and_then(|attribute| attribute.sub_attribute(name));
            let value = self.value(last, attribute).unwrap_or_else(|| self.slice(last).to_owned());
            condition = format!("{condition} {value}");
        }
        let parentheses = if brackets.has_or { ")" } else { "" };
        let range = closing.start..self.tokens[last].range.end;
        if brackets.has_or {
            let at = self.edits.partition_point(|(edited, _)| edited.start < brackets.start);
            self.edits.insert(at, (brackets.start..brackets.start, "(".to_owned()));
        }
        self.edits.push((range, format!("{parentheses} and {condition}]")));
        self.notes.note(dialect, self.place);
        last - index + 1
    }

    /// The value of a comparison in RFC form, if it is not and the attribute is known.
    fn value(&mut self, index: usize, attribute: Option<&Attribute>) -> Option<String> {
        let (written, kind) = (self.slice(index), self.tokens[index].kind);
        let value_type = attribute?.value_type;
        if value_type == AttributeType::Boolean {
            self.bool_string_filter(written)
        } else if kind == TokenKind::Quoted {
            None
        } else {
            self.bare_word(written, value_type)
        }
    }

    /// `entra.bool_string_filter`: a boolean as text, `roles[primary eq "True"].value`, or not in lower case.
    fn bool_string_filter(&mut self, written: &str) -> Option<String> {
        let bare = written.trim_matches('"').to_ascii_lowercase();
        if bare == written || !matches!(bare.as_str(), "true" | "false") {
            return None;
        }
        self.notes.note(Dialect::EntraBoolStringFilter, self.place);
        Some(bare)
    }

    /// `authentik.bare_word`: a text without quotes, `userName eq josegomezr`, from older releases of authentik and
    /// from Microsoft's documentation of `externalId`. A number is taken for a text where the attribute is one.
    fn bare_word(&mut self, written: &str, value_type: AttributeType) -> Option<String> {
        let is_text =
            matches!(value_type, AttributeType::String | AttributeType::Reference | AttributeType::Binary);
        let is_literal = matches!(written, "true" | "false" | "null");
        let is_number = serde_json::from_str::<serde_json::Number>(written).is_ok();
        if is_literal || (is_number && !is_text) {
            return None;
        }
        self.notes.note(Dialect::AuthentikBareWord, self.place);
        Some(serde_json::Value::from(written).to_string())
    }

    /// Whether an operator and a value stand there.
    fn is_comparison(&self, index: usize) -> bool {
        let Some([operator, value]) = self.tokens.get(index..index + 2) else { return false };
        operator.kind == TokenKind::Word
            && CompareOp::named(self.slice(index)).is_some()
            && matches!(value.kind, TokenKind::Word | TokenKind::Quoted)
    }

    fn is_word(&self, index: usize, word: &str) -> bool {
        self.tokens.get(index).is_some_and(|token| token.kind == TokenKind::Word)
            && self.slice(index).eq_ignore_ascii_case(word)
    }

    fn slice(&self, index: usize) -> &'t str {
        &self.text[self.tokens[index].range.clone()]
    }

    /// The attribute that a path names, as far as it is known.
    fn attribute(&self, path: &str) -> Option<&'s Attribute> {
        let found = AttributePath::scan(path).ok()?.resolve(self.schema)?;
        found.sub_attribute.or(found.attribute)
    }

    /// The attribute whose values a comparison is about: a bare complex name means its `value`.
    fn compared(&self, path: &str) -> Option<&'s Attribute> {
        let attribute = match self.brackets {
            Some(brackets) => brackets.attribute?.sub_attribute(path)?,
            None => self.attribute(path)?,
        };
        let complex = attribute.value_type == AttributeType::Complex;
        if complex { attribute.sub_attribute("value") } else { Some(attribute) }
    }
}

#[cfg(test)]
mod tests;
