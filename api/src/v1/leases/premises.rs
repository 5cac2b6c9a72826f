//! The schedule of premises of a lease: `/leases/{id}/premises`.

use std::io::BufReader;

use actix_web::Responder;
use actix_web::web::Data;
use db::leases::premises::{self, Scheduled};
use db::leases::{self, Sight};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::wire::Lease;
use super::{LeasePath, drawn_up, shown};
use crate::app::App;
use crate::auth::Caller;
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::text::text;
use crate::http::upload::rewound;
use crate::http::{Collection, Cursor, IfMatch, Paging, Path, Query, Upload};
use crate::lease::schedule;
use crate::problem::Problem;
use crate::routes::Routes;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_lease_premises, put_lease_premises]
}

text! {
    /// Premises as CSV (RFC 4180) in UTF-8, with a header: the columns `uprn`, `usrn` and `description`, in any order. Other columns are passed over.
    PremisesCsv, 1 to 33_554_432, r"^[\s\S]", "uprn,usrn,description\n100023336956,20401234,Roof of Ferrier Point\n"
}

/// The whole schedule of a lease.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseSchedule {
    /// The premises, in their order, each once.
    #[schema(max_items = 10_000, example = json!([
        { "uprn": "100023336956", "usrn": "20401234", "description": "Roof of Ferrier Point" },
        { "usrn": "20401235", "description": "Lighting columns 1 to 12" },
    ]))]
    pub premises: Vec<LeasePremises>,
}

/// Premises of a lease: a property, a street, or a property in a street.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeasePremises {
    /// Its place in the schedule, from 1, which follows from the order; what a writer sends is passed over.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10_000, example = 1)]
    pub position: Option<i32>,
    /// Unique Property Reference Number.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 12, pattern = "^[0-9]{1,12}$", example = "100023336956")]
    pub uprn: Option<String>,
    /// Unique Street Reference Number. One of the two numbers is given.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 8, pattern = "^[0-9]{1,8}$", example = "20401234")]
    pub usrn: Option<String>,
    /// Which part of it, in words.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]+$",
        example = "Roof of Ferrier Point"
    )]
    pub description: Option<String>,
}

/// One page of the schedule of a lease.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeasePremisesPage {
    /// The premises on this page, in the order of the schedule.
    #[schema(max_items = 100)]
    pub items: Vec<LeasePremises>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// List the premises of a lease
///
/// In the order of its schedule.
#[utoipa::path(
    get, path = "/leases/{id}/premises", tag = "leases",
    params(LeasePath, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["leases:read"]), ("bearer" = [])),
    responses((status = 200, body = LeasePremisesPage, description = "A page of premises.")),
)]
async fn list_lease_premises(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    query: Query<Paging>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Query(paging)) = (id, query);
    let (limit, after): (_, Option<i32>) = (paging.limit(), paging.after()?);
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let lease = leases::find(conn, &Sight::new(roles), id)?;
        Ok::<_, Problem>(premises::list(conn, lease.id, after, limit)?)
    });
    let page = read.await?.map(LeasePremises::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: LeasePremisesPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Replace the premises of a draft
///
/// All of them, in their new order: at most 10,000, as CSV or JSON, for contributors of who draws up the lease. Each row
/// that is malformed or stands twice is told, and then none is taken. `If-Match` takes the tag of the lease.
#[utoipa::path(
    put, path = "/leases/{id}/premises", tag = "leases",
    params(LeasePath, IfMatchHeader),
    request_body(
        content((PremisesCsv = "text/csv"), (LeaseSchedule = "application/json")),
        description = "The premises.",
    ),
    security(("oauth2" = ["leases:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Lease, description = "The lease, with the number of its premises."),
        (status = 409, description = "It was issued."),
    ),
)]
async fn put_lease_premises(
    app: Data<App>,
    caller: Caller,
    ids: Path<Uuid>,
    if_match: IfMatch,
    upload: Upload,
) -> Result<impl Responder, Problem> {
    let (Path(id), Upload { media_type, file }) = (ids, upload);
    let changed = app.db.write(caller.actor()?, move |tx| {
        let current = drawn_up(tx, id)?;
        if_match.check(current.version)?;
        let wanted = schedule::read(&media_type, BufReader::new(rewound(&file)?)).map_err(Problem::invalid)?;
        Ok::<_, Problem>(shown(premises::put(tx, &current, &wanted)?))
    });
    changed.await
}

impl From<Scheduled> for LeasePremises {
    fn from(Scheduled { position, premises }: Scheduled) -> Self {
        let premises::Premises { uprn, usrn, description } = premises;
        Self {
            position: Some(position),
            uprn: uprn.map(|number| number.to_string()),
            usrn: usrn.map(|number| number.to_string()),
            description,
        }
    }
}
