//! The way of a bulk request without a writer: whose turn it is, and what each operation is told.

use std::collections::BTreeMap;

use provisioning::Timestamp;
use provisioning::command::{Change, Precondition, Provider};
use provisioning::recorded::{Actor, Via};
use provisioning::tenancy::ClientKind;
use provisioning::{Resource, Revision};
use scim::dialect::Notes;
use scim::resource::Document;
use scim::{MemberRef, Object};
use uuid::Uuid;

use super::*;
use crate::directory::halted_error;

fn id(number: usize) -> ResourceId {
    ResourceId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + number as u128))
}

/// POST of a group, whose members are the resources of those that it refers to.
fn post(number: usize, refers_to: &[usize]) -> BulkOperation {
    let members =
        refers_to.iter().map(|other| MemberRef { value: id(*other).to_string(), member_type: None });
    let document = Document { members: Some(members.collect()), ..Document::default() };
    let command = ScimCommand {
        resource_type: ResourceType::Group,
        id: id(number),
        provider: Provider { domain: None, kind: ClientKind::Generic },
        precondition: Precondition::None,
        change: Change::Create(document),
    };
    BulkOperation { command: Some(command), refers_to: refers_to.iter().copied().collect() }
}

fn refused() -> BulkOperation {
    BulkOperation { command: None, refers_to: RefersTo::new() }
}

type Told = oneshot::Receiver<Vec<OperationOutcome>>;

fn job(operations: Vec<BulkOperation>, fail_on_errors: Option<usize>) -> (BulkJob, Told) {
    let origin =
        Origin { actor: Actor::SYSTEM, via: Via::System, request: None, received_at: None, context: None };
    let (caller, told) = oneshot::channel();
    (BulkJob::new(Bulk { operations, origin, fail_on_errors }, caller), told)
}

fn written(made: ResourceId) -> Written {
    let resource = Resource {
        id: made,
        resource_type: ResourceType::Group,
        attributes: Object::new(),
        external_ids: BTreeMap::new(),
        active: true,
        invited: false,
        hidden: false,
        erased: false,
        created_revision: Revision(1),
        revision: Revision(1),
        created_at: Timestamp(0),
        modified_at: Timestamp(0),
        key: None,
    };
    Written { resource: Some(resource), created: true, revisions: 1..2, notes: Notes::new() }
}

fn taken() -> WriteError {
    Rejection::Conflict { code: "taken", detail: String::new() }.into()
}

fn lost() -> WriteError {
    WriteError::Unavailable { code: "lost", detail: String::new() }
}

/// What each operation was told: a code, `done`, `before` or `left`.
fn told(mut told: Told) -> Vec<&'static str> {
    let outcomes = told.try_recv().expect("the caller was told");
    let words = outcomes.iter().map(|outcome| match outcome {
        OperationOutcome::LeftUndone => "left",
        OperationOutcome::RefusedBefore => "before",
        OperationOutcome::Answered(Ok(_)) => "done",
        OperationOutcome::Answered(Err(
            WriteError::Rejected(Rejection::Conflict { code, .. }) | WriteError::Unavailable { code, .. },
        )) => code,
        OperationOutcome::Answered(Err(other)) => panic!("{other}"),
    });
    words.collect()
}

/// Answers whatever is next, and fails the operations that are named; tells in which order they came.
fn run(job: &mut BulkJob, fails: &[usize]) -> Vec<usize> {
    let mut came = Vec::new();
    while let Some(together) = job.next() {
        for operation in together {
            came.push(operation);
            let made = id(operation);
            job.answer(operation, if fails.contains(&operation) { Err(taken()) } else { Ok(written(made)) });
        }
    }
    came
}

#[test]
fn what_fails_takes_with_it_what_refers_to_it_and_nothing_else() {
    let operations = vec![post(0, &[]), post(1, &[0]), post(2, &[1]), post(3, &[]), refused(), post(5, &[4])];
    let (mut job, answers) = job(operations, None);
    assert_eq!(run(&mut job, &[0]), [0, 3]);
    assert!(job.settle(None).is_none());
    let lost = "bulk_reference_failed";
    assert_eq!(told(answers), ["taken", lost, lost, "done", "before", lost]);
}

#[test]
fn a_circle_with_a_member_that_cannot_succeed_is_not_tried() {
    let mut broken = refused();
    broken.refers_to = RefersTo::from([1]);
    let operations = vec![broken, post(1, &[0, 2]), post(2, &[1]), post(3, &[])];
    let (mut job, answers) = job(operations, None);
    assert_eq!(run(&mut job, &[]), [3]);
    assert!(job.settle(None).is_none());
    assert_eq!(told(answers), ["before", "bulk_circle_failed", "bulk_circle_failed", "done"]);
}

#[test]
fn enough_errors_leave_the_rest_undone() {
    for (fail_on_errors, expected) in [
        (1, ["taken", "left", "left", "left"]),
        (2, ["taken", "before", "left", "left"]),
        (3, ["taken", "before", "done", "bulk_reference_failed"]),
        (9, ["taken", "before", "done", "bulk_reference_failed"]),
    ] {
        let operations = vec![post(0, &[]), refused(), post(2, &[]), post(3, &[0])];
        let (mut job, answers) = job(operations, Some(fail_on_errors));
        run(&mut job, &[0]);
        assert!(job.settle(None).is_none());
        assert_eq!(told(answers), expected);
    }
}

#[test]
fn a_part_that_is_stored_stays_and_a_part_that_is_not_ends_the_rest() {
    for (fail_on_errors, expected) in [
        (None, ["done", "lost", "before", "lost", "bulk_interrupted", "before"]),
        (Some(4), ["done", "lost", "before", "lost", "bulk_interrupted", "left"]),
        (Some(3), ["done", "lost", "before", "lost", "left", "left"]),
    ] {
        let operations = vec![post(0, &[]), post(1, &[]), refused(), post(3, &[]), post(4, &[]), refused()];
        let (mut job, answers) = job(operations, fail_on_errors);
        assert_eq!(job.next(), Some(vec![0]));
        job.answer(0, Ok(written(id(0))));
        let mut job = job.settle(None).expect("there is more to do");
        assert_eq!(job.next(), Some(vec![1]));
        job.answer(1, Err(taken()));
        // The third has its turn, and the writer breaks off while it decides the fourth.
        assert_eq!(job.next(), Some(vec![3]));
        assert!(job.settle(Some(&lost())).is_none());
        assert_eq!(told(answers), expected);
    }
}

#[test]
fn a_tenant_that_is_halted_between_two_parts_says_so_of_the_rest() {
    let (mut job, answers) = job(vec![post(0, &[]), post(1, &[]), refused()], None);
    assert_eq!(job.next(), Some(vec![0]));
    job.answer(0, Ok(written(id(0))));
    let job = job.settle(None).expect("there is more to do");
    assert!(job.settle(Some(&halted_error())).is_none());
    assert_eq!(told(answers), ["done", "tenant_halted", "before"]);
}

#[test]
fn whoever_comes_back_under_another_id_is_known_by_it_to_those_that_refer_to_it() {
    let (mut job, _answers) = job(vec![post(0, &[]), post(1, &[0, 2]), post(2, &[2])], None);
    assert_eq!(job.next(), Some(vec![0]));
    job.answer(0, Ok(written(id(77))));
    let expected = [(id(77), ResourceType::Group), (id(2), ResourceType::Group)];
    assert_eq!(job.expected(&[0, 2]), HashMap::from(expected));
    let (command, _) = job.command(1);
    let Change::Create(document) = &command.change else { panic!("a POST stays one") };
    let members: Vec<_> = document.members.iter().flatten().map(|member| member.value.clone()).collect();
    assert_eq!(members, [id(77).to_string(), id(2).to_string()]);
    assert!(job.refers_to_itself(2) && !job.refers_to_itself(1));
}
