//! Standard leases, such as a rooftop wayleave. Their versions are in [`versions`], what those say in [`content`].

pub mod content;
pub mod versions;

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::functions::{self, current_lease_version, fold, lease_version_ref, organisation_ref};
use crate::organisations::{Key, Reference, folded, known, known_by, slug_holder, to_limit};
use crate::people::{Role, Roles};
use crate::schema::{lease_template_versions, lease_templates};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Page, Result};
use versions::VersionStatus;

vocabulary! {
    /// What sort of agreement it is. `wayleave`: the right to keep equipment on land or buildings. `street_furniture`: the
    /// same on columns, cabinets and the like. `data_processing`: a schedule on personal data.
    LeaseTemplateKind, "wayleave" {
        /// The right to keep equipment on land or buildings.
        Wayleave = "wayleave",
        /// The same on columns, cabinets and the like.
        StreetFurniture = "street_furniture",
        /// A schedule on personal data.
        DataProcessing = "data_processing",
        /// A lease of land or of part of a building.
        Lease = "lease",
        /// A permission that gives no interest in land.
        Licence = "licence",
        /// Any other.
        Other = "other",
    }
}

/// A template.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Template {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub approvals_required: i16,
    pub state: TemplateState,
    pub organisation: Json<Reference>,
    pub forked_from: Option<Json<VersionReference>>,
    /// The number of the version that is to be used today.
    pub current_version: Option<String>,
}

/// What a writer may set.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = lease_templates, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct TemplateState {
    pub slug: String,
    pub title: String,
    pub summary: Option<String>,
    pub notice: Option<String>,
    pub kind: LeaseTemplateKind,
    pub organisation_id: Uuid,
}

/// A version of a template, as others refer to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VersionReference {
    /// Id of the template.
    pub template_id: Uuid,
    /// Its slug.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// The number of the version.
    pub number: String,
}

/// Whose templates somebody sees: what was published; what is under review, for people of public bodies; and drafts of
/// organisations for which they contribute.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    everything: bool,
    reviews: bool,
    organisations: Vec<Uuid>,
}

impl Sight {
    /// Of somebody with these roles.
    #[must_use]
    pub fn new(roles: &Roles) -> Self {
        Self {
            everything: roles.administers(),
            reviews: roles.with(Role::Viewer).any(|membership| membership.kind.is_public_body()),
            organisations: roles.with(Role::Contributor).map(|membership| membership.organisation_id).collect(),
        }
    }

    fn all() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Which states of versions are seen of any template.
    fn statuses(&self) -> Vec<VersionStatus> {
        let shown = |status: &VersionStatus| match status {
            VersionStatus::Draft => self.everything,
            VersionStatus::InReview => self.everything || self.reviews,
            VersionStatus::Published | VersionStatus::Superseded | VersionStatus::Withdrawn => true,
        };
        VersionStatus::ALL.iter().copied().filter(shown).collect()
    }

    fn of_templates(&self) -> Box<dyn BoxableExpression<lease_templates::table, Pg, SqlType = Bool>> {
        if self.everything {
            return Box::new(lease_templates::id.is_not_null());
        }
        let shown = exists(
            lease_template_versions::table
                .filter(lease_template_versions::template_id.eq(lease_templates::id))
                .filter(lease_template_versions::status.eq_any(self.statuses())),
        );
        Box::new(shown.or(lease_templates::organisation_id.eq_any(self.organisations.clone())))
    }
}

/// Which templates; several values of one field mean any of them, different fields all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Who keeps them.
    pub organisations: Vec<Key>,
    /// What sorts.
    pub kinds: Vec<LeaseTemplateKind>,
    /// Words that are in the title.
    pub titled: Option<String>,
    /// Variants of which templates.
    pub forked_from: Vec<Key>,
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
) -> Result<Page<Template, Position>> {
    let mut query = lease_templates::table.filter(sight.of_templates()).into_boxed();
    if !filter.organisations.is_empty() {
        query = query.filter(lease_templates::organisation_id.eq_any(known(conn, &filter.organisations)?));
    }
    if !filter.kinds.is_empty() {
        query = query.filter(lease_templates::kind.eq_any(filter.kinds.clone()));
    }
    if let Some(words) = &filter.titled {
        query = query.filter(functions::strpos(fold(lease_templates::title), fold(words)).gt(0));
    }
    if !filter.forked_from.is_empty() {
        let origins = lease_template_versions::table
            .filter(lease_template_versions::template_id.eq_any(known_by(conn, &filter.forked_from, id_of)?))
            .select(lease_template_versions::id.nullable());
        query = query.filter(lease_templates::forked_from_id.eq_any(origins));
    }
    if let Some(Position { title, id }) = after.cloned() {
        query = query
            .filter(fold(lease_templates::title).ge(title.clone()))
            .filter(fold(lease_templates::title).gt(title).or(lease_templates::id.gt(id)));
    }
    let query = query.order((fold(lease_templates::title), lease_templates::id)).limit(to_limit(limit));
    let found: Vec<Template> = query.select(columns()).load(conn.pg)?;
    let last = match found.get(limit.saturating_sub(1)) {
        Some(last) => folded(conn, &last.state.title)?,
        None => String::new(),
    };
    Ok(Page::cut(found, limit, |template| Position { title: last, id: template.id }))
}

/// One template, if it is seen, by id or by any slug it ever had.
pub fn find(conn: &mut Conn<'_>, sight: &Sight, key: &Key) -> Result<Template> {
    let id = id_of(conn, key)?;
    let query = lease_templates::table.filter(lease_templates::id.eq(id)).filter(sight.of_templates());
    Ok(query.select(columns()).first(conn.pg)?)
}

/// The id of what a key names; a slug may be an earlier one.
pub fn id_of(conn: &mut Conn<'_>, key: &Key) -> Result<Uuid> {
    match key {
        Key::Id(id) => Ok(*id),
        Key::Slug(slug) => slug_holder(conn, "lease_templates", slug),
    }
}

/// What readers of a template, and of what is made from it, have to know.
pub fn notice(conn: &mut Conn<'_>, id: Uuid) -> Result<Option<String>> {
    Ok(lease_templates::table.find(id).select(lease_templates::notice).first(conn.pg)?)
}

/// One template that the writer sees, locked for the rest of the transaction: its versions are numbered and published
/// one after the other.
pub fn lock(tx: &mut Tx<'_>, key: &Key) -> Result<Template> {
    let sight = Sight::new(tx.roles());
    let id = id_of(&mut tx.conn(), key)?;
    lease_templates::table.find(id).select(lease_templates::id).for_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), &sight, &Key::Id(id))
}

fn own(tx: &mut Tx<'_>, id: Uuid) -> Result<Template> {
    find(&mut tx.conn(), &Sight::all(), &Key::Id(id))
}

/// A slug for a title, free now and, within this transaction, later.
pub fn free_slug(tx: &mut Tx<'_>, title: &str) -> Result<String> {
    Ok(diesel::select(functions::free_slug("lease_templates", title)).get_result(tx.pg)?)
}

/// Adds a template, as a variant of a version of another where there is one.
pub fn create(
    tx: &mut Tx<'_>,
    id: Uuid,
    state: &TemplateState,
    approvals_required: i16,
    forked_from: Option<Uuid>,
) -> Result<Template> {
    diesel::insert_into(lease_templates::table)
        .values((
            lease_templates::id.eq(id),
            lease_templates::approvals_required.eq(approvals_required),
            lease_templates::forked_from_id.eq(forked_from),
            state,
        ))
        .execute(tx.pg)?;
    tx.audit_in(state.organisation_id, "lease_templates", id, None, Some(state))?;
    own(tx, id)
}

/// Brings a locked template into another state. When it is in that state already nothing is written.
pub fn update(tx: &mut Tx<'_>, current: &Template, state: &TemplateState) -> Result<Template> {
    if current.state == *state {
        return Ok(current.clone());
    }
    diesel::update(lease_templates::table.find(current.id)).set(state).execute(tx.pg)?;
    tx.audit_in(state.organisation_id, "lease_templates", current.id, Some(&current.state), Some(state))?;
    own(tx, current.id)
}

/// Removes a locked template of which nothing was submitted yet.
pub fn delete(tx: &mut Tx<'_>, current: &Template) -> Result<()> {
    let submitted = lease_template_versions::table
        .filter(lease_template_versions::template_id.eq(current.id))
        .filter(lease_template_versions::status.ne(VersionStatus::Draft));
    if diesel::select(exists(submitted)).get_result::<bool>(tx.pg)? {
        let detail = "A version of it was submitted or published; the template stays, and versions can be withdrawn.";
        return Err(Error::Conflict(vec![Fault::new("", "in_use", detail)]));
    }
    diesel::delete(lease_templates::table.find(current.id)).execute(tx.pg)?;
    tx.audit_in(current.state.organisation_id, "lease_templates", current.id, Some(&current.state), None)
}

type Columns = (
    lease_templates::id,
    lease_templates::version,
    lease_templates::created_at,
    lease_templates::updated_at,
    lease_templates::approvals_required,
    diesel::dsl::AsSelect<TemplateState, Pg>,
    diesel::dsl::AssumeNotNull<organisation_ref<diesel::dsl::Nullable<lease_templates::organisation_id>>>,
    lease_version_ref<lease_templates::forked_from_id>,
    current_lease_version<lease_templates::id>,
);

fn columns() -> Columns {
    (
        lease_templates::id,
        lease_templates::version,
        lease_templates::created_at,
        lease_templates::updated_at,
        lease_templates::approvals_required,
        TemplateState::as_select(),
        organisation_ref(lease_templates::organisation_id.nullable()).assume_not_null(),
        lease_version_ref(lease_templates::forked_from_id),
        current_lease_version(lease_templates::id),
    )
}
