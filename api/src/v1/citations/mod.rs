//! Citations: `/citations`, and what is seen across them: `/contracts`, figures, and what a steward has to look at.

mod contracts;
mod review;
mod statistics;
pub mod wire;

use actix_web::Responder;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use db::citations::list::{self, Filter, Position, Sort};
use db::citations::{self, CitationState, CitationStatus, Sight, Visibility};
use db::organisations::{self, Key, OrganisationKind};
use db::{Tx, products};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader, OptionalIfMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::text::{OrganisationKey, ProductKey, Region, ServiceCode};
use crate::http::{Collection, Cursor, IfMatch, Json, Once, OptionalIfMatch, Paging, Patch, Path, Query, Single};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::clients::CreateClientSecret as Nothing;
use wire::{
    ChangeableCitation, Citation, CitationFacts, CitationList, CitationPage, ConfirmCitations, CreateCitation,
    EndCitation, UpdateCitation,
};

/// The operations on citations.
#[must_use]
pub fn routes() -> Routes {
    routes![
        list_citations,
        create_citation,
        get_citation,
        update_citation,
        confirm_citation,
        confirm_citations,
        activate_citation,
        end_citation,
        withdraw_citation
    ]
    .merge(contracts::routes())
    .merge(review::routes())
    .merge(statistics::routes())
}
