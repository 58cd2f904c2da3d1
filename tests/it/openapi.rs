//! `/openapi.json` against the code: whatever is in one of them and not in the other fails here.
//!
//! Routes, parameters and codes are read from the source as text; what a path allows, from a running service.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::{TestService, send};

/// The base path that the document has for every tenant.
const BASE: &str = "/{tenant}/scim/v2";

fn source(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|_| panic!("{path} is gone"))
}

/// Every file below a folder of the source, and the file of that name beside it.
fn sources(folder: &str) -> String {
    let mut text = source(&format!("{folder}.rs"));
    text.push_str(&below(folder));
    text
}

/// Every file below a folder of the source.
fn below(folder: &str) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().and_then(|name| name.to_str()).expect("names are UTF-8");
            text.push_str(&below(&format!("{folder}/{name}")));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
    text
}

/// What stands in quotes directly behind each occurrence of some text.
fn literals_behind<'t>(text: &'t str, before: &str) -> Vec<&'t str> {
    let behind = text.match_indices(before).map(|(at, _)| text[at + before.len()..].trim_start());
    behind.filter_map(|rest| rest.strip_prefix('"')?.split('"').next()).collect()
}

async fn document(service: &TestService) -> Value {
    let answer = send("GET", &format!("{}/openapi.json", service.url), Vec::new(), None).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.expect(200)
}

/// The methods of each path.
fn operations(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let paths = document["paths"].as_object().expect("there are paths");
    let methods = |item: &Value| {
        let keys = item.as_object().expect("a path has operations").keys();
        keys.filter(|key| *key != "parameters").map(|key| key.to_uppercase()).collect()
    };
    paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_has_the_scim_routes_and_each_allows_what_it_says() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let document = document(&service).await;
    let text = source("src/http/scim.rs");
    let body =
        text.split("fn template(").nth(1).expect("routes have templates").split("\n    }\n").next().unwrap();
    let templates: BTreeSet<&str> = literals_behind(body, "=>").into_iter().collect();
    assert!(templates.contains("/Users/{id}") && templates.len() >= 7, "{templates:?}");
    let mut met = BTreeSet::new();
    for (path, methods) in operations(&document) {
        let Some(path) = path.strip_prefix(BASE) else { continue };
        // Discovery is counted under one template for the list and for each of its resources.
        let template = if templates.contains(path) {
            path
        } else {
            path.rsplit_once("/{").map_or(path, |(list, _)| list)
        };
        assert!(templates.contains(template), "the code has no {path}");
        met.insert(template.to_owned());
        let filled = path.replace("{id}", "x").replace("{name}", "User").replace("{urn}", "x");
        let answer = acme.send("OPTIONS", &filled, None).await;
        let allow = answer.header("allow").unwrap_or_else(|| panic!("{path} has no Allow: {}", answer.text));
        let allowed: BTreeSet<String> = allow.split(", ").map(str::to_owned).collect();
        let mut said = methods.clone();
        said.insert("OPTIONS".to_owned());
        if methods.contains("GET") {
            said.insert("HEAD".to_owned());
        }
        assert_eq!(said, allowed, "{path}: what the document says, and what is allowed");
    }
    let missing: Vec<&&str> = templates.iter().filter(|template| !met.contains(**template)).collect();
    assert!(missing.is_empty(), "add to src/http/openapi/scim.json: {missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_has_the_routes_for_operators_and_auditors_and_no_others() {
    let service = TestService::start().await;
    let mut routes = BTreeSet::new();
    for (file, prefix) in
        [("src/http.rs", ""), ("src/http/admin.rs", "/admin/v1"), ("src/http/audit.rs", "/audit/v1")]
    {
        let text = source(file);
        for (at, _) in text.match_indices(".route(\"") {
            let rest = &text[at + ".route(\"".len()..];
            let (path, rest) = rest.split_once('"').expect("a path ends");
            let method =
                rest.split("web::").nth(1).and_then(|rest| rest.split('(').next()).expect("a method");
            routes.insert((format!("{prefix}{path}"), method.to_uppercase()));
        }
    }
    // Stands for each report.
    routes.remove(&("/audit/v1/{tenant}/{report}".to_owned(), "GET".to_owned()));
    let reports = literals_behind(&source("src/reports.rs"), "[\"audit\", \"v1\", name,").join(" ");
    for report in reports.split(' ') {
        routes.insert((format!("/audit/v1/{{tenant}}/{report}"), "GET".to_owned()));
    }
    // Lists of resources as they were are no reports.
    let audit = source("src/http/audit.rs");
    let lists: Vec<&str> = audit.lines().filter_map(|line| line.trim().strip_suffix("),")).collect();
    for list in lists.iter().filter_map(|line| line.split_once(" => Some(ResourceType::")) {
        routes.insert((format!("/audit/v1/{{tenant}}/{}", list.0.trim_matches('"')), "GET".to_owned()));
    }
    assert!(routes.len() > 27, "{routes:?}");
    let document = document(&service).await;
    let said: BTreeSet<(String, String)> = operations(&document)
        .into_iter()
        .filter(|(path, _)| !path.starts_with(BASE))
        .flat_map(|(path, methods)| methods.into_iter().map(move |method| (path.clone(), method)))
        .collect();
    let missing: Vec<_> = routes.difference(&said).collect();
    let invented: Vec<_> = said.difference(&routes).collect();
    assert!(missing.is_empty() && invented.is_empty(), "missing: {missing:?}; not in the code: {invented:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_has_the_parameters_that_are_read_and_no_others() {
    let service = TestService::start().await;
    let of_lists = [source("crates/scim/src/list.rs"), source("crates/scim/src/returned.rs")].concat();
    let text = [sources("src/http/scim"), of_lists, sources("src/reports")].concat();
    let mut read = BTreeSet::new();
    for before in ["parameter(", "parameters.get(", "parameters.number(", "name.eq_ignore_ascii_case("] {
        read.extend(literals_behind(&text, before));
    }
    if text.contains("if_match(") && text.contains("none_match_holds(") {
        read.extend(["If-Match", "If-None-Match"]);
    }
    let document = document(&service).await;
    let parameters = document["components"]["parameters"].as_object().unwrap().values();
    let said: BTreeSet<&str> = parameters
        .filter(|parameter| parameter["in"] != "path")
        .filter_map(|parameter| parameter["name"].as_str())
        .collect();
    assert_eq!(said, read, "what the document says, and what the code reads");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_has_every_code_that_an_answer_can_carry() {
    let service = TestService::start().await;
    let document = document(&service).await;
    let responses = document["components"]["responses"].as_object().unwrap().values();
    let said: BTreeSet<String> = responses
        .filter_map(|response| response["headers"]["Muster-Error-Code"]["schema"]["enum"].as_array())
        .flatten()
        .map(|code| code.as_str().unwrap().to_owned())
        .collect();
    // What only stands in a `reason` of the outbox has no status.
    let in_code = crate::docs::source_error_codes();
    let invented: Vec<_> = said.difference(&in_code).collect();
    assert!(invented.is_empty(), "{invented:?}");
    let text = source("docs/errors.md");
    let outbox = text.split("\n## Outbox").nth(1).expect("a chapter on the outbox");
    let missing: Vec<_> =
        in_code.difference(&said).filter(|code| !outbox.contains(&format!("\n### {code}\n"))).collect();
    assert!(missing.is_empty(), "docs/errors.md names no status for {missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_for_everybody_and_tells_of_no_tenant() {
    let service = TestService::start().await;
    let before = document(&service).await;
    service.create_tenant("a-tenant-of-ours", "generic").await;
    let after = document(&service).await;
    assert_eq!(before, after);
    assert_eq!(after["openapi"], "3.1.0");
}
