//! Deciding what of a request is kept: each value is looked at once, where it stands, and whom it names is drawn from
//! what may be kept and from nothing else.

use super::allowed::{Allowed, Holds, Level, Naming, Rule};
use super::entry::Sender;
use super::json::Json;
use super::names::Names;
use super::words;

/// What is known while a request is looked at.
pub(super) struct Keeping<'a> {
    pub(super) allowed: &'a Allowed,
    sender: Sender,
    /// Words of paths that are the tenant's own.
    pub(super) own_words: &'a [&'a str],
    pub(super) names: Names,
    /// The shape of the first filter in the body.
    pub(super) filter_shape: Option<String>,
    /// Something was met that is not kept.
    pub(super) has_removed: bool,
    /// What is looked at stands in a text.
    pub(super) is_in_text: bool,
}

impl<'a> Keeping<'a> {
    pub(super) fn new(allowed: &'a Allowed, sender: Sender, own_words: &'a [&'a str]) -> Self {
        let names = Names::default();
        Self { allowed, sender, own_words, names, filter_shape: None, has_removed: false, is_in_text: false }
    }

    /// Whether any value of the request may be kept.
    pub(super) fn is_own(&self) -> bool {
        self.sender == Sender::Own
    }

    /// Whether a text may be kept under that rule; adds whom it names. `is_sought`: it is what something is compared
    /// with.
    pub(super) fn text(&mut self, text: &str, rule: Rule, is_sought: bool) -> bool {
        if words::has_token(text) {
            return false;
        }
        if holds_json(text) {
            let level = if let Holds::Parts(parts) = rule.holds { parts } else { rule.within };
            let is_known = matches!(rule.holds, Holds::Value | Holds::Parts(_));
            return is_known && self.is_own() && self.json(text, level);
        }
        let Some(rule) = self.single(rule) else { return false };
        match rule.names {
            Naming::Somebody => self.name(text),
            Naming::ByAddress => self.name(text.rsplit('/').next().unwrap_or_default()),
            Naming::Perhaps if is_sought => self.name(text),
            Naming::Perhaps | Naming::Nobody if text.contains('@') => self.name(text),
            Naming::Perhaps | Naming::Nobody => {}
        }
        self.is_own()
    }

    /// Somebody is named. Of a request that is in the wrong log nobody is looked for in it.
    pub(super) fn name(&mut self, name: &str) {
        if self.sender != Sender::Astray {
            self.names.add(name);
        }
    }

    /// The rule for one value: of what has parts it is their `value`.
    pub(super) fn single(&self, rule: Rule) -> Option<Rule> {
        let rule = match rule.holds {
            Holds::Parts(parts) => self.allowed.rule(parts, "value")?,
            _ => rule,
        };
        matches!(rule.holds, Holds::Value).then_some(rule)
    }

    /// Whether a text that holds JSON may be kept: one or several objects, in which there is nothing that may not.
    /// Entra ID writes an app role as `{"id": …, "value": …, "displayName": …}`, which are no parts of one.
    fn json(&mut self, text: &str, level: Level) -> bool {
        if self.is_in_text {
            return false;
        }
        let mut inside =
            Keeping { is_in_text: true, ..Keeping::new(self.allowed, self.sender, self.own_words) };
        let mut objects = match serde_json::from_str(text) {
            Ok(Json::Array(elements)) => elements,
            Ok(other) => vec![other],
            Err(_) => return false,
        };
        for object in &mut objects {
            let Json::Object(members) = object else { return false };
            inside.members(members, level);
        }
        if !inside.has_removed {
            self.names.extend(inside.names);
        }
        !inside.has_removed
    }
}

/// Whether somebody may be looked for by a text that stands where a name does.
pub(super) fn may_name(text: &str) -> bool {
    !words::has_token(text) && !holds_json(text)
}

/// Whether a text looks as if it held JSON: with an object anywhere in it, or as an array.
fn holds_json(text: &str) -> bool {
    let is_array = |text: &str| {
        let inside = text.trim_start().strip_prefix('[').map(str::trim_start);
        inside.is_some_and(|inside| inside.starts_with(['"', '[', '{']))
    };
    (text.contains('{') && text.contains(':')) || is_array(text)
}

#[cfg(test)]
mod tests;
