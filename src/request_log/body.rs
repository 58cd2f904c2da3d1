//! The text of a body: what of it may be kept, and whom it names. One of which everything is kept, as of nearly all,
//! is not copied.

use std::borrow::Cow;

use super::allowed::{Holds, Level, Message, Naming, Rule};
use super::filter_shape;
use super::json::{Json, Members};
use super::keeping::Keeping;
use super::words::{self, REMOVED};

/// A resource, or a message.
const BODY: Rule = Rule { holds: Holds::Parts(Level::BODY), names: Naming::Perhaps, within: Level::BODY };

impl Keeping<'_> {
    /// What of a body is kept: JSON; `None` if it is none.
    pub(super) fn body<'t>(&mut self, text: &'t [u8]) -> Option<Cow<'t, [u8]>> {
        let mut body: Json<'t> = serde_json::from_str(std::str::from_utf8(text).ok()?).ok()?;
        self.has_removed = false;
        match &mut body {
            Json::Object(members) => self.members(members, Level::BODY),
            other => self.remove(other),
        }
        if !self.has_removed {
            return Some(Cow::Borrowed(text));
        }
        serde_json::to_vec(&body).ok().map(Cow::Owned)
    }

    /// Members with names of that table.
    pub(super) fn members(&mut self, members: &mut Members<'_>, level: Level) {
        for (name, value) in members {
            match self.member(name, level) {
                Some(rule) => self.value(value, rule),
                None => self.remove(value),
            }
        }
    }

    /// What a member may hold, if that is known.
    fn member(&mut self, name: &mut Cow<'_, str>, level: Level) -> Option<Rule> {
        let elsewhere = || self.is_in_text.then(|| self.allowed.rule(Level::BODY, name)).flatten();
        let found = self.allowed.rule(level, name).or_else(elsewhere);
        if found.is_none() && level == Level::BODY && name.contains('[') {
            // Entra ID writes paths with filters as names of members.
            return self.path(name);
        }
        if found.is_none() && !words::is_name(name) {
            *name = Cow::Borrowed(REMOVED);
            self.has_removed = true;
        }
        found
    }

    fn value(&mut self, value: &mut Json<'_>, rule: Rule) {
        let keeps = match (&mut *value, rule.holds) {
            (Json::Null, _) => true,
            (_, Holds::Message(message)) => return self.message(value, message),
            (Json::Array(elements), Holds::Value | Holds::Parts(_)) => {
                for element in elements {
                    match element {
                        Json::Array(_) => self.remove(element),
                        _ => self.value(element, rule),
                    }
                }
                true
            }
            (Json::Object(members), Holds::Parts(level)) => {
                self.members(members, level);
                true
            }
            (Json::Text(text), _) => self.text(text, rule, false),
            (Json::Bool(_) | Json::Number(_), _) => self.single(rule).is_some(),
            (Json::Array(_) | Json::Object(_), _) => false,
        };
        if !keeps {
            self.remove(value);
        }
    }

    fn message(&mut self, value: &mut Json<'_>, message: Message) {
        match (&mut *value, message) {
            (Json::Array(elements), Message::Many(is_such)) => {
                for element in elements {
                    self.word(element, is_such);
                }
            }
            (_, Message::One(is_such) | Message::Many(is_such)) => self.word(value, is_such),
            (Json::Text(filter), Message::Filter) => {
                self.filter_shape.get_or_insert_with(|| filter_shape::of(filter));
                self.filter(filter);
            }
            (Json::Array(operations), Message::Operations) => {
                for operation in operations {
                    match operation {
                        Json::Object(members) => self.operation(members),
                        other => self.remove(other),
                    }
                }
            }
            (Json::Object(members), Message::Data) => self.members(members, Level::BODY),
            _ => self.remove(value),
        }
    }

    fn word(&mut self, value: &mut Json<'_>, is_such: fn(&str) -> bool) {
        let keeps = match value {
            Json::Text(text) => is_such(text),
            Json::Number(number) => is_such(&number.to_string()),
            Json::Null => true,
            _ => false,
        };
        match value {
            Json::Text(text) if keeps && text.contains('@') => self.name(text),
            _ if keeps => {}
            _ => self.remove(value),
        }
    }

    /// An operation, of a PATCH or of a bulk request. Its path says what its value is, wherever it stands; where there
    /// are two, or something else than a path, nobody can tell.
    fn operation(&mut self, operation: &mut Members<'_>) {
        let is_bulk = operation.iter().any(|(name, _)| name.eq_ignore_ascii_case("method"));
        let (mut target, mut paths) = (Some(BODY), 0);
        for (_, path) in operation.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("path")) {
            paths += 1;
            target = match path {
                Json::Null => target,
                Json::Text(text) if text.is_empty() => target,
                Json::Text(text) if is_bulk => {
                    self.address(text);
                    None
                }
                Json::Text(text) => self.path(text),
                other => {
                    self.remove(other);
                    None
                }
            };
        }
        let target = target.filter(|_| paths < 2 && !is_bulk);
        for (name, value) in operation {
            match self.member(name, Level::OPERATION) {
                Some(Rule { holds: Holds::Message(Message::Path), .. }) => {}
                Some(Rule { holds: Holds::Message(Message::Value), .. }) => match target {
                    Some(rule) => self.value(value, rule),
                    None => self.remove(value),
                },
                Some(rule) => self.value(value, rule),
                None => self.remove(value),
            }
        }
    }

    /// That nothing stood there is no secret.
    fn remove(&mut self, value: &mut Json<'_>) {
        if !matches!(value, Json::Null) {
            *value = Json::Text(Cow::Borrowed(REMOVED));
            self.has_removed = true;
        }
    }
}
