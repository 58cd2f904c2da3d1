//! Every route of `/openapi.json`, with each token that has no business there and every id that is another tenant's:
//! a route that is added later is tried as soon as it is in the document.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Populated, everything, populated};
use crate::harness::{Answer, TestService, send};

/// An id that nothing ever had.
const NOBODY: &str = "01a20000-0000-7000-8000-00000000dead";
/// Routes that are for everybody and tell of nobody.
const PUBLIC: [&str; 4] = ["/livez", "/readyz", "/metrics", "/openapi.json"];

/// A method of a path of the document, with the body that the document shows as an example.
struct Route {
    method: String,
    path: String,
    body: Option<Value>,
}

async fn routes(service: &TestService) -> Vec<Route> {
    let document = send("GET", &format!("{}/openapi.json", service.url), Vec::new(), None).await.expect(200);
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().expect("there are paths") {
        for (method, operation) in item.as_object().expect("a path has operations") {
            if method == "parameters" || PUBLIC.contains(&path.as_str()) {
                continue;
            }
            let contents = operation["requestBody"]["content"].as_object();
            let content = contents.and_then(|contents| contents.values().next());
            let example = content.and_then(|content| content["examples"].as_object()?.values().next());
            let body = content.map(|_| example.map_or(json!({}), |example| example["value"].clone()));
            routes.push(Route { method: method.to_uppercase(), path: path.clone(), body });
        }
    }
    assert!(routes.len() > 50, "{} routes", routes.len());
    routes
}

/// The ids of a tenant that can stand in a path.
struct Ids<'i> {
    tenant: &'i str,
    user: &'i str,
    group: &'i str,
    token: &'i str,
    client: &'i str,
    request: &'i str,
}

impl Ids<'_> {
    fn fill(&self, path: &str) -> String {
        let id = match path {
            path if path.contains("/Groups/") => self.group,
            path if path.contains("/tokens/") => self.token,
            path if path.contains("/requests/") => self.request,
            _ => self.user,
        };
        path.replace("{tenant}", self.tenant)
            .replace("{id}", id)
            .replace("{user}", self.user)
            .replace("{client}", self.client)
            .replace("{operator}", NOBODY)
            .replace("{provider}", "okta")
            .replace("{name}", "User")
            .replace("{urn}", "urn:ietf:params:scim:schemas:core:2.0:User")
    }
}

async fn ask(service: &TestService, route: &Route, path: &str, token: &str) -> Answer {
    let content_type = ("Content-Type".to_owned(), "application/json".to_owned());
    let headers = vec![("Authorization".to_owned(), format!("Bearer {token}")), content_type];
    let body = route.body.as_ref().map(|body| body.to_string().into_bytes());
    send(&route.method, &format!("{}{path}", service.url), headers, body).await
}

/// Ids of the tenant that an operator sees.
async fn ids_of(service: &TestService, name: &str) -> (String, String, String) {
    let shown = service.admin("GET", &format!("/admin/v1/tenants/{name}"), None).await.expect(200);
    let requests = service.admin("GET", &format!("/audit/v1/{name}/requests"), None).await.expect(200);
    let mut ids = requests["requests"].as_array().expect("a list").iter().filter_map(|it| it["id"].as_str());
    let text = |value: &Value| value["id"].as_str().expect("an id").to_owned();
    let request = ids.next_back().expect("a request was logged").to_owned();
    (text(&shown["tokens"][0]), text(&shown["clients"][0]), request)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_answers_a_token_of_another_tenant_or_tells_its_ids_from_ids_of_nobody() {
    let service = TestService::start().await;
    let acme = populated(&service, "acme", "/acme/scim/v2").await;
    let beta = populated(&service, "beta", "/beta/scim/v2").await;
    check(&service, &acme, &beta).await;
    check(&service, &beta, &acme).await;
}

async fn check(service: &TestService, ours: &Populated, theirs: &Populated) {
    let before = (everything(service, ours).await, everything(service, theirs).await);
    let (token, client, request) = ids_of(service, &theirs.tenant.name).await;
    let ids = |tenant| Ids {
        tenant,
        user: &theirs.user,
        group: &theirs.group,
        token: &token,
        client: &client,
        request: &request,
    };
    let at_theirs = ids(theirs.tenant.name.as_str());
    let at_ours = ids(ours.tenant.name.as_str());
    let nobodys = Ids {
        tenant: &ours.tenant.name,
        user: NOBODY,
        group: NOBODY,
        token: NOBODY,
        client: NOBODY,
        request: NOBODY,
    };
    // What would betray that somebody looked where nobody may.
    let secrets: BTreeSet<&str> = [theirs.user.as_str(), &theirs.group, &token, &client, &request].into();
    for route in &routes(service).await {
        for ours in [&ours.tenant.token, &ours.auditor] {
            let path = at_theirs.fill(&route.path);
            let answer = ask(service, route, &path, ours).await;
            let refused = matches!(answer.status, 401 | 403 | 404);
            assert!(refused, "{} {path}: {} {}", route.method, answer.status, answer.text);

            // Their ids at our own address: the same answer as for an id that nobody ever had.
            let (path, unknown) = (at_ours.fill(&route.path), nobodys.fill(&route.path));
            if path == unknown {
                continue;
            }
            let answer = ask(service, route, &path, ours).await;
            let nobody = ask(service, route, &unknown, ours).await;
            assert!(answer.status >= 400, "{} {path}: {}", route.method, answer.text);
            let told = secrets.iter().fold(answer.text.clone(), |text, id| text.replace(*id, NOBODY));
            assert_eq!((answer.status, told), (nobody.status, nobody.text), "{} {path}", route.method);
        }
        // An operator reaches their ids only through their tenant.
        let (path, unknown) = (at_ours.fill(&route.path), nobodys.fill(&route.path));
        if route.path.starts_with("/admin/") && path != unknown {
            let answer = service.admin(&route.method, &path, route.body.clone()).await;
            assert_eq!(answer.status, 404, "{} {path}: {}", route.method, answer.text);
        }
    }
    assert_eq!((everything(service, ours).await, everything(service, theirs).await), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cursor_and_no_part_of_a_bulk_request_leads_into_another_tenant() {
    let service = TestService::start().await;
    let acme = populated(&service, "acme", "/acme/scim/v2").await;
    let beta = populated(&service, "beta", "/beta/scim/v2").await;
    for number in 0..3 {
        beta.tenant.user(&format!("u{number}@example.com")).await;
    }
    let before = (everything(&service, &acme).await, everything(&service, &beta).await);
    let page = beta.tenant.get("/Users?cursor&count=1").await.expect(200);
    let cursor = page["nextCursor"].as_str().expect("there is a second page");
    let answer = acme.tenant.get(&format!("/Users?cursor={cursor}&count=1")).await;
    answer.refused(400, Some("invalidCursor"), "cursor_invalid");
    let operation = |method: &str, path: String| json!({"method": method, "path": path});
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [
            operation("DELETE", format!("/Users/{}", beta.user)),
            operation("DELETE", format!("/Groups/{}", beta.group)),
            operation("DELETE", format!("/../../beta/scim/v2/Users/{}", beta.user)),
        ],
    });
    let answer = acme.tenant.post("/Bulk", bulk).await.expect(200);
    let statuses: Vec<&Value> =
        answer["Operations"].as_array().expect("a list").iter().map(|it| &it["status"]).collect();
    assert_eq!(statuses[..2], [&json!("404"), &json!("404")], "{answer:#}");
    assert!(statuses[2] == "400" || statuses[2] == "404", "{answer:#}");
    assert_eq!((everything(&service, &acme).await, everything(&service, &beta).await), before);
}
