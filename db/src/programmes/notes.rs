//! What people took down at a session.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use serde::Serialize;
use uuid::Uuid;

use crate::comments::Body;
use crate::events::Event;
use crate::organisations::to_limit;
use crate::page::ById;
use crate::schema::session_notes;
use crate::tx::{Conn, Tx};
use crate::{Page, Result};

/// A note.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Note {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub session_id: Uuid,
    pub author_id: Option<Uuid>,
    pub author_name: Option<String>,
    pub body_markdown: String,
    pub body_html: String,
    pub renderer: i16,
}

/// What is told of a note in the trail: no words.
#[derive(Serialize)]
struct NoteAudit {
    session_id: Uuid,
    version: i32,
}

/// One page of the notes of a session, the first before the others.
pub fn list(conn: &mut Conn<'_>, session_id: Uuid, after: Option<ById>, limit: usize) -> Result<Page<Note, ById>> {
    let mut query = session_notes::table.filter(session_notes::session_id.eq(session_id)).into_boxed();
    if let Some(ById { id }) = after {
        query = query.filter(session_notes::id.gt(id));
    }
    let query = query.order(session_notes::id).limit(to_limit(limit));
    Ok(Page::cut(query.select(columns()).load(conn.pg)?, limit, |last: &Note| ById { id: last.id }))
}

/// One note of a session.
pub fn find(conn: &mut Conn<'_>, session_id: Uuid, id: Uuid) -> Result<Note> {
    let query = session_notes::table.find(id).filter(session_notes::session_id.eq(session_id));
    Ok(query.select(columns()).first(conn.pg)?)
}

/// One note of a session, locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, session_id: Uuid, id: Uuid) -> Result<Note> {
    session_notes::table.find(id).select(session_notes::id).for_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), session_id, id)
}

/// Leaves a note.
pub fn create(tx: &mut Tx<'_>, id: Uuid, event: &Event, session_id: Uuid, author: Uuid, body: &Body) -> Result<Note> {
    diesel::insert_into(session_notes::table)
        .values((
            session_notes::id.eq(id),
            session_notes::session_id.eq(session_id),
            session_notes::author_id.eq(author),
            session_notes::body_markdown.eq(&body.markdown),
            session_notes::body_html.eq(&body.html),
            session_notes::renderer.eq(body.renderer),
        ))
        .execute(tx.pg)?;
    let created = find(&mut tx.conn(), session_id, id)?;
    audit(tx, event, None, Some(&created))?;
    Ok(created)
}

/// Says a locked note otherwise. When it says the same already nothing is written.
pub fn update(tx: &mut Tx<'_>, event: &Event, current: &Note, body: &Body) -> Result<Note> {
    if current.body_markdown == body.markdown {
        return Ok(current.clone());
    }
    diesel::update(session_notes::table.find(current.id))
        .set((
            session_notes::body_markdown.eq(&body.markdown),
            session_notes::body_html.eq(&body.html),
            session_notes::renderer.eq(body.renderer),
        ))
        .execute(tx.pg)?;
    let changed = find(&mut tx.conn(), current.session_id, current.id)?;
    audit(tx, event, Some(current), Some(&changed))?;
    Ok(changed)
}

/// Removes a locked note.
pub fn delete(tx: &mut Tx<'_>, event: &Event, current: &Note) -> Result<()> {
    diesel::delete(session_notes::table.find(current.id)).execute(tx.pg)?;
    audit(tx, event, Some(current), None)
}

fn audit(tx: &mut Tx<'_>, event: &Event, before: Option<&Note>, after: Option<&Note>) -> Result<()> {
    let Some(note) = after.or(before) else { return Ok(()) };
    let told = |note: &Note| NoteAudit { session_id: note.session_id, version: note.version };
    let (id, before, after) = (note.id, before.map(told), after.map(told));
    tx.audit_for(event.organiser_ids().next(), "session_notes", id, before.as_ref(), after.as_ref())
}

type Columns = (
    session_notes::id,
    session_notes::version,
    session_notes::created_at,
    session_notes::updated_at,
    session_notes::session_id,
    session_notes::author_id,
    SqlLiteral<Nullable<Text>>,
    session_notes::body_markdown,
    session_notes::body_html,
    session_notes::renderer,
);

fn columns() -> Columns {
    (
        session_notes::id,
        session_notes::version,
        session_notes::created_at,
        session_notes::updated_at,
        session_notes::session_id,
        session_notes::author_id,
        sql("(select display_name from users where users.id = session_notes.author_id and erased_at is null)"),
        session_notes::body_markdown,
        session_notes::body_html,
        session_notes::renderer,
    )
}
