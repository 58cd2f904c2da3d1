//! Order of ids, and the doubles that other tests build on.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use provisioning::{EventId, Timestamp};
use uuid::{Uuid, Variant};

use super::{Clock, IdSource, ManualClock, RandomIds, SeededIds, SystemClock};

#[track_caller]
fn assert_version_7(id: Uuid) {
    assert_eq!((id.get_version_num(), id.get_variant()), (7, Variant::RFC4122));
    assert_eq!(EventId::parse(&id.to_string()), Some(EventId(id)));
}

#[test]
fn random_ids_rise_within_a_millisecond() {
    let ids = RandomIds::default();
    let made: Vec<Uuid> = (0..10_000).map(|_| ids.next()).collect();
    assert!(made.is_sorted_by(|earlier, later| earlier < later));
    assert_version_7(made[0]);
}

#[test]
fn random_ids_of_many_threads_never_repeat_and_rise_in_each() {
    let ids = RandomIds::default();
    let made: Vec<Vec<Uuid>> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| (0..1_000).map(|_| ids.next()).collect())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(made.iter().all(|one| one.is_sorted()));
    assert_eq!(made.iter().flatten().collect::<BTreeSet<_>>().len(), 4_000);
}

#[test]
fn random_ids_bear_the_time_of_the_clock() {
    let before = SystemClock.now().0 / 1_000;
    let (seconds, nanos) = RandomIds::default().next().get_timestamp().unwrap().to_unix();
    let borne = i64::try_from(seconds).unwrap() * 1_000 + i64::from(nanos / 1_000_000);
    assert!((before..=SystemClock.now().0 / 1_000).contains(&borne));
}

#[test]
fn a_manual_clock_stands_still_until_it_is_moved() {
    let clock = ManualClock::default();
    assert_eq!(clock.now().to_string(), "2026-01-01T00:00:00.000000Z");
    clock.advance(Duration::from_millis(1_500));
    assert_eq!(clock.now().to_string(), "2026-01-01T00:00:01.500000Z");
    clock.set(Timestamp(0));
    assert_eq!(clock.now(), Timestamp(0));
}

#[test]
fn seeded_ids_are_the_same_in_every_run_and_rise() {
    let ids = SeededIds::new(7);
    let made: Vec<Uuid> = (0..300).map(|_| ids.next()).collect();
    assert_eq!(made[0].to_string(), "019b76da-a800-7007-8000-000000000001");
    assert_eq!(made[299].to_string(), "019b76da-a800-7007-8000-00000000012c");
    assert!(made.is_sorted());
    assert_version_7(made[0]);
    assert_ne!(SeededIds::new(8).next(), made[0]);
}
