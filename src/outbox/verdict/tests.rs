//! Where a tenant goes on, for every state that broker and file can be in.

use super::*;

fn at(revision: u64, sequence: u64) -> OutboxPosition {
    OutboxPosition { revision: Revision(revision), sequence, settled_sequence: 0 }
}

fn last(revision: u64, sequence: u64) -> Last {
    Last { sequence, revision: Revision(revision), in_log: true }
}

/// A tenant whose log ends at revision 20.
fn facts() -> Facts {
    Facts { head: Revision(20), ..Facts::default() }
}

#[track_caller]
fn check(facts: Facts, expected: Verdict) {
    assert_eq!(weigh(&facts), expected, "{facts:?}");
}

#[test]
fn a_new_tenant_goes_on_from_the_start() {
    check(Facts { kept: Some(at(0, 0)), ..facts() }, Verdict::GoOn(at(0, 0)));
}

#[test]
fn what_is_kept_counts_where_the_broker_stands_there_too() {
    check(Facts { kept: Some(at(9, 30)), last: Some(last(9, 30)), ..facts() }, Verdict::GoOn(at(9, 30)));
    // Revisions without a message were passed since.
    check(Facts { kept: Some(at(12, 30)), last: Some(last(9, 30)), ..facts() }, Verdict::GoOn(at(12, 30)));
}

#[test]
fn what_the_broker_took_in_after_the_position_was_kept_is_not_sent_again() {
    check(Facts { kept: Some(at(9, 30)), last: Some(last(14, 41)), ..facts() }, Verdict::GoOn(at(14, 41)));
}

#[test]
fn messages_that_are_not_there_any_more_are_not_sent_again() {
    check(Facts { kept: Some(at(9, 30)), last: None, ..facts() }, Verdict::GoOn(at(9, 30)));
    check(Facts { kept: Some(at(9, 30)), last: Some(last(5, 11)), ..facts() }, Verdict::GoOn(at(9, 30)));
}

#[test]
fn a_stream_that_was_lost_is_filled_again_behind_what_it_holds() {
    check(Facts { kept: Some(at(9, 30)), lost: true, ..facts() }, Verdict::Again(at(0, 0)));
    check(
        Facts { kept: Some(at(9, 30)), last: Some(last(4, 12)), lost: true, ..facts() },
        Verdict::Again(at(4, 12)),
    );
}

#[test]
fn without_a_kept_position_the_broker_knows() {
    check(Facts { last: Some(last(14, 41)), ..facts() }, Verdict::GoOn(at(14, 41)));
}

#[test]
fn without_a_kept_position_the_greater_of_broker_and_evidence_counts() {
    let accepted = Some(Revision(16));
    check(Facts { accepted, last: Some(last(14, 41)), ..facts() }, Verdict::GoOn(at(16, 41)));
    check(Facts { accepted, last: Some(last(18, 41)), ..facts() }, Verdict::GoOn(at(18, 41)));
    check(Facts { accepted, ..facts() }, Verdict::GoOn(at(16, 0)));
}

#[test]
fn where_nobody_knows_an_empty_stream_is_filled_from_the_start() {
    check(Facts { jetstream_empty: true, ..facts() }, Verdict::GoOn(at(0, 0)));
}

#[test]
fn where_nobody_knows_and_the_stream_is_in_use_a_person_is_asked() {
    check(facts(), Verdict::Ask);
}

#[test]
fn a_message_that_the_log_does_not_have_halts_the_tenant() {
    let stranger = Some(Last { sequence: 41, revision: Revision(14), in_log: false });
    check(Facts { kept: Some(at(9, 30)), last: stranger, ..facts() }, Verdict::AheadOfLog(Revision(14)));
    check(Facts { last: stranger, ..facts() }, Verdict::AheadOfLog(Revision(14)));
    check(
        Facts { kept: Some(at(9, 30)), last: stranger, lost: true, ..facts() },
        Verdict::AheadOfLog(Revision(14)),
    );
}

#[test]
fn a_kept_position_behind_the_end_of_the_log_halts_the_tenant() {
    check(Facts { kept: Some(at(21, 30)), ..facts() }, Verdict::AheadOfLog(Revision(21)));
}

#[test]
fn a_log_with_another_event_at_the_kept_position_halts_the_tenant_however_long_it_is() {
    check(
        Facts { kept: Some(at(9, 30)), kept_differs: true, last: Some(last(4, 30)), ..facts() },
        Verdict::AheadOfLog(Revision(9)),
    );
}

#[test]
fn what_an_operator_settled_stays_settled() {
    let settled = OutboxPosition { settled_sequence: 50, ..at(7, 41) };
    check(Facts { kept: Some(settled), ..facts() }, Verdict::GoOn(settled));
    let gone_on = OutboxPosition { settled_sequence: 50, ..at(8, 51) };
    check(Facts { kept: Some(settled), last: Some(last(8, 51)), ..facts() }, Verdict::GoOn(gone_on));
}
