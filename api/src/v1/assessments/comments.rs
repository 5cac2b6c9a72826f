//! What those who assess and those who assure say to each other: `/assessments/{id}/comments`.

use actix_web::Responder;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use db::Fault;
use db::assessments::comments::{self, Comment, NewComment};
use db::assessments::{self, Lock, responses};
use db::page::ById;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::{AssessmentPath, path_of, sight};
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::IfNoneMatchHeader;
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::text::ControlKey;
use crate::http::{Collection, Cursor, Json, Once, Paging, Path, Query, Single};
use crate::markdown;
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::people::PersonReference;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_assessment_comments, create_assessment_comment]
}

/// What somebody says of an assessment, to those who assess and those who assure.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentComment {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// When it was said (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// Id of the control about whose response it is; null for the whole.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000-\u0020\u007f]+$", example = "access-1")]
    pub control: Option<String>,
    /// Who said it; null once they were erased.
    pub author: Option<PersonReference>,
    /// Whether they assure it; else they are of its organisation.
    #[schema(example = true)]
    pub assures: bool,
    /// What they said, in Markdown.
    #[schema(
        min_length = 1,
        max_length = 10_000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Is this the list of **this** quarter?"
    )]
    pub body_markdown: String,
    /// The same as HTML that any page can show: without scripts, styles and images, links to http, https and mailto
    /// only.
    #[schema(
        read_only,
        max_length = 200_000,
        pattern = r"^[^\u0000]*$",
        example = "<p>Is this the list of <strong>this</strong> quarter?</p>\n"
    )]
    pub body_html: String,
}

/// Comment to make. It stays as it is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateAssessmentComment {
    /// Id of the control about whose response it is; the whole when absent.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000-\u0020\u007f]+$", example = "access-1")]
    pub control: Option<String>,
    /// What to say, in Markdown.
    #[schema(
        min_length = 1,
        max_length = 10_000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Is this the list of **this** quarter?"
    )]
    pub body_markdown: String,
}

/// One page of comments on an assessment.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentCommentPage {
    /// The comments on this page, the first before the others.
    #[schema(max_items = 100)]
    pub items: Vec<AssessmentComment>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Filters of the comments on an assessment.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListAssessmentComments {
    /// Id of the control about whose response they are.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<ControlKey>)]
    control: Vec<String>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// List the comments on an assessment
///
/// The first before the others.
#[utoipa::path(
    get, path = "/assessments/{id}/comments", tag = "assessments",
    params(AssessmentPath, ListAssessmentComments, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["assessments:read"]), ("bearer" = [])),
    responses((status = 200, body = AssessmentCommentPage, description = "A page of comments.")),
)]
async fn list_assessment_comments(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    query: Query<ListAssessmentComments>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Query(ListAssessmentComments { control, paging }), actor) = (id, query, caller.actor()?);
    let (limit, after): (_, Option<ById>) = (paging.limit(), paging.after()?);
    let of = sight(&actor);
    let read = app.db.read_as(actor, move |conn, roles| {
        let assessment = assessments::find(conn, &of(roles), id)?;
        Ok::<_, Problem>(comments::list(conn, assessment.id, &control, after, limit)?)
    });
    let page = read.await?.map(AssessmentComment::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: AssessmentCommentPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Comment on an assessment
///
/// Or on one of its responses, for contributors of the organisation and those who are named to assure it.
#[utoipa::path(
    post, path = "/assessments/{id}/comments", tag = "assessments",
    params(AssessmentPath, IdempotencyKeyHeader),
    request_body(content = CreateAssessmentComment, description = "The comment to make."),
    security(("oauth2" = ["assessments:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = AssessmentComment, description = "The comment, as made."),
        (status = 409, description = "The checklist has no such control."),
    ),
)]
async fn create_assessment_comment(
    once: Once,
    id: Path<Uuid>,
    body: Json<CreateAssessmentComment>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Json(CreateAssessmentComment { control, body_markdown })) = (id, body);
    let made = once.run(move |tx| {
        let current = assessments::lock(tx, id, Lock::Shared)?;
        let assures = rules::may_comment_on_assessment(tx.roles(), tx.actor().principal, &current)?;
        let position = match &control {
            None => None,
            Some(control) => {
                let known = responses::positions(&mut tx.conn(), &current, std::slice::from_ref(control))?;
                let unknown = || {
                    let detail = "is no control of the checklist";
                    Problem::conflict(&[Fault::new("/control", "unknown_control", detail)])
                };
                Some(known.first().map(|(_, position)| *position).ok_or_else(unknown)?)
            }
        };
        let author_id = rules::person(tx.actor().principal)?;
        let new = NewComment { id: Uuid::now_v7(), position, author_id, assures };
        let made = comments::create(tx, &current, &new, &markdown::body(body_markdown.clone()))?;
        Ok(Single::created(AssessmentComment::from(made), 1, format!("{}/comments", path_of(id))))
    });
    made.await
}

impl From<Comment> for AssessmentComment {
    fn from(comment: Comment) -> Self {
        let Comment { id, created_at, control_id, author, assures, body_markdown, body_html, renderer } = comment;
        Self {
            id,
            created_at,
            control: control_id,
            author: author.map(|author| author.0.into()),
            assures,
            // What an earlier edition of the renderer made is made anew.
            body_html: if renderer == markdown::RENDERER { body_html } else { markdown::render(&body_markdown) },
            body_markdown,
        }
    }
}
