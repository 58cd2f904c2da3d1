//! How a tenant is: whether it answers, and if not, why.
//!
//! Three things can be wrong, and each has its own remedy. *Halted*: stored data contradict themselves, and a person
//! has to say what is right. *Behind* and *unwritable*: view or log cannot be used now, and the writer tries again.
//! *Damaged*: a view cannot be trusted, and is made anew from the log by itself. Nothing here mends anything.

use std::sync::Arc;

use tokio::sync::watch;

/// One of the two views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Current,
    History,
}

/// What is wrong, with a reason each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) halted: Option<String>,
    behind: Option<String>,
    /// Writes fail; what was committed before can still be read.
    pub(super) unwritable: Option<String>,
    current: Option<String>,
    history: Option<String>,
}

impl Trouble {
    /// Why questions about the present have to wait, if so.
    pub(super) fn delays_current(&self) -> Option<&String> {
        self.current.as_ref().or(self.behind.as_ref())
    }

    /// Why questions about the past have to wait, if so.
    pub(super) fn delays_history(&self) -> Option<&String> {
        self.history.as_ref()
    }

    pub(super) fn damage(&self, view: View) -> Option<&String> {
        match view {
            View::Current => self.current.as_ref(),
            View::History => self.history.as_ref(),
        }
    }

    /// A view that has to be made anew.
    pub(super) fn damaged(&self) -> Option<View> {
        [View::Current, View::History].into_iter().find(|view| self.damage(*view).is_some())
    }

    fn damage_mut(&mut self, view: View) -> &mut Option<String> {
        match view {
            View::Current => &mut self.current,
            View::History => &mut self.history,
        }
    }
}

/// Shared between the directory, which asks, and whoever notices something.
#[derive(Debug, Clone, Default)]
pub(super) struct Condition(Arc<watch::Sender<Trouble>>);

impl Condition {
    /// `false` if it is halted already: the first reason stays.
    pub(super) fn halt(&self, reason: String) -> bool {
        self.0.send_if_modified(|trouble| {
            let first = trouble.halted.is_none();
            if first {
                trouble.halted = Some(reason);
            }
            first
        })
    }

    pub(super) fn set_behind(&self, behind: Option<String>) {
        self.set(behind, |trouble| &mut trouble.behind);
    }

    pub(super) fn set_unwritable(&self, unwritable: Option<String>) {
        self.set(unwritable, |trouble| &mut trouble.unwritable);
    }

    fn set(&self, reason: Option<String>, field: impl FnOnce(&mut Trouble) -> &mut Option<String>) {
        self.0.send_if_modified(|trouble| {
            let field = field(trouble);
            let changes = *field != reason;
            *field = reason;
            changes
        });
    }

    /// `false` if that is known already.
    pub(super) fn set_damaged(&self, view: View, reason: String) -> bool {
        self.0.send_if_modified(|trouble| {
            let new = trouble.damage(view).is_none();
            if new {
                *trouble.damage_mut(view) = Some(reason);
            }
            new
        })
    }

    pub(super) fn set_sound(&self, view: View) {
        self.0.send_if_modified(|trouble| trouble.damage_mut(view).take().is_some());
    }

    pub(super) fn is(&self, so: impl Fn(&Trouble) -> bool) -> bool {
        so(&self.0.borrow())
    }

    pub(super) fn now(&self) -> Trouble {
        self.0.borrow().clone()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Trouble> {
        self.0.subscribe()
    }

    /// Waits until the tenant is halted.
    pub(super) async fn halted(&self) {
        let mut trouble = self.subscribe();
        // The sender lives as long as `self`.
        let _halted = trouble.wait_for(|trouble| trouble.halted.is_some()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_to_halt_stays() {
        let condition = Condition::default();
        assert!(condition.halt("first".into()));
        assert!(!condition.halt("second".into()));
        assert_eq!(condition.now().halted.as_deref(), Some("first"));
    }

    #[test]
    fn a_view_that_is_mended_does_not_end_what_else_is_wrong() {
        let condition = Condition::default();
        condition.set_behind(Some("log away".into()));
        assert!(condition.set_damaged(View::Current, "damaged".into()));
        assert!(!condition.set_damaged(View::Current, "again".into()));
        assert_eq!(condition.now().delays_current().map(String::as_str), Some("damaged"));
        condition.set_sound(View::Current);
        assert_eq!(condition.now().delays_current().map(String::as_str), Some("log away"));
        condition.set_behind(None);
        assert_eq!(condition.now(), Trouble::default());
    }
}
