//! Which tenant a request is for: tokens by their hash, base paths by their text.
//!
//! Kept in memory for all tenants, moved whenever a tenant's settings, clients or tokens change. Looking up
//! costs the same however many tenants there are.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use provisioning::TokenId;
use provisioning::tenancy::Tenancy;
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a token, in lower-case hex: all that is kept of one.
pub fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

#[derive(Debug, Default)]
struct Entries {
    tokens: HashMap<String, (String, TokenId)>,
    base_paths: HashMap<String, Vec<String>>,
    /// What each tenant put in, so that it can be taken out again.
    put_in: HashMap<String, (Vec<String>, String)>,
}

/// The index.
#[derive(Debug, Default)]
pub struct Index(RwLock<Entries>);

impl Index {
    /// Replaces what the index holds of a tenant.
    pub fn put(&self, tenant: &str, tenancy: &Tenancy) {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        entries.take_out(tenant);
        let base_path = tenancy.settings.base_path.clone();
        let mut hashes = Vec::with_capacity(tenancy.tokens.len());
        for (id, token) in &tenancy.tokens {
            entries.tokens.insert(token.sha256.clone(), (tenant.to_owned(), *id));
            hashes.push(token.sha256.clone());
        }
        // The registry and a tenant that has not begun yet have no base path and are reached by none.
        if !base_path.is_empty() {
            entries.base_paths.entry(base_path.clone()).or_default().push(tenant.to_owned());
        }
        entries.put_in.insert(tenant.to_owned(), (hashes, base_path));
    }

    /// Forgets a tenant.
    pub fn remove(&self, tenant: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).take_out(tenant);
    }

    /// The tenant and id of the token with that hash.
    pub fn token(&self, hash: &str) -> Option<(String, TokenId)> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).tokens.get(hash).cloned()
    }

    /// The longest base path that `path` lies under, and the tenants that share it.
    pub fn base_path(&self, path: &str) -> Option<(String, Vec<String>)> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut end = path.len();
        loop {
            if let Some(tenants) = entries.base_paths.get(&path[..end]) {
                return Some((path[..end].to_owned(), tenants.clone()));
            }
            end = path[..end].rfind('/')?;
        }
    }
}

impl Entries {
    fn take_out(&mut self, tenant: &str) {
        let Some((hashes, base_path)) = self.put_in.remove(tenant) else { return };
        for hash in hashes {
            self.tokens.remove(&hash);
        }
        if let Some(tenants) = self.base_paths.get_mut(&base_path) {
            tenants.retain(|name| name != tenant);
            if tenants.is_empty() {
                self.base_paths.remove(&base_path);
            }
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
        let shared = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(index.base_path("/scim/v2/Users/1"), Some(("/scim/v2".into(), shared.clone())));
        assert_eq!(index.base_path("/scim/v2"), Some(("/scim/v2".into(), shared)));
        assert_eq!(index.base_path("/scim/v22"), Some(("/scim".into(), vec!["c".into()])));
        assert_eq!(index.base_path("/other"), None);
    }

    #[test]
    fn a_tenant_that_moved_is_no_longer_found_at_its_old_path() {
        let index = Index::default();
        index.put("a", &tenancy("/old"));
        index.put("a", &tenancy("/new"));
        assert_eq!(index.base_path("/old/Users"), None);
        assert_eq!(index.base_path("/new/Users"), Some(("/new".into(), vec!["a".into()])));
        index.remove("a");
        assert_eq!(index.base_path("/new/Users"), None);
    }
}
