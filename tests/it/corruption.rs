//! Files that were changed while the service was stopped: never a wrong answer, always a named state.
//!
//! A house with a history is made once with the real binary, and left twice: stopped in order, and killed, with its
//! write-ahead logs. In each round one file of one tenant is damaged in one way, and the service is started again.
//! Whatever is asked then has its right answer or 503 with a code; views heal by themselves; what is wrong with the
//! log or the keys is named with its place; the other tenant notices nothing.

pub(crate) mod damage;
mod house;

use self::damage::{FILES, damage};
use self::house::{House, Started};
use crate::soak::Plan;

#[test]
fn a_damaged_file_gives_its_right_answer_or_a_named_state() {
    let plan = Plan::of("corruption", FILES.len() as u64, 600);
    let mut tally = plan.tally();
    let house = House::new();
    let (mut healed, mut named, mut unseen) = (0, 0, 0);
    for round in 0..plan.rounds {
        let mut dice = plan.dice(round);
        let file = FILES[usize::try_from(round).expect("few rounds") % FILES.len()];
        // Only a service that was killed leaves write-ahead logs.
        let stopped = !file.name.ends_with("-wal") && dice.below(2) == 0;
        house.put_back(stopped);
        let what = damage(&house.folder_of(file), file.name, &mut dice);
        let what = format!("round {round}, {}/{}: {what}", file.owner, file.name);
        tally.rounds += 1;
        tally.faults += 1;
        match house.start(&what) {
            Started::Refused => named += 1,
            Started::Serves(serving) => {
                serving.ask_everything(&what, &mut tally);
                let halted = serving.is_halted(file, &what);
                match (halted, serving.heals()) {
                    (true, _) => named += 1,
                    (false, true) => healed += 1,
                    (false, false) => {
                        unseen += 1;
                        println!("without effect: {what}");
                    }
                }
                if !halted {
                    serving.everything_is_right(&what, &mut tally);
                }
                serving.write(halted, &what);
                serving.stop();
            }
        }
    }
    tally.note(&format!("named={named} healed={healed} without_effect={unseen}"));
    tally.finish();
}
