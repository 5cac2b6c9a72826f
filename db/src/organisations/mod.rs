//! Organisations: who uses, builds, supplies, signs and complies.
//!
//! Here: the rows, and one organisation at a time. Lists are in [`list`].

pub mod list;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::{date, now, sql};
use diesel::pg::Pg;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::functions::{
    alias_keys, fold, organisation_identifier_list, organisation_of_company, organisation_ref,
    organisation_replaced_by, organisation_successors, sees_as_member, spelling_core, spelling_cores,
};
use crate::people::Viewer;
use crate::schema::{organisation_identifiers, organisation_replacements, organisations, slugs};
use crate::tx::{Conn, Tx};
use crate::types::{Json, Texts};
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Result, functions};

vocabulary! {
    /// What sort of body an organisation is. `local_authority`: a council. `regional_body`: the GLA, its functional
    /// bodies and the like. `nhs`: a trust or other NHS body. `central_government`: a department or agency.
    /// `utility`: a utility or network operator. `supplier`: sells or maintains products. `community`: everybody else.
    OrganisationKind, "local_authority" {
        /// A council.
        LocalAuthority = "local_authority",
        /// The GLA, its functional bodies and the like.
        RegionalBody = "regional_body",
        /// A trust or other NHS body.
        Nhs = "nhs",
        /// A department or agency.
        CentralGovernment = "central_government",
        /// A utility or network operator.
        Utility = "utility",
        /// Sells or maintains products.
        Supplier = "supplier",
        /// Everybody else.
        Community = "community",
    }
}

impl OrganisationKind {
    /// Whether it is part of the public sector, whose people may write about any product.
    #[must_use]
    pub fn is_public_body(self) -> bool {
        matches!(self, Self::LocalAuthority | Self::RegionalBody | Self::Nhs | Self::CentralGovernment)
    }
}

/// A code under which others know an organisation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identifier {
    /// List the code is from.
    pub scheme: String,
    /// The code.
    pub id: String,
}

/// How another record names an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Its id.
    pub id: Uuid,
    /// Its present slug.
    pub slug: String,
    /// Its name.
    pub name: String,
}

/// A row of `organisations`, without what only searches use.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = organisations)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct OrganisationRow {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub slug: String,
    pub kind: OrganisationKind,
    pub name: String,
    pub aliases: Texts,
    pub website: Option<String>,
    pub region: Option<String>,
    pub starts_on: Option<NaiveDate>,
    pub ends_on: Option<NaiveDate>,
    pub member_since: Option<NaiveDate>,
    pub email_domains: Texts,
    pub stale_after_days: i32,
}

/// An organisation as one viewer may see it.
#[derive(Debug, Clone, Queryable)]
pub struct Organisation {
    /// Its own columns; `email_domains` is empty unless `seen_by_member`.
    pub row: OrganisationRow,
    /// The body it is part of.
    pub parent: Option<Json<Reference>>,
    /// Its codes.
    pub identifiers: Json<Vec<Identifier>>,
    /// The bodies that took over from it.
    pub replaced_by: Json<Vec<Reference>>,
    /// The bodies that stand today for one that was replaced.
    pub successors: Json<Vec<Reference>>,
    /// Whether the viewer sees what its members see.
    pub seen_by_member: bool,
}

/// What a writer may set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct OrganisationState {
    pub slug: String,
    pub kind: OrganisationKind,
    pub name: String,
    pub aliases: Vec<String>,
    pub identifiers: Vec<Identifier>,
    pub website: Option<String>,
    pub region: Option<String>,
    pub parent_id: Option<Uuid>,
    pub starts_on: Option<NaiveDate>,
    pub ends_on: Option<NaiveDate>,
    pub replaced_by: Vec<Uuid>,
    pub member_since: Option<NaiveDate>,
    pub email_domains: Vec<String>,
    pub stale_after_days: i32,
}

impl From<&Organisation> for OrganisationState {
    fn from(organisation: &Organisation) -> Self {
        let row = &organisation.row;
        Self {
            slug: row.slug.clone(),
            kind: row.kind,
            name: row.name.clone(),
            aliases: row.aliases.0.clone(),
            identifiers: organisation.identifiers.0.clone(),
            website: row.website.clone(),
            region: row.region.clone(),
            parent_id: organisation.parent.as_ref().map(|parent| parent.0.id),
            starts_on: row.starts_on,
            ends_on: row.ends_on,
            replaced_by: organisation.replaced_by.0.iter().map(|reference| reference.id).collect(),
            member_since: row.member_since,
            email_domains: row.email_domains.0.clone(),
            stale_after_days: row.stale_after_days,
        }
    }
}

impl OrganisationState {
    /// Puts what has no order into one, without repetition, so that equal states compare equal.
    pub fn tidy(&mut self) {
        self.identifiers.sort();
        self.identifiers.dedup();
        self.replaced_by.sort();
        self.replaced_by.dedup();
        let mut seen = std::collections::HashSet::new();
        self.aliases.retain(|alias| seen.insert(alias.clone()));
        self.email_domains.sort();
        self.email_domains.dedup();
    }
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = organisations, treat_none_as_null = true)]
struct Columns {
    slug: String,
    kind: OrganisationKind,
    name: String,
    aliases: Texts,
    website: Option<String>,
    region: Option<String>,
    parent_id: Option<Uuid>,
    starts_on: Option<NaiveDate>,
    ends_on: Option<NaiveDate>,
    member_since: Option<NaiveDate>,
    email_domains: Texts,
    stale_after_days: i32,
}

impl From<&OrganisationState> for Columns {
    fn from(state: &OrganisationState) -> Self {
        let OrganisationState {
            slug,
            kind,
            name,
            aliases,
            identifiers: _,
            website,
            region,
            parent_id,
            starts_on,
            ends_on,
            replaced_by: _,
            member_since,
            email_domains,
            stale_after_days,
        } = state.clone();
        Self {
            slug,
            kind,
            name,
            aliases: Texts(aliases),
            website,
            region,
            parent_id,
            starts_on,
            ends_on,
            member_since,
            email_domains: Texts(email_domains),
            stale_after_days,
        }
    }
}

/// An id, or a slug.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// The id.
    Id(Uuid),
    /// A slug, present or earlier.
    Slug(String),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Slug(slug) => slug.fmt(f),
        }
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        // Only the form with hyphens: other forms of a UUID are words that a slug may have.
        let id = if text.len() == 36 { text.parse().ok() } else { None };
        id.map_or_else(|| Self::Slug(text.to_owned()), Self::Id)
    }
}

type Boxed<'a> = organisations::BoxedQuery<'a, Pg, organisations::SqlType>;

/// The organisation, by id or by any slug it ever had.
pub fn find(conn: &mut Conn<'_>, viewer: Viewer, key: &Key) -> Result<Organisation> {
    let id = id_of(conn, key)?;
    let query = organisations::table.filter(organisations::id.eq(id)).into_boxed();
    select(conn, viewer, query)?.pop().ok_or(Error::NotFound)
}

/// The id behind a key. A slug keeps its meaning when its holder takes another.
pub fn id_of(conn: &mut Conn<'_>, key: &Key) -> Result<Uuid> {
    match key {
        Key::Id(id) => Ok(*id),
        Key::Slug(slug) => slug_holder(conn, "organisations", slug),
    }
}

/// [`id_of`] an organisation that is there.
pub fn existing(conn: &mut Conn<'_>, key: &Key) -> Result<Uuid> {
    let id = id_of(conn, key)?;
    Ok(organisations::table.find(id).select(organisations::id).first(conn.pg)?)
}

/// What sort of body an organisation is.
pub fn kind_of(conn: &mut Conn<'_>, id: Uuid) -> Result<OrganisationKind> {
    Ok(organisations::table.find(id).select(organisations::kind).first(conn.pg)?)
}

pub(crate) fn slug_holder(conn: &mut Conn<'_>, kind: &str, slug: &str) -> Result<Uuid> {
    Ok(slugs::table.find((kind, slug)).select(slugs::object_id).first(conn.pg)?)
}

fn select(conn: &mut Conn<'_>, viewer: Viewer, query: Boxed<'_>) -> Result<Vec<Organisation>> {
    let mut found: Vec<Organisation> = query
        .select((
            OrganisationRow::as_select(),
            organisation_ref(organisations::parent_id),
            organisation_identifier_list(organisations::id),
            organisation_replaced_by(organisations::id),
            organisation_successors(organisations::id),
            sees_as_member(viewer.user_id(), organisations::id),
        ))
        .load(conn.pg)?;
    for organisation in &mut found {
        organisation.seen_by_member |= viewer.belongs_to(organisation.row.id);
        if !organisation.seen_by_member {
            organisation.row.email_domains.0.clear();
        }
    }
    Ok(found)
}

/// The organisation with its row locked for the rest of the transaction, whole, whoever writes.
pub fn lock(tx: &mut Tx<'_>, key: &Key) -> Result<Organisation> {
    let id = id_of(&mut tx.conn(), key)?;
    organisations::table.find(id).select(organisations::id).for_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), Viewer::Operator, &Key::Id(id))
}

/// A slug for a name, free now and, within this transaction, later.
pub fn free_slug(tx: &mut Tx<'_>, name: &str) -> Result<String> {
    Ok(diesel::select(functions::free_slug("organisations", name)).get_result(tx.pg)?)
}

/// Adds an organisation.
pub fn create(tx: &mut Tx<'_>, id: Uuid, state: &OrganisationState) -> Result<Organisation> {
    diesel::insert_into(organisations::table)
        .values((organisations::id.eq(id), Columns::from(state)))
        .execute(tx.pg)?;
    put_identifiers(tx, id, &state.identifiers)?;
    put_replacements(tx, id, &state.replaced_by)?;
    tx.audit("organisations", id, None, Some(state))?;
    find(&mut tx.conn(), Viewer::Operator, &Key::Id(id))
}

/// Brings a locked organisation into another state. When it is in that state already nothing is written.
pub fn update(tx: &mut Tx<'_>, current: &Organisation, state: &OrganisationState) -> Result<Organisation> {
    let id = current.row.id;
    let before = OrganisationState::from(current);
    if before == *state {
        return Ok(current.clone());
    }
    diesel::update(organisations::table.find(id)).set(Columns::from(state)).execute(tx.pg)?;
    if before.identifiers != state.identifiers {
        put_identifiers(tx, id, &state.identifiers)?;
    }
    if before.replaced_by != state.replaced_by {
        put_replacements(tx, id, &state.replaced_by)?;
    }
    tx.audit("organisations", id, Some(&before), Some(state))?;
    find(&mut tx.conn(), Viewer::Operator, &Key::Id(id))
}

/// Removes a locked organisation that nothing refers to.
pub fn delete(tx: &mut Tx<'_>, current: &Organisation) -> Result<()> {
    diesel::delete(organisations::table.find(current.row.id)).execute(tx.pg)?;
    tx.audit("organisations", current.row.id, Some(&OrganisationState::from(current)), None)
}

fn put_identifiers(tx: &mut Tx<'_>, id: Uuid, identifiers: &[Identifier]) -> Result<()> {
    use organisation_identifiers::dsl;
    diesel::delete(dsl::organisation_identifiers.filter(dsl::organisation_id.eq(id))).execute(tx.pg)?;
    let rows: Vec<_> = identifiers
        .iter()
        .map(|identifier| {
            (dsl::scheme.eq(&identifier.scheme), dsl::identifier.eq(&identifier.id), dsl::organisation_id.eq(id))
        })
        .collect();
    diesel::insert_into(dsl::organisation_identifiers).values(rows).execute(tx.pg)?;
    Ok(())
}

fn put_replacements(tx: &mut Tx<'_>, id: Uuid, replaced_by: &[Uuid]) -> Result<()> {
    use organisation_replacements::dsl;
    diesel::delete(dsl::organisation_replacements.filter(dsl::organisation_id.eq(id))).execute(tx.pg)?;
    let rows: Vec<_> =
        replaced_by.iter().map(|other| (dsl::organisation_id.eq(id), dsl::replaced_by_id.eq(other))).collect();
    diesel::insert_into(dsl::organisation_replacements).values(rows).execute(tx.pg)?;
    Ok(())
}

/// The ids behind references in a body; one fault at its pointer for each that leads nowhere.
pub fn resolve(tx: &mut Tx<'_>, references: &[(String, Key)]) -> Result<Vec<Uuid>> {
    let mut ids = Vec::with_capacity(references.len());
    let mut faults = Vec::new();
    for (pointer, key) in references {
        match existing(&mut tx.conn(), key) {
            Ok(id) => ids.push(id),
            Err(Error::NotFound) => faults.push(Fault::new(
                pointer.clone(),
                "unknown_organisation",
                "names no organisation: give the id or the slug of one that is in the catalogue",
            )),
            Err(other) => return Err(other),
        }
    }
    if faults.is_empty() { Ok(ids) } else { Err(Error::Conflict(faults)) }
}

/// The id of the one organisation that a text names, by id or slug; a fault at the pointer when it names none.
pub fn resolve_one(tx: &mut Tx<'_>, pointer: &str, named: &str) -> Result<Uuid> {
    resolve(tx, &[(pointer.to_owned(), Key::from(named))])?.into_iter().next().ok_or(Error::NotFound)
}

/// How others name the organisation that a key names.
pub fn reference(conn: &mut Conn<'_>, key: &Key) -> Result<Reference> {
    let id = id_of(conn, key)?;
    let named = (organisations::id, organisations::slug, organisations::name);
    let (id, slug, name) = organisations::table.find(id).select(named).first(conn.pg)?;
    Ok(Reference { id, slug, name })
}

/// The ids of those organisations that exist, for filters: the others match nothing.
pub fn known(conn: &mut Conn<'_>, keys: &[Key]) -> Result<Vec<Uuid>> {
    known_by(conn, keys, id_of)
}

/// The ids of those of some kind that exist, for filters: the others match nothing.
pub(crate) fn known_by(
    conn: &mut Conn<'_>,
    keys: &[Key],
    id_of: fn(&mut Conn<'_>, &Key) -> Result<Uuid>,
) -> Result<Vec<Uuid>> {
    let mut ids = Vec::with_capacity(keys.len());
    for key in keys {
        match id_of(conn, key) {
            Ok(id) => ids.push(id),
            Err(Error::NotFound) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(ids)
}

/// Those that go by a spelling today: an organisation that was replaced gives way to its successors.
pub fn by_spelling(conn: &mut Conn<'_>, spelling: &str) -> Result<Vec<Reference>> {
    // Asked for first, so that the spelling is folded once, also where the plan is to scan.
    let keys: Texts = diesel::select(alias_keys(spelling, Texts::default())).get_result(conn.pg)?;
    let found = organisations::table
        .filter(organisations::alias_keys.contains(keys))
        .select(organisation_ref(organisations::id.nullable()))
        .limit(20)
        .load::<Option<Json<Reference>>>(conn.pg)?;
    let mut references: Vec<Reference> = found.into_iter().flatten().map(|json| json.0).collect();
    if references.len() == 1 {
        let ids: Vec<Uuid> = references.iter().map(|reference| reference.id).collect();
        let successors: Json<Vec<Reference>> =
            diesel::select(organisation_successors(ids.first().copied().unwrap_or_default())).get_result(conn.pg)?;
        if !successors.0.is_empty() {
            references = successors.0;
        }
    }
    Ok(references)
}

/// Those that exist today and are meant when nobody goes by a spelling: whose names have the same core.
///
/// Either suppliers or none: `Camden Ltd` is not the council.
pub fn by_spelling_core(conn: &mut Conn<'_>, spelling: &str, suppliers: bool) -> Result<Vec<Reference>> {
    let core: String = diesel::select(spelling_core(spelling)).get_result(conn.pg)?;
    if core.is_empty() {
        return Ok(Vec::new());
    }
    let supplier = organisations::kind.eq(OrganisationKind::Supplier);
    let exists = organisations::ends_on.is_null().or(organisations::ends_on.assume_not_null().ge(date(now)));
    let found = organisations::table
        .filter(spelling_cores(organisations::name, organisations::aliases).contains(Texts(vec![core])))
        .filter(supplier.eq(suppliers))
        .filter(exists)
        .select(organisation_ref(organisations::id.nullable()))
        .limit(20)
        .load::<Option<Json<Reference>>>(conn.pg)?;
    Ok(found.into_iter().flatten().map(|json| json.0).collect())
}

/// The list of Companies House numbers.
pub const COMPANIES_HOUSE: &str = "GB-COH";

/// The organisation with a Companies House number, in whatever case that was recorded.
pub fn by_company_number(conn: &mut Conn<'_>, number: &str) -> Result<Option<Uuid>> {
    Ok(diesel::select(organisation_of_company(number)).get_result(conn.pg)?)
}

/// The organisation with a code.
pub fn by_identifier(conn: &mut Conn<'_>, identifier: &Identifier) -> Result<Option<Uuid>> {
    Ok(organisation_identifiers::table
        .find((&identifier.scheme, &identifier.id))
        .select(organisation_identifiers::organisation_id)
        .first(conn.pg)
        .optional()?)
}

pub(crate) fn folded(conn: &mut Conn<'_>, text: &str) -> Result<String> {
    Ok(diesel::select(fold(text)).get_result(conn.pg)?)
}

/// One more row than asked for tells whether there are more.
pub(crate) fn to_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1
}

pub(crate) fn today() -> diesel::expression::SqlLiteral<diesel::sql_types::Date> {
    sql("current_date")
}
