//! Which controls a checklist selects, as its includes and excludes amount to, and what its keeper adds to each.

use diesel::prelude::*;
use diesel::sql_types::{Array, Integer, Nullable, Text, Uuid as SqlUuid};
use uuid::Uuid;

use crate::frameworks::items::{Control, Item, ItemKind};
use crate::functions::framework_group;
use crate::organisations::to_limit;
use crate::schema::{checklist_controls as chosen, framework_items as items};
use crate::tx::{Conn, Tx};
use crate::{Page, Result};

/// A control that is selected.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = chosen)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Selected {
    pub position: i32,
    pub control_id: String,
    pub guidance: Option<String>,
    pub weight: i32,
}

/// The same, with what the framework says.
#[derive(Debug, Clone, Queryable)]
pub struct ChecklistControl {
    /// What the checklist says.
    pub selected: Selected,
    /// What the framework says.
    pub control: Control,
}

/// All that a checklist selects, in the order of its framework.
pub fn selected(conn: &mut Conn<'_>, checklist_id: Uuid) -> Result<Vec<Selected>> {
    let query = chosen::table.filter(chosen::checklist_id.eq(checklist_id)).order(chosen::position);
    Ok(query.select(Selected::as_select()).load(conn.pg)?)
}

/// One page of what a checklist selects, with what the framework says.
pub fn list(
    conn: &mut Conn<'_>,
    checklist_id: Uuid,
    after: Option<i32>,
    limit: usize,
) -> Result<Page<ChecklistControl, i32>> {
    let above = diesel::alias!(items as above);
    let found = chosen::table
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
        .filter(chosen::checklist_id.eq(checklist_id))
        .filter(chosen::position.gt(after.unwrap_or(0)))
        .order(chosen::position)
        .limit(to_limit(limit))
        .select((
            Selected::as_select(),
            (
                Item::as_select(),
                framework_group(items::framework_id, items::position),
                above.field(items::item_id).nullable(),
            ),
        ))
        .load::<ChecklistControl>(conn.pg)?;
    Ok(Page::cut(found, limit, |last| last.selected.position))
}

pub(super) fn remove(tx: &mut Tx<'_>, checklist_id: Uuid) -> Result<()> {
    diesel::delete(chosen::table.filter(chosen::checklist_id.eq(checklist_id))).execute(tx.pg)?;
    Ok(())
}

pub(super) fn insert(tx: &mut Tx<'_>, checklist_id: Uuid, framework_id: Uuid, selected: &[Selected]) -> Result<()> {
    let statement =
        "insert into checklist_controls (checklist_id, framework_id, position, control_id, guidance, weight)
        select $1, $2, row.* from unnest($3, $4, $5, $6) as row";
    diesel::sql_query(statement)
        .bind::<SqlUuid, _>(checklist_id)
        .bind::<SqlUuid, _>(framework_id)
        .bind::<Array<Integer>, _>(selected.iter().map(|control| control.position).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(selected.iter().map(|control| control.control_id.as_str()).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(
            selected.iter().map(|control| control.guidance.as_deref()).collect::<Vec<_>>(),
        )
        .bind::<Array<Integer>, _>(selected.iter().map(|control| control.weight).collect::<Vec<_>>())
        .execute(tx.pg)?;
    Ok(())
}
