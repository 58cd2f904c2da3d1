//! Which tenant a request is for: tokens by their hash, base paths by their text.
//!
//! Kept in memory for all tenants, moved whenever a tenant's settings, clients or tokens change. Looking up
//! costs the same however many tenants there are.

use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock};

use provisioning::TokenId;
use provisioning::tenancy::Tenancy;
use provisioning::tenancy::check::BASE_PATH_BYTES_MAX;
use sha2::{Digest as _, Sha256};

/// The endpoints of RFC 7644 section 3.2 below a base path, those that are not offered yet too.
const ENDPOINTS: [&str; 8] =
    ["Users", "Groups", "Me", "ServiceProviderConfig", "ResourceTypes", "Schemas", "Bulk", ".search"];

/// The SHA-256 of a token, in lower-case hex: all that is kept of one.
pub fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

#[derive(Debug, Default)]
struct Entries {
    tokens: HashMap<String, (String, TokenId)>,
    base_paths: HashMap<String, Sharing>,
    /// What each tenant put in, so that it can be taken out again.
    put_in: HashMap<String, PutIn>,
}

/// The tenants that share a base path.
#[derive(Debug, Default)]
struct Sharing {
    by_host: HashMap<String, String>,
    without_host: BTreeSet<String>,
}

#[derive(Debug)]
struct PutIn {
    hashes: Vec<String>,
    base_path: String,
    host: Option<String>,
}

/// The index.
#[derive(Debug, Default)]
pub struct Index(RwLock<Entries>);

impl Index {
    /// Replaces what the index holds of a tenant.
    pub fn put(&self, tenant: &str, tenancy: &Tenancy) {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        entries.take_out(tenant);
        let (base_path, host) = (tenancy.settings.base_path.clone(), tenancy.settings.host.clone());
        let mut hashes = Vec::with_capacity(tenancy.tokens.len());
        for (id, token) in &tenancy.tokens {
            entries.tokens.insert(token.sha256.clone(), (tenant.to_owned(), *id));
            hashes.push(token.sha256.clone());
        }
        // The registry and a tenant that has not begun yet have no base path and are reached by none.
        if !base_path.is_empty() {
            let sharing = entries.base_paths.entry(base_path.clone()).or_default();
            match &host {
                Some(host) => drop(sharing.by_host.insert(host.clone(), tenant.to_owned())),
                None => drop(sharing.without_host.insert(tenant.to_owned())),
            }
        }
        entries.put_in.insert(tenant.to_owned(), PutIn { hashes, base_path, host });
    }

    /// Forgets a tenant.
    pub fn remove(&self, tenant: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).take_out(tenant);
    }

    /// The tenant and id of the token with that hash.
    pub fn token(&self, hash: &str) -> Option<(String, TokenId)> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).tokens.get(hash).cloned()
    }

    /// The longest base path that `path` lies under.
    pub fn base_path<'p>(&self, path: &'p str) -> Option<&'p str> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // No base path is longer: what is cut off need not be looked up, however many segments it has.
        let longest = path.bytes().take(BASE_PATH_BYTES_MAX + 1).rposition(|byte| byte == b'/');
        let mut under = if path.len() <= BASE_PATH_BYTES_MAX { path } else { &path[..longest?] };
        while !entries.base_paths.contains_key(under) {
            under = &under[..under.rfind('/')?];
        }
        Some(under)
    }

    /// Whether a base path begins with an endpoint of another tenant, or another's with one of its own: requests
    /// of one would reach the other.
    pub fn covers_endpoint(&self, tenant: &str, base_path: &str) -> bool {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let others =
            entries.put_in.iter().filter(|(name, _)| *name != tenant).map(|(_, put_in)| &put_in.base_path);
        let mut others = others.filter(|other| !other.is_empty());
        others.any(|other| is_endpoint_of(base_path, other) || is_endpoint_of(other, base_path))
    }

    /// The tenant that a request without a token means: by its host, or by being the only one under its path.
    pub fn tenant_at(&self, base_path: &str, host: &str) -> Option<String> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let sharing = entries.base_paths.get(base_path)?;
        let alone = || match sharing.by_host.len() + sharing.without_host.len() {
            1 => sharing.without_host.first(),
            _ => None,
        };
        sharing.by_host.get(host).or_else(alone).cloned()
    }
}

/// Whether `path` lies at or below an endpoint of the base path `outer`.
fn is_endpoint_of(path: &str, outer: &str) -> bool {
    let below = path.strip_prefix(outer).and_then(|rest| rest.strip_prefix('/'));
    let first = below.and_then(|rest| rest.split('/').next());
    first.is_some_and(|first| ENDPOINTS.iter().any(|endpoint| endpoint.eq_ignore_ascii_case(first)))
}

impl Entries {
    fn take_out(&mut self, tenant: &str) {
        let Some(PutIn { hashes, base_path, host }) = self.put_in.remove(tenant) else { return };
        for hash in hashes {
            self.tokens.remove(&hash);
        }
        let Some(sharing) = self.base_paths.get_mut(&base_path) else { return };
        sharing.without_host.remove(tenant);
        if let Some(host) = host
            && sharing.by_host.get(&host).is_some_and(|holder| holder == tenant)
        {
            sharing.by_host.remove(&host);
        }
        if sharing.by_host.is_empty() && sharing.without_host.is_empty() {
            self.base_paths.remove(&base_path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenancy(base_path: &str) -> Tenancy {
        let mut tenancy = Tenancy::default();
        tenancy.settings.base_path = base_path.into();
        tenancy
    }

    #[test]
    fn the_longest_base_path_wins_and_only_at_segment_borders() {
        let index = Index::default();
        index.put("a", &tenancy("/scim/v2"));
        index.put("b", &tenancy("/scim/v2"));
        index.put("c", &tenancy("/scim"));
        assert_eq!(index.base_path("/scim/v2/Users/1"), Some("/scim/v2"));
        assert_eq!(index.base_path("/scim/v2"), Some("/scim/v2"));
        assert_eq!(index.base_path("/scim/v22"), Some("/scim"));
        assert_eq!(index.base_path("/other"), None);
        let long = format!("/{}", "x".repeat(BASE_PATH_BYTES_MAX - 1));
        index.put("d", &tenancy(&long));
        for (below, found) in [("", true), ("/", true), ("/Users", true), ("x", false), ("x/Users", false)] {
            assert_eq!(index.base_path(&format!("{long}{below}")), found.then_some(long.as_str()), "{below}");
        }
        assert_eq!(index.base_path(&"/a".repeat(100_000)), None);
    }

    #[test]
    fn a_tenant_that_moved_is_no_longer_found_at_its_old_path() {
        let index = Index::default();
        index.put("a", &tenancy("/old"));
        index.put("a", &tenancy("/new"));
        assert_eq!(index.base_path("/old/Users"), None);
        assert_eq!(index.base_path("/new/Users"), Some("/new"));
        index.remove("a");
        assert_eq!(index.base_path("/new/Users"), None);
    }

    #[test]
    fn without_a_token_the_host_decides_or_being_alone_under_the_path() {
        let index = Index::default();
        index.put("a", &tenancy("/scim/v2"));
        assert_eq!(index.tenant_at("/scim/v2", "anything.test").as_deref(), Some("a"));
        let mut with_host = tenancy("/scim/v2");
        with_host.settings.host = Some("b.test".into());
        index.put("b", &with_host);
        assert_eq!(index.tenant_at("/scim/v2", "b.test").as_deref(), Some("b"));
        assert_eq!(index.tenant_at("/scim/v2", "anything.test"), None, "two share the path");
        index.remove("a");
        assert_eq!(
            index.tenant_at("/scim/v2", "anything.test"),
            None,
            "a tenant with a host is found by it only"
        );
    }

    #[test]
    fn a_base_path_must_not_cover_an_endpoint_of_another_tenant() {
        let index = Index::default();
        index.put("a", &tenancy("/acme/scim/v2"));
        assert!(index.covers_endpoint("b", "/acme/scim/v2/Users"));
        assert!(index.covers_endpoint("b", "/acme/scim/v2/groups/x"));
        assert!(!index.covers_endpoint("b", "/acme/scim/v2"), "sharing is fine");
        assert!(!index.covers_endpoint("b", "/acme/scim/v2/below"), "the longest path wins");
        assert!(!index.covers_endpoint("a", "/acme/scim/v2/Users"), "a tenant may move within its own path");
        index.put("c", &tenancy("/deep/Users/scim"));
        assert!(index.covers_endpoint("d", "/deep"), "nor the other way round");
    }
}
