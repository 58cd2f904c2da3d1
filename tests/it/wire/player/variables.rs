//! Variables of a conversation: `{name}` in texts, `{"$collected": "name"}` for lists.
//!
//! `{random_uuid}` is another UUID each time; the sequence depends on nothing but the seed, so that two runs
//! send the same bytes. Braces around anything but a name (`{"id"…}`) are text like any other.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::matching::Difference;

/// What is known so far.
pub(super) struct Variables {
    texts: BTreeMap<String, String>,
    lists: BTreeMap<String, Vec<Value>>,
    random: u64,
}

impl Variables {
    /// No variables; `seed` decides which random ids there will be.
    pub(super) fn new(seed: &str) -> Self {
        // FNV-1a: any stable mapping from names to numbers would do.
        let random = seed.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { texts: BTreeMap::new(), lists: BTreeMap::new(), random }
    }

    /// Sets or replaces a text.
    pub(super) fn set(&mut self, name: &str, text: &str) {
        self.texts.insert(name.to_owned(), text.to_owned());
    }

    /// Lengthens a list.
    pub(super) fn collect(&mut self, list: &str, item: Value) {
        self.lists.entry(list.to_owned()).or_default().push(item);
    }

    /// The text with the values of its variables.
    pub(super) fn fill_text(&mut self, template: &str) -> Result<String, Difference> {
        let mut filled = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(start) = rest.find('{') {
            let (before, from_brace) = rest.split_at(start);
            filled.push_str(before);
            if let Some(name) = variable_name(from_brace) {
                filled.push_str(&self.text(name)?);
                rest = &from_brace[name.len() + 2..];
            } else {
                filled.push('{');
                rest = &from_brace[1..];
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// The value with the values of all variables in it.
    pub(super) fn fill(&mut self, template: &Value) -> Result<Value, Difference> {
        Ok(match template {
            Value::String(text) => Value::String(self.fill_text(text)?),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.fill(item)).collect::<Result<_, _>>()?)
            }
            Value::Object(members) => match members.get("$collected") {
                Some(list) => self.list(list)?,
                None => Value::Object(
                    members
                        .iter()
                        .map(|(key, value)| Ok((key.clone(), self.fill(value)?)))
                        .collect::<Result<Map<_, _>, Difference>>()?,
                ),
            },
            simple => simple.clone(),
        })
    }

    fn text(&mut self, name: &str) -> Result<String, Difference> {
        if name == "random_uuid" {
            return Ok(self.random_uuid());
        }
        self.texts.get(name).cloned().ok_or_else(|| unknown(name))
    }

    fn list(&self, name: &Value) -> Result<Value, Difference> {
        let items = name.as_str().and_then(|name| self.lists.get(name));
        items.map(|items| Value::Array(items.clone())).ok_or_else(|| unknown(&name.to_string()))
    }

    fn random_uuid(&mut self) -> String {
        // The form of a version 4 UUID, as random GUIDs of identity providers have it.
        let high = (self.next_random() & 0xffff_ffff_ffff_0fff) | 0x4000;
        let low = (self.next_random() & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
        let digits = format!("{high:016x}{low:016x}");
        [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
    }

    /// `SplitMix64`: short, and every seed gives a sequence without cycles that matter here.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The name between the brace that the text begins with and the next one, if it is one.
fn variable_name(from_brace: &str) -> Option<&str> {
    let (name, _) = from_brace.strip_prefix('{')?.split_once('}')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some(name)
}

fn unknown(name: &str) -> Difference {
    Difference::new("file", "only variables that were set before", format!("{{{name}}}"))
}
