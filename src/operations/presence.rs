//! How often a client comes, and whether it has stayed away for too long.
//!
//! Identity providers come in visits: many requests at once, then nothing until the next cycle or the next change. The
//! usual interval is the longest gap between visits on the last days on which the client came, so that a quiet night
//! of one that comes by need is no alarm. Little is remembered, however long a client has been coming.

use provisioning::Timestamp;

const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// Of so many days the longest gap is remembered: a week of work, with the gap of the weekend before it, and some.
const DAYS_MAX: usize = 8;

/// Staying away for so many usual intervals is silence.
const INTERVALS_OF_SILENCE: i64 = 3;

/// What counts as coming regularly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Habits {
    /// Requests that are no further apart are one visit, in microseconds.
    pub pause: i64,
    /// So many visits must have been seen before anything is usual.
    pub visits_min: u32,
    /// A shorter usual interval counts as this one, in microseconds.
    pub interval_min: i64,
}

/// What is remembered of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Its last request.
    pub last_seen: Timestamp,
    /// How many visits were seen one after the other, the first one too.
    pub visits: u32,
    /// The longest gap before a visit of a day, in microseconds, behind the day's number; oldest first.
    pub longest: Vec<(i64, i64)>,
}

impl Presence {
    /// A client that was never seen before.
    pub fn new(at: Timestamp) -> Self {
        Self { last_seen: at, visits: 1, longest: Vec::new() }
    }

    /// The client came at `first` and was last seen at `last`. A gap counts only if the client was watched all the
    /// time, and a silence for as much as makes one: what had stopped for weeks is not usual for weeks.
    pub fn visited(&mut self, first: Timestamp, last: Timestamp, watched_since: Timestamp, habits: Habits) {
        let gap = first.0 - self.last_seen.0;
        if gap > habits.pause && self.last_seen >= watched_since {
            let most = self.usual(habits).map(|usual| usual.saturating_mul(INTERVALS_OF_SILENCE));
            let gap = most.map_or(gap, |most| gap.min(most));
            self.visits = self.visits.saturating_add(1);
            let today = first.0.div_euclid(DAY_MICROS);
            match self.longest.last_mut() {
                Some((day, longest)) if *day >= today => *longest = gap.max(*longest),
                _ => self.longest.push((today, gap)),
            }
            let surplus = self.longest.len().saturating_sub(DAYS_MAX);
            self.longest.drain(..surplus);
        }
        self.last_seen = self.last_seen.max(last);
    }

    /// The usual interval in microseconds, once one is known.
    pub fn usual(&self, habits: Habits) -> Option<i64> {
        let longest = self.longest.iter().map(|(_, gap)| *gap).max()?;
        (self.visits >= habits.visits_min).then(|| longest.max(habits.interval_min))
    }

    /// Whether nothing has come for three usual intervals. Whoever was not watched for a while has one of them to
    /// come.
    pub fn is_silent(&self, now: Timestamp, watched_since: Timestamp, habits: Habits) -> bool {
        self.usual(habits).is_some_and(|usual| {
            now.0 - self.last_seen.0 > usual.saturating_mul(INTERVALS_OF_SILENCE)
                && now.0 - watched_since.0 > usual
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60 * 1_000_000;
    const HOUR: i64 = 60;
    const DAY: i64 = 24 * HOUR;
    const HABITS: Habits = Habits { pause: MINUTE, visits_min: 4, interval_min: 20 * MINUTE };
    /// Midnight.
    const START: Timestamp = Timestamp(1_767_225_600_000_000);

    fn at(minutes: i64) -> Timestamp {
        Timestamp(START.0 + minutes * MINUTE)
    }

    fn come(presence: &mut Presence, visits: impl IntoIterator<Item = i64>) {
        for visit in visits {
            presence.visited(at(visit), at(visit), START, HABITS);
        }
    }

    fn seen(visits: &[i64]) -> Presence {
        let mut presence = Presence::new(at(visits[0]));
        come(&mut presence, visits[1..].iter().copied());
        presence
    }

    /// When it becomes silent after its last visit, in minutes.
    fn patience(presence: &Presence) -> Option<i64> {
        let mut patience = (1..60 * DAY).filter(|minutes| {
            presence.is_silent(Timestamp(presence.last_seen.0 + minutes * MINUTE), START, HABITS)
        });
        patience.next().map(|minutes| minutes - 1)
    }

    #[test]
    fn what_is_usual_is_known_after_four_visits_and_is_the_longest_gap() {
        for (visits, expected) in [
            (&[0, 40, 80][..], None),
            (&[0, 40, 80, 120], Some(120)),
            (&[0, 40, 80, 150], Some(210)),
            (&[0, 1, 2, 3], None),
            (&[0, 2, 4, 6], Some(60)),
        ] {
            assert_eq!(patience(&seen(visits)), expected, "{visits:?}");
        }
    }

    #[test]
    fn a_quiet_night_or_weekend_is_usual_for_one_that_comes_by_need() {
        // Every half hour from eight to six on working days, for two weeks.
        let days = (0..14)
            .filter(|day| day % 7 < 5)
            .flat_map(|day| (0..20).map(move |half_hour| day * DAY + 8 * HOUR + half_hour * 30));
        let visits: Vec<i64> = days.collect();
        let mut presence = Presence::new(at(visits[0]));
        let mut silences = 0;
        for visit in &visits[1..] {
            silences += usize::from(presence.is_silent(at(*visit), START, HABITS));
            come(&mut presence, [*visit]);
        }
        assert_eq!(silences, 4, "the first three nights and the first weekend, until each was known");
        assert_eq!(presence.longest.len(), DAYS_MAX);
        assert!(patience(&presence).is_some_and(|patience| patience > 3 * DAY), "{presence:?}");
    }

    #[test]
    fn a_silence_counts_for_three_intervals_and_is_forgotten_with_its_day() {
        let mut presence = seen(&[0, 40, 80, 120]);
        let back = 30 * DAY;
        come(&mut presence, [back]);
        assert_eq!(patience(&presence), Some(3 * 120));
        come(&mut presence, (1..=36 * 8).map(|cycle| back + 40 * cycle));
        assert_eq!(patience(&presence), Some(120));
    }

    #[test]
    fn who_was_not_watched_is_silent_only_when_it_has_had_an_interval_to_come() {
        let mut presence = seen(&[0, 40, 80, 120]);
        assert!(!presence.is_silent(at(1_040), at(1_000), HABITS));
        assert!(presence.is_silent(at(1_041), at(1_000), HABITS));
        let since = at(1_000);
        presence.visited(at(1_001), at(1_001), since, HABITS);
        assert_eq!(presence.usual(HABITS), Some(40 * MINUTE), "nor is that gap usual");
        assert!(!presence.is_silent(at(1_121), since, HABITS));
        assert!(presence.is_silent(at(1_122), since, HABITS));
    }

    #[test]
    fn requests_within_a_pause_are_one_visit_and_a_clock_that_steps_back_is_harmless() {
        let mut presence = seen(&[0, 40, 80]);
        let within = Timestamp(at(80).0 + MINUTE);
        presence.visited(within, within, START, HABITS);
        presence.visited(at(10), at(10), START, HABITS);
        assert_eq!((presence.visits, presence.last_seen), (3, within));
    }
}
