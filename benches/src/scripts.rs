//! What the load generator asks of Muster, and how it knows that an answer is right.

use std::net::SocketAddr;
use std::sync::Mutex;

use serde_json::Value;

use crate::http::{Answer, contains};
use crate::load::Script;
use crate::people;
use crate::server::Tenant;

/// One answer in so many is parsed and compared in full; of the others the bytes that matter are looked at.
const PARSED_EVERY: u64 = 256;

/// The common part of all requests of a tenant.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    base_path: String,
    headers: String,
}

impl Access {
    pub(crate) fn new(address: SocketAddr, tenant: &Tenant) -> Self {
        let Tenant { name, token } = tenant;
        let headers = format!(
            " HTTP/1.1\r\nHost: {address}\r\nUser-Agent: bench/1\r\nAuthorization: Bearer {token}\r\n"
        );
        Self { base_path: format!("/{name}/scim/v2"), headers }
    }

    fn get(&self, path: &str, request: &mut Vec<u8>) {
        for part in ["GET ", &self.base_path, path, &self.headers, "\r\n"] {
            request.extend_from_slice(part.as_bytes());
        }
    }

    fn send(&self, method: &str, path: &str, body: &str, request: &mut Vec<u8>) {
        let length = body.len().to_string();
        for part in [
            method,
            " ",
            &self.base_path,
            path,
            &self.headers,
            "Content-Type: application/scim+json\r\nContent-Length: ",
            &length,
            "\r\n\r\n",
            body,
        ] {
            request.extend_from_slice(part.as_bytes());
        }
    }
}

fn status(answer: &Answer<'_>, expected: u16) -> Result<(), String> {
    if answer.status == expected { Ok(()) } else { Err(format!("not {expected}")) }
}

fn holds(answer: &Answer<'_>, text: &str) -> Result<(), String> {
    if contains(answer.body, text.as_bytes()) { Ok(()) } else { Err(format!("without {text}")) }
}

fn parsed(answer: &Answer<'_>) -> Result<Value, String> {
    serde_json::from_slice(answer.body).map_err(|error| error.to_string())
}

/// GET by id, of people in no order.
pub(crate) struct GetUser {
    pub(crate) access: Access,
    /// The id of each person, by its number.
    pub(crate) ids: std::sync::Arc<Vec<String>>,
}

impl GetUser {
    fn number(&self, turn: u64) -> u64 {
        people::scattered(turn) % u64::try_from(self.ids.len()).unwrap_or(1)
    }
}

impl Script for GetUser {
    fn ask(&self, turn: u64, request: &mut Vec<u8>) {
        let id = &self.ids[usize::try_from(self.number(turn)).unwrap_or_default()];
        self.access.get(&format!("/Users/{id}"), request);
    }

    fn check(&self, turn: u64, answer: &Answer<'_>) -> Result<(), String> {
        status(answer, 200)?;
        let number = self.number(turn);
        let id = &self.ids[usize::try_from(number).unwrap_or_default()];
        let etag = answer.etag.ok_or("without an ETag")?;
        if !turn.is_multiple_of(PARSED_EVERY) {
            // `schemas` comes first and has a fixed length, then the id.
            let begin = Answer { body: &answer.body[..answer.body.len().min(256)], ..*answer };
            return holds(&begin, id);
        }
        let user = parsed(answer)?;
        let right = user["id"] == *id
            && user["userName"] == people::user_name(number)
            && user["meta"]["version"].as_str().is_some_and(|version| version.as_bytes() == etag);
        if right { Ok(()) } else { Err("another person".to_owned()) }
    }
}

/// `userName eq`, of people in no order.
pub(crate) struct FindUser {
    pub(crate) access: Access,
    pub(crate) people: u64,
}

impl Script for FindUser {
    fn ask(&self, turn: u64, request: &mut Vec<u8>) {
        let name = people::user_name(people::scattered(turn) % self.people);
        self.access.get(&format!("/Users?filter=userName%20eq%20%22{name}%22"), request);
    }

    fn check(&self, turn: u64, answer: &Answer<'_>) -> Result<(), String> {
        status(answer, 200)?;
        holds(answer, "\"totalResults\":1,")?;
        if !turn.is_multiple_of(PARSED_EVERY) {
            return Ok(());
        }
        let name = people::user_name(people::scattered(turn) % self.people);
        if parsed(answer)?["Resources"][0]["userName"] == name { Ok(()) } else { Err(format!("not {name}")) }
    }
}

/// POST of people whom nobody knows yet.
pub(crate) struct CreateUser {
    pub(crate) access: Access,
    /// The number of the first one.
    pub(crate) first: u64,
    /// The id of each person who was created.
    pub(crate) created: std::sync::Arc<Mutex<Vec<String>>>,
}

impl Script for CreateUser {
    fn ask(&self, turn: u64, request: &mut Vec<u8>) {
        self.access.send("POST", "/Users", &people::document(self.first + turn), request);
    }

    fn check(&self, turn: u64, answer: &Answer<'_>) -> Result<(), String> {
        status(answer, 201)?;
        answer.etag.ok_or("without an ETag")?;
        let name = people::user_name(self.first + turn);
        holds(answer, &name)?;
        let text = std::str::from_utf8(answer.body).map_err(|error| error.to_string())?;
        let (_, behind) = text.split_once("\"id\":\"").ok_or("without an id")?;
        let id = behind.split_once('"').map_or("", |(id, _)| id).to_owned();
        self.created.lock().map_err(|_| "a poisoned list")?.push(id);
        if turn.is_multiple_of(PARSED_EVERY) && parsed(answer)?["userName"] != name {
            return Err(format!("not {name}"));
        }
        Ok(())
    }
}

/// PATCH of `active`, which is switched off and on again, round after round through all people.
pub(crate) struct SwitchUser {
    pub(crate) access: Access,
    pub(crate) ids: std::sync::Arc<Vec<String>>,
}

impl SwitchUser {
    fn choice(&self, turn: u64) -> (&str, bool) {
        let people = u64::try_from(self.ids.len()).unwrap_or(1);
        // A step that has no divisor in common with any size that is used, so that every person has a turn.
        let number = (turn % people * 7_919) % people;
        (&self.ids[usize::try_from(number).unwrap_or_default()], !(turn / people).is_multiple_of(2))
    }
}

impl Script for SwitchUser {
    fn ask(&self, turn: u64, request: &mut Vec<u8>) {
        let (id, active) = self.choice(turn);
        let body = format!(
            "{{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],\
             \"Operations\":[{{\"op\":\"replace\",\"path\":\"active\",\"value\":{active}}}]}}"
        );
        self.access.send("PATCH", &format!("/Users/{id}"), &body, request);
    }

    fn check(&self, turn: u64, answer: &Answer<'_>) -> Result<(), String> {
        status(answer, 200)?;
        answer.etag.ok_or("without an ETag")?;
        let (id, active) = self.choice(turn);
        holds(answer, id)?;
        holds(answer, &format!("\"active\":{active}"))
    }
}

/// The same GET of a list, again and again.
pub(crate) struct List {
    pub(crate) access: Access,
    /// Behind the base path, encoded.
    pub(crate) path: String,
    /// What every right answer holds.
    pub(crate) holding: String,
}

impl Script for List {
    fn ask(&self, _: u64, request: &mut Vec<u8>) {
        self.access.get(&self.path, request);
    }

    fn check(&self, _: u64, answer: &Answer<'_>) -> Result<(), String> {
        status(answer, 200)?;
        holds(answer, &self.holding)
    }
}

/// PATCH of groups in turn: a member is added in one turn and removed in the next.
pub(crate) struct ChangeMember {
    pub(crate) access: Access,
    pub(crate) group: String,
    pub(crate) members: Vec<String>,
}

impl Script for ChangeMember {
    fn ask(&self, turn: u64, request: &mut Vec<u8>) {
        let place = usize::try_from(turn / 2).unwrap_or_default() % self.members.len();
        let member = &self.members[place];
        let operation = if turn.is_multiple_of(2) {
            format!("{{\"op\":\"add\",\"path\":\"members\",\"value\":[{{\"value\":\"{member}\"}}]}}")
        } else {
            format!("{{\"op\":\"remove\",\"path\":\"members[value eq \\\"{member}\\\"]\"}}")
        };
        let body = format!(
            "{{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],\"Operations\":[{operation}]}}"
        );
        self.access.send("PATCH", &format!("/Groups/{}", self.group), &body, request);
    }

    fn check(&self, _: u64, answer: &Answer<'_>) -> Result<(), String> {
        status(answer, 204)
    }
}

/// A bulk request of creates of people whom nobody knows yet.
pub(crate) struct CreateMany {
    pub(crate) access: Access,
    /// How many a request.
    pub(crate) operations: u64,
}

impl Script for CreateMany {
    fn ask(&self, turn: u64, request: &mut Vec<u8>) {
        let mut body =
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":["#.to_owned();
        for operation in 0..self.operations {
            let separator = if operation == 0 { "" } else { "," };
            let bulk_id = operation.to_string();
            let document = people::document(turn * self.operations + operation);
            body.extend([
                separator,
                r#"{"method":"POST","path":"/Users","bulkId":""#,
                &bulk_id,
                r#"","data":"#,
                &document,
                "}",
            ]);
        }
        body.push_str("]}");
        self.access.send("POST", "/Bulk", &body, request);
    }

    fn check(&self, _turn: u64, answer: &Answer<'_>) -> Result<(), String> {
        status(answer, 200)?;
        let done = parsed(answer)?["Operations"].take();
        let done = done.as_array().map(Vec::as_slice).unwrap_or_default();
        let created = done.iter().filter(|operation| operation["status"] == "201").count();
        if created as u64 == self.operations { Ok(()) } else { Err(format!("{created} created")) }
    }
}
