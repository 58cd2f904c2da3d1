//! Whom a refusal concerns.

use super::*;

const WINDOW: Duration = Duration::from_mins(2);

/// Weighs refusals of one message, each after so many messages of all tenants had been stored.
fn weigh(refusal: &Refusal, stored: &[u64], stored_here: bool) -> Vec<Consequence> {
    let mut turned_away = None;
    let weigh = |stored: &u64| {
        let refused = Refused {
            feed: Feed::Events,
            tenant: "acme",
            revision: Revision(7),
            refusal,
            duplicate_window: WINDOW,
            complaint: None,
        };
        refused.weigh(&mut turned_away, Progress { stored: *stored, stored_here })
    };
    stored.iter().map(weigh).collect()
}

fn full() -> Refusal {
    Refusal::Unclear("full".into())
}

fn refused() -> Trouble {
    trouble::refused(Feed::Events, "full")
}

#[test]
fn a_message_that_does_not_fit_lets_its_tenant_alone_rest_longer_each_time() {
    let trouble = trouble::message_too_large(Feed::Events, "acme", Revision(7));
    let rest = |seconds| Consequence::Rest(trouble.clone(), Duration::from_secs(seconds));
    assert_eq!(weigh(&Refusal::TooLarge, &[0; 6], false), [2, 4, 8, 16, 32, 32].map(rest));
}

#[test]
fn a_broker_that_takes_in_nothing_stops_everybody() {
    assert_eq!(weigh(&full(), &[5, 5, 5], false), [refused(), refused(), refused()].map(Consequence::Pause));
}

#[test]
fn a_message_that_is_refused_while_others_are_stored_lets_its_tenant_rest_longer_each_time() {
    let seconds = |seconds| Consequence::Rest(refused(), Duration::from_secs(seconds));
    assert_eq!(
        weigh(&full(), &[5, 6, 7, 9, 20, 30, 40, 41], true),
        [
            Consequence::Pause(refused()),
            seconds(2),
            seconds(4),
            seconds(8),
            seconds(16),
            seconds(32),
            seconds(32),
            seconds(32)
        ]
    );
}

#[test]
fn who_was_outrun_goes_on_at_once_unless_nothing_gets_through() {
    let outrun = || Refusal::Outrun("full".into());
    assert_eq!(weigh(&outrun(), &[5, 6], true), [Consequence::Again, Consequence::Again]);
    assert_eq!(weigh(&outrun(), &[5], false), [Consequence::Pause(refused())]);
}

#[test]
fn a_message_that_the_broker_does_not_forget_lets_its_tenant_rest() {
    let rest = || Consequence::Rest(trouble::message_known(Feed::Events, Revision(7), WINDOW), REST);
    assert_eq!(weigh(&Refusal::Known, &[5, 5, 8], false), [Consequence::Again, rest(), rest()]);
}

#[test]
fn what_nats_complained_of_explains_an_answer_that_does_not_come() {
    let refused = Refused {
        feed: Feed::Events,
        tenant: "acme",
        revision: Revision(7),
        refusal: &Refusal::Unclear("timed out".into()),
        duplicate_window: WINDOW,
        complaint: Some("permissions violation".into()),
    };
    let Consequence::Pause(trouble) = refused.weigh(&mut None, Progress { stored: 0, stored_here: false })
    else {
        panic!("everybody pauses");
    };
    assert!(trouble.detail.contains("timed out; NATS said: permissions violation"), "{}", trouble.detail);
}
