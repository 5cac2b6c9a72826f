//! Reports across what organisations have: `/reports`.

use actix_web::Responder;
use actix_web::web::Data;
use db::leases::adoption::{self, Adoption, Departure, Filter, TimeToAgree, Use};
use db::organisations::Key;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Caller;
use crate::http::Query;
use crate::http::etag::{IfNoneMatchHeader, whole};
use crate::http::text::{LeaseTemplateKey, OrganisationKey};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::lease_templates::wire::LeaseTemplateVersionReference;
use crate::v1::organisations::wire::OrganisationReference;

/// The operations on reports.
#[must_use]
pub fn routes() -> Routes {
    routes![get_lease_adoption]
}

/// Which leases a report is about.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct GetLeaseAdoption {
    /// Template that they are made from, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<LeaseTemplateKey>)]
    template: Vec<String>,
    /// Organisation that draws them up, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organisation: Vec<String>,
}

/// Who uses which version of a template, who is behind, and where leases depart from it. Of leases that were issued and
/// are not void.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseAdoption {
    /// Who uses which version, the most leases first.
    #[schema(max_items = 1000)]
    pub adoption: Vec<LeaseUse>,
    /// Those of them that have leases which have not ended, of a version that is not the latest.
    #[schema(max_items = 1000)]
    pub behind: Vec<LeaseUse>,
    /// From which clauses leases depart, those first from which most do.
    #[schema(max_items = 1000)]
    pub deviations: Vec<LeaseDeparture>,
    /// How long it took from issue until all parties agreed.
    #[schema(max_items = 1000)]
    pub time_to_agreement: Vec<LeaseTimeToAgreement>,
}

/// How many leases an organisation has of a version.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseUse {
    /// Who draws them up.
    pub organisation: OrganisationReference,
    /// Which version of which template.
    pub template: LeaseTemplateVersionReference,
    /// The number of the version to use today in its place; null when it is that itself.
    #[schema(min_length = 5, max_length = 20, pattern = r"^[0-9]+\.[0-9]+\.[0-9]+$", example = "1.3.0")]
    pub later_version: Option<String>,
    /// How many leases.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 12)]
    pub leases: i64,
    /// How many of them have not ended.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 9)]
    pub live: i64,
    /// How many of them are in force.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 8)]
    pub in_force: i64,
}

/// How often leases depart from a clause.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseDeparture {
    /// Which version of which template.
    pub template: LeaseTemplateVersionReference,
    /// Id of the clause.
    #[schema(min_length = 1, max_length = 60, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "rent")]
    pub clause: String,
    /// Its heading.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "Rent")]
    pub heading: String,
    /// How many leases depart from it.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 5)]
    pub departing: i64,
    /// How many leases there are of that version.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 12)]
    pub leases: i64,
}

/// How long it takes to agree.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseTimeToAgreement {
    /// Which version of which template.
    pub template: LeaseTemplateVersionReference,
    /// How many leases were agreed.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 10)]
    pub leases: i64,
    /// Seconds from issue until the last of the parties agreed, on average.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 604_800)]
    pub average_seconds: i64,
}

/// Report how templates of leases are adopted
///
/// Over the leases that the caller's organisations draw up or are a party to, and over those made from the templates that
/// they keep: who keeps a template learns how many leases there are of it and from which clauses they depart, but not what
/// those say.
#[utoipa::path(
    get, path = "/reports/lease-adoption", tag = "leases",
    params(GetLeaseAdoption, IfNoneMatchHeader),
    security(("oauth2" = ["leases:read"]), ("bearer" = [])),
    responses((status = 200, body = LeaseAdoption, description = "The report.")),
)]
async fn get_lease_adoption(
    app: Data<App>,
    caller: Caller,
    query: Query<GetLeaseAdoption>,
    request: actix_web::HttpRequest,
) -> Result<impl Responder, Problem> {
    let Query(GetLeaseAdoption { template, organisation }) = query;
    let keys = |named: &[String]| named.iter().map(|key| Key::from(key.as_str())).collect();
    let filter = Filter { templates: keys(&template), organisations: keys(&organisation) };
    let read = app.db.read_as(caller.actor()?, move |conn, _| Ok::<_, Problem>(adoption::report(conn, &filter)?));
    let report = LeaseAdoption::from(read.await?);
    whole(&request, &report)
}

impl From<Adoption> for LeaseAdoption {
    fn from(Adoption { uses, departures, times }: Adoption) -> Self {
        let adoption: Vec<LeaseUse> = uses.into_iter().map(LeaseUse::from).collect();
        let is_behind = |used: &&LeaseUse| used.later_version.is_some() && used.live > 0;
        Self {
            behind: adoption.iter().filter(is_behind).cloned().collect(),
            adoption,
            deviations: departures.into_iter().map(Into::into).collect(),
            time_to_agreement: times.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Use> for LeaseUse {
    fn from(Use { organisation, template, later_version, leases, live, in_force }: Use) -> Self {
        Self { organisation: organisation.0.into(), template: template.0.into(), later_version, leases, live, in_force }
    }
}

impl From<Departure> for LeaseDeparture {
    fn from(Departure { template, clause, heading, departing, leases }: Departure) -> Self {
        Self { template: template.0.into(), clause, heading, departing, leases }
    }
}

impl From<TimeToAgree> for LeaseTimeToAgreement {
    fn from(TimeToAgree { template, leases, seconds }: TimeToAgree) -> Self {
        Self { template: template.0.into(), leases, average_seconds: seconds }
    }
}
