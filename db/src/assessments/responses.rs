//! What an organisation says to each control of a checklist: a row a control, from the beginning. Several people answer at
//! once; each answer says which version of the response it takes the place of, so that none is lost unseen.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Text, Uuid as SqlUuid};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Assessment;
use crate::checklists::controls::Selected;
use crate::frameworks::items::{Control, Item, ItemKind};
use crate::functions::{framework_group, person_ref, seconds_ago};
use crate::organisations::to_limit;
use crate::people::{PersonReference, Role};
use crate::schema::{
    assessment_evidence as uses, assessment_response_versions as versions, assessment_responses as responses,
    checklist_controls as chosen, evidence, framework_items as items, memberships,
};
use crate::tx::{Conn, Tx};
use crate::types::{Json, Uuids};
use crate::vocabulary::vocabulary;
use crate::{Fault, Page, Result};

vocabulary! {
    /// How far a control is met. `met`: in full. `partly_met`: in part. `not_met`: not. `not_applicable`: it does not apply,
    /// for a reason.
    ResponseStatus, "partly_met" {
        /// In full.
        Met = "met",
        /// In part.
        PartlyMet = "partly_met",
        /// Not.
        NotMet = "not_met",
        /// It does not apply, for a reason.
        NotApplicable = "not_applicable",
    }
}

vocabulary! {
    /// Why an answer that was carried forward needs another look. `control_changed`: the control says something else now.
    /// `control_related`: it answered another control, to which this one relates. `control_new`: nothing was answered before.
    LookAgain, "control_changed" {
        /// The control says something else now.
        ControlChanged = "control_changed",
        /// It answered another control.
        ControlRelated = "control_related",
        /// Nothing was answered before.
        ControlNew = "control_new",
    }
}

vocabulary! {
    /// What became of an answer that was sent. `updated`: it is kept. `unchanged`: it says what was said. `conflict`: somebody
    /// else answered since. `refused`: something is wrong with it.
    AnswerOutcome, "updated" {
        /// It is kept.
        Updated = "updated",
        /// It says what was said.
        Unchanged = "unchanged",
        /// Somebody else answered since.
        Conflict = "conflict",
        /// Something is wrong with it.
        Refused = "refused",
    }
}

/// What is said to a control.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, AsChangeset)]
#[diesel(table_name = responses, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ResponseState {
    pub assignee_id: Option<Uuid>,
    pub status: Option<ResponseStatus>,
    pub statement: Option<String>,
    pub justification: Option<String>,
    pub indicators: Json<Vec<IndicatorAnswer>>,
    pub evidence: Uuids,
}

/// Whether an indicator of good practice holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndicatorAnswer {
    /// Its id.
    pub id: String,
    /// Whether it holds.
    pub met: bool,
    /// What else there is to say.
    pub remarks: Option<String>,
}

/// A response, by itself.
#[derive(Debug, Clone, Queryable)]
pub struct Response {
    /// What follows from what was said.
    pub facts: ResponseFacts,
    /// What is said.
    pub state: ResponseState,
}

/// What follows from what was said to a control.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ResponseFacts {
    pub position: i32,
    pub control_id: String,
    pub version: i32,
    pub updated_at: DateTime<Utc>,
    pub updated_by: Option<Json<PersonReference>>,
    pub assignee: Option<Json<PersonReference>>,
    pub change_requested: Option<String>,
    pub look_again: Option<LookAgain>,
}

/// A response with what it answers.
#[derive(Debug, Clone, Queryable)]
pub struct Answered {
    /// What follows from what was said.
    pub facts: ResponseFacts,
    /// What is said.
    pub state: ResponseState,
    /// What the checklist says of the control.
    pub selected: Selected,
    /// What the framework says of it.
    pub control: Control,
}

/// Which responses; different fields mean all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// To these controls.
    pub controls: Vec<String>,
    /// That say one of these.
    pub statuses: Vec<ResponseStatus>,
    /// Whether they say anything.
    pub answered: Option<bool>,
    /// Whose it is to answer.
    pub assignee: Option<Uuid>,
    /// Whether those who assure want them changed.
    pub change_requested: Option<bool>,
    /// Whether they need another look.
    pub look_again: Option<bool>,
}

type Facts = (
    responses::position,
    responses::control_id,
    responses::version,
    responses::updated_at,
    person_ref<responses::updated_by>,
    person_ref<responses::assignee_id>,
    responses::change_requested,
    responses::look_again,
);

fn facts() -> Facts {
    (
        responses::position,
        responses::control_id,
        responses::version,
        responses::updated_at,
        person_ref(responses::updated_by),
        person_ref(responses::assignee_id),
        responses::change_requested,
        responses::look_again,
    )
}

/// One page of the responses of an assessment that is seen, in the order of the framework.
pub fn list(
    conn: &mut Conn<'_>,
    of: &Assessment,
    filter: &Filter,
    after: Option<i32>,
    limit: usize,
) -> Result<Page<Answered, i32>> {
    let above = diesel::alias!(items as above);
    let mut query = responses::table
        .inner_join(
            chosen::table.on(chosen::checklist_id.eq(of.checklist_id).and(chosen::position.eq(responses::position))),
        )
        .inner_join(
            items::table.on(items::framework_id.eq(chosen::framework_id).and(items::position.eq(chosen::position))),
        )
        .left_join(
            above.on(above
                .field(items::framework_id)
                .eq(items::framework_id)
                .and(above.field(items::position).nullable().eq(items::parent_position))
                .and(above.field(items::kind).eq(ItemKind::Control))),
        )
        .filter(responses::assessment_id.eq(of.id))
        .filter(responses::position.gt(after.unwrap_or(0)))
        .into_boxed();
    if !filter.controls.is_empty() {
        query = query.filter(responses::control_id.eq_any(filter.controls.clone()));
    }
    if !filter.statuses.is_empty() {
        query = query.filter(responses::status.eq_any(filter.statuses.clone()));
    }
    match filter.answered {
        Some(true) => query = query.filter(responses::status.is_not_null()),
        Some(false) => query = query.filter(responses::status.is_null()),
        None => {}
    }
    if let Some(assignee) = filter.assignee {
        query = query.filter(responses::assignee_id.eq(assignee));
    }
    match filter.change_requested {
        Some(true) => query = query.filter(responses::change_requested.is_not_null()),
        Some(false) => query = query.filter(responses::change_requested.is_null()),
        None => {}
    }
    match filter.look_again {
        Some(true) => query = query.filter(responses::look_again.is_not_null()),
        Some(false) => query = query.filter(responses::look_again.is_null()),
        None => {}
    }
    let found = query
        .order(responses::position)
        .limit(to_limit(limit))
        .select((
            facts(),
            ResponseState::as_select(),
            Selected::as_select(),
            (
                Item::as_select(),
                framework_group(items::framework_id, items::position),
                above.field(items::item_id).nullable(),
            ),
        ))
        .load::<Answered>(conn.pg)?;
    Ok(Page::cut(found, limit, |last| last.facts.position))
}

/// What each response of an assessment counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
pub struct Counted {
    /// Place of the control in its framework.
    pub position: i32,
    /// What is said to it.
    pub status: Option<ResponseStatus>,
    /// How much it counts for.
    pub weight: i32,
}

/// What all responses of an assessment that is seen count for.
pub fn counted(conn: &mut Conn<'_>, of: &Assessment) -> Result<Vec<Counted>> {
    let query = responses::table
        .inner_join(
            chosen::table.on(chosen::checklist_id.eq(of.checklist_id).and(chosen::position.eq(responses::position))),
        )
        .filter(responses::assessment_id.eq(of.id))
        .order(responses::position)
        .select((responses::position, responses::status, chosen::weight));
    Ok(query.load(conn.pg)?)
}

/// The responses to some controls, locked, in their order: who answers several waits for who answers the same, and never the
/// other way round.
pub fn lock(tx: &mut Tx<'_>, of: &Assessment, controls: &[String]) -> Result<Vec<Response>> {
    let query = || {
        responses::table
            .filter(responses::assessment_id.eq(of.id))
            .filter(responses::control_id.eq_any(controls))
            .order(responses::position)
    };
    query().select(responses::position).for_update().load::<i32>(tx.pg)?;
    Ok(query().select((facts(), ResponseState::as_select())).load(tx.pg)?)
}

/// The indicators of good practice of some controls of the checklist of an assessment, by the place of the control.
pub fn indicators(
    conn: &mut Conn<'_>,
    of: &Assessment,
    positions: &[i32],
) -> Result<Vec<(i32, Json<Vec<crate::frameworks::items::Indicator>>)>> {
    let query = chosen::table
        .inner_join(
            items::table.on(items::framework_id.eq(chosen::framework_id).and(items::position.eq(chosen::position))),
        )
        .filter(chosen::checklist_id.eq(of.checklist_id))
        .filter(chosen::position.eq_any(positions))
        .select((items::position, items::indicators));
    Ok(query.load(conn.pg)?)
}

/// Which of these are evidence of the organisation of an assessment.
pub fn known_evidence(conn: &mut Conn<'_>, of: &Assessment, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let query =
        evidence::table.filter(evidence::organisation_id.eq(of.organisation_id)).filter(evidence::id.eq_any(ids));
    Ok(query.select(evidence::id).load(conn.pg)?)
}

/// Which of these contribute for the organisation of an assessment.
pub fn known_people(conn: &mut Conn<'_>, organisation_id: Uuid, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let query = memberships::table
        .filter(memberships::organisation_id.eq(organisation_id))
        .filter(memberships::user_id.eq_any(ids))
        .filter(memberships::role.ne(Role::Viewer));
    Ok(query.select(memberships::user_id).load(conn.pg)?)
}

/// Says to a control what is wanted, in place of a locked response; its version from then on. When it says that already
/// nothing is written. What the trail has of it goes to `trail`, which [`audit`] writes for all.
pub fn answer(
    tx: &mut Tx<'_>,
    of: &Assessment,
    current: &Response,
    state: &ResponseState,
    trail: &mut Trail,
) -> Result<i32> {
    let without_assignee = |state: &ResponseState| ResponseState { assignee_id: None, ..state.clone() };
    let said_otherwise = without_assignee(state) != without_assignee(&current.state);
    let given_away = current.state.assignee_id != state.assignee_id;
    // Who says the same again has looked at it; who only gives it to somebody has not.
    let looked_at = said_otherwise || !given_away && state.status.is_some();
    let marked = current.facts.look_again.is_some() || current.facts.change_requested.is_some();
    let changed = said_otherwise || given_away || looked_at && marked;
    if !changed {
        return Ok(current.facts.version);
    }
    let version = current.facts.version + 1;
    diesel::update(responses::table.find((of.id, current.facts.position)))
        .set((
            state,
            responses::version.eq(version),
            responses::updated_at.eq(seconds_ago(0)),
            responses::updated_by.eq(tx.actor().principal.user_id()),
            responses::look_again.eq(current.facts.look_again.filter(|_| !looked_at)),
            responses::change_requested.eq(current.facts.change_requested.as_ref().filter(|_| !looked_at)),
        ))
        .execute(tx.pg)?;
    if current.state.evidence != state.evidence {
        let held = uses::table.filter(uses::assessment_id.eq(of.id)).filter(uses::position.eq(current.facts.position));
        diesel::delete(held).execute(tx.pg)?;
        attach(tx, of.id, current.facts.position, &state.evidence.0)?;
    }
    trail.note(&current.facts.control_id, current.facts.version, &current.state, version, state);
    Ok(version)
}

fn attach(tx: &mut Tx<'_>, assessment_id: Uuid, position: i32, evidence: &[Uuid]) -> Result<()> {
    let rows: Vec<_> = evidence
        .iter()
        .map(|id| (uses::assessment_id.eq(assessment_id), uses::position.eq(position), uses::evidence_id.eq(*id)))
        .collect();
    diesel::insert_into(uses::table).values(rows).execute(tx.pg)?;
    Ok(())
}

/// What the trail has of answers: to which controls, and what they come to; the words are in the history of the response.
#[derive(Debug, Default)]
pub struct Trail {
    before: TrailAudit,
    after: TrailAudit,
}

/// By the id of the control.
#[derive(Debug, Default, Serialize)]
struct TrailAudit {
    answers: Map<String, Value>,
}

impl Trail {
    fn note(&mut self, control: &str, from: i32, before: &ResponseState, to: i32, after: &ResponseState) {
        let told = |version: i32, state: &ResponseState| json!({ "version": version, "status": state.status, "assignee_id": state.assignee_id });
        self.before.answers.insert(control.to_owned(), told(from, before));
        self.after.answers.insert(control.to_owned(), told(to, after));
    }
}

/// Leaves the one audit row of all that was answered at once.
pub fn audit(tx: &mut Tx<'_>, of: &Assessment, trail: &Trail) -> Result<()> {
    if trail.after.answers.is_empty() {
        return Ok(());
    }
    tx.audit_in(of.organisation_id, "assessment_responses", of.id, Some(&trail.before), Some(&trail.after))
}

/// What is missing before an assessment can be submitted, in the order of its controls.
pub(super) fn missing(conn: &mut Conn<'_>, assessment_id: Uuid, most: usize) -> Result<Vec<Fault>> {
    let unjustified = responses::status.eq(ResponseStatus::NotApplicable).and(responses::justification.is_null());
    let found: Vec<(String, Option<ResponseStatus>)> = responses::table
        .filter(responses::assessment_id.eq(assessment_id))
        .filter(responses::status.is_null().or(unjustified.assume_not_null()))
        .order(responses::position)
        .limit(i64::try_from(most).unwrap_or(i64::MAX))
        .select((responses::control_id, responses::status))
        .load(conn.pg)?;
    let fault = |(control, status): (String, Option<ResponseStatus>)| {
        let at = control.replace('~', "~0").replace('/', "~1");
        match status {
            None => Fault::new(format!("/responses/{at}/status"), "unanswered", format!("{control} is not answered.")),
            Some(_) => Fault::new(
                format!("/responses/{at}/justification"),
                "required",
                format!("Say why {control} does not apply."),
            ),
        }
    };
    Ok(found.into_iter().map(fault).collect())
}

/// Notes what those who assure it want changed of responses.
pub(super) fn request_changes(tx: &mut Tx<'_>, of: &Assessment, of_controls: &[(String, String)]) -> Result<()> {
    let statement = "update assessment_responses r set change_requested = c.reason
        from unnest($2, $3) as c (control, reason) where r.assessment_id = $1 and r.control_id = c.control";
    diesel::sql_query(statement)
        .bind::<SqlUuid, _>(of.id)
        .bind::<Array<Text>, _>(of_controls.iter().map(|(control, _)| control).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(of_controls.iter().map(|(_, reason)| reason).collect::<Vec<_>>())
        .execute(tx.pg)?;
    Ok(())
}

/// Which of these are controls of an assessment, each with its place.
pub fn positions(conn: &mut Conn<'_>, of: &Assessment, controls: &[String]) -> Result<Vec<(String, i32)>> {
    let query =
        responses::table.filter(responses::assessment_id.eq(of.id)).filter(responses::control_id.eq_any(controls));
    Ok(query.select((responses::control_id, responses::position)).load(conn.pg)?)
}

/// A response for each control, none answered.
pub(super) fn begin(tx: &mut Tx<'_>, id: Uuid, checklist_id: Uuid) -> Result<()> {
    let statement = "insert into assessment_responses (assessment_id, position, control_id)
        select $1, position, control_id from checklist_controls where checklist_id = $2";
    diesel::sql_query(statement).bind::<SqlUuid, _>(id).bind::<SqlUuid, _>(checklist_id).execute(tx.pg)?;
    Ok(())
}

/// A response for each control, with what an earlier assessment said to the same control: by its id or, where the framework
/// has none of that id, to one that is mapped to it. What is not the same needs another look.
pub(super) fn carry_forward(tx: &mut Tx<'_>, id: Uuid, checklist_id: Uuid, earlier: Uuid) -> Result<()> {
    let statement = "
        insert into assessment_responses
          (assessment_id, position, control_id, assignee_id, status, statement, justification, indicators, evidence, look_again)
        select $1, n.position, n.control_id, r.assignee_id, r.status, r.statement, r.justification,
          case when a.same then r.indicators else '[]' end,
          array(select id from evidence where id = any (r.evidence) order by array_position(r.evidence, id)),
          case when a.same then null when a.position is not null then 'control_changed'
            when b.position is not null then 'control_related' else 'control_new' end
        from checklist_controls n
          join framework_items ni on ni.framework_id = n.framework_id and ni.position = n.position
          left join lateral (
            select e.position, row(oi.title, oi.prose, oi.content, oi.indicators) = row(ni.title, ni.prose, ni.content, ni.indicators)
                or oi.prose is null and ni.prose is null and row(oi.title, oi.content, oi.indicators) = row(ni.title, ni.content, ni.indicators) as same
            from assessment_responses e
              join assessments s on s.id = e.assessment_id
              join checklist_controls oc on oc.checklist_id = s.checklist_id and oc.position = e.position
              join framework_items oi on oi.framework_id = oc.framework_id and oi.position = oc.position
            where e.assessment_id = $3 and e.control_id = n.control_id) a on true
          left join lateral (
            select e.position, m.relationship
            from assessments s
              join checklists c on c.id = s.checklist_id
              join lateral (
                select item_id, relationship from framework_mappings
                  where framework_id = c.framework_id and target_framework_id = n.framework_id and target_item_id = n.control_id
                union all
                select target_item_id, relationship from framework_mappings
                  where target_framework_id = c.framework_id and framework_id = n.framework_id and item_id = n.control_id) m on true
              join assessment_responses e on e.assessment_id = s.id and e.control_id = m.item_id
            where s.id = $3 and a.position is null
            order by m.relationship <> 'equal', e.position limit 1) b on true
          left join assessment_responses r on r.assessment_id = $3 and r.position = coalesce(a.position, b.position)
        where n.checklist_id = $2";
    diesel::sql_query(statement)
        .bind::<SqlUuid, _>(id)
        .bind::<SqlUuid, _>(checklist_id)
        .bind::<SqlUuid, _>(earlier)
        .execute(tx.pg)?;
    let attached = "insert into assessment_evidence (assessment_id, position, evidence_id)
        select assessment_id, position, unnest(evidence) from assessment_responses where assessment_id = $1";
    diesel::sql_query(attached).bind::<SqlUuid, _>(id).execute(tx.pg)?;
    Ok(())
}

/// What was said to a control at some time.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ResponseVersion {
    pub position: i32,
    pub control_id: String,
    pub version: i32,
    pub written_at: DateTime<Utc>,
    pub written_by: Option<Json<PersonReference>>,
    pub status: Option<ResponseStatus>,
    pub statement: Option<String>,
    pub justification: Option<String>,
    pub indicators: Json<Vec<IndicatorAnswer>>,
    pub evidence: Uuids,
}

/// One page of what was said, in the order of the controls, the earliest first.
pub fn history(
    conn: &mut Conn<'_>,
    of: &Assessment,
    controls: &[String],
    after: Option<(i32, i32)>,
    limit: usize,
) -> Result<Page<ResponseVersion, (i32, i32)>> {
    let mut query =
        versions::table
            .inner_join(responses::table.on(
                responses::assessment_id.eq(versions::assessment_id).and(responses::position.eq(versions::position)),
            ))
            .filter(versions::assessment_id.eq(of.id))
            .into_boxed();
    if !controls.is_empty() {
        query = query.filter(responses::control_id.eq_any(controls.to_vec()));
    }
    if let Some((position, version)) = after {
        let later = versions::position.gt(position);
        query = query.filter(later.or(versions::position.eq(position).and(versions::version.gt(version))));
    }
    let found: Vec<ResponseVersion> = query
        .order((versions::position, versions::version))
        .limit(to_limit(limit))
        .select((
            versions::position,
            responses::control_id,
            versions::version,
            versions::written_at,
            person_ref(versions::written_by),
            versions::status,
            versions::statement,
            versions::justification,
            versions::indicators,
            versions::evidence,
        ))
        .load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| (last.position, last.version)))
}
