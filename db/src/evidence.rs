//! Evidence: what shows that something is so, a link or a file. An organisation has it once and uses it in many responses.
//! What it was when it was submitted stays: a change makes another revision.

use std::io::{self, Read};

use chrono::{DateTime, NaiveDate, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Integer, Uuid as SqlUuid};
use serde::Serialize;
use uuid::Uuid;

use crate::assessments::{Assessment, Sight, responses};
use crate::functions::{organisation_ref, person_ref};
use crate::organisations::{Key, Reference, known, to_limit};
use crate::page::ById;
use crate::people::PersonReference;
use crate::schema::{
    assessment_evidence as uses, assessment_responses, evidence, evidence_chunks as chunks,
    evidence_revisions as revisions,
};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::{Error, Page, Result};

/// How many bytes a piece of a file has at most.
const CHUNK: usize = 256 * 1024;

/// Where the bytes of files are kept. What is kept of a revision never changes.
pub trait Store {
    /// Keeps the bytes of a revision that is being added.
    fn keep(&self, tx: &mut Tx<'_>, of: Place, content: &mut dyn Read) -> Result<()>;
    /// Goes through the bytes of a revision, piece by piece.
    fn each(&self, conn: &mut Conn<'_>, of: Place, piece: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;
    /// Gives a revision the bytes of another of the same evidence.
    fn copy(&self, tx: &mut Tx<'_>, from: Place, to: Place) -> Result<()>;
}

/// Which revision of which evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The evidence.
    pub evidence_id: Uuid,
    /// The number of the revision.
    pub revision: i32,
}

/// In the database, in pieces: they come and go with their row, and a backup has both.
#[derive(Debug, Clone, Copy, Default)]
pub struct InDatabase;

impl Store for InDatabase {
    fn keep(&self, tx: &mut Tx<'_>, of: Place, content: &mut dyn Read) -> Result<()> {
        for number in 0.. {
            let mut chunk = Vec::with_capacity(CHUNK);
            let unreadable = |error: io::Error| Error::Unavailable(format!("a file cannot be read again: {error}"));
            content.take(CHUNK as u64).read_to_end(&mut chunk).map_err(unreadable)?;
            if chunk.is_empty() {
                break;
            }
            diesel::insert_into(chunks::table)
                .values((
                    chunks::evidence_id.eq(of.evidence_id),
                    chunks::revision.eq(of.revision),
                    chunks::number.eq(number),
                    chunks::content.eq(chunk),
                ))
                .execute(tx.pg)?;
        }
        Ok(())
    }

    fn each(&self, conn: &mut Conn<'_>, of: Place, piece: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        for number in 0_i32.. {
            let chunk = chunks::table
                .find((of.evidence_id, of.revision, number))
                .select(chunks::content)
                .first::<Vec<u8>>(conn.pg)
                .optional()?;
            let Some(chunk) = chunk else { break };
            piece(&chunk)?;
        }
        Ok(())
    }

    fn copy(&self, tx: &mut Tx<'_>, from: Place, to: Place) -> Result<()> {
        let statement = "insert into evidence_chunks (evidence_id, revision, number, content)
            select $1, $2, number, content from evidence_chunks where evidence_id = $3 and revision = $4";
        diesel::sql_query(statement)
            .bind::<SqlUuid, _>(to.evidence_id)
            .bind::<Integer, _>(to.revision)
            .bind::<SqlUuid, _>(from.evidence_id)
            .bind::<Integer, _>(from.revision)
            .execute(tx.pg)?;
        Ok(())
    }
}

/// Evidence, as it is today or as it was submitted.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Evidence {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub organisation_id: Uuid,
    pub organisation: Json<Reference>,
    pub title: String,
    /// Number of the latest revision.
    pub latest: i32,
    pub revision: Revision,
}

/// What evidence was from some time on.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Revision {
    pub revision: i32,
    pub created_at: DateTime<Utc>,
    pub created_by: Option<Json<PersonReference>>,
    pub url: Option<String>,
    pub file_name: Option<String>,
    pub media_type: Option<String>,
    pub size: Option<i64>,
    pub sha256: Option<String>,
    pub expires_on: Option<NaiveDate>,
    /// Whether it shows anything yet.
    pub expired: bool,
}

/// What a writer may set, beside the bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceState {
    /// What it is.
    pub title: String,
    /// Where it is; none for a file.
    pub url: Option<String>,
    /// What the file is called.
    pub file_name: Option<String>,
    /// Last day on which it shows anything.
    pub expires_on: Option<NaiveDate>,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its media type.
    pub media_type: String,
    /// How many bytes it has.
    pub size: i64,
    /// Their digest.
    pub sha256: String,
}

impl Evidence {
    /// What a writer set of it.
    #[must_use]
    pub fn state(&self) -> EvidenceState {
        let Revision { url, file_name, expires_on, .. } = self.revision.clone();
        EvidenceState { title: self.title.clone(), url, file_name, expires_on }
    }

    /// The file that it is, if it is one.
    #[must_use]
    pub fn content(&self) -> Option<Content> {
        let Revision { media_type, size, sha256, .. } = self.revision.clone();
        Some(Content { media_type: media_type?, size: size?, sha256: sha256? })
    }
}

/// What the trail has of evidence: no words.
#[derive(Serialize)]
struct EvidenceAudit {
    version: i32,
    revision: i32,
    sha256: Option<String>,
    expires_on: Option<NaiveDate>,
}

impl From<&Evidence> for EvidenceAudit {
    fn from(evidence: &Evidence) -> Self {
        let Revision { revision, sha256, expires_on, .. } = evidence.revision.clone();
        Self { version: evidence.version, revision, sha256, expires_on }
    }
}

type Condition = Box<dyn BoxableExpression<Joined, Pg, SqlType = Bool>>;
type Joined = diesel::dsl::InnerJoinQuerySource<
    evidence::table,
    revisions::table,
    diesel::dsl::And<
        diesel::dsl::Eq<revisions::evidence_id, evidence::id>,
        diesel::dsl::Eq<revisions::revision, evidence::revision>,
    >,
>;

/// What somebody sees: what their organisations have, and what goes with an assessment that they see.
fn seen(sight: &Sight) -> Condition {
    let own = evidence::organisation_id.eq_any(sight.organisations().to_vec());
    Box::new(own.or(evidence::id.eq_any(used_in(sight.ids()))))
}

/// What goes with assessments that somebody sees.
#[diesel::dsl::auto_type]
fn used_in(assessments: crate::assessments::seen) -> _ {
    uses::table.filter(uses::assessment_id.eq_any(assessments)).select(uses::evidence_id)
}

macro_rules! latest {
    () => {
        evidence::table.inner_join(
            revisions::table
                .on(revisions::evidence_id.eq(evidence::id).and(revisions::revision.eq(evidence::revision))),
        )
    };
}

/// Which evidence; several values of one field mean any of them, different fields all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Whose it is.
    pub organisations: Vec<Key>,
    /// That expires before a day.
    pub expires_before: Option<NaiveDate>,
}

/// One page of the evidence that matches and is seen, the newest first.
pub fn list(
    conn: &mut Conn<'_>,
    sight: &Sight,
    filter: &Filter,
    after: Option<ById>,
    limit: usize,
) -> Result<Page<Evidence, ById>> {
    let mut query = latest!().filter(seen(sight)).into_boxed();
    if !filter.organisations.is_empty() {
        query = query.filter(evidence::organisation_id.eq_any(known(conn, &filter.organisations)?));
    }
    if let Some(day) = filter.expires_before {
        query = query.filter(revisions::expires_on.lt(day));
    }
    if let Some(ById { id }) = after {
        query = query.filter(evidence::id.lt(id));
    }
    let query = query.order(evidence::id.desc()).limit(to_limit(limit));
    Ok(Page::cut(query.select(columns()).load(conn.pg)?, limit, |last: &Evidence| ById { id: last.id }))
}

/// One piece of evidence, as it is today, if it is seen.
pub fn find(conn: &mut Conn<'_>, sight: &Sight, id: Uuid) -> Result<Evidence> {
    Ok(latest!().filter(evidence::id.eq(id)).filter(seen(sight)).select(columns()).first(conn.pg)?)
}

/// The same as it was in some revision.
pub fn find_revision(conn: &mut Conn<'_>, sight: &Sight, id: Uuid, revision: i32) -> Result<Evidence> {
    let mut found = find(conn, sight, id)?;
    let query = revisions::table.find((id, revision)).select(revision_columns());
    found.revision = query.first(conn.pg)?;
    Ok(found)
}

/// All revisions of a piece of evidence that is seen, the latest first; at most so many.
pub fn revisions(conn: &mut Conn<'_>, id: Uuid, most: i64) -> Result<Vec<Revision>> {
    let query = revisions::table.filter(revisions::evidence_id.eq(id)).order(revisions::revision.desc());
    Ok(query.limit(most).select(revision_columns()).load(conn.pg)?)
}

/// One piece of evidence that the writer sees, locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, id: Uuid) -> Result<Evidence> {
    let sight = Sight::new(tx.roles(), tx.actor().principal.user_id());
    evidence::table.find(id).select(evidence::id).for_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), &sight, id)
}

fn own(tx: &mut Tx<'_>, id: Uuid) -> Result<Evidence> {
    Ok(latest!().filter(evidence::id.eq(id)).select(columns()).first(tx.pg)?)
}

/// Adds evidence to what an organisation has, as a link or to be a file.
pub fn create(tx: &mut Tx<'_>, id: Uuid, organisation_id: Uuid, state: &EvidenceState) -> Result<Evidence> {
    diesel::insert_into(evidence::table)
        .values((evidence::id.eq(id), evidence::organisation_id.eq(organisation_id), evidence::title.eq(&state.title)))
        .execute(tx.pg)?;
    insert(tx, Place { evidence_id: id, revision: 1 }, state, None)?;
    let created = own(tx, id)?;
    audit(tx, None, Some(&created))?;
    Ok(created)
}

fn insert(tx: &mut Tx<'_>, at: Place, state: &EvidenceState, content: Option<&Content>) -> Result<()> {
    diesel::insert_into(revisions::table)
        .values((
            revisions::evidence_id.eq(at.evidence_id),
            revisions::revision.eq(at.revision),
            revisions::created_by.eq(tx.actor().principal.user_id()),
            revisions::url.eq(&state.url),
            revisions::file_name.eq(&state.file_name),
            revisions::media_type.eq(content.map(|content| content.media_type.as_str())),
            revisions::size.eq(content.map(|content| content.size)),
            revisions::sha256.eq(content.map(|content| content.sha256.as_str())),
            revisions::expires_on.eq(state.expires_on),
        ))
        .execute(tx.pg)?;
    Ok(())
}

/// Brings locked evidence into another state; what it was stays as a revision. When it is in that state already nothing is
/// written.
pub fn update(tx: &mut Tx<'_>, store: &dyn Store, current: &Evidence, state: &EvidenceState) -> Result<Evidence> {
    let held = current.state();
    if held == *state {
        return Ok(current.clone());
    }
    let mut revision = current.latest;
    let retitled = EvidenceState { title: state.title.clone(), ..held };
    if retitled != *state {
        revision += 1;
        let (from, to) =
            (Place { evidence_id: current.id, revision: current.latest }, Place { evidence_id: current.id, revision });
        // What becomes a link is no file any more.
        let content = current.content().filter(|_| state.url.is_none());
        insert(tx, to, state, content.as_ref())?;
        if content.is_some() {
            store.copy(tx, from, to)?;
        }
    }
    turned(tx, current, &state.title, revision)
}

/// Gives locked evidence other bytes. When it has them already nothing is written.
pub fn put_content(
    tx: &mut Tx<'_>,
    store: &dyn Store,
    current: &Evidence,
    content: &Content,
    bytes: &mut dyn Read,
) -> Result<Evidence> {
    if current.content().as_ref() == Some(content) {
        return Ok(current.clone());
    }
    let place = Place { evidence_id: current.id, revision: current.latest + 1 };
    let state = EvidenceState { url: None, ..current.state() };
    insert(tx, place, &state, Some(content))?;
    store.keep(tx, place, bytes)?;
    turned(tx, current, &state.title, place.revision)
}

fn turned(tx: &mut Tx<'_>, current: &Evidence, title: &str, revision: i32) -> Result<Evidence> {
    diesel::update(evidence::table.find(current.id))
        .set((evidence::title.eq(title), evidence::revision.eq(revision)))
        .execute(tx.pg)?;
    let changed = own(tx, current.id)?;
    audit(tx, Some(current), Some(&changed))?;
    Ok(changed)
}

/// Removes locked evidence that no response uses.
pub fn delete(tx: &mut Tx<'_>, current: &Evidence) -> Result<()> {
    diesel::delete(evidence::table.find(current.id)).execute(tx.pg)?;
    audit(tx, Some(current), None)
}

/// Evidence that goes with an assessment, in the revision that was submitted with it or, before, as it is today; and to
/// which controls.
#[derive(Debug, Clone)]
pub struct Used {
    /// The evidence.
    pub evidence: Evidence,
    /// Ids of the controls.
    pub controls: Vec<String>,
}

/// One page of the evidence that goes with an assessment that is seen, the newest first.
pub fn of_assessment(
    conn: &mut Conn<'_>,
    of: &Assessment,
    after: Option<ById>,
    limit: usize,
) -> Result<Page<Used, ById>> {
    // All its uses in one assessment are of one revision.
    let revision = diesel::dsl::sql::<Integer>(
        "coalesce((select max(u.revision) from assessment_evidence u where u.assessment_id = ",
    )
    .bind::<SqlUuid, _>(of.id)
    .sql(" and u.evidence_id = evidence.id), evidence.revision)");
    let used = uses::table.filter(uses::assessment_id.eq(of.id)).select(uses::evidence_id);
    let mut query = evidence::table
        .inner_join(revisions::table.on(revisions::evidence_id.eq(evidence::id).and(revisions::revision.eq(revision))))
        .filter(evidence::id.eq_any(used))
        .into_boxed();
    if let Some(ById { id }) = after {
        query = query.filter(evidence::id.lt(id));
    }
    let query = query.order(evidence::id.desc()).limit(to_limit(limit));
    let page = Page::cut(query.select(columns()).load(conn.pg)?, limit, |last: &Evidence| ById { id: last.id });
    let ids: Vec<Uuid> = page.items.iter().map(|evidence| evidence.id).collect();
    let controls: Vec<(Uuid, String)> = uses::table
        .inner_join(
            assessment_responses::table.on(assessment_responses::assessment_id
                .eq(uses::assessment_id)
                .and(assessment_responses::position.eq(uses::position))),
        )
        .filter(uses::assessment_id.eq(of.id))
        .filter(uses::evidence_id.eq_any(ids))
        .order(uses::position)
        .select((uses::evidence_id, assessment_responses::control_id))
        .load(conn.pg)?;
    let of_one = |id: Uuid| controls.iter().filter(move |(used, _)| *used == id).map(|(_, control)| control.clone());
    Ok(page.map(|evidence| Used { controls: of_one(evidence.id).collect(), evidence }))
}

/// Lets evidence go with the responses to some controls of a locked assessment.
pub fn attach(tx: &mut Tx<'_>, of: &Assessment, evidence: &Evidence, controls: &[String]) -> Result<()> {
    let mut trail = responses::Trail::default();
    for current in responses::lock(tx, of, controls)? {
        let mut state = current.state.clone();
        if !state.evidence.0.contains(&evidence.id) {
            state.evidence.0.push(evidence.id);
            responses::answer(tx, of, &current, &state, &mut trail)?;
        }
    }
    responses::audit(tx, of, &trail)
}

fn audit(tx: &mut Tx<'_>, before: Option<&Evidence>, after: Option<&Evidence>) -> Result<()> {
    let Some(evidence) = after.or(before) else { return Ok(()) };
    let (id, organisation_id) = (evidence.id, evidence.organisation_id);
    let (before, after) = (before.map(EvidenceAudit::from), after.map(EvidenceAudit::from));
    tx.audit_in(organisation_id, "evidence", id, before.as_ref(), after.as_ref())
}

type RevisionColumns = (
    revisions::revision,
    revisions::created_at,
    person_ref<revisions::created_by>,
    revisions::url,
    revisions::file_name,
    revisions::media_type,
    revisions::size,
    revisions::sha256,
    revisions::expires_on,
    diesel::expression::SqlLiteral<Bool>,
);

fn revision_columns() -> RevisionColumns {
    (
        revisions::revision,
        revisions::created_at,
        person_ref(revisions::created_by),
        revisions::url,
        revisions::file_name,
        revisions::media_type,
        revisions::size,
        revisions::sha256,
        revisions::expires_on,
        diesel::dsl::sql("coalesce(evidence_revisions.expires_on < current_date, false)"),
    )
}

type Columns = (
    evidence::id,
    evidence::version,
    evidence::created_at,
    evidence::updated_at,
    evidence::organisation_id,
    diesel::dsl::AssumeNotNull<organisation_ref<diesel::dsl::Nullable<evidence::organisation_id>>>,
    evidence::title,
    evidence::revision,
    RevisionColumns,
);

fn columns() -> Columns {
    (
        evidence::id,
        evidence::version,
        evidence::created_at,
        evidence::updated_at,
        evidence::organisation_id,
        organisation_ref(evidence::organisation_id.nullable()).assume_not_null(),
        evidence::title,
        evidence::revision,
        revision_columns(),
    )
}
