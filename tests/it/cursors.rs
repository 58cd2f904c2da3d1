//! Cursors over HTTP (RFC 9865): all pages of a walk show one state, whatever is written meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use muster::app::Sources;
use muster::clock::ManualClock;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Answer, Tenant, TestService, id_of};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
/// What a page has, so that a walk has several.
const PAGE: usize = 7;

/// Percent-encodes what stands in a query.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A query of a list: endpoint and parameters.
#[derive(Debug, Clone)]
struct Query {
    endpoint: &'static str,
    parameters: Vec<(&'static str, String)>,
}

impl Query {
    fn new(endpoint: &'static str, parameters: &[(&'static str, &str)]) -> Self {
        let parameters = parameters.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { endpoint, parameters }
    }

    async fn get(&self, tenant: &Tenant, more: &[(&str, &str)]) -> Answer {
        let own = self.parameters.iter().map(|(name, value)| (*name, value.as_str()));
        let all: Vec<_> = own
            .chain(more.iter().copied())
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        tenant.get(&format!("{}?{}", self.endpoint, all.join("&"))).await
    }

    async fn search(&self, tenant: &Tenant, cursor: &str) -> Answer {
        let mut body = json!({"schemas": [SEARCH_REQUEST], "cursor": cursor, "count": PAGE});
        for (name, value) in &self.parameters {
            body[*name] = json!(value);
        }
        tenant.post(&format!("{}/.search", self.endpoint.trim_end_matches('/')), body).await
    }

    /// All of it at once, by index.
    async fn whole(&self, tenant: &Tenant) -> Vec<Value> {
        let list = self.get(tenant, &[("count", "1000")]).await.expect(200);
        let all = list["Resources"].as_array().expect("a list has resources").clone();
        assert_eq!(list["totalResults"], all.len());
        all
    }

    async fn page(&self, tenant: &Tenant, cursor: &str) -> Value {
        // One page with GET, the next one with POST.
        if cursor.len().is_multiple_of(2) {
            self.get(tenant, &[("cursor", cursor), ("count", &PAGE.to_string())]).await.expect(200)
        } else {
            self.search(tenant, cursor).await.expect(200)
        }
    }

    /// The pages from that cursor on, one after the other.
    async fn pages(&self, tenant: &Tenant, cursor: &str) -> Walk {
        let mut walk = Walk { next: Some(cursor.to_owned()), ..Walk::default() };
        while let Some(cursor) = walk.next.take() {
            walk.add(&self.page(tenant, &cursor).await);
        }
        walk
    }
}

/// What pages showed so far.
#[derive(Debug, Default)]
struct Walk {
    resources: Vec<Value>,
    totals: BTreeSet<u64>,
    pages: usize,
    next: Option<String>,
}

impl Walk {
    fn add(&mut self, page: &Value) {
        let resources = page["Resources"].as_array().expect("a list has resources");
        assert_eq!(page["itemsPerPage"], resources.len());
        assert!(resources.len() <= PAGE && page.get("startIndex").is_none());
        self.resources.extend(resources.iter().cloned());
        self.totals.insert(page["totalResults"].as_u64().expect("a total"));
        self.pages += 1;
        self.next = page["nextCursor"].as_str().map(str::to_owned);
    }
}

/// A house with people and groups of all kinds; their ids.
struct House {
    acme: Tenant,
    users: Vec<String>,
    groups: Vec<String>,
}

async fn house(service: &TestService) -> House {
    let mut acme = service.create_tenant("acme", "generic").await;
    acme.base_url = address(service);
    let mut users = Vec::new();
    for number in 0..24 {
        let person = json!({
            "schemas": [USER], "userName": format!("person{number}@example.com"), "active": number % 5 > 0,
            "displayName": format!("Person {}", number % 4), "title": if number % 3 == 0 { "Guide" } else { "Cook" },
            "emails": [{"value": format!("{}@example.com", 99 - number)}],
            "externalId": format!("x{number}"),
        });
        users.push(id_of(&acme.post("/Users", person).await.expect(201)));
        if number == 12 {
            acme.group("Between", &[&users[3], &users[12]]).await;
        }
    }
    let mut groups = Vec::new();
    for number in 0..9_usize {
        let members: Vec<&str> = users.iter().skip(number).step_by(3).map(String::as_str).collect();
        groups.push(acme.group(&format!("Team {}", number % 2), &members).await);
    }
    House { acme, users, groups }
}

impl House {
    /// Lists of every kind: with and without filter, with and without an order, by what others say.
    fn queries(&self) -> Vec<Query> {
        let in_group = format!("groups.value eq \"{}\"", self.groups[0]);
        let with_member = format!("members.value eq \"{}\"", self.users[4]);
        let users = |parameters: &[(&'static str, &str)]| Query::new("/Users", parameters);
        let groups = |parameters: &[(&'static str, &str)]| Query::new("/Groups", parameters);
        vec![
            users(&[]),
            users(&[("filter", "title eq \"Guide\" and active eq true")]),
            users(&[("filter", "not (title eq \"Guide\")"), ("attributes", "userName,groups")]),
            users(&[("filter", &in_group)]),
            users(&[("filter", "groups.display eq \"Team 1\""), ("excludedAttributes", "emails")]),
            users(&[("filter", "userName eq \"person3@example.com\"")]),
            users(&[("sortBy", "displayName")]),
            users(&[("sortBy", "emails"), ("sortOrder", "descending")]),
            users(&[("sortBy", "meta.lastModified"), ("filter", "externalId sw \"x1\"")]),
            users(&[("sortBy", "groups.display"), ("sortOrder", "descending")]),
            groups(&[]),
            groups(&[("filter", &with_member)]),
            groups(&[("sortBy", "displayName"), ("excludedAttributes", "members")]),
            Query::new("/", &[]),
            Query::new("/", &[("sortBy", "displayName"), ("filter", "displayName co \"e\"")]),
        ]
    }

    /// Changes about everything.
    async fn change(&self) {
        let House { acme, users, groups } = self;
        for (number, id) in users.iter().enumerate() {
            let path = format!("/Users/{id}");
            let done = match number % 6 {
                0 => acme.delete(&path).await,
                1 => {
                    let title = json!([{"op": "replace", "path": "title", "value": "Guide"}]);
                    acme.patch(&path, title).await
                }
                2 => {
                    let changes = json!([{"op": "replace", "value": {
                        "userName": format!("new{number}@example.com"), "displayName": format!("Z {number}"),
                        "active": number % 4 == 0, "externalId": format!("y{number}")}}]);
                    acme.patch(&path, changes).await
                }
                3 => {
                    let body = json!({"schemas": [USER], "userName": format!("put{number}@example.com")});
                    acme.put(&path, body).await
                }
                _ => continue,
            };
            assert!([200, 204].contains(&done.status), "{}", done.text);
        }
        acme.user("person3@example.com").await;
        for (number, id) in groups.iter().enumerate() {
            let path = format!("/Groups/{id}");
            let member = &users[10];
            let operations = match number % 4 {
                0 => json!([{"op": "remove", "path": "members"}]),
                1 => json!([{"op": "add", "path": "members", "value": [{"value": member}]}]),
                2 => json!([{"op": "replace", "path": "displayName", "value": "Renamed"}]),
                _ => {
                    acme.delete(&path).await;
                    continue;
                }
            };
            assert_eq!(acme.patch(&path, operations).await.status, 204);
        }
        acme.group("Late", &[&users[10], &users[11]]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_walk_equals_an_index_walk_when_nothing_is_written() {
    let service = TestService::start().await;
    let house = house(&service).await;
    for query in house.queries() {
        let whole = query.whole(&house.acme).await;
        let walk = query.pages(&house.acme, "").await;
        assert_eq!(walk.resources, whole, "{query:?}");
        assert_eq!(walk.totals, [whole.len() as u64].into(), "{query:?}");
        assert_eq!(walk.pages, whole.len().div_ceil(PAGE).max(1), "{query:?}: the last page says that it is");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_show_the_state_of_the_first_whatever_is_written_meanwhile() {
    let public = |config: &mut muster::config::Config| {
        config.public_url = Some("https://scim.example.com".parse().unwrap());
    };
    let mut service = TestService::start_with(public, Sources::default()).await;
    let mut house = house(&service).await;
    let mut walks = Vec::new();
    for query in house.queries() {
        let whole = query.whole(&house.acme).await;
        let mut walk = Walk::default();
        walk.add(&query.page(&house.acme, "").await);
        walks.push((query, whole, walk));
    }
    house.change().await;
    check_rest(&house, &walks).await;
    // A cursor outlives the service and its views; what was kept in memory is made again.
    let remove_views = |data: &std::path::Path| {
        for view in ["current.db", "history.db"] {
            std::fs::remove_file(data.join("tenants/acme").join(view)).unwrap();
        }
    };
    service.restarted(remove_views).await;
    house.acme.base_url = address(&service);
    check_rest(&house, &walks).await;
}

/// Where a tenant is reached whose public URL is another.
fn address(service: &TestService) -> String {
    format!("{}/acme/scim/v2", service.url)
}

/// What the first page showed and the rest shows is the whole of then.
async fn check_rest(house: &House, walks: &[(Query, Vec<Value>, Walk)]) {
    for (query, whole, first) in walks {
        let mut resources = first.resources.clone();
        let mut totals = first.totals.clone();
        if let Some(cursor) = &first.next {
            let rest = query.pages(&house.acme, cursor).await;
            resources.extend(rest.resources);
            totals.extend(rest.totals);
        }
        assert_eq!(&resources, whole, "{query:?}");
        assert_eq!(totals, [whole.len() as u64].into(), "{query:?}");
    }
}

/// Writes until it is told to stop: people come, change and go.
async fn write_until(stop: Arc<AtomicBool>, writes: Arc<AtomicUsize>, tenant: Tenant, users: Vec<String>) {
    while !stop.load(Ordering::Relaxed) {
        let number = writes.fetch_add(1, Ordering::Relaxed);
        let title = json!([{"op": "replace", "path": "title", "value": format!("T{number}")}]);
        tenant.patch(&format!("/Users/{}", users[number * 7 % users.len()]), title).await.expect(200);
        let come = tenant.user(&format!("come{number}@example.com")).await;
        if number.is_multiple_of(2) {
            assert_eq!(tenant.delete(&format!("/Users/{come}")).await.status, 204);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_resource_comes_once_while_others_write() {
    let service = TestService::start().await;
    let House { acme, users, .. } = house(&service).await;
    let (stop, writes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let write = || write_until(Arc::clone(&stop), Arc::clone(&writes), acme.clone(), users.clone());
    let others: JoinSet<_> = (0..3).map(|_| write()).collect();
    let queries = [Query::new("/Users", &[]), Query::new("/Users", &[("sortBy", "title")])];
    for query in queries.iter().cycle().take(6) {
        let before = writes.load(Ordering::Relaxed);
        // Until something was written during a walk.
        while writes.load(Ordering::Relaxed) < before + 5 {
            let walk = query.pages(&acme, "").await;
            let ids: BTreeSet<String> = walk.resources.iter().map(id_of).collect();
            assert_eq!(ids.len(), walk.resources.len(), "nobody comes twice");
            assert_eq!(walk.totals, [ids.len() as u64].into(), "everybody comes, and the total stays");
            assert!(users.iter().all(|id| ids.contains(id)));
        }
    }
    stop.store(true, Ordering::Relaxed);
    others.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_belongs_to_its_caller_and_its_query() {
    let service = TestService::start().await;
    let House { acme, .. } = house(&service).await;
    let query = Query::new("/Users", &[("filter", "active eq true"), ("sortBy", "userName")]);
    let count = PAGE.to_string();
    let first = query.get(&acme, &[("cursor", ""), ("count", &count)]).await.expect(200);
    let cursor = first["nextCursor"].as_str().unwrap().to_owned();
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    assert!(cursor.bytes().all(unreserved), "{cursor}");
    let mut forged = cursor.clone();
    forged.replace_range(40..41, if &cursor[40..41] == "A" { "B" } else { "A" });

    let other = service.create_tenant("other", "generic").await;
    let path = "/admin/v1/tenants/acme/clients";
    let client =
        service.admin("POST", path, Some(json!({"name": "second", "kind": "generic"}))).await.expect(201);
    let asked = json!({"client": client["id"], "role": "client"});
    let token = service.admin("POST", "/admin/v1/tenants/acme/tokens", Some(asked)).await.expect(201);
    let second = Tenant { token: token["token"].as_str().unwrap().to_owned(), ..acme.clone() };

    let changed = |name: &'static str, value: &str| {
        let mut changed = query.clone();
        changed.parameters.retain(|(given, _)| *given != name);
        changed.parameters.push((name, value.to_owned()));
        changed
    };
    let elsewhere = |endpoint| Query { endpoint, ..query.clone() };
    let invalid = [
        ("forged", &acme, query.clone(), forged.as_str()),
        ("no cursor at all", &acme, query.clone(), "nonsense"),
        ("cut", &acme, query.clone(), &cursor[..cursor.len() - 1]),
        ("another tenant", &other, query.clone(), &cursor),
        ("another client", &second, query.clone(), &cursor),
        ("another filter", &acme, changed("filter", "active eq false"), &cursor),
        ("another sort", &acme, changed("sortBy", "displayName"), &cursor),
        ("another order", &acme, changed("sortOrder", "descending"), &cursor),
        ("other attributes", &acme, changed("attributes", "userName"), &cursor),
        ("another endpoint", &acme, elsewhere("/"), &cursor),
    ];
    let mut details = BTreeSet::new();
    for (what, tenant, query, cursor) in invalid {
        let answer = query.get(tenant, &[("cursor", cursor), ("count", &count)]).await;
        answer.refused(400, Some("invalidCursor"), "cursor_invalid");
        details.insert(answer.body["detail"].to_string());
        assert_eq!(details.len(), 1, "{what} is told like everything else");
    }
    for (parameters, scim_type, code) in [
        ([("cursor", cursor.as_str()), ("count", "8")], "invalidCount", "cursor_count"),
        ([("cursor", ""), ("count", "seven")], "invalidCount", "count_invalid"),
        ([("cursor", ""), ("startIndex", "2")], "invalidValue", "cursor_and_start_index"),
    ] {
        query.get(&acme, &parameters).await.refused(400, Some(scim_type), code);
    }
    let answer = query.search(&acme, &forged).await;
    answer.refused(400, Some("invalidCursor"), "cursor_invalid");
    // It is as good as ever, also in a body, and with the index that begins every list.
    query.search(&acme, &cursor).await.expect(200);
    let usual = [("cursor", cursor.as_str()), ("count", &count), ("startIndex", "1")];
    query.get(&acme, &usual).await.expect(200);
    let nothing = query.get(&acme, &[("cursor", ""), ("count", "0")]).await.expect(200);
    assert_eq!((&nothing["Resources"], nothing.get("nextCursor")), (&json!([]), None));
    assert_eq!(nothing["totalResults"], first["totalResults"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_expires_as_it_is_advertised() {
    let clock = Arc::new(ManualClock::at(ManualClock::START));
    let sources = Sources { clock: Arc::clone(&clock) as _, ..Sources::default() };
    let service = TestService::start_with(|config| config.limits.cursor_seconds = 600, sources).await;
    let House { acme, .. } = house(&service).await;
    let config = acme.get("/ServiceProviderConfig").await.expect(200);
    assert_eq!(
        config["pagination"],
        json!({"cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": 100,
               "maxPageSize": 1000, "cursorTimeout": 600})
    );
    let page = |cursor: String| {
        let acme = acme.clone();
        async move { acme.get(&format!("/Users?count=5&cursor={cursor}")).await }
    };
    let next = |page: &Value| page["nextCursor"].as_str().expect("a next page").to_owned();
    let mut cursor = next(&page(String::new()).await.expect(200));
    // The time is that between two pages, and the least for which a cursor holds (RFC 9865 section 4).
    for _ in 0..2 {
        clock.advance(Duration::from_mins(10));
        cursor = next(&page(cursor).await.expect(200));
    }
    clock.advance(Duration::from_secs(601));
    page(cursor).await.refused(400, Some("expiredCursor"), "cursor_expired");
    // Without a parameter that asks for a method, it is the index.
    let list = acme.get("/Users?count=5").await.expect(200);
    assert_eq!((&list["startIndex"], list.get("nextCursor")), (&json!(1), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_too_long_to_be_sorted_is_refused_by_cursor_only() {
    let service =
        TestService::start_with(|config| config.limits.sorted_resources_max = 24, Sources::default()).await;
    let House { acme, .. } = house(&service).await;
    acme.get("/Users?sortBy=userName&cursor").await.expect(200);
    acme.user("one.more@example.com").await;
    let refused = acme.get("/Users?sortBy=userName&cursor").await;
    refused.refused(400, Some("tooMany"), "sorted_too_many");
    acme.get("/Users?sortBy=userName").await.expect(200);
    acme.get("/Users?cursor").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_sees_users_and_groups_as_they_were_at_an_instant() {
    let clock = Arc::new(ManualClock::at(ManualClock::START));
    let sources = Sources { clock: Arc::clone(&clock) as _, ..Sources::default() };
    let service = TestService::start_with(|_| (), sources).await;
    let house = house(&service).await;
    let ask = async |path: &str| service.admin("GET", &format!("/audit/v1/acme/{path}"), None).await;
    clock.advance(Duration::from_mins(1));
    let at = encoded(&now(&clock));
    let mut before = Vec::new();
    for query in house.queries().into_iter().filter(|query| query.endpoint != "/") {
        before.push((query.whole(&house.acme).await, query));
    }
    clock.advance(Duration::from_mins(1));
    house.change().await;
    for (whole, query) in &before {
        let parameters = query.parameters.iter().map(|(name, value)| format!("&{name}={}", encoded(value)));
        let asked =
            format!("{}?at={at}{}&count={PAGE}", &query.endpoint[1..], parameters.collect::<String>());
        let mut walk = Walk::default();
        walk.add(&ask(&asked).await.expect(200));
        while let Some(cursor) = walk.next.take() {
            walk.add(&ask(&format!("{asked}&cursor={cursor}")).await.expect(200));
        }
        assert_eq!(&walk.resources, whole, "{query:?}");
        assert_eq!(walk.totals, [whole.len() as u64].into(), "{query:?}");
    }
    // Without an instant: now. Before anything was recorded: nobody.
    let all = Query::new("/Users", &[]).whole(&house.acme).await;
    assert_eq!(ask("Users?count=1000").await.expect(200)["Resources"], json!(all));
    assert_eq!(ask("Users?at=2000-01-01T00:00:00Z").await.expect(200)["totalResults"], 0);
    let code = async |path: &str| ask(path).await.expect(400)["error"]["code"].clone();
    assert_eq!(code("Users?at=yesterday").await, "parameter_invalid");
    assert_eq!(code("Users?filter=title").await, "filter_invalid");
    assert_eq!(code("Users?cursor=x").await, "cursor_invalid");
    let client = [("Authorization".to_owned(), format!("Bearer {}", house.acme.token))];
    let url = format!("{}/audit/v1/acme/Users", service.url);
    assert!([401, 403].contains(&crate::harness::send("GET", &url, client.into(), None).await.status));
}

fn now(clock: &ManualClock) -> String {
    use muster::clock::Clock as _;
    clock.now().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_sees_a_hidden_account_as_an_inactive_one() {
    let service = TestService::start().await;
    let acme = service
        .create_tenant_with("acme", json!({"kind": "generic", "settings": {"delete": "deactivate"}}))
        .await;
    let id = acme.user("leaver@example.com").await;
    assert_eq!(acme.delete(&format!("/Users/{id}")).await.status, 204);
    assert_eq!(acme.get("/Users?cursor").await.expect(200)["totalResults"], 0);
    let list = service.admin("GET", "/audit/v1/acme/Users", None).await.expect(200);
    let shown = &list["Resources"][0];
    assert_eq!(
        (&shown["id"], &shown["active"], &list["totalResults"]),
        (&json!(id), &json!(false), &json!(1))
    );
}
