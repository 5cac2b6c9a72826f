//! Who agreed to a lease: `/leases/{id}/agreements`. A record of what was said, by whom and when; no electronic signature.

use actix_web::Responder;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use db::leases::agreements::{self, Agreement, NewAgreement};
use db::leases::{self, Sight};
use db::organisations;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{LeasePath, path_of};
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::IfNoneMatchHeader;
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::{Json, Once, Path, Single};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::organisations::wire::OrganisationReference;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![get_lease_agreements, create_lease_agreement]
}

/// The agreements to a lease.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseAgreements {
    /// The agreements, in the order in which they were recorded.
    #[schema(max_items = 20)]
    pub agreements: Vec<LeaseAgreement>,
}

/// That a party agreed to a lease. It records who said so and to what; it is no electronic signature.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseAgreement {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// For which party.
    pub organisation: OrganisationReference,
    /// Who agreed; null once who recorded it was erased.
    #[schema(min_length = 1, max_length = 120, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "Sam Steward")]
    pub signatory: Option<String>,
    /// As what.
    #[schema(
        min_length = 1,
        max_length = 120,
        pattern = r"^[^\u0000-\u001f\u007f]+$",
        example = "Director of Property"
    )]
    pub capacity: String,
    /// `sha256` of the document that they agreed to.
    #[schema(
        min_length = 64,
        max_length = 64,
        pattern = "^[0-9a-f]{64}$",
        example = "9f2c11aa04d15f0c8d7be1a94f3d8a21c6b0e47f9d325f0c8d7be1a94f3d8a21"
    )]
    pub document_sha256: String,
    /// When it was recorded (UTC).
    #[schema(read_only, example = "2026-12-02T15:00:00Z")]
    pub agreed_at: DateTime<Utc>,
}

/// Agreement to record.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateLeaseAgreement {
    /// Id or slug of the party.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-borough-of-hackney"
    )]
    pub organisation: String,
    /// Who agrees.
    #[schema(
        min_length = 1,
        max_length = 120,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Sam Steward"
    )]
    pub signatory: String,
    /// As what.
    #[schema(
        min_length = 1,
        max_length = 120,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Director of Property"
    )]
    pub capacity: String,
    /// `sha256` of the document that was read: nothing else is agreed to.
    #[schema(
        min_length = 64,
        max_length = 64,
        pattern = "^[0-9a-f]{64}$",
        example = "9f2c11aa04d15f0c8d7be1a94f3d8a21c6b0e47f9d325f0c8d7be1a94f3d8a21"
    )]
    pub document_sha256: String,
}

/// Read the agreements to a lease
///
/// Who agreed for which party, when, and to which document.
#[utoipa::path(
    get, path = "/leases/{id}/agreements", tag = "leases",
    params(LeasePath, IfNoneMatchHeader),
    security(("oauth2" = ["leases:read"]), ("bearer" = [])),
    responses((status = 200, body = LeaseAgreements, description = "The agreements.")),
)]
async fn get_lease_agreements(app: Data<App>, caller: Caller, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let lease = leases::find(conn, &Sight::new(roles), id)?;
        let agreements = agreements::list(conn, lease.id)?.into_iter().map(LeaseAgreement::from).collect();
        Ok::<_, Problem>(Single::ok(LeaseAgreements { agreements }, lease.version))
    });
    read.await
}

/// Record that a party agrees to a lease
///
/// For stewards of that party, to a lease that was issued, once each. When all of its parties agreed it is agreed, and in
/// force from its first day.
#[utoipa::path(
    post, path = "/leases/{id}/agreements", tag = "leases",
    params(LeasePath, IdempotencyKeyHeader),
    request_body(content = CreateLeaseAgreement, description = "Who agrees, for which party, and to what."),
    security(("oauth2" = ["leases:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = LeaseAgreement, description = "The agreement, as recorded."),
        (
            status = 409,
            description = "The lease is not open for agreement, the organisation is no party of it or agreed already, or the digest is of none of its documents."
        ),
    ),
)]
async fn create_lease_agreement(
    once: Once,
    id: Path<Uuid>,
    body: Json<CreateLeaseAgreement>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Json(wanted)) = (id, body);
    let recorded = once.run(move |tx| {
        let organisation_id = organisations::resolve_one(tx, "/organisation", &wanted.organisation)?;
        let current = leases::lock(tx, id)?;
        rules::may_agree_to_lease(tx.roles(), organisation_id)?;
        let CreateLeaseAgreement { organisation: _, signatory, capacity, document_sha256 } = wanted.clone();
        let new = NewAgreement { id: Uuid::now_v7(), organisation_id, signatory, capacity, document_sha256 };
        let recorded = agreements::create(tx, &current, &new)?;
        Ok(Single::created(LeaseAgreement::from(recorded), 1, format!("{}/agreements", path_of(id))))
    });
    recorded.await
}

impl From<Agreement> for LeaseAgreement {
    fn from(agreement: Agreement) -> Self {
        let Agreement { id, created_at, organisation, signatory, capacity, document_sha256 } = agreement;
        Self { id, organisation: organisation.0.into(), signatory, capacity, document_sha256, agreed_at: created_at }
    }
}
