//! What is remembered of tokens: when each was last used, and which warning of its end was given.
//!
//! Requests note it in memory only, and the file follows now and then: a token that is shown a thousand times a
//! second costs no more writes than one that is shown once a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};

use provisioning::{Timestamp, TokenId};
use rusqlite::{Connection, params};

use super::{NotOpened, Operations, OperationsError};

/// What is remembered of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenNote {
    /// The last request that showed it while it counted.
    pub last_used: Option<Timestamp>,
    /// The last warning of its end: given when it had so many days left.
    pub warned_days: Option<u32>,
}

/// All that is remembered of a tenant's tokens.
#[derive(Debug, Default)]
pub(super) struct TokenNotes {
    notes: BTreeMap<TokenId, TokenNote>,
    /// Those of which the file does not know the last.
    unkept: BTreeSet<TokenId>,
}

impl TokenNotes {
    pub(super) fn read(connection: &Connection) -> Result<Self, NotOpened> {
        let mut statement = connection.prepare("SELECT token, last_used, warned_days FROM tokens")?;
        let rows = statement.query_map([], |row| {
            let note = TokenNote {
                last_used: row.get::<_, Option<i64>>(1)?.map(Timestamp),
                warned_days: row.get(2)?,
            };
            Ok((row.get::<_, String>(0)?, note))
        })?;
        let mut read = Self::default();
        for row in rows {
            let (token, note) = row?;
            let broken = || NotOpened::Damaged("what is remembered of a token cannot be read".to_owned());
            read.notes.insert(TokenId::parse(&token).ok_or_else(broken)?, note);
        }
        Ok(read)
    }
}

impl Operations {
    /// A request showed a token that counts.
    pub fn token_was_used(&self, token: TokenId, at: Timestamp) {
        let mut tokens = self.token_notes();
        let note = tokens.notes.entry(token).or_default();
        if note.last_used < Some(at) {
            note.last_used = Some(at);
            tokens.unkept.insert(token);
        }
    }

    /// Whether nobody was warned yet that a token has so many days left, or fewer. Whoever asks gives the warning:
    /// it will not be due again.
    pub fn takes_token_warning(&self, token: TokenId, days: u32) -> bool {
        let mut tokens = self.token_notes();
        let note = tokens.notes.entry(token).or_default();
        let is_due = note.warned_days.is_none_or(|warned| warned > days);
        if is_due {
            note.warned_days = Some(days);
            tokens.unkept.insert(token);
        }
        is_due
    }

    /// What is remembered of a token; nothing of one that was never used.
    pub fn token_note(&self, token: TokenId) -> TokenNote {
        self.token_notes().notes.get(&token).copied().unwrap_or_default()
    }

    /// Whether the file knows all that is remembered of tokens.
    pub fn are_tokens_kept(&self) -> bool {
        self.token_notes().unkept.is_empty()
    }

    /// Writes what the file does not know yet, in one transaction.
    pub fn keep_tokens(&self) -> Result<(), OperationsError> {
        let unkept = std::mem::take(&mut self.token_notes().unkept);
        let kept = self.write_tokens(&unkept);
        if kept.is_err() {
            self.token_notes().unkept.extend(unkept);
        }
        kept
    }

    fn write_tokens(&self, tokens: &BTreeSet<TokenId>) -> Result<(), OperationsError> {
        let notes: Vec<_> = tokens.iter().map(|token| (token, self.token_note(*token))).collect();
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        for (token, TokenNote { last_used, warned_days }) in notes {
            transaction.execute(
                "INSERT INTO tokens (token, last_used, warned_days) VALUES (?1, ?2, ?3)
                 ON CONFLICT (token) DO UPDATE SET last_used = excluded.last_used,
                     warned_days = excluded.warned_days",
                params![token.to_string(), last_used.map(|at| at.0), warned_days],
            )?;
        }
        Ok(transaction.commit()?)
    }

    fn token_notes(&self) -> MutexGuard<'_, TokenNotes> {
        // What was noted before a panic stands.
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
