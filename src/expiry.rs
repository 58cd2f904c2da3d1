//! Tokens that end by themselves: who runs the house is warned 30, 7 and 1 day before, once each.
//!
//! A token that ends takes a provisioning connection with it, and no identity provider says so beforehand. The
//! warnings that were given are in `operations.db`, hence outlast a restart; on the same rounds the file learns when
//! each token was last used.

use std::sync::Arc;
use std::time::Duration;

use provisioning::{ClientId, Timestamp, TokenId};
use tokio::sync::watch;

use crate::directories::Directories;
use crate::directory::Directory;

/// How often tokens are looked at, and at most how much of their last uses a crash forgets.
const INTERVAL: Duration = Duration::from_mins(1);

/// A token is about to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Name of its tenant.
    pub tenant: String,
    /// The token.
    pub token: TokenId,
    /// Its first characters.
    pub label: String,
    /// Its client; none for an auditor's.
    pub client: Option<ClientId>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// It has so many days left, or fewer.
    pub days: u32,
}

impl Warning {
    fn tell(&self) {
        let Self { tenant, token, label, client, expires_at, days } = self;
        let unit = if *days == 1 { "day" } else { "days" };
        tracing::warn!(
            tenant.id = tenant,
            token.id = %token,
            client.id = client.map(tracing::field::display),
            "token {label} of {tenant} ends within {days} {unit}, at {expires_at}: issue another one and hand it \
             to the identity provider"
        );
    }
}

/// Goes round again and again until the house shuts down, and once more then.
pub async fn watch(directories: Arc<Directories>, mut stopping: watch::Receiver<bool>) {
    loop {
        let stops = *stopping.borrow();
        for warning in sweep(&directories).await {
            warning.tell();
        }
        if stops {
            return;
        }
        tokio::select! {
            _ = stopping.wait_for(|stops| *stops) => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// Looks at all tokens: the warnings that are due, which will not be due again, are answered. What is remembered of
/// tokens is kept.
pub async fn sweep(directories: &Directories) -> Vec<Warning> {
    let shared = directories.shared();
    let now = shared.clock.now();
    let mut warnings = Vec::new();
    for directory in directories.tenants() {
        if directory.is_ended() {
            continue;
        }
        warnings.extend(due(&directory, now));
        let operations = Arc::clone(directory.operations());
        if operations.are_tokens_kept() {
            continue;
        }
        if let Err(error) = shared.tasks.block(move || operations.keep_tokens()).await {
            let (tenant, error) = (directory.tenant(), error.to_string());
            tracing::warn!(
                tenant.id = tenant,
                error,
                "when tokens of {tenant} were last used cannot be kept now: {error}"
            );
        }
    }
    warnings
}

fn due(directory: &Directory, now: Timestamp) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (id, token) in &directory.tenancy().tokens {
        let Some((expires_at, days)) = token.expires_at.zip(token.ends_within_days(now)) else { continue };
        if directory.operations().takes_token_warning(*id, days) {
            warnings.push(Warning {
                tenant: directory.tenant().to_owned(),
                token: *id,
                label: token.label.clone(),
                client: token.client,
                expires_at,
                days,
            });
        }
    }
    warnings
}
