//! What those who assess and those who assure say to each other. It is added to only.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use super::Assessment;
use crate::comments::Body;
use crate::functions::person_ref;
use crate::organisations::to_limit;
use crate::page::ById;
use crate::people::PersonReference;
use crate::schema::{assessment_comments as comments, assessment_responses as responses};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::{Page, Result};

/// A comment.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Comment {
    pub id: Uuid,
    pub created_at: DateTime<Utc>,
    /// About which response, by the id of the control.
    pub control_id: Option<String>,
    pub author: Option<Json<PersonReference>>,
    pub assures: bool,
    pub body_markdown: String,
    pub body_html: String,
    pub renderer: i16,
}

/// What the trail has of a comment: no words.
#[derive(Serialize)]
struct CommentAudit {
    assessment_id: Uuid,
    position: Option<i32>,
}

/// One page of what was said about an assessment that is seen, the first before the others.
pub fn list(
    conn: &mut Conn<'_>,
    assessment_id: Uuid,
    controls: &[String],
    after: Option<ById>,
    limit: usize,
) -> Result<Page<Comment, ById>> {
    let mut query = comments::table
        .left_join(
            responses::table.on(responses::assessment_id
                .eq(comments::assessment_id)
                .and(responses::position.nullable().eq(comments::position))),
        )
        .filter(comments::assessment_id.eq(assessment_id))
        .into_boxed();
    if !controls.is_empty() {
        query = query.filter(responses::control_id.eq_any(controls.to_vec()));
    }
    if let Some(ById { id }) = after {
        query = query.filter(comments::id.gt(id));
    }
    let found: Vec<Comment> = query
        .order(comments::id)
        .limit(to_limit(limit))
        .select((
            comments::id,
            comments::created_at,
            responses::control_id.nullable(),
            person_ref(comments::author_id),
            comments::assures,
            comments::body_markdown,
            comments::body_html,
            comments::renderer,
        ))
        .load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| ById { id: last.id }))
}

/// A comment to make.
#[derive(Debug, Clone)]
pub struct NewComment {
    /// Its id.
    pub id: Uuid,
    /// About which response; the whole when none.
    pub position: Option<i32>,
    /// Who says it.
    pub author_id: Uuid,
    /// Whether they assure it.
    pub assures: bool,
}

/// Says something about an assessment.
pub fn create(tx: &mut Tx<'_>, about: &Assessment, new: &NewComment, body: &Body) -> Result<Comment> {
    diesel::insert_into(comments::table)
        .values((
            comments::id.eq(new.id),
            comments::assessment_id.eq(about.id),
            comments::position.eq(new.position),
            comments::author_id.eq(new.author_id),
            comments::assures.eq(new.assures),
            comments::body_markdown.eq(&body.markdown),
            comments::body_html.eq(&body.html),
            comments::renderer.eq(body.renderer),
        ))
        .execute(tx.pg)?;
    let told = CommentAudit { assessment_id: about.id, position: new.position };
    tx.audit_in(about.organisation_id, "assessment_comments", new.id, None, Some(&told))?;
    let just = ById { id: before(new.id) };
    let page = list(&mut tx.conn(), about.id, &[], Some(just), 1)?;
    page.items.into_iter().next().ok_or(crate::Error::NotFound)
}

/// The id just before another.
fn before(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128().saturating_sub(1))
}
