//! Frameworks: what organisations assess themselves against. Their groups and controls are in [`items`], how those of one
//! relate to those of another in [`mappings`].
//!
//! A framework here is one edition. Another edition is another framework that supersedes it, so that what was assessed
//! against one stays with it.

pub mod items;
pub mod mappings;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::functions::{self, fold, framework_ref, framework_successor, organisation_ref, seconds_ago};
use crate::organisations::{Key, Reference, folded, known, slug_holder, to_limit};
use crate::people::{Role, Roles};
use crate::schema::frameworks;
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Page, Result};

vocabulary! {
    /// Where a framework stands. `draft`: its organisation works on it. `published`: it is to be used, and does not change.
    /// `superseded`: another edition is to be used. `withdrawn`: it is not to be used any more.
    FrameworkStatus, "published" {
        /// Its organisation works on it.
        Draft = "draft",
        /// It is to be used, and does not change.
        Published = "published",
        /// Another edition is to be used.
        Superseded = "superseded",
        /// It is not to be used any more.
        Withdrawn = "withdrawn",
    }
}

/// A framework.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Framework {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub status: FrameworkStatus,
    pub status_reason: Option<String>,
    pub published_at: Option<DateTime<Utc>>,
    pub control_count: i32,
    pub state: FrameworkState,
    pub organisation: Json<Reference>,
    pub supersedes: Option<Json<FrameworkReference>>,
    /// The edition that took its place.
    pub superseded_by: Option<Json<FrameworkReference>>,
}

/// What a writer may set, beside controls.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = frameworks, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct FrameworkState {
    pub slug: String,
    pub title: String,
    pub edition: String,
    pub summary: Option<String>,
    pub authority: String,
    pub licence: Option<String>,
    pub organisation_id: Uuid,
    pub supersedes_id: Option<Uuid>,
}

/// A framework, as others refer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameworkReference {
    /// Its id.
    pub id: Uuid,
    /// Its slug.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// Which edition it is.
    pub edition: String,
}

/// What the trail has of a framework, beside what a writer sets.
#[derive(Serialize)]
struct FrameworkAudit<'f> {
    #[serde(flatten)]
    state: &'f FrameworkState,
    status: FrameworkStatus,
    status_reason: Option<&'f str>,
}

impl<'f> From<&'f Framework> for FrameworkAudit<'f> {
    fn from(framework: &'f Framework) -> Self {
        let Framework { state, status, status_reason, .. } = framework;
        Self { state, status: *status, status_reason: status_reason.as_deref() }
    }
}

/// Whose frameworks somebody sees: what was published, and drafts of organisations for which they contribute.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    everything: bool,
    organisations: Vec<Uuid>,
}

type Condition = Box<dyn BoxableExpression<frameworks::table, Pg, SqlType = Bool>>;

impl Sight {
    /// Of somebody with these roles.
    #[must_use]
    pub fn new(roles: &Roles) -> Self {
        let organisations = roles.with(Role::Contributor).map(|membership| membership.organisation_id).collect();
        Self { everything: roles.administers(), organisations }
    }

    fn condition(&self) -> Condition {
        if self.everything {
            return Box::new(frameworks::id.is_not_null());
        }
        let own = frameworks::organisation_id.eq_any(self.organisations.clone());
        Box::new(frameworks::status.ne(FrameworkStatus::Draft).or(own))
    }
}

/// Which frameworks; several values of one field mean any of them, different fields all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Who keeps them.
    pub organisations: Vec<Key>,
    /// Where they stand.
    pub statuses: Vec<FrameworkStatus>,
    /// Words that are in the title.
    pub titled: Option<String>,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Folded title of the last one.
    pub title: String,
    /// Its id.
    pub id: Uuid,
}

/// One page of those that match and are seen, by title.
pub fn list(
    conn: &mut Conn<'_>,
    sight: &Sight,
    filter: &Filter,
    after: Option<&Position>,
    limit: usize,
) -> Result<Page<Framework, Position>> {
    let mut query = frameworks::table.filter(sight.condition()).into_boxed();
    if !filter.organisations.is_empty() {
        query = query.filter(frameworks::organisation_id.eq_any(known(conn, &filter.organisations)?));
    }
    if !filter.statuses.is_empty() {
        query = query.filter(frameworks::status.eq_any(filter.statuses.clone()));
    }
    if let Some(words) = &filter.titled {
        query = query.filter(functions::strpos(fold(frameworks::title), fold(words)).gt(0));
    }
    if let Some(Position { title, id }) = after.cloned() {
        query = query
            .filter(fold(frameworks::title).ge(title.clone()))
            .filter(fold(frameworks::title).gt(title).or(frameworks::id.gt(id)));
    }
    let query = query.order((fold(frameworks::title), frameworks::id)).limit(to_limit(limit));
    let found: Vec<Framework> = query.select(columns()).load(conn.pg)?;
    let last = match found.get(limit.saturating_sub(1)) {
        Some(last) => folded(conn, &last.state.title)?,
        None => String::new(),
    };
    Ok(Page::cut(found, limit, |framework| Position { title: last, id: framework.id }))
}

/// One framework, if it is seen, by id or by any slug it ever had.
pub fn find(conn: &mut Conn<'_>, sight: &Sight, key: &Key) -> Result<Framework> {
    let id = id_of(conn, key)?;
    Ok(frameworks::table.filter(frameworks::id.eq(id)).filter(sight.condition()).select(columns()).first(conn.pg)?)
}

/// Id of the one that has this id, or ever had this slug.
pub fn id_of(conn: &mut Conn<'_>, key: &Key) -> Result<Uuid> {
    match key {
        Key::Id(id) => Ok(*id),
        Key::Slug(slug) => slug_holder(conn, "frameworks", slug),
    }
}

/// One framework that the writer sees, locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, key: &Key) -> Result<Framework> {
    let sight = Sight::new(tx.roles());
    let id = id_of(&mut tx.conn(), key)?;
    frameworks::table.find(id).select(frameworks::id).for_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), &sight, &Key::Id(id))
}

fn own(tx: &mut Tx<'_>, id: Uuid) -> Result<Framework> {
    Ok(frameworks::table.find(id).select(columns()).first(tx.pg)?)
}

/// A slug for a title, free now and, within this transaction, later.
pub fn free_slug(tx: &mut Tx<'_>, title: &str) -> Result<String> {
    Ok(diesel::select(functions::free_slug("frameworks", title)).get_result(tx.pg)?)
}

/// The catalog of a framework that is seen, but for its groups and controls.
pub fn envelope(conn: &mut Conn<'_>, id: Uuid) -> Result<Map<String, Value>> {
    let envelope: Json<Map<String, Value>> = frameworks::table.find(id).select(frameworks::envelope).first(conn.pg)?;
    Ok(envelope.0)
}

/// Adds a framework, as a draft.
pub fn create(tx: &mut Tx<'_>, id: Uuid, state: &FrameworkState) -> Result<Framework> {
    diesel::insert_into(frameworks::table).values((frameworks::id.eq(id), state)).execute(tx.pg)?;
    let created = own(tx, id)?;
    audit(tx, None, Some(&created))?;
    Ok(created)
}

/// Brings a locked framework into another state: a draft as a whole, what was published as far as it is only about where it
/// is found. When it is in that state already nothing is written.
pub fn update(tx: &mut Tx<'_>, current: &Framework, state: &FrameworkState) -> Result<Framework> {
    if current.state == *state {
        return Ok(current.clone());
    }
    let lasting = |state: &FrameworkState| {
        let FrameworkState { title, edition, authority, licence, supersedes_id, .. } = state.clone();
        (title, edition, authority, licence, supersedes_id)
    };
    if lasting(&current.state) != lasting(state) {
        check_draft(current)?;
    }
    diesel::update(frameworks::table.find(current.id)).set(state).execute(tx.pg)?;
    advanced(tx, current)
}

/// Removes a locked draft.
pub fn delete(tx: &mut Tx<'_>, current: &Framework) -> Result<()> {
    check_draft(current)?;
    diesel::delete(frameworks::table.find(current.id)).execute(tx.pg)?;
    audit(tx, Some(current), None)
}

/// Publishes a locked draft; the edition that it supersedes is superseded.
pub fn publish(tx: &mut Tx<'_>, current: &Framework) -> Result<Framework> {
    check_draft(current)?;
    if current.control_count == 0 {
        return Err(Error::Conflict(vec![Fault::new(
            "/controlCount",
            "empty",
            "It has no controls yet; send its catalog.",
        )]));
    }
    if let Some(earlier) = current.state.supersedes_id {
        frameworks::table.find(earlier).select(frameworks::id).for_update().first::<Uuid>(tx.pg)?;
        let earlier = own(tx, earlier)?;
        match earlier.status {
            FrameworkStatus::Published => {
                let superseded = frameworks::status.eq(FrameworkStatus::Superseded);
                diesel::update(frameworks::table.find(earlier.id)).set(superseded).execute(tx.pg)?;
                advanced(tx, &earlier)?;
            }
            FrameworkStatus::Withdrawn | FrameworkStatus::Superseded => {}
            FrameworkStatus::Draft => {
                let detail = "It takes the place of a draft, which nobody could use yet.";
                return Err(Error::Conflict(vec![Fault::new("/supersedes", "not_published", detail)]));
            }
        }
    }
    diesel::update(frameworks::table.find(current.id))
        .set((
            frameworks::status.eq(FrameworkStatus::Published),
            frameworks::published_at.eq(seconds_ago(0).nullable()),
        ))
        .execute(tx.pg)?;
    advanced(tx, current)
}

/// Withdraws a locked framework that was published, for a reason.
pub fn withdraw(tx: &mut Tx<'_>, current: &Framework, reason: &str) -> Result<Framework> {
    if !matches!(current.status, FrameworkStatus::Published | FrameworkStatus::Superseded) {
        return Err(out_of_turn(current, "Only what was published is withdrawn."));
    }
    diesel::update(frameworks::table.find(current.id))
        .set((frameworks::status.eq(FrameworkStatus::Withdrawn), frameworks::status_reason.eq(reason)))
        .execute(tx.pg)?;
    advanced(tx, current)
}

fn advanced(tx: &mut Tx<'_>, before: &Framework) -> Result<Framework> {
    let after = own(tx, before.id)?;
    audit(tx, Some(before), Some(&after))?;
    Ok(after)
}

fn audit(tx: &mut Tx<'_>, before: Option<&Framework>, after: Option<&Framework>) -> Result<()> {
    let Some(framework) = after.or(before) else { return Ok(()) };
    let (before, after) = (before.map(FrameworkAudit::from), after.map(FrameworkAudit::from));
    tx.audit_in(framework.state.organisation_id, "frameworks", framework.id, before.as_ref(), after.as_ref())
}

/// Refuses unless a framework is a draft.
pub fn check_draft(current: &Framework) -> Result<()> {
    if current.status == FrameworkStatus::Draft {
        return Ok(());
    }
    Err(out_of_turn(current, "What was published stays as it is; add another edition that supersedes it."))
}

fn out_of_turn(current: &Framework, detail: &str) -> Error {
    let detail = format!("{detail} This one is {}.", current.status);
    Error::Conflict(vec![Fault::new("/status", "out_of_turn", detail)])
}

type Columns = (
    frameworks::id,
    frameworks::version,
    frameworks::created_at,
    frameworks::updated_at,
    frameworks::status,
    frameworks::status_reason,
    frameworks::published_at,
    frameworks::control_count,
    diesel::dsl::AsSelect<FrameworkState, Pg>,
    diesel::dsl::AssumeNotNull<organisation_ref<diesel::dsl::Nullable<frameworks::organisation_id>>>,
    framework_ref<frameworks::supersedes_id>,
    framework_successor<frameworks::id>,
);

fn columns() -> Columns {
    (
        frameworks::id,
        frameworks::version,
        frameworks::created_at,
        frameworks::updated_at,
        frameworks::status,
        frameworks::status_reason,
        frameworks::published_at,
        frameworks::control_count,
        FrameworkState::as_select(),
        organisation_ref(frameworks::organisation_id.nullable()).assume_not_null(),
        framework_ref(frameworks::supersedes_id),
        framework_successor(frameworks::id),
    )
}
