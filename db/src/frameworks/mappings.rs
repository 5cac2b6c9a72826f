//! How controls of frameworks relate: many to many, between editions that were published.

use diesel::prelude::*;
use diesel::sql_types::{Array, Nullable, Text, Uuid as SqlUuid};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Framework, FrameworkReference, own};
use crate::functions::framework_ref;
use crate::organisations::to_limit;
use crate::schema::{framework_mappings as mappings, frameworks};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::vocabulary::vocabulary;
use crate::{Page, Result};

/// To how many controls of others those of a framework are related at most.
pub const MOST: usize = 5000;

vocabulary! {
    /// How what a control asks for relates to what another asks for. `equal`: it is the same. `subset`: all of it is in
    /// the other. `superset`: all of the other is in it. `intersects`: some of it is in the other.
    Relationship, "equal" {
        /// It is the same.
        Equal = "equal",
        /// All of it is in the other.
        Subset = "subset",
        /// All of the other is in it.
        Superset = "superset",
        /// Some of it is in the other.
        Intersects = "intersects",
    }
}

/// That a control relates to another.
#[derive(Debug, Clone, Queryable)]
pub struct Mapping {
    /// What relates to what.
    pub relation: Relation,
    /// The framework of the one.
    pub source: Json<FrameworkReference>,
    /// The framework of the other.
    pub target: Json<FrameworkReference>,
}

/// What relates to what, by ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Queryable, Selectable, Serialize)]
#[diesel(table_name = mappings)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Relation {
    pub framework_id: Uuid,
    pub item_id: String,
    pub target_framework_id: Uuid,
    pub target_item_id: String,
    pub relationship: Relationship,
    pub remarks: Option<String>,
}

/// Which relations of a framework, in either direction.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of these of its controls.
    pub controls: Vec<String>,
    /// To or from this framework.
    pub with: Option<Uuid>,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position(pub Uuid, pub String, pub Uuid, pub String);

/// One page of how the controls of a framework that is seen relate to those of others, and others to them.
pub fn list(
    conn: &mut Conn<'_>,
    framework_id: Uuid,
    filter: &Filter,
    after: Option<&Position>,
    limit: usize,
) -> Result<Page<Mapping, Position>> {
    let mut query = mappings::table
        .filter(mappings::framework_id.eq(framework_id).or(mappings::target_framework_id.eq(framework_id)))
        .into_boxed();
    if !filter.controls.is_empty() {
        let (ids, other) = (filter.controls.clone(), filter.controls.clone());
        query = query.filter(
            mappings::framework_id
                .eq(framework_id)
                .and(mappings::item_id.eq_any(ids))
                .or(mappings::target_framework_id.eq(framework_id).and(mappings::target_item_id.eq_any(other))),
        );
    }
    if let Some(with) = filter.with {
        query = query.filter(mappings::framework_id.eq(with).or(mappings::target_framework_id.eq(with)));
    }
    if let Some(Position(source, item, target, target_item)) = after.cloned() {
        query = query.filter(
            diesel::dsl::sql::<diesel::sql_types::Bool>(
                "row(framework_id, item_id, target_framework_id, target_item_id) > row(",
            )
            .bind::<SqlUuid, _>(source)
            .sql(", ")
            .bind::<Text, _>(item)
            .sql(", ")
            .bind::<SqlUuid, _>(target)
            .sql(", ")
            .bind::<Text, _>(target_item)
            .sql(")"),
        );
    }
    let found: Vec<Mapping> = query
        .order((mappings::framework_id, mappings::item_id, mappings::target_framework_id, mappings::target_item_id))
        .limit(to_limit(limit))
        .select((
            Relation::as_select(),
            framework_ref(mappings::framework_id.nullable()).assume_not_null(),
            framework_ref(mappings::target_framework_id.nullable()).assume_not_null(),
        ))
        .load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| {
        let Relation { framework_id, item_id, target_framework_id, target_item_id, .. } = last.relation.clone();
        Position(framework_id, item_id, target_framework_id, target_item_id)
    }))
}

/// Which of some controls of frameworks are there: pairs of a framework and the id of a control.
pub fn known_controls(conn: &mut Conn<'_>, asked: &[(Uuid, String)]) -> Result<Vec<(Uuid, String)>> {
    use crate::schema::framework_items as items;
    let frameworks: Vec<Uuid> = asked.iter().map(|(framework, _)| *framework).collect();
    let ids: Vec<&str> = asked.iter().map(|(_, id)| id.as_str()).collect();
    let query = items::table
        .filter(items::framework_id.eq_any(frameworks))
        .filter(items::item_id.eq_any(ids))
        .filter(items::kind.eq(super::items::ItemKind::Control));
    Ok(query.select((items::framework_id, items::item_id.assume_not_null())).load(conn.pg)?)
}

/// Puts other relations in place of those from the controls of a locked framework that was published. When they are the
/// same nothing is written.
pub fn put(tx: &mut Tx<'_>, current: &Framework, wanted: &[Relation]) -> Result<Framework> {
    let from_it = || mappings::table.filter(mappings::framework_id.eq(current.id));
    let mut held: Vec<Relation> = from_it().select(Relation::as_select()).load(tx.pg)?;
    held.sort();
    let mut sorted = wanted.to_vec();
    sorted.sort();
    if held == sorted {
        return Ok(current.clone());
    }
    diesel::delete(from_it()).execute(tx.pg)?;
    let statement = "insert into framework_mappings
          (framework_id, item_id, target_framework_id, target_item_id, relationship, remarks)
        select $1, row.* from unnest($2, $3, $4, $5, $6) as row";
    diesel::sql_query(statement)
        .bind::<SqlUuid, _>(current.id)
        .bind::<Array<Text>, _>(wanted.iter().map(|relation| relation.item_id.as_str()).collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(wanted.iter().map(|relation| relation.target_framework_id).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(wanted.iter().map(|relation| relation.target_item_id.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(wanted.iter().map(|relation| relation.relationship.as_str()).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(wanted.iter().map(|relation| relation.remarks.as_deref()).collect::<Vec<_>>())
        .execute(tx.pg)?;
    // Raises its version.
    diesel::update(frameworks::table.find(current.id)).set(frameworks::status.eq(current.status)).execute(tx.pg)?;
    let told = |relations: &[Relation]| serde_json::json!({ "mappings": relations });
    let (before, after) = (told(&held), told(&sorted));
    tx.audit_in(current.state.organisation_id, "framework_mappings", current.id, Some(&before), Some(&after))?;
    own(tx, current.id)
}
