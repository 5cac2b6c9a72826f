//! `/organisations/{id}/review-queue`: what a steward has to look at.

use actix_web::Responder;
use actix_web::web::Data;
use db::assessments::Sight;
use db::citations::review::{self, Filter, Position, ReviewReason};
use db::organisations::{self, Key};
use db::{Conn, actions};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::wire::Citation;
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::IfNoneMatchHeader;
use crate::http::{Collection, Cursor, Paging, Path, Query};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::actions::Action;
use crate::v1::organisations::OrganisationPath;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_review_queue]
}

/// Citation to look at, and why.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewEntry {
    /// The citation.
    pub citation: Citation,
    /// Every reason there is.
    #[schema(min_items = 1, max_items = 3)]
    pub reasons: Vec<ReviewReason>,
}

/// One page of a review queue.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewPage {
    /// The citations on this page, those longest without confirmation first.
    #[schema(max_items = 100)]
    pub items: Vec<ReviewEntry>,
    /// Actions of the organisation that were to be done by a day that is over, those first that were due first. On the first
    /// page of the whole queue, for its own people, by a token with `assessments:read`; else none. The rest are at
    /// `/actions?overdue=true`.
    #[schema(max_items = 100)]
    pub overdue_actions: Vec<Action>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Filters of a review queue.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListReviewQueue {
    /// Why; any reason when absent.
    #[serde(default)]
    #[param(max_items = 3, required = false, inline, value_type = Vec<ReviewReason>)]
    reason: Vec<ReviewReason>,
    /// Days from today within which a contract that ends, ends soon.
    #[serde(default = "half_a_year")]
    #[param(minimum = 0, maximum = 3650, default = 180, required = false, value_type = i32, example = 180)]
    ends_within_days: i32,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

fn half_a_year() -> i32 {
    180
}

/// List what to review
///
/// For stewards of the organisation: its active citations that are stale, whose contract ends soon, or whose product is
/// in another phase since they were confirmed; and its actions that are overdue.
#[utoipa::path(
    get, path = "/organisations/{id}/review-queue", tag = "citations",
    params(OrganisationPath, ListReviewQueue, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["citations:read"]), ("bearer" = [])),
    responses((status = 200, body = ReviewPage, description = "A page of citations to look at.")),
)]
async fn list_review_queue(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    query: Query<ListReviewQueue>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Query(ListReviewQueue { reason, ends_within_days, paging })) = (key, query);
    let (limit, after): (_, Option<Position>) = (paging.limit(), paging.after()?);
    let actor = caller.actor()?;
    let (person, reads_actions) = (actor.principal.user_id(), caller.scopes().contains("assessments:read"));
    let read = app.db.read_as(actor, move |conn, roles| {
        let organisation_id = organisations::existing(conn, &key)?;
        rules::may_review(roles, organisation_id)?;
        let filter = Filter { reasons: reason.clone(), within_days: ends_within_days };
        let whole = reads_actions && reason.is_empty() && after.is_none();
        let late = if whole { overdue(conn, &Sight::new(roles, person), organisation_id, limit)? } else { Vec::new() };
        Ok::<_, Problem>((review::queue(conn, organisation_id, &filter, after, limit)?, late))
    });
    let (page, late) = read.await?;
    let next = page.next.as_ref().map(Cursor::write);
    let entry = |review::Entry { citation, reasons }| ReviewEntry { citation: citation.into(), reasons };
    Ok(Collection {
        page: ReviewPage {
            items: page.items.into_iter().map(entry).collect(),
            overdue_actions: late.into_iter().map(Action::from).collect(),
            next_cursor: next.clone(),
        },
        next,
    })
}

/// Actions of an organisation that are overdue, as far as they are seen.
fn overdue(conn: &mut Conn<'_>, sight: &Sight, organisation_id: Uuid, most: usize) -> db::Result<Vec<actions::Action>> {
    let organisations = vec![Key::Id(organisation_id)];
    let filter = actions::Filter { organisations, overdue: Some(true), ..actions::Filter::default() };
    Ok(actions::list(conn, sight, &filter, None, most)?.items)
}
