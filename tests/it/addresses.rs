//! Under which address the service is known: public URL, proxies, TLS.

use std::sync::Arc;

use muster::app::Sources;
use muster::config::Config;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Tenant, TestService, send};

/// A service with a changed configuration.
async fn configured(change: impl FnOnce(&mut Config)) -> TestService {
    TestService::start_with(change, Sources::default()).await
}

/// The base URL of what a request with these headers answers, which every address in it has to begin with.
async fn base_seen(service: &TestService, tenant: &Tenant, path: &str, headers: &[(&str, &str)]) -> String {
    let mut all = vec![("Authorization".to_owned(), format!("Bearer {}", tenant.token))];
    all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let list = send("GET", &format!("{}{path}/Users", service.url), all, None).await.expect(200);
    let resource = &list["Resources"][0];
    let location = resource["meta"]["location"].as_str().expect("a location");
    let base = location.split("/Users/").next().expect("a base").to_owned();
    let group = resource["groups"][0]["$ref"].as_str().expect("a group");
    assert!(group.starts_with(&format!("{base}/Groups/")), "{group} is not below {base}");
    base
}

async fn with_somebody(tenant: &Tenant) {
    let alice = tenant.user("alice@example.com").await;
    tenant.group("Guides", &[&alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_those_of_the_request_unless_a_public_url_is_set() {
    let service = configured(|_| ()).await;
    let acme = service.create_tenant("acme", "generic").await;
    with_somebody(&acme).await;
    let (path, url) = ("/acme/scim/v2", service.url.as_str());
    let forwarded: [(&str, &str); 5] = [
        ("X-Forwarded-Host", "evil.test"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-For", "203.0.113.9"),
        ("Forwarded", "for=203.0.113.9;host=evil.test;proto=https"),
        ("X-Forwarded-Prefix", "/evil"),
    ];
    assert_eq!(
        base_seen(&service, &acme, path, &forwarded).await,
        format!("{url}{path}"),
        "nobody is trusted unasked"
    );
    assert_eq!(
        base_seen(&service, &acme, path, &[("Host", "scim.test:8443")]).await,
        format!("http://scim.test:8443{path}")
    );
    let odd = base_seen(&service, &acme, path, &[("Host", "a\"b<c>")]).await;
    assert_eq!(odd, format!("{url}{path}"), "a host that is none is not repeated");
    assert!(files_without_addresses(&service), "stored data hold no absolute URL");

    let public = "https://scim.example.com/prefix".parse().expect("a URL");
    let service = configured(|config| config.public_url = Some(public)).await;
    let acme = service.create_tenant("acme", "generic").await;
    assert_eq!(acme.base_url, "https://scim.example.com/prefix/acme/scim/v2");
    let here = Tenant { base_url: format!("{}/acme/scim/v2", service.url), ..acme.clone() };
    with_somebody(&here).await;
    assert_eq!(base_seen(&service, &acme, "/acme/scim/v2", &forwarded).await, acme.base_url);
    let hosted = service
        .create_tenant_with("beta", json!({"host": "beta.example.com", "base_path": "/scim/v2"}))
        .await;
    assert_eq!(hosted.base_url, "https://beta.example.com/prefix/scim/v2");
    let shown = service.admin("GET", "/admin/v1/tenants/beta", None).await.expect(200);
    assert_eq!(shown["base_url"], json!(hosted.base_url));
}

/// Whether no file of the tenant acme has the address under which the service was reached.
fn files_without_addresses(service: &TestService) -> bool {
    let address = format!("{}/", service.url.trim_start_matches("http://"));
    crate::evidence::files_with(&service.tenant_folder("acme"), address.as_bytes()).is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_says_counts_only_from_networks_that_are_trusted() {
    let trusting = |networks: &[&str]| {
        let networks = networks.iter().map(|text| text.parse().expect("a network")).collect();
        move |config: &mut Config| config.trusted_proxies = networks
    };
    let recorded_ip = async |service: &TestService, acme: &Tenant, headers: &[(&str, &str)]| {
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "x"});
        acme.send_with("POST", "/Groups", headers, Some(body.to_string().into_bytes())).await.expect(201);
        let events = service.events("acme", 0).await;
        events.last().expect("an event")["data"]["context"]["source_ip"].clone()
    };
    let forwarded = [
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Forwarded-Host", "scim.example.com"),
        ("X-Forwarded-Proto", "https"),
    ];
    for (networks, trusted) in
        [(&["10.0.0.0/8", "::1/128"][..], false), (&["10.0.0.0/8", "127.0.0.0/8"], true)]
    {
        let service = configured(trusting(networks)).await;
        let acme = service.create_tenant("acme", "generic").await;
        with_somebody(&acme).await;
        let own = format!("{}/acme/scim/v2", service.url);
        let expected = if trusted { "https://scim.example.com/acme/scim/v2" } else { &own };
        assert_eq!(base_seen(&service, &acme, "/acme/scim/v2", &forwarded).await, expected);
        assert_eq!(base_seen(&service, &acme, "/acme/scim/v2", &[]).await, own);
        let expected: Value = if trusted { "203.0.113.9".into() } else { "127.0.0.1".into() };
        assert_eq!(recorded_ip(&service, &acme, &forwarded).await, expected);
        if !trusted {
            continue;
        }
        for (name, value, expected) in [
            // What a client claims itself stands on the left; the proxy adds whom it saw on the right.
            ("X-Forwarded-For", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
            ("X-Forwarded-For", "203.0.113.9, 10.1.2.3, 127.0.0.1", "203.0.113.9"),
            ("X-Forwarded-For", "127.0.0.1", "127.0.0.1"),
            ("X-Forwarded-For", "2001:db8::7", "2001:db8::7"),
            ("X-Forwarded-For", "nonsense", "127.0.0.1"),
            ("X-Forwarded-For", "203.0.113.9:4711", "203.0.113.9"),
            ("Forwarded", "for=203.0.113.9;proto=https", "203.0.113.9"),
            ("Forwarded", "for=198.51.100.1, For=\"[2001:db8::7]:4711\";host=x", "2001:db8::7"),
            ("Forwarded", "for=unknown", "127.0.0.1"),
        ] {
            assert_eq!(recorded_ip(&service, &acme, &[(name, value)]).await, expected, "{name}: {value}");
        }
        for (headers, expected) in [
            (vec![("Forwarded", "for=1.2.3.4;host=other.test:8443;proto=https")], "https://other.test:8443"),
            (vec![("X-Forwarded-Proto", "https")], "https://127.0.0.1"),
            (
                vec![("X-Forwarded-Host", "a.test, b.test"), ("X-Forwarded-Proto", "https, http")],
                "https://a.test",
            ),
            (vec![("X-Forwarded-Host", "a<b")], "http://127.0.0.1"),
        ] {
            let seen = base_seen(&service, &acme, "/acme/scim/v2", &headers).await;
            assert!(seen.starts_with(expected), "{headers:?}: {seen}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_with_the_certificate_that_was_given() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]);
    let rcgen::CertifiedKey { cert, signing_key } = made.expect("a certificate can be made");
    let (cert_file, key_file) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert_file, cert.pem()).expect("the certificate can be written");
    std::fs::write(&key_file, signing_key.serialize_pem()).expect("the key can be written");
    let service = configured(|config| {
        config.tls_cert = Some(cert_file.clone());
        config.tls_key = Some(key_file);
    })
    .await;
    assert!(service.url.starts_with("https://127.0.0.1:"), "{}", service.url);
    let lock = std::fs::read_to_string(service.data().join("lock")).expect("the lock can be read");
    assert_eq!(lock.lines().next(), Some(service.url.as_str()));

    let root = ureq::tls::Certificate::from_pem(cert.pem().as_bytes()).expect("a certificate");
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::Specific(Arc::new(vec![root])))
        .build();
    let agent = |tls: ureq::tls::TlsConfig| -> ureq::Agent {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
        config.tls_config(tls).build().into()
    };
    let (trusting, doubting) = (agent(tls), agent(ureq::tls::TlsConfig::default()));
    let (url, token) = (service.url.clone(), service.operator_token());
    let exchange = move || {
        let post = |url: &str, token: &str, body: Value| {
            let request = trusting.post(url).header("Authorization", format!("Bearer {token}"));
            let mut answer = request.send_json(&body).expect("an answer");
            assert_eq!(answer.status(), 201);
            answer.body_mut().read_json::<Value>().expect("JSON")
        };
        let made = post(&format!("{url}/admin/v1/tenants"), &token, json!({"tenant": "acme"}));
        let base_url = made["base_url"].as_str().expect("an address").to_owned();
        assert_eq!(base_url, format!("{url}/acme/scim/v2"));
        let user = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "alice@example.com"});
        let user = post(&format!("{base_url}/Users"), made["token"].as_str().expect("a token"), user);
        assert!(user["meta"]["location"].as_str().is_some_and(|location| location.starts_with(&base_url)));
        let many = (0..100).map(|number| format!("X-{number}"));
        let many = many.fold(trusting.get(&base_url), |request, name| request.header(name, "x"));
        let mut refused = many.call().expect("an answer");
        assert_eq!(refused.status(), 431);
        assert!(refused.body_mut().read_to_string().expect("a body").contains("\"detail\""));
        assert!(
            doubting.get(&format!("{url}/livez")).call().is_err(),
            "an unknown certificate is not trusted"
        );
    };
    tokio::task::spawn_blocking(exchange).await.expect("the exchange does not panic");
}
