//! Where a lease departs from its template: `/leases/{id}/deviations`.

use actix_web::Responder;
use actix_web::web::Data;
use db::lease_templates::content;
use db::leases::deviations::{self, Deviation};
use db::leases::{self, Sight};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{LeasePath, drawn_up};
use crate::app::App;
use crate::auth::Caller;
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::{IfMatch, Json, Path, Single};
use crate::lease::check;
use crate::problem::Problem;
use crate::routes::Routes;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![get_lease_deviations, put_lease_deviations]
}

/// Where a lease departs from its template.
#[derive(Debug, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct LeaseDeviations {
    /// The deviations, at most one from each clause.
    #[schema(max_items = 500, example = json!([
        { "clause": "rent", "body": "The rent is {{ rent }}, in quarters.", "reason": "The operator pays in quarters." },
        { "clause": "review", "reason": "The term is short." },
    ]))]
    pub deviations: Vec<LeaseDeviation>,
}

/// Deviation from a clause: other words for a negotiable one, or that an optional one is left out.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseDeviation {
    /// Id of the clause.
    #[schema(min_length = 1, max_length = 60, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "rent")]
    pub clause: String,
    /// What the lease says instead, written as clauses are; null where it leaves an optional clause out.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 20_000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "The rent is {{ rent }}, in quarters."
    )]
    pub body: Option<String>,
    /// Why.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "The operator pays in quarters."
    )]
    pub reason: String,
}

/// Read the deviations of a lease
///
/// From which clauses of its template it departs, how and why.
#[utoipa::path(
    get, path = "/leases/{id}/deviations", tag = "leases",
    params(LeasePath, IfNoneMatchHeader),
    security(("oauth2" = ["leases:read"]), ("bearer" = [])),
    responses((status = 200, body = LeaseDeviations, description = "The deviations.")),
)]
async fn get_lease_deviations(app: Data<App>, caller: Caller, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let lease = leases::find(conn, &Sight::new(roles), id)?;
        Ok::<_, Problem>(Single::ok(listed(deviations::list(conn, lease.id)?), lease.version))
    });
    read.await
}

/// Replace the deviations of a draft
///
/// All of them, for contributors of who draws up the lease. Fixed clauses stay as they are. `If-Match` takes the tag of
/// the lease or of its deviations.
#[utoipa::path(
    put, path = "/leases/{id}/deviations", tag = "leases",
    params(LeasePath, IfMatchHeader),
    request_body(content = LeaseDeviations, description = "The deviations."),
    security(("oauth2" = ["leases:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = LeaseDeviations, description = "The deviations."),
        (status = 409, description = "The lease was issued."),
    ),
)]
async fn put_lease_deviations(
    app: Data<App>,
    caller: Caller,
    ids: Path<Uuid>,
    if_match: IfMatch,
    body: Json<LeaseDeviations>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Json(LeaseDeviations { deviations: wanted })) = (ids, body);
    let wanted: Vec<Deviation> = wanted.into_iter().map(Deviation::from).collect();
    let changed = app.db.write(caller.actor()?, move |tx| {
        let current = drawn_up(tx, id)?;
        if_match.check(current.version)?;
        leases::check_draft(&current)?;
        let content = content::content(&mut tx.conn(), current.version_id)?;
        let faults = check::deviations(&content, &wanted);
        if !faults.is_empty() {
            return Err(Problem::invalid(faults));
        }
        let changed = deviations::put(tx, &current, &wanted)?;
        Ok(Single::ok(listed(deviations::list(&mut tx.conn(), id)?), changed.version))
    });
    changed.await
}

fn listed(deviations: Vec<Deviation>) -> LeaseDeviations {
    LeaseDeviations { deviations: deviations.into_iter().map(LeaseDeviation::from).collect() }
}

impl From<Deviation> for LeaseDeviation {
    fn from(Deviation { clause_id, body, reason }: Deviation) -> Self {
        Self { clause: clause_id, body, reason }
    }
}

impl From<LeaseDeviation> for Deviation {
    fn from(LeaseDeviation { clause, body, reason }: LeaseDeviation) -> Self {
        Self { clause_id: clause, body, reason }
    }
}
