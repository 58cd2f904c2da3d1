//! Decisions of the registry: which tenants there are, and who may operate them.

use scim::fold::fold;

use super::decision::{Decision, Draft};
use crate::event::{Event, OperatorCreated, TenantRegistered};
use crate::ids::{OperatorId, StreamId};
use crate::recorded::Subject;
use crate::rejection::Rejection;
use crate::tenancy::Tenancy;
use crate::tenancy::check::{check_name, check_tenant_name};

/// A stream that is registered already under the same name was finished by an earlier start: nothing to
/// record.
pub(super) fn register_tenant(
    tenancy: &Tenancy,
    name: &str,
    stream: StreamId,
) -> Result<Decision, Rejection> {
    check_tenant_name(name)?;
    let mut open = tenancy.tenants.iter().filter(|(_, tenant)| tenant.closed_at.is_none());
    match open.find(|(_, tenant)| tenant.tenant == name) {
        Some((holder, _)) if *holder == stream => return Ok(Decision::done([])),
        None if !tenancy.tenants.contains_key(&stream) => {}
        Some(_) => return Err(tenant_exists("a tenant with this name exists already; choose another name")),
        None => return Err(tenant_exists("this stream was registered before, and a stream is never reused")),
    }
    let registered = TenantRegistered { tenant: name.to_owned() };
    Ok(Decision::done([Draft::new(Subject::RegisteredTenant(stream), Event::TenantRegistered(registered))]))
}

pub(super) fn close_tenant(tenancy: &Tenancy, stream: StreamId) -> Result<Decision, Rejection> {
    let tenant = tenancy
        .tenants
        .get(&stream)
        .ok_or_else(|| Rejection::NotFound(format!("no tenant has the stream {stream}")))?;
    if tenant.closed_at.is_some() {
        return Ok(Decision::done([]));
    }
    Ok(Decision::done([Draft::new(Subject::RegisteredTenant(stream), Event::TenantClosed)]))
}

/// A name is free again once its operator is revoked: the log tells the two apart by id.
pub(super) fn create_operator(
    tenancy: &Tenancy,
    id: OperatorId,
    name: &str,
    sha256: &str,
) -> Result<Decision, Rejection> {
    check_name(name, "operator_name_invalid")?;
    let folded = fold(name);
    let holder = tenancy
        .operators
        .iter()
        .find(|(_, operator)| operator.revoked_at.is_none() && fold(&operator.name) == folded);
    if let Some((holder, _)) = holder {
        return Err(Rejection::Conflict {
            code: "operator_exists",
            detail: format!("the operator {holder} has this name already; choose another"),
        });
    }
    let created = OperatorCreated { name: name.to_owned(), sha256: sha256.to_owned() };
    Ok(Decision::done([Draft::new(Subject::Operator(id), Event::OperatorCreated(created))]))
}

pub(super) fn revoke_operator(tenancy: &Tenancy, id: OperatorId) -> Result<Decision, Rejection> {
    let operator = tenancy
        .operators
        .get(&id)
        .ok_or_else(|| Rejection::NotFound(format!("no operator has the id {id}")))?;
    if operator.revoked_at.is_some() {
        return Ok(Decision::done([]));
    }
    let others =
        tenancy.operators.iter().filter(|(other, operator)| **other != id && operator.revoked_at.is_none());
    if others.count() == 0 {
        return Err(Rejection::Conflict {
            code: "last_operator",
            detail: "this is the last active operator; create another one before revoking it".to_owned(),
        });
    }
    Ok(Decision::done([Draft::new(Subject::Operator(id), Event::OperatorRevoked)]))
}

fn tenant_exists(detail: &str) -> Rejection {
    Rejection::Conflict { code: "tenant_exists", detail: detail.to_owned() }
}
