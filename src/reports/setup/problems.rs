//! What on our side keeps a connection from working, each with what mends it.

use provisioning::Timestamp;
use provisioning::tenancy::{ClientKind, GroupPolicy, Settings, Tenancy};
use serde_json::{Value, json};

use super::providers::{About, Provider};
use super::{Address, shown_client};
use crate::shell;

/// The problems that were found, in the order in which to mend them.
#[derive(Default)]
struct Problems(Vec<Value>);

impl Problems {
    fn add(&mut self, code: &str, detail: &str, mend: &str) {
        self.0.push(json!({"code": code, "detail": detail, "do": mend}));
    }
}

pub(super) fn found(provider: &Provider, tenancy: &Tenancy, address: &Address, now: Timestamp) -> Vec<Value> {
    let mut problems = Problems::default();
    with_address(&mut problems, provider, &tenancy.settings, address);
    with_settings(&mut problems, provider, &tenancy.settings);
    with_clients(&mut problems, provider, tenancy, now);
    problems.0
}

fn with_address(problems: &mut Problems, provider: &Provider, settings: &Settings, address: &Address) {
    let Address { base_url, is_public } = address;
    let name = provider.name;
    let host = base_url.split_once("://").map_or(base_url.as_str(), |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    if !base_url.starts_with("https://") {
        problems.add(
            "not_https",
            &format!("{name} connects over https, and this address is not"),
            "serve with `--tls-cert` and `--tls-key`, or behind a proxy with `--public-url`",
        );
    }
    if ["127.", "localhost", "[::1]", "0.0.0.0"].iter().any(|local| host.starts_with(local)) {
        problems.add(
            "not_reachable",
            &format!("{host} is this machine's own address, which {name} cannot reach"),
            "serve with the `--public-url` under which the service is reached from outside",
        );
    }
    if let Some(own) = settings.host.as_ref().filter(|_| !is_public) {
        problems.add(
            "host_not_public",
            &format!(
                "this tenant counts only requests to {own}, and without `--public-url` scheme and port of this \
                 address are guessed from how you reached the service"
            ),
            &format!(
                "let {own} lead to this service in the DNS, let proxies pass the name on in `Host`, and serve with \
                 `--public-url`, whose scheme and port then stand here"
            ),
        );
    }
    if provider.kind == ClientKind::Okta && base_url.contains('_') {
        problems.add(
            "underscore",
            "Okta takes no base URL with an underscore",
            &format!("`muster tenant update {} --set base_path=PATH`", settings.tenant),
        );
    }
}

fn with_settings(problems: &mut Problems, provider: &Provider, settings: &Settings) {
    if !settings.is_strict() {
        return;
    }
    let concerns = |about: About| about != About::Groups || settings.groups != Some(GroupPolicy::Off);
    let deviations = provider.deviates.iter().filter(|(about, ..)| concerns(*about));
    let deviations = deviations.map(|(_, what, dialect)| format!("{what} (`{}`)", dialect.name()));
    let deviations: Vec<String> = deviations.collect();
    if deviations.is_empty() {
        return;
    }
    problems.add(
        "strict",
        &format!(
            "this tenant is strict and refuses what is in no RFC, and {} sends such requests: {}",
            provider.name,
            deviations.join("; ")
        ),
        &format!("`muster tenant update {} --set strict=false`", settings.tenant),
    );
}

fn with_clients(problems: &mut Problems, provider: &Provider, tenancy: &Tenancy, now: Timestamp) {
    let tenant = &tenancy.settings.tenant;
    let mut clients = tenancy.clients.iter().filter(|(_, client)| client.kind == provider.kind).peekable();
    if clients.peek().is_none() {
        problems.add(
            "no_client",
            &format!("the tenant has no client of kind {}", provider.id),
            &format!("`muster client create --tenant {tenant} {0} --kind {0}`", provider.id),
        );
    }
    for (id, client) in clients {
        let (shown, name) = (shown_client(tenancy, id, client, now), &client.name);
        let word = shell::word(name);
        if !client.enabled {
            problems.add(
                "client_disabled",
                &format!("client {name} is switched off: every request of its is refused"),
                &format!("`muster client update --tenant {tenant} {word} --enabled true`"),
            );
        }
        if shown["tokens"].as_array().is_none_or(Vec::is_empty) {
            problems.add(
                "no_token",
                &format!("client {name} has no token that counts"),
                &format!("`muster token issue --tenant {tenant} --client {word}`"),
            );
        }
    }
}
