//! Groups and controls of a framework, flat in the order in which they are read: each with its place and that of what it is
//! part of.

use diesel::prelude::*;
use diesel::sql_types::{Array, Integer, Jsonb, Nullable, Text, Uuid as SqlUuid};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Framework, check_draft, own};
use crate::Page;
use crate::Result;
use crate::functions::{fold, framework_group, strpos};
use crate::organisations::to_limit;
use crate::schema::{framework_items as items, frameworks};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::vocabulary::vocabulary;

/// How many groups and controls a framework has at most.
pub const MOST: usize = 20_000;
/// How many are read at once.
const PIECE: usize = 500;

vocabulary! {
    /// What an item is. `group`: holds controls or groups. `control`: something to be met.
    ItemKind, "control" {
        /// Holds controls or groups.
        Group = "group",
        /// Something to be met.
        Control = "control",
    }
}

/// A group or a control.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = items)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Item {
    pub position: i32,
    pub parent_position: Option<i32>,
    pub kind: ItemKind,
    pub item_id: Option<String>,
    pub label: Option<String>,
    pub title: String,
    pub prose: Option<String>,
    pub content: Json<Map<String, Value>>,
    pub indicators: Json<Vec<Indicator>>,
}

/// A statement that holds or not, by which a control is graded: an indicator of good practice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Indicator {
    /// Id of the part of the control.
    pub id: String,
    /// What people call it.
    pub label: Option<String>,
    /// Which grade it speaks for.
    pub grade: Grade,
    /// What holds or not.
    pub statement: String,
}

vocabulary! {
    /// How far a control is achieved. `achieved`: in full. `partially_achieved`: in part. `not_achieved`: not.
    Grade, "achieved" {
        /// In full.
        Achieved = "achieved",
        /// In part.
        PartiallyAchieved = "partially_achieved",
        /// Not.
        NotAchieved = "not_achieved",
    }
}

/// An item as far as others refer to it and its place.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = items)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Outline {
    pub position: i32,
    pub parent_position: Option<i32>,
    pub kind: ItemKind,
    pub item_id: Option<String>,
    pub label: Option<String>,
    pub title: String,
}

/// All groups and controls of a framework that is seen, in their order.
pub fn outline(conn: &mut Conn<'_>, framework_id: Uuid) -> Result<Vec<Outline>> {
    let query = items::table.filter(items::framework_id.eq(framework_id)).order(items::position);
    Ok(query.select(Outline::as_select()).load(conn.pg)?)
}

/// A control, with the innermost group that it is in.
#[derive(Debug, Clone, Queryable)]
pub struct Control {
    /// The control.
    pub item: Item,
    /// Its group: id, label and title.
    pub group: Option<Json<Group>>,
    /// Id of the control of which it is an enhancement.
    pub parent_id: Option<String>,
}

/// A group, as a control refers to it.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Group {
    /// Its id; a group may have none.
    pub id: Option<String>,
    /// What people call it.
    pub label: Option<String>,
    /// Its title.
    pub title: String,
}

/// Which controls.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Words that are in id, label, title or prose.
    pub words: Option<String>,
}

/// What the trail has of them.
#[derive(Serialize)]
struct ItemsAudit {
    items: usize,
    controls: usize,
    catalog: Option<Value>,
}

/// One page of the controls of a framework that is seen, in their order.
pub fn controls(
    conn: &mut Conn<'_>,
    framework_id: Uuid,
    filter: &Filter,
    after: Option<i32>,
    limit: usize,
) -> Result<Page<Control, i32>> {
    let above = diesel::alias!(items as above);
    let mut query = items::table
        .left_join(
            above.on(above
                .field(items::framework_id)
                .eq(items::framework_id)
                .and(above.field(items::position).nullable().eq(items::parent_position))
                .and(above.field(items::kind).eq(ItemKind::Control))),
        )
        .filter(items::framework_id.eq(framework_id))
        .filter(items::kind.eq(ItemKind::Control))
        .filter(items::position.gt(after.unwrap_or(0)))
        .into_boxed();
    if let Some(words) = &filter.words {
        let within = |text: &str| fold(text.to_owned());
        query = query.filter(
            strpos(fold(items::title), within(words))
                .gt(0)
                .or(strpos(fold(items::item_id.assume_not_null()), within(words)).gt(0))
                .or(items::label.is_not_null().and(strpos(fold(items::label.assume_not_null()), within(words)).gt(0)))
                .or(items::prose.is_not_null().and(strpos(fold(items::prose.assume_not_null()), within(words)).gt(0))),
        );
    }
    let found = query
        .order(items::position)
        .limit(to_limit(limit))
        .select((
            Item::as_select(),
            framework_group(items::framework_id, items::position),
            above.field(items::item_id).nullable(),
        ))
        .load::<Control>(conn.pg)?;
    Ok(Page::cut(found, limit, |last| last.item.position))
}

/// Goes through all groups and controls of a framework that is seen, piece by piece.
pub fn each<E: From<crate::Error>>(
    conn: &mut Conn<'_>,
    framework_id: Uuid,
    mut piece: impl FnMut(Vec<Item>) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = 0;
    loop {
        let query = items::table
            .filter(items::framework_id.eq(framework_id))
            .filter(items::position.gt(after))
            .order(items::position)
            .limit(i64::try_from(PIECE).unwrap_or(i64::MAX));
        let found: Vec<Item> = query.select(Item::as_select()).load(conn.pg).map_err(crate::Error::from)?;
        let Some(last) = found.last() else { return Ok(()) };
        after = last.position;
        piece(found)?;
    }
}

/// Puts another catalog in place of that of a locked draft. When it is the same nothing is written.
pub fn put(tx: &mut Tx<'_>, current: &Framework, envelope: &Map<String, Value>, wanted: &[Item]) -> Result<Framework> {
    check_draft(current)?;
    let mut held = Vec::with_capacity(wanted.len());
    each(&mut tx.conn(), current.id, |piece| {
        held.extend(piece);
        Ok::<_, crate::Error>(())
    })?;
    let held_envelope = super::envelope(&mut tx.conn(), current.id)?;
    if held == wanted && held_envelope == *envelope {
        return Ok(current.clone());
    }
    diesel::delete(items::table.filter(items::framework_id.eq(current.id))).execute(tx.pg)?;
    insert(tx, current.id, wanted)?;
    diesel::update(frameworks::table.find(current.id))
        .set(frameworks::envelope.eq(Json(envelope.clone())))
        .execute(tx.pg)?;
    let told = |items: &[Item], envelope: &Map<String, Value>| ItemsAudit {
        items: items.len(),
        controls: items.iter().filter(|item| item.kind == ItemKind::Control).count(),
        catalog: envelope.get("uuid").cloned(),
    };
    let (before, after) = (told(&held, &held_envelope), told(wanted, envelope));
    tx.audit_in(current.state.organisation_id, "framework_items", current.id, Some(&before), Some(&after))?;
    own(tx, current.id)
}

fn insert(tx: &mut Tx<'_>, framework_id: Uuid, items: &[Item]) -> Result<()> {
    let statement = "insert into framework_items
          (framework_id, position, parent_position, kind, item_id, label, title, prose, content, indicators)
        select $1, row.* from unnest($2, $3, $4, $5, $6, $7, $8, $9, $10) as row";
    diesel::sql_query(statement)
        .bind::<SqlUuid, _>(framework_id)
        .bind::<Array<Integer>, _>(items.iter().map(|item| item.position).collect::<Vec<_>>())
        .bind::<Array<Nullable<Integer>>, _>(items.iter().map(|item| item.parent_position).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(items.iter().map(|item| item.kind.as_str()).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(items.iter().map(|item| item.item_id.as_deref()).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(items.iter().map(|item| item.label.as_deref()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(items.iter().map(|item| item.title.as_str()).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(items.iter().map(|item| item.prose.as_deref()).collect::<Vec<_>>())
        .bind::<Array<Jsonb>, _>(items.iter().map(|item| &item.content).collect::<Vec<_>>())
        .bind::<Array<Jsonb>, _>(items.iter().map(|item| &item.indicators).collect::<Vec<_>>())
        .execute(tx.pg)?;
    Ok(())
}
