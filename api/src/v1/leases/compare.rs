//! How a lease differs from its template: `/leases/{id}/compare`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use db::lease_templates::content::{self, Content};
use db::lease_templates::versions::{self, Number};
use db::leases::deviations::{self, Deviation};
use db::leases::{self, Lease, Sight};
use db::organisations::Key;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{LeasePath, terms};
use crate::app::App;
use crate::auth::Caller;
use crate::http::etag::{IfNoneMatchHeader, digest, tagged};
use crate::http::{Path, Query, Single};
use crate::lease::compare::{self, ClauseDifference};
use crate::lease::page;
use crate::lease::terms::{LeftOut, Wording, wording};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::lease_templates::compare::{LeaseClauseComparison, LeaseComparisonPage, number_in};
use crate::v1::lease_templates::wire::LeaseTemplateVersionReference;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![compare_lease, render_lease_comparison]
}

/// With what to compare.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct CompareLease {
    /// Number of another version of the template, such as a later one; without it, it is the one that the lease is made from.
    #[param(
        required = false,
        value_type = String,
        min_length = 5,
        max_length = 20,
        pattern = r"^(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})$",
        example = "1.2.0"
    )]
    number: Option<String>,
}

/// How a lease differs from a version of its template.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseDifference {
    /// The version that it is compared with.
    pub template: LeaseTemplateVersionReference,
    /// Every clause of both, in the order of the lease; one that it does not have stands behind what stood before it.
    #[schema(max_items = 1000)]
    pub clauses: Vec<LeaseClauseDifference>,
}

/// How a clause of a lease differs from that of a template, variables aside.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseClauseDifference {
    #[serde(flatten)]
    pub(crate) comparison: LeaseClauseComparison,
    /// Why the lease does not have it; null where it does.
    pub left_out: Option<LeaseOmission>,
    /// Why the lease deviates from it; null where it does not.
    #[schema(min_length = 1, max_length = 1000, pattern = r"^[^\u0000]+$", example = "The operator pays in quarters.")]
    pub reason: Option<String>,
}

/// Why a lease does not have a clause of its template. `deviation`: it leaves it out. `condition`: its conditions do not
/// hold. `parent`: it is part of one that the lease does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "condition")]
pub enum LeaseOmission {
    /// The lease leaves it out.
    Deviation,
    /// Its conditions do not hold.
    Condition,
    /// It is part of one that the lease does not have.
    Parent,
}

/// Compare a lease with its template
///
/// Clause by clause and word by word, with the reasons that were given. What is filled in is no difference.
#[utoipa::path(
    get, path = "/leases/{id}/compare", tag = "leases",
    params(LeasePath, CompareLease, IfNoneMatchHeader),
    security(("oauth2" = ["leases:read"]), ("bearer" = [])),
    responses((status = 200, body = LeaseDifference, description = "How it differs.")),
)]
async fn compare_lease(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    query: Query<CompareLease>,
) -> Result<impl Responder, Problem> {
    both(&app, &caller, id, query, |sides| {
        let told = |difference| sides.told(difference);
        let clauses = sides.differences().into_iter().map(told).collect();
        let mut template = LeaseTemplateVersionReference::from(sides.lease.template.0.clone());
        template.number.clone_from(&sides.number);
        Single::ok(LeaseDifference { template, clauses }, sides.lease.version)
    })
    .await
}

/// Compare a lease with its template, as a page
///
/// The same to read: HTML in which what was taken out is `del` and what was put in is `ins`.
#[utoipa::path(
    get, path = "/leases/{id}/compare.html", tag = "leases",
    params(LeasePath, CompareLease, IfNoneMatchHeader),
    security(("oauth2" = ["leases:read"]), ("bearer" = [])),
    responses((status = 200, body = LeaseComparisonPage, content_type = "text/html", description = "How it differs.")),
)]
async fn render_lease_comparison(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    query: Query<CompareLease>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let compared = both(&app, &caller, id, query, |sides| {
        let template = format!("{} {}", sides.lease.template.0.title, sides.number);
        let page = page::comparison(&sides.lease.state.title, &template, "the lease", &sides.differences(), &[]);
        (page.into_bytes(), sides.lease.version)
    });
    let (page, version) = compared.await?;
    let tag = format!("\"{version}-{}\"", digest(&page));
    Ok(tagged(&request, StatusCode::OK, "text/html; charset=utf-8", page, &tag))
}

/// What is compared.
struct Sides {
    lease: Lease,
    /// Number of the version.
    number: String,
    version: Content,
    wording: Wording,
    deviations: Vec<Deviation>,
}

impl Sides {
    fn differences(&self) -> Vec<ClauseDifference<'_>> {
        compare::clauses(&self.version.clauses, &self.wording.clauses)
    }

    fn told(&self, difference: ClauseDifference<'_>) -> LeaseClauseDifference {
        let comparison = LeaseClauseComparison::from(difference);
        let left_out = self.wording.left_out.get(&comparison.id).map(|why| match why {
            LeftOut::ByDeviation => LeaseOmission::Deviation,
            LeftOut::ByCondition => LeaseOmission::Condition,
            LeftOut::WithParent => LeaseOmission::Parent,
        });
        let deviation = self.deviations.iter().find(|deviation| deviation.clause_id == comparison.id);
        LeaseClauseDifference { left_out, reason: deviation.map(|deviation| deviation.reason.clone()), comparison }
    }
}

/// Reads a lease and a version, and tells how they differ, on the thread that read them.
async fn both<T: Send + 'static>(
    app: &App,
    caller: &Caller,
    id: Path<Uuid>,
    query: Query<CompareLease>,
    told: fn(&Sides) -> T,
) -> Result<T, Problem> {
    let (Path(id), Query(CompareLease { number })) = (id, query);
    let named: Option<Number> = number.as_deref().map(|number| number_in("number", number)).transpose()?;
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let lease = leases::find(conn, &Sight::new(roles), id)?;
        let own = content::content(conn, lease.version_id)?;
        let deviations = deviations::list(conn, lease.id)?;
        let terms = terms(conn, &own, &lease)?;
        let wording = wording(&own, &deviations, &terms);
        let (number, version) = match named {
            None => (lease.template.0.number.clone(), own),
            Some(number) => {
                let other = versions::read(conn, roles, &Key::Id(lease.template.0.template_id), number)?;
                (number.to_string(), content::content(conn, other.id)?)
            }
        };
        Ok::<_, Problem>(told(&Sides { lease, number, version, wording, deviations }))
    });
    read.await
}
