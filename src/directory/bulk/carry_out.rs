//! Decides the operations of a bulk request and applies what they come to.

use provisioning::command::Origin;
use provisioning::decide::{
    DecideError, Decision, Draft, Expecting, Outcome, decide_scim, memberships_apart,
};
use provisioning::directory::Directory as _;
use provisioning::{Rejection, ResourceId, Timestamp};
use scim::dialect::Notes;

use super::{BulkJob, circle_failed};
use crate::directory::Written;
use crate::directory::durability::BatchFailure;
use crate::directory::transaction::Batch;
use crate::directory::writer::Writer;

/// How often a circle is tried. A trial shows every id that differs from what was drawn, and what decides about
/// that no trial changes, so the second one finds nothing new.
const TRIALS_MAX: usize = 3;

/// What the operations of a circle come to.
struct Trial {
    /// In the order in which they are recorded.
    drafts: Vec<Draft>,
    /// Of each operation.
    results: Vec<Decided>,
}

/// What one operation of a circle comes to.
struct Decided {
    id: ResourceId,
    created: bool,
    notes: Notes,
}

impl Writer {
    /// Carries out operations until the batch is full or the bulk is done.
    pub(in crate::directory) fn bulk(
        &mut self,
        job: &mut BulkJob,
        batch: &mut Batch,
    ) -> Result<(), BatchFailure> {
        while !batch.is_full()
            && let Some(together) = job.next()
        {
            match together[..] {
                [only] if !job.refers_to_itself(only) => {
                    let (command, origin) = job.take_command(only);
                    let answer = self.transaction(&origin, false, batch, |view, schemas| {
                        decide_scim(command, &origin, view, schemas)
                    })?;
                    job.answer(only, answer);
                }
                _ => self.circle(job, &together, batch)?,
            }
        }
        Ok(())
    }

    /// Carries out operations that refer to each other, as one transaction.
    ///
    /// They are tried first, one after the other, since each has to see what those before it take (a name), and then
    /// recorded at once, since every header says how many events the transaction has.
    fn circle(&mut self, job: &mut BulkJob, circle: &[usize], batch: &mut Batch) -> Result<(), BatchFailure> {
        let recorded_at = match self.instant(false, batch.last_recorded_at()) {
            Ok(instant) => instant,
            Err(refusal) => {
                job.fail_circle(circle, None, &refusal);
                return Ok(());
            }
        };
        for _ in 0..TRIALS_MAX {
            let savepoint = self.view.savepoint()?;
            let trial = self.trial(job, circle, recorded_at, &mut batch.trial());
            self.view.return_to(savepoint)?;
            let trial = match trial? {
                Ok(trial) => trial,
                Err((culprit, rejection)) => {
                    job.fail_circle(circle, Some(&(culprit, rejection.into())), &circle_failed());
                    return Ok(());
                }
            };
            let renamed =
                circle.iter().zip(&trial.results).filter(|(at, result)| job.rename(**at, result.id));
            if renamed.count() == 0 {
                return self.record_circle(job, circle, trial, recorded_at, batch);
            }
        }
        job.fail_circle(circle, None, &circle_failed());
        Ok(())
    }

    /// Decides the operations; `Err` inside names the one that is refused. Whoever calls takes back what it applies.
    fn trial(
        &mut self,
        job: &BulkJob,
        circle: &[usize],
        recorded_at: Timestamp,
        batch: &mut Batch,
    ) -> Result<Result<Trial, (usize, Rejection)>, BatchFailure> {
        let expected = job.expected(circle);
        let (mut drafts, mut memberships, mut results) = (Vec::new(), Vec::new(), Vec::new());
        for operation in circle {
            let (command, origin) = job.command(*operation);
            let expecting = Expecting { directory: &self.view, expected: &expected };
            let id = command.id;
            // It may have to be decided again.
            let decision = match decide_scim(command.clone(), &origin, &expecting, self.view.schemas()) {
                Ok(decision) => decision,
                Err(DecideError::Rejected(rejection)) => return Ok(Err((*operation, rejection))),
                Err(DecideError::Directory(error)) => return Err(error.into()),
            };
            let Decision { events, outcome, notes } = decision;
            let (id, created) = match outcome {
                Outcome::Created(id) => (id, true),
                Outcome::Changed(id) => (id, false),
                Outcome::Unchanged(resource) => (resource.id, false),
                Outcome::Done => (id, false),
            };
            let (own, of_members) = memberships_apart(events);
            if !own.is_empty() {
                self.record(own.clone(), &origin, recorded_at, batch)?;
            }
            drafts.extend(own);
            memberships.extend(of_members);
            results.push(Decided { id, created, notes });
        }
        drafts.extend(memberships);
        Ok(Ok(Trial { drafts, results }))
    }

    fn record_circle(
        &mut self,
        job: &mut BulkJob,
        circle: &[usize],
        trial: Trial,
        recorded_at: Timestamp,
        batch: &mut Batch,
    ) -> Result<(), BatchFailure> {
        let Trial { drafts, results } = trial;
        let first = batch.next();
        if let (false, Some(operation)) = (drafts.is_empty(), circle.first()) {
            let (_, origin): (_, Origin) = job.command(*operation);
            self.record(drafts, &origin, recorded_at, batch)?;
        }
        for (operation, Decided { id, created, notes }) in circle.iter().zip(results) {
            let resource = self.view.resource(id)?;
            let revisions = first.0..batch.next().0;
            job.answer(*operation, Ok(Written { resource, created, revisions, notes }));
        }
        Ok(())
    }
}
