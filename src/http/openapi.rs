//! `/openapi.json`: the SCIM, admin and audit interfaces as an OpenAPI 3.1 document.
//!
//! The paths are data, in `openapi/*.json`; the bodies of resources come from the schemas, and the failures from
//! `docs/errors.md`. `x-errors` of an operation lists the statuses of its failures. The document knows no tenant:
//! it has the standard schemas and the base path that a tenant gets if nobody says otherwise. `tests/it/openapi.rs`
//! holds it against the code.

mod errors;
mod resource;

use std::sync::LazyLock;

use actix_web::HttpResponse;
use scim::Object;
use scim::schemas::Schemas;
use serde_json::{Value, json};

const PATHS: [&str; 3] = [
    include_str!("openapi/scim.json"),
    include_str!("openapi/admin.json"),
    include_str!("openapi/audit.json"),
];
const COMPONENTS: &str = include_str!("openapi/components.json");
/// Failures of requests that nobody reads: answered on the connection, whatever they ask for.
const HEAD_STATUSES: [u16; 4] = [400, 408, 414, 431];

/// The document.
static DOCUMENT: LazyLock<Value> = LazyLock::new(document);
static TEXT: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_string());

/// GET `/openapi.json`.
pub async fn serve() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(TEXT.as_str())
}

/// The methods that the document has for a path, for `Allow`; `None` if it has not the path.
pub(super) fn allowed(path: &str) -> Option<String> {
    let segments: Vec<&str> = path.split('/').collect();
    let is_it = |template: &str| {
        let parts: Vec<&str> = template.split('/').collect();
        let fits = |(part, segment): (&&str, &&str)| {
            part == segment || (part.starts_with('{') && !segment.is_empty())
        };
        parts.len() == segments.len() && parts.iter().zip(&segments).all(fits)
    };
    let paths = DOCUMENT["paths"].as_object()?;
    // A path with a name in it may look like one that has a word there.
    let (_, item) = paths
        .iter()
        .filter(|(template, _)| is_it(template))
        .min_by_key(|(template, _)| template.matches('{').count())?;
    let methods = item.as_object()?.keys().filter(|key| *key != "parameters");
    Some(methods.map(|method| method.to_uppercase()).collect::<Vec<_>>().join(", "))
}

fn document() -> Value {
    let mut components = data(COMPONENTS);
    let schemas = Schemas::standard();
    for schema in [&schemas.user, &schemas.group] {
        let name = schema.resource_type.name();
        put(&mut components, "schemas", name, resource::answered(schema));
        put(&mut components, "schemas", &format!("{name}Request"), resource::requested(schema));
    }
    for (name, response) in errors::responses() {
        put(&mut components, "responses", &name, response);
    }
    let mut paths = Object::new();
    for text in PATHS {
        let Value::Object(some) = data(text) else { continue };
        paths.extend(some.into_iter().map(|(path, item)| {
            let item = with_failures(&path, item);
            (path, item)
        }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Muster",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "An event-sourced SCIM 2.0 service provider",
            "description": "SCIM (RFC 7643, RFC 7644) for identity providers, an interface for operators and one \
                            for auditors. A tenant may have another base path than `/<tenant>/scim/v2`, and \
                            schemas of its own, which its `/Schemas` show. Every failure carries a stable code in \
                            `Muster-Error-Code`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"client": []}],
        "tags": [
            {"name": "SCIM", "description": "Users and groups (RFC 7644)."},
            {"name": "Discovery", "description": "What the service provider can do (RFC 7644 section 4)."},
            {"name": "Administration", "description": "For operators."},
            {"name": "Audit", "description": "For auditors and operators: reads only."},
            {"name": "Health", "description": "For whoever watches the service."},
        ],
        "paths": paths,
        "components": components,
    })
}

fn data(text: &str) -> Value {
    serde_json::from_str(text).expect("the data of the document ship with the program and are JSON")
}

fn put(components: &mut Value, kind: &str, name: &str, value: Value) {
    components[kind][name] = value;
}

/// Puts the failures of each operation in the place of `x-errors`, and what all answers have beside what is theirs.
fn with_failures(path: &str, mut item: Value) -> Value {
    let is_scim = path.starts_with("/{tenant}/");
    let Value::Object(operations) = &mut item else { return item };
    for (method, operation) in operations.iter_mut().filter(|(key, _)| *key != "parameters") {
        let listed = operation.as_object_mut().and_then(|operation| operation.remove("x-errors"));
        let listed = listed.as_ref().and_then(Value::as_array).into_iter().flatten();
        let listed = listed.filter_map(|status| status.as_u64()?.try_into().ok());
        let mut statuses: Vec<u16> = listed.chain(HEAD_STATUSES).collect();
        // Without a body there is nothing to be too large.
        statuses.retain(|status| *status != 413 || method != "get");
        for status in statuses {
            let name = errors::response_name(is_scim || HEAD_STATUSES[1..].contains(&status), status);
            let response = &mut operation["responses"][status.to_string()];
            // What is there is another use of the status.
            if response.is_null() {
                *response = json!({"$ref": format!("#/components/responses/{name}")});
            }
        }
        for response in operation["responses"].as_object_mut().into_iter().flat_map(Object::values_mut) {
            if response.get("$ref").is_none() {
                response["headers"]["X-Request-Id"] = json!({"$ref": "#/components/headers/RequestId"});
            }
        }
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        fn check(value: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(Value::String(target)) = members.get("$ref") {
                        let found = DOCUMENT.pointer(target.trim_start_matches('#'));
                        assert!(found.is_some(), "{target} leads nowhere");
                    }
                    members.values().for_each(check);
                }
                Value::Array(elements) => elements.iter().for_each(check),
                _ => {}
            }
        }
        check(&DOCUMENT);
    }

    #[test]
    fn allow_names_the_methods_of_a_path() {
        for (path, methods) in [
            ("/admin/v1/tenants", Some("GET, POST")),
            ("/admin/v1/tenants/acme", Some("DELETE, GET, PATCH")),
            ("/admin/v1/tenants/acme/projections/rebuild", Some("GET, POST")),
            ("/admin/v1/tenants/", None),
            ("/admin/v1/nothing", None),
        ] {
            assert_eq!(allowed(path).as_deref(), methods, "{path}");
        }
    }
}
