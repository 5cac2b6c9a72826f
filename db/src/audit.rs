//! Reading the audit trail; [`Tx::audit`](crate::Tx) writes it.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::functions::{organisation_ref, settled_position};
use crate::organisations::{Reference, to_limit};
use crate::schema::audit_events;
use crate::tx::Conn;
use crate::types::Json;
use crate::{Page, Result};

/// Something that somebody did.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct AuditEvent {
    pub id: i64,
    pub occurred_at: DateTime<Utc>,
    pub actor_id: Option<Uuid>,
    /// Name of the person, unless they were erased.
    pub actor_name: Option<String>,
    pub client_id: Option<String>,
    pub organisation_id: Option<Uuid>,
    pub organisation: Option<Json<Reference>>,
    pub request_id: String,
    pub operation: String,
    pub object_type: String,
    pub object_id: Uuid,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub position: i64,
}

/// Where an event stands in the order that readers follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Of its transaction.
    pub position: i64,
    /// Its id.
    pub id: i64,
}

/// Which events a list has; those that match everything that is given.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "named after the columns")]
pub struct Filter {
    /// Concerning these organisations, or done on their behalf.
    pub organisations: Option<Vec<Uuid>>,
    pub object_types: Vec<String>,
    pub object_ids: Vec<Uuid>,
    pub actor_ids: Vec<Uuid>,
    pub client_ids: Vec<String>,
    pub operations: Vec<String>,
    pub request_ids: Vec<String>,
    /// From this moment on.
    pub occurred_from: Option<DateTime<Utc>>,
    /// Before this moment.
    pub occurred_before: Option<DateTime<Utc>>,
    /// After this event, in the order that readers follow; only what is settled.
    pub after: Option<Position>,
}

/// Order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// The newest first.
    Newest,
    /// As readers follow it, and only what is settled: nothing will ever appear before what was read.
    Position,
}

/// One page of those that match.
pub fn list(
    conn: &mut Conn<'_>,
    filter: &Filter,
    sort: Sort,
    cursor: Option<Position>,
    limit: usize,
) -> Result<Page<AuditEvent, Position>> {
    let mut query = filtered(filter).limit(to_limit(limit));
    query = match sort {
        Sort::Newest => query.order(audit_events::id.desc()),
        Sort::Position => query
            .filter(audit_events::position.lt(settled_position()))
            .order((audit_events::position, audit_events::id)),
    };
    if let Some(cursor) = cursor {
        query = match sort {
            Sort::Newest => query.filter(audit_events::id.lt(cursor.id)),
            Sort::Position => behind(query, cursor),
        };
    }
    let found: Vec<AuditEvent> = query.select(columns()).load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| Position { position: last.position, id: last.id }))
}

/// One event.
pub fn find(conn: &mut Conn<'_>, id: i64) -> Result<AuditEvent> {
    Ok(audit_events::table.find(id).select(columns()).first(conn.pg)?)
}

type Boxed = audit_events::BoxedQuery<'static, Pg>;

fn behind(query: Boxed, Position { position, id }: Position) -> Boxed {
    query
        .filter(audit_events::position.ge(position))
        .filter(audit_events::position.gt(position).or(audit_events::id.gt(id)))
}

fn filtered(filter: &Filter) -> Boxed {
    let mut query = audit_events::table.into_boxed();
    if let Some(organisations) = &filter.organisations {
        query = query.filter(audit_events::organisation_id.eq_any(organisations.clone()));
    }
    macro_rules! any_of {
        ($($wanted:ident in $column:ident),+) => {
            $(if !filter.$wanted.is_empty() {
                query = query.filter(audit_events::$column.eq_any(filter.$wanted.clone()));
            })+
        };
    }
    any_of!(
        object_types in object_type, object_ids in object_id, actor_ids in actor_id, client_ids in client_id,
        operations in operation, request_ids in request_id
    );
    if let Some(from) = filter.occurred_from {
        query = query.filter(audit_events::occurred_at.ge(from));
    }
    if let Some(before) = filter.occurred_before {
        query = query.filter(audit_events::occurred_at.lt(before));
    }
    if let Some(after) = filter.after {
        query = behind(query, after).filter(audit_events::position.lt(settled_position()));
    }
    query
}

type Columns = (
    audit_events::id,
    audit_events::occurred_at,
    audit_events::actor_id,
    diesel::expression::SqlLiteral<Nullable<Text>>,
    audit_events::client_id,
    audit_events::organisation_id,
    organisation_ref<audit_events::organisation_id>,
    audit_events::request_id,
    audit_events::operation,
    audit_events::object_type,
    audit_events::object_id,
    audit_events::before,
    audit_events::after,
    audit_events::position,
);

fn columns() -> Columns {
    (
        audit_events::id,
        audit_events::occurred_at,
        audit_events::actor_id,
        // The trail itself holds no names.
        sql("(select display_name from users where users.id = actor_id and erased_at is null)"),
        audit_events::client_id,
        audit_events::organisation_id,
        organisation_ref(audit_events::organisation_id),
        audit_events::request_id,
        audit_events::operation,
        audit_events::object_type,
        audit_events::object_id,
        audit_events::before,
        audit_events::after,
        audit_events::position,
    )
}
