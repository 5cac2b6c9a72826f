//! Who agreed to a lease, for which party, when, and to which document.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use super::{Lease, LeaseStatus, advance, advanced, out_of_turn, touch};
use crate::functions::{organisation_ref, seconds_ago};
use crate::organisations::Reference;
use crate::schema::{lease_agreements, leases};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::{Error, Fault, Result};

/// An agreement.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Agreement {
    pub id: Uuid,
    pub created_at: DateTime<Utc>,
    pub organisation: Json<Reference>,
    pub signatory: Option<String>,
    pub capacity: String,
    pub document_sha256: String,
}

/// An agreement to record.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct NewAgreement {
    pub id: Uuid,
    pub organisation_id: Uuid,
    pub signatory: String,
    pub capacity: String,
    pub document_sha256: String,
}

/// What the trail has of it: not who agreed, which would have to be erased some day.
#[derive(Serialize)]
struct AgreementAudit {
    lease_id: Uuid,
    document_sha256: String,
}

/// The agreements to a lease that is seen, in the order in which they were recorded.
pub fn list(conn: &mut Conn<'_>, lease_id: Uuid) -> Result<Vec<Agreement>> {
    let query = lease_agreements::table.filter(lease_agreements::lease_id.eq(lease_id)).order(lease_agreements::id);
    Ok(query.select(columns()).load(conn.pg)?)
}

/// Records that a party agrees to a locked lease. With the last of them it is agreed and, when its first day has come, in
/// force.
pub fn create(tx: &mut Tx<'_>, current: &Lease, new: &NewAgreement) -> Result<Agreement> {
    if current.status != LeaseStatus::Issued {
        return Err(out_of_turn(current, "Only what was issued is agreed to."));
    }
    let Some(party) = current.parties.0.iter().find(|party| party.organisation.id == new.organisation_id) else {
        let detail = "is not one of the parties of the lease";
        return Err(Error::Conflict(vec![Fault::new("/organisation", "no_party", detail)]));
    };
    if party.agreed_at.is_some() {
        return Err(Error::Conflict(vec![Fault::new("/organisation", "agreed_already", "agreed to it already")]));
    }
    if !current.documents.0.iter().any(|document| document.sha256 == new.document_sha256) {
        let detail = "is the digest of none of its documents; read the one that is to be agreed to again";
        return Err(Error::Conflict(vec![Fault::new("/documentSha256", "another_document", detail)]));
    }
    diesel::insert_into(lease_agreements::table)
        .values((
            lease_agreements::id.eq(new.id),
            lease_agreements::lease_id.eq(current.id),
            lease_agreements::organisation_id.eq(new.organisation_id),
            lease_agreements::signatory.eq(&new.signatory),
            lease_agreements::capacity.eq(&new.capacity),
            lease_agreements::document_sha256.eq(&new.document_sha256),
            lease_agreements::user_id.eq(tx.actor().principal.user_id()),
        ))
        .execute(tx.pg)?;
    let told = AgreementAudit { lease_id: current.id, document_sha256: new.document_sha256.clone() };
    tx.audit_in(new.organisation_id, "lease_agreements", new.id, None, Some(&told))?;
    let touched = touch(tx, current)?;
    if touched.parties.0.iter().all(|party| party.agreed_at.is_some()) {
        diesel::update(leases::table.find(current.id))
            .set((leases::status.eq(LeaseStatus::Agreed), leases::agreed_at.eq(seconds_ago(0).nullable())))
            .execute(tx.pg)?;
        let agreed = advanced(tx, &touched)?;
        advance(tx, &agreed)?;
    }
    Ok(lease_agreements::table.find(new.id).select(columns()).first(tx.pg)?)
}

type Columns = (
    lease_agreements::id,
    lease_agreements::created_at,
    diesel::dsl::AssumeNotNull<organisation_ref<diesel::dsl::Nullable<lease_agreements::organisation_id>>>,
    lease_agreements::signatory,
    lease_agreements::capacity,
    lease_agreements::document_sha256,
);

fn columns() -> Columns {
    (
        lease_agreements::id,
        lease_agreements::created_at,
        organisation_ref(lease_agreements::organisation_id.nullable()).assume_not_null(),
        lease_agreements::signatory,
        lease_agreements::capacity,
        lease_agreements::document_sha256,
    )
}
