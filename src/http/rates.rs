//! How often a client may ask. Off unless an operator sets a number for it; each client has its own, so that none
//! takes from another.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use provisioning::ClientId;

type Limiter<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// A client's number and what it has asked of late.
type Bounded<C> = (u32, Arc<Limiter<C>>);

/// What clients that have a bound have asked of late: at most one entry for each.
pub struct Rates<C: Clock = DefaultClock> {
    clock: C,
    limiters: Mutex<HashMap<ClientId, Bounded<C>>>,
}

impl Default for Rates {
    fn default() -> Self {
        Self::new(DefaultClock::default())
    }
}

impl<C: Clock + Clone> Rates<C> {
    fn new(clock: C) -> Self {
        Self { clock, limiters: Mutex::default() }
    }

    /// Lets a request through if its client has made no more than `most` a second; a second's worth may come at
    /// once. Otherwise tells after how many whole seconds it may try again, at least one.
    pub(super) fn admit(&self, client: ClientId, most: u32) -> Result<(), u64> {
        self.limiter(client, most).check().map_err(|not_yet| {
            let wait = not_yet.wait_time_from(self.clock.now());
            wait.as_secs() + u64::from(wait.subsec_nanos() > 0).max(u64::from(wait.as_secs() == 0))
        })
    }

    /// The client's limiter; a new one when its number was changed.
    fn limiter(&self, client: ClientId, most: u32) -> Arc<Limiter<C>> {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        let known = limiters.get(&client).filter(|(known, _)| *known == most);
        if let Some((_, limiter)) = known {
            return Arc::clone(limiter);
        }
        let quota = Quota::per_second(NonZeroU32::new(most).unwrap_or(NonZeroU32::MIN));
        let limiter = Arc::new(RateLimiter::direct_with_clock(quota, self.clock.clone()));
        limiters.insert(client, (most, Arc::clone(&limiter)));
        limiter
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;
    use uuid::Uuid;

    use super::*;

    const ONE: ClientId = ClientId(Uuid::from_u128(1));
    const OTHER: ClientId = ClientId(Uuid::from_u128(2));

    #[test]
    fn a_second_worth_passes_at_once_and_then_as_many_as_time_allows() {
        let clock = FakeRelativeClock::default();
        let rates = Rates::new(clock.clone());
        let admitted =
            |rates: &Rates<FakeRelativeClock>| (0..10).filter(|_| rates.admit(ONE, 4).is_ok()).count();
        assert_eq!(admitted(&rates), 4);
        clock.advance(Duration::from_millis(500));
        assert_eq!(admitted(&rates), 2);
        clock.advance(Duration::from_mins(1));
        assert_eq!(admitted(&rates), 4, "what was not used is not saved up");
    }

    #[test]
    fn whoever_is_refused_is_told_whole_seconds_after_which_it_passes() {
        let clock = FakeRelativeClock::default();
        let rates = Rates::new(clock.clone());
        assert_eq!((rates.admit(ONE, 1), rates.admit(ONE, 1)), (Ok(()), Err(1)));
        clock.advance(Duration::from_millis(999));
        assert_eq!(rates.admit(ONE, 1), Err(1));
        clock.advance(Duration::from_secs(1));
        assert_eq!(rates.admit(ONE, 1), Ok(()));
    }

    #[test]
    fn clients_take_nothing_from_each_other_and_a_new_number_counts_at_once() {
        let rates = Rates::new(FakeRelativeClock::default());
        assert_eq!((rates.admit(ONE, 1), rates.admit(ONE, 1)), (Ok(()), Err(1)));
        assert_eq!(rates.admit(OTHER, 1), Ok(()));
        assert_eq!(rates.admit(ONE, 2), Ok(()));
    }
}
