//! Plays a recorded conversation of an identity provider against a SCIM service and checks every answer.
//!
//! Conversations are JSON files (`tests/wire/README.md` describes the format). The player promises that the
//! first answer that differs from its file is named with file, exchange and place. It is pure: requests go
//! through a function that the caller gives, nobody sleeps here, and random ids are the same in every run.
//! It does not know which service it speaks to, and nothing of Muster.

// The paths are spelt out because the demo includes this file by its path, and then submodules are looked for
// beside it.
#[path = "player/conversation.rs"]
mod conversation;
#[path = "player/matching.rs"]
mod matching;
#[path = "player/messages.rs"]
mod messages;
#[path = "player/rules.rs"]
mod rules;
#[cfg(test)]
#[path = "player/tests.rs"]
mod tests;
#[path = "player/variables.rs"]
mod variables;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

pub(crate) use conversation::Conversation;
use conversation::{Exchange, Expected, Pages, RequestTemplate, Step};
use matching::{Difference, compare, excerpt};
pub(crate) use messages::{Request, Response, Service};
use variables::Variables;

/// What an onlooker is told while a conversation plays.
#[derive(Debug)]
pub(crate) enum Moment<'a> {
    /// A request is about to be sent. Whoever plays at human speed waits `pause` now.
    Sending {
        /// What happens, for people.
        title: &'a str,
        /// How long a person would take until here.
        pause: Duration,
        /// The request.
        request: &'a Request,
    },
    /// The answer is there and has not been checked yet.
    Answered {
        /// The request.
        request: &'a Request,
        /// The answer.
        response: &'a Response,
        /// What the file says that the service notes of the request.
        notes: Option<&'a [String]>,
    },
}

/// An answer that is not what the file says, or a file that says something impossible.
#[derive(Debug)]
pub(crate) struct Mismatch {
    file: String,
    title: String,
    difference: Difference,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: \"{}\": {}", self.file, self.title, self.difference)
    }
}

impl std::error::Error for Mismatch {}

/// Plays a conversation from its first exchange to its last, or to the first mismatch.
pub(crate) fn play(
    conversation: &Conversation,
    service: &Service,
    send: &mut dyn FnMut(&Request) -> Result<Response, String>,
    observe: &mut dyn FnMut(&Moment<'_>),
) -> Result<(), Mismatch> {
    let mut variables = Variables::new(conversation.file());
    variables.set("base", &service.base);
    variables.set("token", &service.token);
    let mut player = Player { conversation, base: &service.base, variables, send, observe };
    let mut title = "variables".to_owned();
    player.run(&mut title).map_err(|difference| Mismatch {
        file: conversation.file().to_owned(),
        title,
        difference,
    })
}

/// One conversation under way.
struct Player<'a> {
    conversation: &'a Conversation,
    base: &'a str,
    variables: Variables,
    send: &'a mut dyn FnMut(&Request) -> Result<Response, String>,
    observe: &'a mut dyn FnMut(&Moment<'_>),
}

type Outcome<T> = Result<T, Difference>;

impl Player<'_> {
    /// Plays every step; `title` names the exchange that is being played.
    fn run(&mut self, title: &mut String) -> Outcome<()> {
        for (name, template) in &self.conversation.variables {
            let text = self.variables.fill_text(template)?;
            self.variables.set(name, &text);
        }
        for step in &self.conversation.exchanges {
            match step {
                Step::Exchange(exchange) => self.exchange(exchange, title)?,
                Step::Repeat(block) => {
                    for number in 1..=block.times {
                        self.variables.set(&block.number, &number.to_string());
                        for exchange in &block.exchanges {
                            self.exchange(exchange, title)?;
                        }
                    }
                }
                Step::Pages(pages) => self.pages(pages, title)?,
            }
        }
        Ok(())
    }

    fn exchange(&mut self, exchange: &Exchange, title: &mut String) -> Outcome<()> {
        *title = self.variables.fill_text(&exchange.title)?;
        let pause = Duration::from_millis(exchange.pause_ms);
        self.answer(title, pause, &exchange.request, &exchange.response)?;
        Ok(())
    }

    /// Walks through a list as an import does: page after page, until `totalResults` has been reached.
    fn pages(&mut self, pages: &Pages, title: &mut String) -> Outcome<()> {
        let mut resources = Vec::new();
        let mut start_index = 1;
        loop {
            self.variables.set("start_index", &start_index.to_string());
            *title = self.variables.fill_text(&pages.title)?;
            let mut page = self.answer(title, Duration::ZERO, &pages.request, &pages.response)?;
            if let Some(Value::Array(found)) = page.get_mut("Resources") {
                resources.append(found);
            }
            let total = page.get("totalResults").and_then(Value::as_u64).unwrap_or_default();
            start_index += pages.size;
            if start_index > total {
                each_once(&resources, total)?;
                let expected = self.variables.fill(&pages.resources)?;
                return compare(&expected, Some(&Value::Array(resources)))
                    .map_err(|difference| difference.below("all Resources"));
            }
        }
    }

    /// Sends one request, checks the answer and keeps what the file wants kept.
    fn answer(
        &mut self,
        title: &str,
        pause: Duration,
        request: &RequestTemplate,
        expected: &Expected,
    ) -> Outcome<Value> {
        let request = self.request(request)?;
        (self.observe)(&Moment::Sending { title, pause, request: &request });
        let response =
            (self.send)(&request).map_err(|reason| Difference::new("answer", "an answer", reason))?;
        let notes = expected.notes.as_deref();
        (self.observe)(&Moment::Answered { request: &request, response: &response, notes });

        if response.status != expected.status {
            let actual = format!("{} with the body {}", response.status, excerpt(&response.body));
            return Err(Difference::new("status", expected.status.to_string(), actual));
        }
        let body = rules::check(&response, self.base)?;
        self.check(&response, &body, expected)?;
        self.keep(&body, expected)?;
        Ok(body)
    }

    fn request(&mut self, template: &RequestTemplate) -> Outcome<Request> {
        let path = self.variables.fill_text(&template.path)?;
        let body = match (&template.body, &template.body_text) {
            (Some(body), _) => Some(self.variables.fill(body)?.to_string()),
            (None, Some(text)) => Some(self.variables.fill_text(text)?),
            (None, None) => None,
        };
        let mut headers: Vec<(String, String)> = Vec::new();
        let defaults = [("Authorization".to_owned(), "Bearer {token}".to_owned())];
        for (name, value) in template
            .headers
            .iter()
            .chain(&self.conversation.headers)
            .chain(defaults.iter().map(|(name, value)| (name, value)))
        {
            let is_set = headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
            let is_moot = body.is_none() && name.eq_ignore_ascii_case("Content-Type");
            if !is_set && !is_moot {
                headers.push((name.clone(), self.variables.fill_text(value)?));
            }
        }
        let url = format!("{}{path}", self.base);
        Ok(Request { method: template.method.clone(), path, url, headers, body })
    }

    fn check(&mut self, response: &Response, body: &Value, expected: &Expected) -> Outcome<()> {
        for (name, value) in &expected.headers {
            let value = self.variables.fill(value)?;
            let actual = response.header(name).map(|text| Value::String(text.to_owned()));
            compare(&value, actual.as_ref())
                .map_err(|difference| difference.below(&format!("header {name}")))?;
        }
        for text in &expected.without_text {
            let text = self.variables.fill_text(text)?;
            if response.body.contains(&text) {
                let expected = format!("no {text:?} anywhere");
                return Err(Difference::new("body", expected, excerpt(&response.body)));
            }
        }
        if let Some(template) = &expected.body {
            compare(&self.variables.fill(template)?, Some(body))?;
        }
        Ok(())
    }

    fn keep(&mut self, body: &Value, expected: &Expected) -> Outcome<()> {
        for (name, pointer) in &expected.capture {
            match body.pointer(pointer) {
                Some(Value::String(text)) => self.variables.set(name, text),
                other => {
                    let actual = other.map_or_else(|| "nothing".to_owned(), Value::to_string);
                    return Err(Difference::new(pointer, format!("a string to capture as {name}"), actual));
                }
            }
        }
        for (list, template) in &expected.collect {
            let item = self.variables.fill(template)?;
            self.variables.collect(list, item);
        }
        Ok(())
    }
}

/// An import that meets a resource twice, or misses one, has seen pages that do not belong together.
fn each_once(resources: &[Value], total: u64) -> Outcome<()> {
    let ids: BTreeSet<Option<&str>> =
        resources.iter().map(|resource| resource.get("id").and_then(Value::as_str)).collect();
    if u64::try_from(ids.len()) == Ok(total) && ids.len() == resources.len() {
        return Ok(());
    }
    let actual = format!("{} resources, {} of them different", resources.len(), ids.len());
    Err(Difference::new("all pages", format!("{total} different resources"), actual))
}
