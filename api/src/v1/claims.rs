//! `/claims`: how a supplier's people come to speak for it, once a moderator agrees.

use actix_web::Responder;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use db::claims::{self, ClaimStatus, Filter, NewClaim};
use db::organisations::{self, Key};
use db::page::ById;
use db::quotas::CLAIMS_OF_PERSON;
use db::{Principal, Role, Roles, Tx};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfNoneMatchHeader, OptionalIfMatch, OptionalIfMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::text::OrganisationKey;
use crate::http::{Collection, Cursor, Json, Once, Paging, Path, Query, Single};
use crate::middleware::limits::shared;
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::organisations::wire::OrganisationReference;

/// The operations on claims.
#[must_use]
pub fn routes() -> Routes {
    routes![list_claims, create_claim, get_claim, approve_claim, reject_claim, withdraw_claim]
}

/// Person's claim to speak for a supplier.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// When it was made (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// The supplier that is claimed.
    pub organisation: OrganisationReference,
    /// Its Companies House number, as the claimant gave it, in capitals.
    #[schema(min_length = 8, max_length = 8, pattern = "^([0-9]{2}|[A-Z]{2})[0-9]{6}$", example = "01234567")]
    pub company_number: String,
    /// Who claims; null once they were erased.
    pub claimant: Option<Claimant>,
    /// What they say to show that they speak for the supplier; null once they were erased.
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\u0000]+$",
        example = "I look after our listings; our website names me under Contact."
    )]
    pub statement: Option<String>,
    /// Where it stands.
    pub status: ClaimStatus,
    /// When it was approved or rejected (UTC); null for other claims.
    #[schema(example = "2026-11-24T09:30:00Z")]
    pub decided_at: Option<DateTime<Utc>>,
    /// Id of who approved or rejected it. Only moderators see it, null for others and for people who were erased.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub decided_by: Option<Uuid>,
    /// What the claimant is told with the decision.
    #[schema(min_length = 1, max_length = 2000, pattern = r"^[^\u0000]+$", example = "Welcome.")]
    pub note: Option<String>,
}

/// Person who claims. Only they themselves and moderators see a claim, and so this.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claimant {
    /// Their id.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Their name, as they chose to show it.
    #[schema(min_length = 1, max_length = 120, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "Sam Seller")]
    pub name: String,
    /// Their e-mail address, if one is known.
    #[schema(
        min_length = 3,
        max_length = 254,
        pattern = r"^[^@\s\u0000-\u001f]+@[^@\s\u0000-\u001f]+$",
        example = "sam@supplier.example"
    )]
    pub email: Option<String>,
}

/// Claim to make.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateClaim {
    /// Companies House number of the supplier.
    #[schema(min_length = 8, max_length = 8, pattern = "^([0-9]{2}|[A-Za-z]{2})[0-9]{6}$", example = "01234567")]
    pub company_number: String,
    /// Id or slug of the supplier, where the catalogue does not have its number yet: approval adds the number.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "civica")]
    pub organisation: Option<String>,
    /// What shows that you speak for the supplier. Moderators read it, nobody else.
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "I look after our listings; our website names me under Contact."
    )]
    pub statement: String,
}

/// Approval of a claim.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct ApproveClaim {
    /// Role that the claimant gets; when absent, admin in a supplier that has no administrator, else contributor.
    #[serde(default)]
    pub role: Option<Role>,
    /// What to tell the claimant.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 2000, pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$", example = "Welcome.")]
    pub note: Option<String>,
}

/// Rejection of a claim.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct RejectClaim {
    /// What to tell the claimant: why, and what would convince.
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Write from an address of the company, please."
    )]
    pub note: String,
}

/// Withdrawal of a claim, of which there is nothing to say.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[schema(example = json!({}))]
pub struct WithdrawClaim {}

/// One page of claims.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimPage {
    /// The claims on this page, the oldest first.
    #[schema(max_items = 100)]
    pub items: Vec<Claim>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Filters of the list of claims.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListClaims {
    /// Where they stand.
    #[serde(default)]
    #[param(max_items = 4, required = false, inline)]
    status: Vec<ClaimStatus>,
    /// Organisation, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organisation: Vec<String>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which claim.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct ClaimPath {
    /// Id of the claim.
    #[param(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    id: Uuid,
}

/// List claims
///
/// Those of the caller, the oldest first; moderators see everybody's.
#[utoipa::path(
    get, path = "/claims", tag = "claims",
    params(ListClaims, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["claims:read"]), ("bearer" = [])),
    responses((status = 200, body = ClaimPage, description = "A page of claims.")),
)]
async fn list_claims(app: Data<App>, caller: Caller, query: Query<ListClaims>) -> Result<impl Responder, Problem> {
    let Query(ListClaims { status, organisation, paging }) = query;
    let (limit, after): (_, Option<ById>) = (paging.limit(), paging.after()?);
    let keys: Vec<Key> = organisation.iter().map(|key| Key::from(key.as_str())).collect();
    let own = own(&caller);
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let filter = Filter {
            claimants: (!roles.moderates()).then(|| own.into_iter().collect()),
            organisations: if keys.is_empty() { None } else { Some(organisations::known(conn, &keys)?) },
            statuses: status.clone(),
        };
        let page = claims::list(conn, &filter, after, limit)?;
        Ok::<_, db::Error>(page.map(|claim| Claim::seen_by(roles, claim)))
    });
    let page = read.await.map_err(Problem::from)?;
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: ClaimPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Claim an organisation
///
/// For people of a supplier, who then edit its listings: a moderator decides. Ten a day for each person.
#[utoipa::path(
    post, path = "/claims", tag = "claims",
    params(IdempotencyKeyHeader),
    request_body(content = CreateClaim, description = "What is claimed, and by what right."),
    security(("oauth2" = ["claims:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Claim, description = "The claim, as made."),
        (status = 409, description = "The organisation is not in the catalogue, has ended, is no supplier or has another number, or the caller has an open claim to it or contributes for it already."),
    ),
)]
async fn create_claim(app: Data<App>, once: Once, body: Json<CreateClaim>) -> Result<impl Responder, Problem> {
    let Json(CreateClaim { company_number, organisation, statement }) = body;
    let Principal::Person(claimant_id) = once.caller().actor()?.principal else {
        return Err(Problem::forbidden("Only a person claims an organisation."));
    };
    shared(&app, CLAIMS_OF_PERSON, claimant_id.to_string()).await?;
    let company_number = company_number.to_ascii_uppercase();
    let named = organisation.map(|key| Key::from(key.as_str()));
    let created = once.run(move |tx| {
        let organisation_id = claims::claimable(tx, claimant_id, &company_number, named.as_ref())?;
        let (company_number, statement) = (company_number.clone(), statement.clone());
        let new = NewClaim { organisation_id, company_number, claimant_id, statement };
        let created = claims::create(tx, Uuid::now_v7(), &new)?;
        let claim = Claim::seen_by(tx.roles(), created);
        let (version, path) = (claim.version, claim.path());
        Ok(Single::created(claim, version, path))
    });
    created.await
}

/// Read a claim
///
/// For the claimant and for moderators.
#[utoipa::path(
    get, path = "/claims/{id}", tag = "claims",
    params(ClaimPath, IfNoneMatchHeader),
    security(("oauth2" = ["claims:read"]), ("bearer" = [])),
    responses((status = 200, body = Claim, description = "The claim.")),
)]
async fn get_claim(app: Data<App>, caller: Caller, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let (Path(id), own) = (id, own(&caller));
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let found = claims::find(conn, id)?;
        rules::may_see_claim(roles, own, &found)?;
        Ok::<_, Problem>(answer(roles, found))
    });
    read.await
}

/// Approve a claim
///
/// For moderators, but not of their own claims. The claimant becomes a member, and keeps a higher role that they have;
/// the organisation gets the Companies House number if it has none.
#[utoipa::path(
    post, path = "/claims/{id}/approve", tag = "claims",
    params(ClaimPath, OptionalIfMatchHeader, IdempotencyKeyHeader),
    request_body(content = ApproveClaim, description = "As what the claimant comes in."),
    security(("oauth2" = ["claims:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Claim, description = "The claim, as approved."),
        (status = 409, description = "It was decided or withdrawn already, or the organisation has ended, is no supplier any more or has another number by now."),
    ),
)]
async fn approve_claim(
    once: Once,
    id: Path<Uuid>,
    if_match: OptionalIfMatch,
    body: Json<ApproveClaim>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Json(ApproveClaim { role, note }), own) = (id, body, own(once.caller()));
    let approved = once.run(move |tx| {
        let current = to_decide(tx, id, own, &if_match)?;
        let approved = claims::approve(tx, &current, role, note.as_deref())?;
        Ok(answer(tx.roles(), approved))
    });
    approved.await
}

/// Reject a claim
///
/// For moderators, but not of their own claims. The claimant may make another.
#[utoipa::path(
    post, path = "/claims/{id}/reject", tag = "claims",
    params(ClaimPath, OptionalIfMatchHeader, IdempotencyKeyHeader),
    request_body(content = RejectClaim, description = "Why."),
    security(("oauth2" = ["claims:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Claim, description = "The claim, as rejected."),
        (status = 409, description = "It was decided or withdrawn already."),
    ),
)]
async fn reject_claim(
    once: Once,
    id: Path<Uuid>,
    if_match: OptionalIfMatch,
    body: Json<RejectClaim>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Json(RejectClaim { note }), own) = (id, body, own(once.caller()));
    let rejected = once.run(move |tx| {
        let current = to_decide(tx, id, own, &if_match)?;
        let rejected = claims::reject(tx, &current, &note)?;
        Ok(answer(tx.roles(), rejected))
    });
    rejected.await
}

/// Withdraw a claim
///
/// For the claimant, and for administrators of the platform who are asked to.
#[utoipa::path(
    post, path = "/claims/{id}/withdraw", tag = "claims",
    params(ClaimPath, OptionalIfMatchHeader, IdempotencyKeyHeader),
    request_body(content = WithdrawClaim, description = "An empty object."),
    security(("oauth2" = ["claims:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Claim, description = "The claim, as withdrawn."),
        (status = 409, description = "It was decided or withdrawn already."),
    ),
)]
async fn withdraw_claim(
    once: Once,
    id: Path<Uuid>,
    if_match: OptionalIfMatch,
    body: Json<WithdrawClaim>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Json(WithdrawClaim {}), own) = (id, body, own(once.caller()));
    let withdrawn = once.run(move |tx| {
        let current = seen(tx, id, own)?;
        rules::may_withdraw_claim(tx.roles(), own, &current)?;
        if_match.check(current.version)?;
        let withdrawn = claims::withdraw(tx, &current)?;
        Ok(answer(tx.roles(), withdrawn))
    });
    withdrawn.await
}

/// The person who calls, if it is one.
fn own(caller: &Caller) -> Option<Uuid> {
    caller.principal().and_then(Principal::user_id)
}

/// A claim that the caller may see, locked.
fn seen(tx: &mut Tx<'_>, id: Uuid, own: Option<Uuid>) -> Result<claims::Claim, Problem> {
    let current = claims::lock(tx, id)?;
    rules::may_see_claim(tx.roles(), own, &current)?;
    Ok(current)
}

/// A claim that the caller may decide about, locked.
fn to_decide(
    tx: &mut Tx<'_>,
    id: Uuid,
    own: Option<Uuid>,
    if_match: &OptionalIfMatch,
) -> Result<claims::Claim, Problem> {
    let current = seen(tx, id, own)?;
    rules::may_decide_claim(tx.roles(), own, &current)?;
    if_match.check(current.version)?;
    Ok(current)
}

fn answer(roles: &Roles, claim: claims::Claim) -> Single<Claim> {
    let claim = Claim::seen_by(roles, claim);
    let (version, path) = (claim.version, claim.path());
    Single::ok(claim, version).with_link(&path, "self")
}

impl Claim {
    fn path(&self) -> String {
        format!("/v1/claims/{}", self.id)
    }

    /// As somebody sees it, who may see it. Who decided is no business of the claimant's, who might press them.
    fn seen_by(roles: &Roles, claim: claims::Claim) -> Self {
        let claims::Claim {
            id,
            version,
            created_at,
            updated_at,
            organisation_id: _,
            organisation,
            company_number,
            claimant,
            statement,
            status,
            decided_by,
            decided_at,
            note,
        } = claim;
        Self {
            id,
            version,
            created_at,
            updated_at,
            organisation: organisation.0.into(),
            company_number,
            claimant: claimant.map(Into::into),
            statement,
            status,
            decided_at,
            decided_by: decided_by.filter(|_| roles.moderates()),
            note,
        }
    }
}

impl From<claims::Claimant> for Claimant {
    fn from(claims::Claimant { id, name, email }: claims::Claimant) -> Self {
        Self { id, name, email }
    }
}
