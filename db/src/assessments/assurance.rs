//! The way of an assessment from its submission on: what is submitted is whole, changes are requested of it, and it is assured.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{Date, Text, Uuid as SqlUuid};
use uuid::Uuid;

use super::{Assessment, AssessmentStatus, advanced, out_of_turn, responses};
use crate::functions::{seconds_ago, supersede_assessment};
use crate::schema::assessments;
use crate::tx::Tx;
use crate::{Error, Fault, Result};

/// How many faults are told at once.
const MOST_FAULTS: usize = 100;

/// Submits a locked assessment with the score that it comes to, if it is whole; else everything that is missing.
pub fn submit(tx: &mut Tx<'_>, current: &Assessment, score: Option<i32>) -> Result<Assessment> {
    if !matches!(current.status, AssessmentStatus::InProgress | AssessmentStatus::ChangesRequested) {
        return Err(out_of_turn(current, "What is in progress, or has changes requested, is submitted."));
    }
    let mut faults = responses::missing(&mut tx.conn(), current.id, MOST_FAULTS)?;
    faults.extend(pin_evidence(tx, current)?);
    if current.assurers.0.is_empty() {
        faults.push(Fault::new("/assurers", "required", "Name who assures it."));
    }
    faults.truncate(MOST_FAULTS);
    if !faults.is_empty() {
        return Err(Error::Conflict(faults));
    }
    diesel::update(assessments::table.find(current.id))
        .set((
            assessments::status.eq(AssessmentStatus::Submitted),
            assessments::status_reason.eq(None::<String>),
            assessments::submitted_at.eq(seconds_ago(0).nullable()),
            assessments::submitted_by.eq(tx.actor().principal.user_id()),
            assessments::score.eq(score),
        ))
        .execute(tx.pg)?;
    advanced(tx, current)
}

/// Notes which revision of its evidence a locked assessment is submitted with; evidence that has expired is a fault.
fn pin_evidence(tx: &mut Tx<'_>, current: &Assessment) -> Result<Vec<Fault>> {
    #[derive(QueryableByName)]
    struct Expired {
        #[diesel(sql_type = SqlUuid)]
        evidence_id: Uuid,
        #[diesel(sql_type = Text)]
        title: String,
        #[diesel(sql_type = Date)]
        expires_on: NaiveDate,
        #[diesel(sql_type = Text)]
        controls: String,
    }
    // Nobody revises it meanwhile.
    diesel::sql_query(
        "select id from evidence where id in (select evidence_id from assessment_evidence where assessment_id = $1)
         order by id for share",
    )
    .bind::<SqlUuid, _>(current.id)
    .execute(tx.pg)?;
    diesel::sql_query(
        "update assessment_evidence u set revision = e.revision from evidence e
         where u.assessment_id = $1 and e.id = u.evidence_id and u.revision is distinct from e.revision",
    )
    .bind::<SqlUuid, _>(current.id)
    .execute(tx.pg)?;
    let expired: Vec<Expired> = diesel::sql_query(
        "select u.evidence_id, e.title, r.expires_on, string_agg(a.control_id, ', ' order by a.position) as controls
         from assessment_evidence u
           join evidence e on e.id = u.evidence_id
           join evidence_revisions r on r.evidence_id = u.evidence_id and r.revision = u.revision
           join assessment_responses a on a.assessment_id = u.assessment_id and a.position = u.position
         where u.assessment_id = $1 and r.expires_on < current_date
         group by u.evidence_id, e.title, r.expires_on order by r.expires_on, u.evidence_id limit 100",
    )
    .bind::<SqlUuid, _>(current.id)
    .load(tx.pg)?;
    let fault = |Expired { evidence_id, title, expires_on, controls }: Expired| {
        let controls: String = controls.chars().take(200).collect();
        let detail = format!("`{title}` expired on {expires_on}; revise it, or take it from {controls}.");
        Fault::new(format!("/evidence/{evidence_id}/expiresOn"), "expired", detail)
    };
    Ok(expired.into_iter().map(fault).collect())
}

/// Sends a locked assessment that was submitted back, with what is to be changed: in general, and of responses by control.
pub fn request_changes(
    tx: &mut Tx<'_>,
    current: &Assessment,
    reason: &str,
    of_controls: &[(String, String)],
) -> Result<Assessment> {
    if current.status != AssessmentStatus::Submitted {
        return Err(out_of_turn(current, "Changes are requested of what was submitted."));
    }
    responses::request_changes(tx, current, of_controls)?;
    diesel::update(assessments::table.find(current.id))
        .set((
            assessments::status.eq(AssessmentStatus::ChangesRequested),
            assessments::status_reason.eq(reason),
            assessments::score.eq(None::<i32>),
        ))
        .execute(tx.pg)?;
    advanced(tx, current)
}

/// Assures a locked assessment that was submitted; the one that it supersedes is superseded.
pub fn assure(
    tx: &mut Tx<'_>,
    current: &Assessment,
    person: Uuid,
    for_organisation: Option<Uuid>,
    statement: &str,
) -> Result<Assessment> {
    if current.status != AssessmentStatus::Submitted {
        return Err(out_of_turn(current, "What was submitted is assured."));
    }
    diesel::update(assessments::table.find(current.id))
        .set((
            assessments::status.eq(AssessmentStatus::Assured),
            assessments::assured_at.eq(seconds_ago(0).nullable()),
            assessments::assured_by.eq(person),
            assessments::assured_for_id.eq(for_organisation),
            assessments::assurance.eq(statement),
        ))
        .execute(tx.pg)?;
    let earlier: Option<Uuid> = diesel::select(supersede_assessment(current.id)).get_result(tx.pg)?;
    if let Some(earlier) = earlier {
        let told = |status: AssessmentStatus| serde_json::json!({ "status": status });
        let (before, after) = (told(AssessmentStatus::Assured), told(AssessmentStatus::Superseded));
        tx.audit_in(current.organisation_id, "assessments", earlier, Some(&before), Some(&after))?;
    }
    advanced(tx, current)
}
