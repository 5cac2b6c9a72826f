//! Versions of templates: from draft through review to publication, and who approved them.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Sight, Template, VersionReference, content};
use crate::functions::{lease_approval_list, lease_version_ref, seconds_ago};
use crate::organisations::{Key, Reference, to_limit};
use crate::people::Roles;
use crate::schema::{lease_approvals, lease_template_versions as versions, lease_templates};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Page, Result};

vocabulary! {
    /// Where a version stands. `draft`: its organisation works on it. `in_review`: others approve it. `published`: it is the
    /// one to use. `superseded`: a later one is. `withdrawn`: it is not to be used any more.
    VersionStatus, "published" {
        /// Its organisation works on it.
        Draft = "draft",
        /// Others approve it.
        InReview = "in_review",
        /// It is the one to use.
        Published = "published",
        /// A later one is the one to use.
        Superseded = "superseded",
        /// It is not to be used any more.
        Withdrawn = "withdrawn",
    }
}

/// The number of a version, by Semantic Versioning 2.0.0, without pre-releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Number {
    /// Raised where what it says is no longer the same.
    pub major: i32,
    /// Raised where something is added.
    pub minor: i32,
    /// Raised where words are put right.
    pub patch: i32,
}

impl std::str::FromStr for Number {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.').map(|part| {
            let plain = part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            if plain && part.len() <= 6 { part.parse().map_err(|_| ()) } else { Err(()) }
        });
        let mut next = || parts.next().unwrap_or(Err(()));
        let number = Self { major: next()?, minor: next()?, patch: next()? };
        if parts.next().is_some() { Err(()) } else { Ok(number) }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A version of a template.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Version {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub template_id: Uuid,
    pub status: VersionStatus,
    pub status_reason: Option<String>,
    pub content_sha256: Option<String>,
    pub submitted_at: Option<DateTime<Utc>>,
    pub submitted_by: Option<Uuid>,
    pub published_at: Option<DateTime<Utc>>,
    pub state: VersionState,
    pub based_on: Option<Json<VersionReference>>,
    pub approvals: Json<Vec<Approval>>,
}

/// What a writer may set.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = versions, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct VersionState {
    pub major: i32,
    pub minor: i32,
    pub patch: i32,
    pub notes: Option<String>,
}

impl VersionState {
    /// Its number.
    #[must_use]
    pub fn number(&self) -> Number {
        Number { major: self.major, minor: self.minor, patch: self.patch }
    }
}

/// Which organisation approved, and when.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Approval {
    /// Which.
    pub organisation: Reference,
    /// When.
    pub approved_at: DateTime<Utc>,
}

/// What is told of a version in the trail.
#[derive(Serialize)]
struct VersionAudit {
    template_id: Uuid,
    number: String,
    status: VersionStatus,
    status_reason: Option<String>,
    notes: Option<String>,
    content_sha256: Option<String>,
    approved_by: Vec<Uuid>,
}

impl From<&Version> for VersionAudit {
    fn from(version: &Version) -> Self {
        Self {
            template_id: version.template_id,
            number: version.state.number().to_string(),
            status: version.status,
            status_reason: version.status_reason.clone(),
            notes: version.state.notes.clone(),
            content_sha256: version.content_sha256.clone(),
            approved_by: version.approvals.0.iter().map(|approval| approval.organisation.id).collect(),
        }
    }
}

type Condition = Box<dyn BoxableExpression<versions::table, Pg, SqlType = Bool>>;

/// Those of a template that somebody sees.
fn seen(sight: &Sight, template: &Template) -> Condition {
    let of_template = versions::template_id.eq(template.id);
    if sight.organisations.contains(&template.state.organisation_id) {
        return Box::new(of_template);
    }
    Box::new(of_template.and(versions::status.eq_any(sight.statuses())))
}

/// One page of the versions of a template that are seen, the highest number first.
pub fn list(
    conn: &mut Conn<'_>,
    sight: &Sight,
    template: &Template,
    statuses: &[VersionStatus],
    after: Option<Number>,
    limit: usize,
) -> Result<Page<Version, Number>> {
    let mut query = versions::table.filter(seen(sight, template)).into_boxed();
    if !statuses.is_empty() {
        query = query.filter(versions::status.eq_any(statuses.to_vec()));
    }
    if let Some(Number { major, minor, patch }) = after {
        let below = versions::major.eq(major).and(versions::minor.lt(minor));
        let beside = versions::major.eq(major).and(versions::minor.eq(minor)).and(versions::patch.lt(patch));
        query = query.filter(versions::major.lt(major).or(below).or(beside));
    }
    let order = (versions::major.desc(), versions::minor.desc(), versions::patch.desc());
    let found: Vec<Version> = query.order(order).limit(to_limit(limit)).select(columns()).load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| last.state.number()))
}

/// One version of a template, if it is seen.
pub fn find(conn: &mut Conn<'_>, sight: &Sight, template: &Template, number: Number) -> Result<Version> {
    let Number { major, minor, patch } = number;
    let query = versions::table
        .filter(seen(sight, template))
        .filter(versions::major.eq(major))
        .filter(versions::minor.eq(minor))
        .filter(versions::patch.eq(patch));
    Ok(query.select(columns()).first(conn.pg)?)
}

/// One version of the template that a key names, if somebody with these roles sees both.
pub fn read(conn: &mut Conn<'_>, roles: &Roles, key: &Key, number: Number) -> Result<Version> {
    let sight = Sight::new(roles);
    let template = super::find(conn, &sight, key)?;
    find(conn, &sight, &template, number)
}

/// One version of a template that the writer sees, locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, template: &Template, number: Number) -> Result<Version> {
    let sight = Sight::new(tx.roles());
    let id = find(&mut tx.conn(), &sight, template, number)?.id;
    versions::table.find(id).select(versions::id).for_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), &sight, template, number)
}

fn own(tx: &mut Tx<'_>, id: Uuid) -> Result<Version> {
    Ok(versions::table.find(id).select(columns()).first(tx.pg)?)
}

/// The one of a locked template with the highest number that was published, whatever became of it.
fn latest(tx: &mut Tx<'_>, template: &Template) -> Result<Option<Version>> {
    let query = versions::table
        .filter(versions::template_id.eq(template.id))
        .filter(versions::published_at.is_not_null())
        .order((versions::major.desc(), versions::minor.desc(), versions::patch.desc()));
    Ok(query.select(columns()).first(tx.pg).optional()?)
}

/// Begins a draft of a locked template, as a copy of another version where there is one.
pub fn create(
    tx: &mut Tx<'_>,
    template: &Template,
    id: Uuid,
    state: &VersionState,
    based_on: Option<Uuid>,
) -> Result<Version> {
    diesel::insert_into(versions::table)
        .values((versions::id.eq(id), versions::template_id.eq(template.id), versions::based_on_id.eq(based_on), state))
        .execute(tx.pg)?;
    if let Some(from) = based_on {
        content::copy(tx, id, from)?;
    }
    let created = own(tx, id)?;
    audit(tx, template, None, Some(&created))?;
    Ok(created)
}

/// Of which version a new one of a locked template is a copy when nobody says: its latest, else what the template is a
/// variant of.
pub fn origin(tx: &mut Tx<'_>, template: &Template) -> Result<Option<Uuid>> {
    if let Some(version) = latest(tx, template)? {
        return Ok(Some(version.id));
    }
    Ok(lease_templates::table.find(template.id).select(lease_templates::forked_from_id).first(tx.pg)?)
}

/// Brings a locked draft into another state. When it is in that state already nothing is written.
pub fn update(tx: &mut Tx<'_>, template: &Template, current: &Version, state: &VersionState) -> Result<Version> {
    if current.state == *state {
        return Ok(current.clone());
    }
    check_draft(current, "A version changes while it is a draft; begin another one.")?;
    diesel::update(versions::table.find(current.id)).set(state).execute(tx.pg)?;
    let changed = own(tx, current.id)?;
    audit(tx, template, Some(current), Some(&changed))?;
    Ok(changed)
}

/// Removes a locked draft.
pub fn delete(tx: &mut Tx<'_>, template: &Template, current: &Version) -> Result<()> {
    check_draft(current, "Only a draft is removed; withdraw what was published.")?;
    diesel::delete(versions::table.find(current.id)).execute(tx.pg)?;
    audit(tx, template, Some(current), None)
}

/// Submits a locked draft for review; from then on what it says, of which this is the digest, stays.
pub fn submit(tx: &mut Tx<'_>, template: &Template, current: &Version, digest: &str) -> Result<Version> {
    check_draft(current, "Only a draft is submitted.")?;
    let person = tx.actor().principal.user_id();
    let change = diesel::update(versions::table.find(current.id)).set((
        versions::status.eq(VersionStatus::InReview),
        versions::status_reason.eq(None::<String>),
        versions::content_sha256.eq(digest),
        versions::submitted_at.eq(seconds_ago(0).nullable()),
        versions::submitted_by.eq(person),
    ));
    change.execute(tx.pg)?;
    advanced(tx, template, current)
}

/// Gives a locked version back to its authors, with what has to change; what was approved is approved no more.
pub fn send_back(tx: &mut Tx<'_>, template: &Template, current: &Version, reason: &str) -> Result<Version> {
    check_status(current, VersionStatus::InReview, "Only what is under review is given back.")?;
    diesel::delete(lease_approvals::table.filter(lease_approvals::version_id.eq(current.id))).execute(tx.pg)?;
    let change = diesel::update(versions::table.find(current.id)).set((
        versions::status.eq(VersionStatus::Draft),
        versions::status_reason.eq(reason),
        versions::content_sha256.eq(None::<String>),
        versions::submitted_at.eq(None::<DateTime<Utc>>),
        versions::submitted_by.eq(None::<Uuid>),
    ));
    change.execute(tx.pg)?;
    advanced(tx, template, current)
}

/// Approves a locked version for an organisation.
pub fn approve(tx: &mut Tx<'_>, template: &Template, current: &Version, organisation_id: Uuid) -> Result<Version> {
    check_status(current, VersionStatus::InReview, "Only what is under review is approved.")?;
    diesel::insert_into(lease_approvals::table)
        .values((
            lease_approvals::id.eq(Uuid::now_v7()),
            lease_approvals::version_id.eq(current.id),
            lease_approvals::organisation_id.eq(organisation_id),
            lease_approvals::user_id.eq(tx.actor().principal.user_id()),
            lease_approvals::content_sha256.eq(current.content_sha256.clone().unwrap_or_default()),
        ))
        .execute(tx.pg)?;
    touch(tx, current)?;
    advanced(tx, template, current)
}

/// Publishes a locked version of a locked template that enough organisations approved; it supersedes the one before.
pub fn publish(tx: &mut Tx<'_>, template: &Template, current: &Version) -> Result<Version> {
    check_status(current, VersionStatus::InReview, "Only what is under review is published.")?;
    let approved = current.approvals.0.len();
    if approved < usize::try_from(template.approvals_required).unwrap_or_default() {
        let needed = template.approvals_required;
        let detail = format!("{approved} of the {needed} organisations that have to approve it did so far.");
        return Err(Error::Conflict(vec![Fault::new("/approvals", "not_approved", detail)]));
    }
    if let Some(earlier) = latest(tx, template)? {
        if current.state.number() < earlier.state.number() {
            let detail = format!("Version {} was published already; give it a higher number.", earlier.state.number());
            return Err(Error::Conflict(vec![Fault::new("/number", "not_higher", detail)]));
        }
        if earlier.status == VersionStatus::Published {
            let change = versions::status.eq(VersionStatus::Superseded);
            diesel::update(versions::table.find(earlier.id)).set(change).execute(tx.pg)?;
            advanced(tx, template, &earlier)?;
        }
    }
    diesel::update(versions::table.find(current.id))
        .set((versions::status.eq(VersionStatus::Published), versions::published_at.eq(seconds_ago(0).nullable())))
        .execute(tx.pg)?;
    advanced(tx, template, current)
}

/// Withdraws a locked version that was published, for a reason.
pub fn withdraw(tx: &mut Tx<'_>, template: &Template, current: &Version, reason: &str) -> Result<Version> {
    if !matches!(current.status, VersionStatus::Published | VersionStatus::Superseded) {
        return Err(out_of_turn(current, "Only what was published is withdrawn."));
    }
    diesel::update(versions::table.find(current.id))
        .set((versions::status.eq(VersionStatus::Withdrawn), versions::status_reason.eq(reason)))
        .execute(tx.pg)?;
    advanced(tx, template, current)
}

fn advanced(tx: &mut Tx<'_>, template: &Template, before: &Version) -> Result<Version> {
    let after = own(tx, before.id)?;
    audit(tx, template, Some(before), Some(&after))?;
    Ok(after)
}

/// Raises the version of a locked one whose parts changed.
pub(super) fn touch(tx: &mut Tx<'_>, current: &Version) -> Result<Version> {
    let same = versions::status.eq(current.status);
    diesel::update(versions::table.find(current.id)).set(same).execute(tx.pg)?;
    own(tx, current.id)
}

fn audit(tx: &mut Tx<'_>, template: &Template, before: Option<&Version>, after: Option<&Version>) -> Result<()> {
    let Some(version) = after.or(before) else { return Ok(()) };
    let id = version.id;
    let (before, after) = (before.map(VersionAudit::from), after.map(VersionAudit::from));
    tx.audit_in(template.state.organisation_id, "lease_template_versions", id, before.as_ref(), after.as_ref())
}

/// Which parts were added, changed and removed; the words themselves are in the version.
pub(super) fn audit_content<T: PartialEq>(
    tx: &mut Tx<'_>,
    template: &Template,
    version: &Version,
    object_type: &str,
    before: &[T],
    after: &[T],
    id: impl Fn(&T) -> String,
) -> Result<()> {
    let missing = |from: &[T], other: &[T]| -> Vec<String> {
        from.iter().filter(|part| !other.contains(part)).map(&id).collect()
    };
    let (gone, new) = (missing(before, after), missing(after, before));
    let count = |parts: &[T], differ: Vec<String>| serde_json::json!({ "count": parts.len(), "differ": differ });
    let (before, after) = (count(before, gone), count(after, new));
    tx.audit_in(template.state.organisation_id, object_type, version.id, Some(&before), Some(&after))
}

pub(super) fn check_draft(current: &Version, detail: &str) -> Result<()> {
    check_status(current, VersionStatus::Draft, detail)
}

fn check_status(current: &Version, wanted: VersionStatus, detail: &str) -> Result<()> {
    if current.status == wanted { Ok(()) } else { Err(out_of_turn(current, detail)) }
}

fn out_of_turn(current: &Version, detail: &str) -> Error {
    let detail = format!("{detail} This one is {}.", current.status);
    Error::Conflict(vec![Fault::new("/status", "out_of_turn", detail)])
}

type Columns = (
    versions::id,
    versions::version,
    versions::created_at,
    versions::updated_at,
    versions::template_id,
    versions::status,
    versions::status_reason,
    versions::content_sha256,
    versions::submitted_at,
    versions::submitted_by,
    versions::published_at,
    diesel::dsl::AsSelect<VersionState, Pg>,
    lease_version_ref<versions::based_on_id>,
    diesel::dsl::AssumeNotNull<lease_approval_list<diesel::dsl::Nullable<versions::id>>>,
);

fn columns() -> Columns {
    (
        versions::id,
        versions::version,
        versions::created_at,
        versions::updated_at,
        versions::template_id,
        versions::status,
        versions::status_reason,
        versions::content_sha256,
        versions::submitted_at,
        versions::submitted_by,
        versions::published_at,
        VersionState::as_select(),
        lease_version_ref(versions::based_on_id),
        lease_approval_list(versions::id.nullable()).assume_not_null(),
    )
}
