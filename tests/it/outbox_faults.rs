//! The outbox under faults: broker and Muster are real processes and are killed, stopped, filled and deceived while
//! clients of several tenants write; a consumer outside our house says what became of it.
//!
//! What has to be heard is worked out from the log as `muster events list` prints it. Every revision is heard once
//! and in order in both streams, or the tenant says what is wrong and what to do, and after that every revision is
//! heard once. The streams know their messages for a tenth of a second only, so that nothing here rests on that.
//! Each test is a class of `make soak`.

mod consumer;
mod expected;
mod house;
mod traffic;

use std::fs;
use std::path::Path;
use std::time::Duration;

use async_nats::jetstream::stream;
use serde_json::json;

use self::consumer::FOREIGN;
use self::house::{
    Behind, DEPROVISIONING, EVENTS, House, STREAMS, await_written, eventually, pass, stream_config,
};
use crate::soak::{Plan, between};

const MILLISECOND: Duration = Duration::from_millis(1);

/// How long somebody is dead: seldom long enough for everything to calm down.
const DEAD_MAX: Duration = Duration::from_millis(400);

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for file in fs::read_dir(from).expect("the folder is there") {
        let file = file.expect("a file");
        fs::copy(file.path(), to.join(file.file_name())).expect("the file can be copied");
    }
}

fn remove_database(folder: &Path, name: &str) {
    for suffix in ["", "-wal", "-shm"] {
        drop(fs::remove_file(folder.join(format!("{name}{suffix}"))));
    }
}

#[test]
fn every_revision_is_heard_once_while_broker_and_muster_are_killed() {
    let plan = Plan::of("outbox_kills", 2, 20);
    let (tenants, writes) = if plan.soaks { (8, 500) } else { (3, 150) };
    let mut tally = plan.tally();
    let mut house = House::new(&plan, tenants);
    house.write(plan.rounds * writes, |house, until| {
        for round in 0..plan.rounds {
            let mut dice = plan.dice(round);
            let begin = round * writes + dice.below(usize::try_from(writes / 2).unwrap()) as u64;
            await_written(until, begin);
            house.kill_broker();
            pass(between(&mut dice, Duration::ZERO, DEAD_MAX));
            house.resume_broker();
            pass(between(&mut dice, Duration::ZERO, DEAD_MAX));
            house.kill_muster();
            if dice.below(3) == 0 {
                // Both are dead at once.
                house.kill_broker();
                house.resume_broker();
                tally.faults += 1;
            }
            pass(between(&mut dice, Duration::ZERO, DEAD_MAX / 2));
            house.start_muster();
            tally.faults += 2;
            tally.rounds += 1;
        }
    });
    house.check(&mut tally);
    tally.note(&format!("tenants={tenants} heard={}", house.hear(EVENTS).len()));
    tally.finish();
}

#[test]
fn an_outage_that_outlasts_the_brokers_memory_doubles_nothing() {
    let plan = Plan::of("outbox_long_outage", 2, 50);
    let mut tally = plan.tally();
    let mut house = House::new(&plan, 3);
    let old = house.place.data().join("old");
    for round in 0..plan.rounds {
        let mut dice = plan.dice(round);
        house.write(60, |house, until| {
            await_written(until, dice.below(40) as u64);
            house.kill_broker();
        });
        if dice.below(2) == 0 {
            // Muster dies meanwhile, and what it remembered of its positions is older than what it knew.
            house.kill_muster();
            let folder = house.folder("tenant-0");
            if old.exists() {
                remove_database(&folder, "operations.db");
                fs::copy(old.join("operations.db"), folder.join("operations.db")).expect("a copy");
            } else {
                copy_folder(&folder, &old);
            }
            tally.faults += 1;
            house.start_muster();
        }
        pass(between(&mut dice, 150 * MILLISECOND, 600 * MILLISECOND));
        house.resume_broker();
        house.check(&mut tally);
        tally.faults += 1;
        tally.rounds += 1;
    }
    tally.finish();
}

#[test]
fn lost_positions_are_found_again_or_asked_for() {
    let plan = Plan::of("outbox_positions_lost", 2, 40);
    let mut tally = plan.tally();
    for round in 0..plan.rounds {
        let mut dice = plan.dice(round);
        let mut house = House::new(&plan, 3);
        house.write(120, |house, until| {
            await_written(until, 30 + dice.below(60) as u64);
            house.kill_muster();
            for tenant in &house.tenants {
                if dice.below(3) > 0 {
                    remove_database(&house.folder(tenant), "operations.db");
                    tally.faults += 1;
                }
            }
            house.start_muster();
        });
        // Of whom nothing had been said there yet, nobody knows that.
        for tenant in house.tenants.clone() {
            let state = eventually("an answer of the broker", || {
                let status = house.status(&tenant, DEPROVISIONING);
                let reason = status["reason"].as_str().unwrap_or_default().to_owned();
                (!reason.starts_with("outbox_beginning")).then_some(reason)
            });
            if state.starts_with("outbox_position_unknown") {
                assert_eq!(house.resume(&tenant, &json!("start")).status, 200);
            }
        }
        house.check(&mut tally);

        // Neither side knows: nothing is guessed, and the others go on.
        house.kill_muster();
        remove_database(&house.folder("tenant-1"), "operations.db");
        house.ask_broker(async |broker| {
            for name in STREAMS {
                let stream = broker.get_stream(name).await.expect("the stream is there");
                stream.purge().filter("muster.v1.tenant-1.>").await.expect("a purge");
            }
        });
        // What was purged was heard before.
        let heard =
            Behind { sequence: house.end_of(DEPROVISIONING), revision: house.log("tenant-1").len() as u64 };
        house.behind.insert(("tenant-1".to_owned(), DEPROVISIONING), heard);
        house.start_muster();
        let reason = house.await_reason("tenant-1", EVENTS, "outbox_position_unknown");
        assert!(reason.contains("`muster outbox resume --tenant tenant-1 --from "), "{reason}");
        house.write(60, |_, _| ());
        let others = ["tenant-0", "tenant-2"].map(str::to_owned);
        house.check_tenants(&others, &mut tally);
        assert!(house.hear(EVENTS).iter().all(|heard| heard.tenant() != "tenant-1"), "something was guessed");
        let from = *dice.choose(&[0, 5, 40]);
        let from = if from == 0 { json!("start") } else { json!(from) };
        assert_eq!(house.resume("tenant-1", &from).status, 200);
        let deprovisioning = house.status("tenant-1", DEPROVISIONING);
        assert_eq!(deprovisioning["reason"], serde_json::Value::Null, "evidence knows how far this one was");
        house.check(&mut tally);
        tally.faults += 2;
        tally.rounds += 1;
    }
    tally.finish();
}

#[test]
fn a_stream_that_is_lost_or_rolled_back_is_filled_again() {
    let plan = Plan::of("outbox_stream_lost", 5, 40);
    let mut tally = plan.tally();
    let mut house = House::new(&plan, 3);
    for round in 0..plan.rounds {
        let mut dice = plan.dice(round);
        match round % 5 {
            0 => house.write(80, |house, until| {
                await_written(until, dice.below(60) as u64);
                delete(house, STREAMS[dice.below(2)]);
            }),
            // Nobody writes, and it is noticed all the same.
            1 => STREAMS.iter().for_each(|name| delete(&house, name)),
            // The broker's disk is lost, and Muster lives or dies with it.
            2 | 3 => house.write(80, |house, until| {
                await_written(until, dice.below(60) as u64);
                house.kill_broker();
                fs::remove_dir_all(house.nats.store()).expect("the store can be removed");
                if round % 5 == 3 {
                    house.kill_muster();
                    house.start_muster();
                }
                house.resume_broker();
            }),
            // The broker's machine crashes and loses what it had acknowledged and not yet made durable.
            _ => {
                house.kill_broker();
                let (store, old) = (house.nats.store().to_owned(), house.nats.store().with_extension("old"));
                copy_tree(&store, &old);
                house.resume_broker();
                house.write(80, |house, until| {
                    await_written(until, 40 + dice.below(40) as u64);
                    house.kill_broker();
                    fs::remove_dir_all(&store).expect("the store can be removed");
                    fs::rename(&old, &store).expect("the store can be put back");
                    house.resume_broker();
                });
            }
        }
        house.check(&mut tally);
        tally.faults += 1;
        tally.rounds += 1;
    }
    tally.finish();
}

fn delete(house: &House, stream: &str) {
    house.ask_broker(async |broker| broker.delete_stream(stream).await.expect("the stream can be deleted"));
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("the folder is there") {
        let entry = entry.expect("an entry");
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("the file can be copied");
        }
    }
}

#[test]
fn a_full_broker_delays_publishing_and_nothing_else() {
    let plan = Plan::of("outbox_full", 4, 24);
    let mut tally = plan.tally();
    for round in 0..plan.rounds {
        let mut house = House::new(&plan, 2);
        house.write(40, |_, _| ());
        house.check(&mut tally);
        let state = |house: &House, name: &str| {
            house
                .ask_broker(async |broker| broker.get_stream(name).await.unwrap().cached_info().state.clone())
        };
        let update = |house: &House, config: stream::Config| {
            house.ask_broker(async |broker| broker.update_stream(config).await.expect("it can be altered"));
        };
        let (full, goes_on, words) = match round % 4 {
            0 => {
                let max_messages = i64::try_from(state(&house, EVENTS).messages + 20).unwrap();
                update(&house, stream::Config { max_messages, ..stream_config(EVENTS) });
                (EVENTS, Some(DEPROVISIONING), "maximum messages exceeded")
            }
            1 => {
                let max_bytes = i64::try_from(state(&house, DEPROVISIONING).bytes + 3_000).unwrap();
                update(&house, stream::Config { max_bytes, ..stream_config(DEPROVISIONING) });
                (DEPROVISIONING, Some(EVENTS), "maximum bytes exceeded")
            }
            2 => {
                let used: u64 = STREAMS.iter().map(|name| state(&house, name).bytes).sum();
                house.kill_broker();
                house.nats.jetstream = format!("max_file_store: {}", used + 20_000);
                house.resume_broker();
                (EVENTS, None, "insufficient")
            }
            // A real limit. The broker does not answer then, and goes on with the stream only when it is started anew,
            // even if there is room again before.
            _ => {
                house.nats.limit_files(longest(house.nats.store()) + 20_000);
                (EVENTS, None, "timed out")
            }
        };
        // Every write is answered all the same.
        house.write(120, |_, _| ());
        eventually("a reason", || {
            let reason = house.status("tenant-0", full)["reason"].as_str()?.to_owned();
            (reason.starts_with("jetstream_refused: ") && reason.contains(words)).then_some(())
        });
        if let Some(other) = goes_on {
            eventually("the other stream to go on", || {
                let status = house.status("tenant-0", other);
                (status["state"] == "live" && status["lag_events"] == 0).then_some(())
            });
        }
        match round % 4 {
            0 | 1 => update(&house, stream_config(full)),
            _ => {
                house.kill_broker();
                house.nats.jetstream.clear();
                house.resume_broker();
            }
        }
        house.check(&mut tally);
        tally.faults += 1;
        tally.rounds += 1;
    }
    tally.finish();
}

/// The length of the longest file below a folder.
fn longest(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let lengths = entries.map(|entry| {
        let entry = entry.expect("an entry");
        // What the broker has removed meanwhile is not the longest.
        entry.metadata().map_or(0, |found| if found.is_dir() { longest(&entry.path()) } else { found.len() })
    });
    lengths.max().unwrap_or_default()
}

#[test]
fn messages_of_somebody_else_hide_nothing_and_double_nothing() {
    let plan = Plan::of("outbox_foreign", 2, 40);
    let mut tally = plan.tally();
    let mut house = House::new(&plan, 3);
    for round in 0..plan.rounds {
        let mut dice = plan.dice(round);
        house.write(150, |house, until| {
            for step in 1..=10 {
                await_written(until, step * 15);
                let tenant = house.tenants[dice.below(3)].clone();
                intrude(house, &format!("muster.v1.{tenant}.events.users.created"), None);
                intrude(house, &format!("muster.v1.{tenant}.deprovisioning.users.nobody"), None);
                tally.faults += 2;
                if step == 5 {
                    house.kill_muster();
                    house.start_muster();
                }
            }
        });
        house.check(&mut tally);

        // Somebody claims to have said already what is to be said next: that is not believed, and not passed over.
        let log = house.log("tenant-0");
        let next = format!("{}:{}", log[0]["stream"].as_str().unwrap(), log.len() + 1);
        intrude(&house, "muster.v1.tenant-0.events.users.created", Some(&next));
        house.write(40, |_, _| ());
        let reason = house.await_reason("tenant-0", EVENTS, "outbox_ahead_of_log");
        assert!(reason.contains("`muster outbox resume --tenant tenant-0 --from "), "{reason}");
        let others = ["tenant-1", "tenant-2"].map(str::to_owned);
        house.check_tenants(&others, &mut tally);
        assert_eq!(house.resume("tenant-0", &json!(log.len())).status, 200);
        tally.faults += 1;
        house.check(&mut tally);
        tally.rounds += 1;
    }
    tally.finish();
}

/// Publishes what means nothing, perhaps under the id of a message of ours.
fn intrude(house: &House, subject: &str, id: Option<&str>) {
    house.ask_broker(async |broker| {
        let mut message = async_nats::jetstream::message::PublishMessage::build().payload(FOREIGN.into());
        if let Some(id) = id {
            message = message.message_id(id);
        }
        let sent = broker.send_publish(subject.to_owned(), message).await.expect("it can be sent");
        sent.await.expect("it is taken in");
    });
}

#[test]
fn a_log_that_was_put_back_halts_its_tenant_alone_until_somebody_says_where_to_go_on() {
    let plan = Plan::of("outbox_older_log", 3, 24);
    let mut tally = plan.tally();
    for round in 0..plan.rounds {
        let mut dice = plan.dice(round);
        let mut house = House::new(&plan, 3);
        house.write(60, |_, _| ());
        house.check(&mut tally);
        house.kill_muster();
        let (folder, old) = (house.folder("tenant-0"), house.place.data().join("old"));
        copy_folder(&folder, &old);
        let old_head = house.log("tenant-0").len() as u64;
        house.start_muster();
        house.write(60, |_, _| ());
        house.check(&mut tally);

        house.kill_muster();
        let operations = old.join("operations.db");
        if dice.below(2) == 0 {
            // As the documentation has it: the log and its views are put back, the rest stays.
            for suffix in ["", "-wal", "-shm"] {
                drop(fs::copy(
                    folder.join(format!("operations.db{suffix}")),
                    format!("{}{suffix}", operations.display()),
                ));
            }
        }
        fs::remove_dir_all(&folder).expect("the folder can be removed");
        copy_folder(&old, &folder);
        for writer in house.writers.iter_mut().filter(|writer| writer.tenant == "tenant-0") {
            writer.forget();
        }
        // While the broker is away, the log grows beyond what was published.
        let away = dice.below(2) == 0;
        if away {
            house.kill_broker();
        }
        house.start_muster();
        house.write(200, |_, _| ());
        if away {
            assert!(house.log("tenant-0").len() as u64 > old_head + 40, "too few writes");
            house.resume_broker();
        }
        let reason = house.await_reason("tenant-0", EVENTS, "outbox_ahead_of_log");
        assert!(reason.contains("`muster outbox resume --tenant tenant-0 --from "), "{reason}");
        assert_eq!(house.status("tenant-0", EVENTS)["state"], "halted");
        let others = ["tenant-1", "tenant-2"].map(str::to_owned);
        house.check_tenants(&others, &mut tally);
        let from = dice.choose(&[json!(old_head), json!("head"), json!("start")]).clone();
        assert_eq!(house.resume("tenant-0", &from).status, 200);
        house.write(60, |_, _| ());
        house.check(&mut tally);
        tally.faults += 1;
        tally.rounds += 1;
    }
    tally.finish();
}

#[test]
fn a_broker_that_stands_still_is_waited_for() {
    let plan = Plan::of("outbox_standstill", 1, 12);
    let mut tally = plan.tally();
    let mut house = House::new(&plan, 3);
    for round in 0..plan.rounds {
        let mut dice = plan.dice(round);
        house.write(200, |house, until| {
            await_written(until, dice.below(100) as u64);
            house.nats.signal("STOP");
            // Longer than any answer is awaited.
            pass(between(&mut dice, 5_500 * MILLISECOND, 7_000 * MILLISECOND));
            if dice.below(2) == 0 {
                house.kill_muster();
                house.start_muster();
            }
            house.nats.signal("CONT");
        });
        house.check(&mut tally);
        tally.faults += 1;
        tally.rounds += 1;
    }
    tally.finish();
}

#[test]
fn a_tenant_that_becomes_live_is_heard_from_where_its_event_says_whoever_is_killed() {
    let plan = Plan::of("outbox_promotion", 1, 20);
    let mut tally = plan.tally();
    for round in 0..plan.rounds {
        let mut dice = plan.dice(round);
        let mut house = House::empty();
        house.make_streams();
        house.move_in_as(&plan, "tenant", 2, &json!({"mode": "observe"}));
        house.write(80, |house, until| {
            await_written(until, dice.below(40) as u64);
            house.kill_muster();
            house.start_muster();
            assert!(STREAMS.iter().all(|stream| house.hear(stream).is_empty()), "something is heard already");
            let (one, other) = if dice.below(2) == 0 { ("here", "start") } else { ("start", "here") };
            house.promote("tenant-0", one);
            if dice.below(2) == 0 {
                house.kill_broker();
            }
            house.promote("tenant-1", other);
            pass(between(&mut dice, Duration::ZERO, DEAD_MAX / 4));
            house.kill_muster();
            house.kill_broker();
            house.resume_broker();
            house.start_muster();
        });
        house.check(&mut tally);
        tally.faults += 3;
        tally.rounds += 1;
    }
    tally.finish();
}

#[test]
fn two_services_share_a_broker() {
    let plan = Plan::of("outbox_two_services", 1, 20);
    let mut tally = plan.tally();
    let mut house = House::new(&plan, 2);
    let mut other = House::beside(&house);
    other.move_in_as(&plan, "others", 2, &json!({}));
    for round in 0..plan.rounds {
        let mut dice = plan.dice(round);
        house.write(150, |house, _| {
            other.write(150, |other, until| {
                await_written(until, dice.below(100) as u64);
                house.kill_broker();
                pass(between(&mut dice, Duration::ZERO, DEAD_MAX));
                house.resume_broker();
                other.kill_muster();
                other.start_muster();
            });
        });
        house.check(&mut tally);
        other.check(&mut tally);
        tally.faults += 2;
        tally.rounds += 1;
    }
    tally.finish();
}
