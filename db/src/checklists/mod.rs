//! Checklists: which controls of a framework organisations go through, and how that is scored. Which controls they select
//! is in [`controls`].
//!
//! A checklist here is one edition, like a framework: see [`crate::frameworks`].

pub mod controls;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::frameworks::{self, FrameworkReference};
use crate::functions::{
    self, checklist_ref, checklist_successor, fold, framework_ref, organisation_ref, seconds_ago, strpos,
};
use crate::organisations::{Key, Reference, folded, known, known_by, slug_holder, to_limit};
use crate::people::{Role, Roles};
use crate::schema::checklists;
use crate::tx::{Conn, Tx};
use crate::types::{Json, Texts};
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Page, Result};

vocabulary! {
    /// Where a checklist stands. `draft`: its organisation works on it. `published`: it is to be used, and does not change.
    /// `superseded`: another edition is to be used. `withdrawn`: it is not to be used any more.
    ChecklistStatus, "published" {
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

vocabulary! {
    /// How an assessment is scored. `all_met`: by how many of the controls that apply are met; in part is not. `weighted`: by
    /// the weight of what is met, in part half. `graded`: the same, where each control is graded by its indicators of good
    /// practice.
    ScoringRule, "all_met" {
        /// By how many are met.
        AllMet = "all_met",
        /// By weight.
        Weighted = "weighted",
        /// By indicators.
        Graded = "graded",
    }
}

/// A checklist.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Checklist {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub status: ChecklistStatus,
    pub status_reason: Option<String>,
    pub published_at: Option<DateTime<Utc>>,
    pub control_count: i32,
    pub state: ChecklistState,
    pub organisation: Json<Reference>,
    pub framework: Json<FrameworkReference>,
    pub supersedes: Option<Json<ChecklistReference>>,
    /// The edition that took its place.
    pub superseded_by: Option<Json<ChecklistReference>>,
}

/// What a writer may set, beside controls.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = checklists, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ChecklistState {
    pub slug: String,
    pub title: String,
    pub edition: String,
    pub summary: Option<String>,
    pub organisation_id: Uuid,
    pub framework_id: Uuid,
    pub supersedes_id: Option<Uuid>,
    pub included: Json<Vec<Selector>>,
    pub excluded: Json<Vec<Selector>>,
    pub parameters: Json<Vec<Setting>>,
    pub applies_to: Texts,
    pub due_months: Option<i32>,
    pub scoring: ScoringRule,
    pub profile: Json<Map<String, Value>>,
}

/// Which controls: any that one of these names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selector {
    /// Controls by id.
    pub ids: Vec<String>,
    /// All controls in these groups, by id.
    pub groups: Vec<String>,
    /// Controls whose ids match these, in which `*` is any text and `?` any character.
    pub matching: Vec<String>,
    /// Whether the controls within those that are named are meant too.
    pub with_child_controls: Option<bool>,
}

/// What stands in place of a parameter of a framework.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its id.
    pub parameter: String,
    /// Its values.
    pub values: Vec<String>,
}

/// A checklist, as others refer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChecklistReference {
    /// Its id.
    pub id: Uuid,
    /// Its slug.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// Which edition it is.
    pub edition: String,
}

/// What the trail has of a checklist, beside what a writer sets.
#[derive(Serialize)]
struct ChecklistAudit<'f> {
    #[serde(flatten)]
    state: &'f ChecklistState,
    status: ChecklistStatus,
    status_reason: Option<&'f str>,
    control_count: i32,
}

impl<'f> From<&'f Checklist> for ChecklistAudit<'f> {
    fn from(checklist: &'f Checklist) -> Self {
        let Checklist { state, status, status_reason, control_count, .. } = checklist;
        Self { state, status: *status, status_reason: status_reason.as_deref(), control_count: *control_count }
    }
}

/// Whose checklists somebody sees: what was published, and drafts of organisations for which they contribute.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    everything: bool,
    organisations: Vec<Uuid>,
}

type Condition = Box<dyn BoxableExpression<checklists::table, Pg, SqlType = Bool>>;

impl Sight {
    /// Of somebody with these roles.
    #[must_use]
    pub fn new(roles: &Roles) -> Self {
        let organisations = roles.with(Role::Contributor).map(|membership| membership.organisation_id).collect();
        Self { everything: roles.administers(), organisations }
    }

    fn condition(&self) -> Condition {
        if self.everything {
            return Box::new(checklists::id.is_not_null());
        }
        let own = checklists::organisation_id.eq_any(self.organisations.clone());
        Box::new(checklists::status.ne(ChecklistStatus::Draft).or(own))
    }
}

/// Which checklists; several values of one field mean any of them, different fields all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Who keeps them.
    pub organisations: Vec<Key>,
    /// Where they stand.
    pub statuses: Vec<ChecklistStatus>,
    /// Words that are in the title.
    pub titled: Option<String>,
    /// Of which frameworks they select controls.
    pub frameworks: Vec<Key>,
    /// For this kind of organisation.
    pub applies_to: Option<String>,
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
) -> Result<Page<Checklist, Position>> {
    let mut query = checklists::table.filter(sight.condition()).into_boxed();
    if !filter.organisations.is_empty() {
        query = query.filter(checklists::organisation_id.eq_any(known(conn, &filter.organisations)?));
    }
    if !filter.statuses.is_empty() {
        query = query.filter(checklists::status.eq_any(filter.statuses.clone()));
    }
    if !filter.frameworks.is_empty() {
        let ids = known_by(conn, &filter.frameworks, frameworks::id_of)?;
        query = query.filter(checklists::framework_id.eq_any(ids));
    }
    if let Some(kind) = filter.applies_to.clone() {
        let of_all = checklists::applies_to.eq(Texts::default());
        query = query.filter(of_all.or(checklists::applies_to.contains(Texts(vec![kind]))));
    }
    if let Some(words) = &filter.titled {
        query = query.filter(strpos(fold(checklists::title), fold(words)).gt(0));
    }
    if let Some(Position { title, id }) = after.cloned() {
        query = query
            .filter(fold(checklists::title).ge(title.clone()))
            .filter(fold(checklists::title).gt(title).or(checklists::id.gt(id)));
    }
    let query = query.order((fold(checklists::title), checklists::id)).limit(to_limit(limit));
    let found: Vec<Checklist> = query.select(columns()).load(conn.pg)?;
    let last = match found.get(limit.saturating_sub(1)) {
        Some(last) => folded(conn, &last.state.title)?,
        None => String::new(),
    };
    Ok(Page::cut(found, limit, |checklist| Position { title: last, id: checklist.id }))
}

/// One checklist, if it is seen, by id or by any slug it ever had.
pub fn find(conn: &mut Conn<'_>, sight: &Sight, key: &Key) -> Result<Checklist> {
    let id = id_of(conn, key)?;
    Ok(checklists::table.filter(checklists::id.eq(id)).filter(sight.condition()).select(columns()).first(conn.pg)?)
}

/// Id of the one that has this id, or ever had this slug.
pub fn id_of(conn: &mut Conn<'_>, key: &Key) -> Result<Uuid> {
    match key {
        Key::Id(id) => Ok(*id),
        Key::Slug(slug) => slug_holder(conn, "checklists", slug),
    }
}

/// One checklist that the writer sees, locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, key: &Key) -> Result<Checklist> {
    let sight = Sight::new(tx.roles());
    let id = id_of(&mut tx.conn(), key)?;
    checklists::table.find(id).select(checklists::id).for_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), &sight, &Key::Id(id))
}

fn own(tx: &mut Tx<'_>, id: Uuid) -> Result<Checklist> {
    Ok(checklists::table.find(id).select(columns()).first(tx.pg)?)
}

/// A slug for a title, free now and, within this transaction, later.
pub fn free_slug(tx: &mut Tx<'_>, title: &str) -> Result<String> {
    Ok(diesel::select(functions::free_slug("checklists", title)).get_result(tx.pg)?)
}

/// Adds a checklist, as a draft, with the controls that it selects.
pub fn create(tx: &mut Tx<'_>, id: Uuid, state: &ChecklistState, selected: &[controls::Selected]) -> Result<Checklist> {
    diesel::insert_into(checklists::table).values((checklists::id.eq(id), state)).execute(tx.pg)?;
    controls::insert(tx, id, state.framework_id, selected)?;
    let created = own(tx, id)?;
    audit(tx, None, Some(&created))?;
    Ok(created)
}

/// Brings a locked checklist into another state: a draft as a whole, what was published as far as it is only about where it
/// is found. When it is in that state already nothing is written.
pub fn update(
    tx: &mut Tx<'_>,
    current: &Checklist,
    state: &ChecklistState,
    selected: &[controls::Selected],
) -> Result<Checklist> {
    let same_controls = controls::selected(&mut tx.conn(), current.id)? == selected;
    if current.state == *state && same_controls {
        return Ok(current.clone());
    }
    let elsewhere = ChecklistState {
        slug: state.slug.clone(),
        summary: state.summary.clone(),
        organisation_id: state.organisation_id,
        ..current.state.clone()
    };
    if elsewhere != *state || !same_controls {
        check_draft(current)?;
    }
    if !same_controls || current.state.framework_id != state.framework_id {
        controls::remove(tx, current.id)?;
        diesel::update(checklists::table.find(current.id)).set(state).execute(tx.pg)?;
        controls::insert(tx, current.id, state.framework_id, selected)?;
    } else {
        diesel::update(checklists::table.find(current.id)).set(state).execute(tx.pg)?;
    }
    advanced(tx, current)
}

/// Removes a locked draft.
pub fn delete(tx: &mut Tx<'_>, current: &Checklist) -> Result<()> {
    check_draft(current)?;
    diesel::delete(checklists::table.find(current.id)).execute(tx.pg)?;
    audit(tx, Some(current), None)
}

/// Publishes a locked draft; the edition that it supersedes is superseded.
pub fn publish(tx: &mut Tx<'_>, current: &Checklist) -> Result<Checklist> {
    check_draft(current)?;
    if current.control_count == 0 {
        return Err(Error::Conflict(vec![Fault::new("/controlCount", "empty", "It selects no controls.")]));
    }
    if let Some(earlier) = current.state.supersedes_id {
        checklists::table.find(earlier).select(checklists::id).for_update().first::<Uuid>(tx.pg)?;
        let earlier = own(tx, earlier)?;
        match earlier.status {
            ChecklistStatus::Published => {
                let superseded = checklists::status.eq(ChecklistStatus::Superseded);
                diesel::update(checklists::table.find(earlier.id)).set(superseded).execute(tx.pg)?;
                advanced(tx, &earlier)?;
            }
            ChecklistStatus::Withdrawn | ChecklistStatus::Superseded => {}
            ChecklistStatus::Draft => {
                let detail = "It takes the place of a draft, which nobody could use yet.";
                return Err(Error::Conflict(vec![Fault::new("/supersedes", "not_published", detail)]));
            }
        }
    }
    diesel::update(checklists::table.find(current.id))
        .set((
            checklists::status.eq(ChecklistStatus::Published),
            checklists::published_at.eq(seconds_ago(0).nullable()),
        ))
        .execute(tx.pg)?;
    advanced(tx, current)
}

/// Withdraws a locked checklist that was published, for a reason.
pub fn withdraw(tx: &mut Tx<'_>, current: &Checklist, reason: &str) -> Result<Checklist> {
    if !matches!(current.status, ChecklistStatus::Published | ChecklistStatus::Superseded) {
        return Err(out_of_turn(current, "Only what was published is withdrawn."));
    }
    diesel::update(checklists::table.find(current.id))
        .set((checklists::status.eq(ChecklistStatus::Withdrawn), checklists::status_reason.eq(reason)))
        .execute(tx.pg)?;
    advanced(tx, current)
}

fn advanced(tx: &mut Tx<'_>, before: &Checklist) -> Result<Checklist> {
    let after = own(tx, before.id)?;
    audit(tx, Some(before), Some(&after))?;
    Ok(after)
}

fn audit(tx: &mut Tx<'_>, before: Option<&Checklist>, after: Option<&Checklist>) -> Result<()> {
    let Some(checklist) = after.or(before) else { return Ok(()) };
    let (before, after) = (before.map(ChecklistAudit::from), after.map(ChecklistAudit::from));
    tx.audit_in(checklist.state.organisation_id, "checklists", checklist.id, before.as_ref(), after.as_ref())
}

/// Refuses unless a checklist is a draft.
pub fn check_draft(current: &Checklist) -> Result<()> {
    if current.status == ChecklistStatus::Draft {
        return Ok(());
    }
    Err(out_of_turn(current, "What was published stays as it is; add another edition that supersedes it."))
}

fn out_of_turn(current: &Checklist, detail: &str) -> Error {
    let detail = format!("{detail} This one is {}.", current.status);
    Error::Conflict(vec![Fault::new("/status", "out_of_turn", detail)])
}

type Columns = (
    checklists::id,
    checklists::version,
    checklists::created_at,
    checklists::updated_at,
    checklists::status,
    checklists::status_reason,
    checklists::published_at,
    checklists::control_count,
    diesel::dsl::AsSelect<ChecklistState, Pg>,
    diesel::dsl::AssumeNotNull<organisation_ref<diesel::dsl::Nullable<checklists::organisation_id>>>,
    diesel::dsl::AssumeNotNull<framework_ref<diesel::dsl::Nullable<checklists::framework_id>>>,
    checklist_ref<checklists::supersedes_id>,
    checklist_successor<checklists::id>,
);

fn columns() -> Columns {
    (
        checklists::id,
        checklists::version,
        checklists::created_at,
        checklists::updated_at,
        checklists::status,
        checklists::status_reason,
        checklists::published_at,
        checklists::control_count,
        ChecklistState::as_select(),
        organisation_ref(checklists::organisation_id.nullable()).assume_not_null(),
        framework_ref(checklists::framework_id.nullable()).assume_not_null(),
        checklist_ref(checklists::supersedes_id),
        checklist_successor(checklists::id),
    )
}
