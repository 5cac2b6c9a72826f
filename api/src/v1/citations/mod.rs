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
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader, OptionalIfMatch, OptionalIfMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::text::{OrganisationKey, ProductKey, Region, ServiceCode};
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::problem::Problem;
use crate::routes::Routes;
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

/// Order of a list of citations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = "-createdAt")]
pub enum CitationSort {
    /// Latest made first.
    #[serde(rename = "-createdAt")]
    Newest,
    /// Latest change first.
    #[serde(rename = "-updatedAt")]
    Updated,
}

/// Filters of the list of citations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListCitations {
    /// Organisation that cites, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organisation: Vec<String>,
    /// Product that is cited, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<ProductKey>)]
    product: Vec<String>,
    /// Supplier of what is cited, by id or slug.
    #[serde(default)]
    #[param(max_items = 20, required = false, inline, value_type = Vec<OrganisationKey>)]
    supplier: Vec<String>,
    /// Where they stand.
    #[serde(default)]
    #[param(max_items = 5, required = false, inline, value_type = Vec<CitationStatus>)]
    status: Vec<CitationStatus>,
    /// Who sees them.
    #[serde(default)]
    #[param(max_items = 3, required = false, inline, value_type = Vec<Visibility>)]
    visibility: Vec<Visibility>,
    /// Region of the organisation.
    #[serde(default)]
    #[param(max_items = 20, required = false, inline, value_type = Vec<Region>)]
    region: Vec<String>,
    /// Sort of organisation.
    #[serde(default)]
    #[param(max_items = 7, required = false, inline, value_type = Vec<OrganisationKind>)]
    kind: Vec<OrganisationKind>,
    /// Service code of what is cited.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<ServiceCode>)]
    service_code: Vec<String>,
    /// Changed at this time (UTC) or later.
    #[param(required = false, format = "date-time", value_type = String, example = "2026-11-01T00:00:00Z")]
    updated_since: Option<DateTime<Utc>>,
    /// Order; `-createdAt` when absent.
    #[param(inline, required = false, value_type = CitationSort)]
    sort: Option<CitationSort>,
    /// Whether to count the items of all pages as `total`, which takes longer.
    #[param(default = false, required = false, value_type = bool, example = true)]
    count: Option<bool>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

impl ListCitations {
    fn filter(&self) -> Filter {
        Filter {
            organisations: keys(&self.organisation),
            products: keys(&self.product),
            suppliers: keys(&self.supplier),
            statuses: self.status.clone(),
            visibilities: self.visibility.clone(),
            regions: self.region.clone(),
            kinds: self.kind.clone(),
            service_codes: self.service_code.clone(),
            updated_since: self.updated_since,
            ..Filter::default()
        }
    }

    fn sort(&self) -> Sort {
        match self.sort {
            None | Some(CitationSort::Newest) => Sort::Newest,
            Some(CitationSort::Updated) => Sort::Updated,
        }
    }

    fn after(&self) -> Result<Option<Position>, Problem> {
        let after = self.paging.after()?;
        let fits = match after {
            None => true,
            Some(Position::Newest(_)) => self.sort() == Sort::Newest,
            Some(Position::Updated(..)) => self.sort() == Sort::Updated,
        };
        if fits { Ok(after) } else { Err(Cursor::refused()) }
    }
}

fn keys(texts: &[String]) -> Vec<Key> {
    texts.iter().map(|text| Key::from(text.as_str())).collect()
}

/// Which citation.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct CitationPath {
    /// Id of the citation.
    #[param(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    id: Uuid,
}

/// List citations
///
/// Those that the caller sees: public ones for everybody, those for members for people and programs of public bodies,
/// and all of their own organisations, drafts and withdrawn ones included.
#[utoipa::path(
    get, path = "/citations", tag = "citations",
    params(ListCitations, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["citations:read"]), ("bearer" = [])),
    responses((status = 200, body = CitationPage, description = "A page of citations.")),
)]
async fn list_citations(
    app: Data<App>,
    caller: Caller,
    query: Query<ListCitations>,
) -> Result<impl Responder, Problem> {
    let Query(query) = query;
    let after = query.after()?;
    let read = caller.read(&app.db, move |conn, roles| {
        let (sight, filter) = (Sight::from(roles), query.filter());
        let page = list::list(conn, &sight, &filter, query.sort(), after, query.paging.limit())?;
        let counts = query.count.unwrap_or(false);
        let total = if counts { Some(list::count(conn, &sight, &filter)?) } else { None };
        Ok((page, total))
    });
    let (page, total) = read.await?;
    let next = page.next.as_ref().map(Cursor::write);
    let items = page.items.into_iter().map(Into::into).collect();
    Ok(Collection { page: CitationPage { items, next_cursor: next.clone(), total }, next })
}

/// Make a citation
///
/// For contributors of the organisation, which is a public body: suppliers do not cite. An organisation has one active
/// citation of a product.
#[utoipa::path(
    post, path = "/citations", tag = "citations",
    params(IdempotencyKeyHeader),
    request_body(content = CreateCitation, description = "The citation to make."),
    security(("oauth2" = ["citations:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Citation, description = "The citation, as made."),
        (status = 409, description = "The organisation cites the product already or has ended, or one of the two is not in the catalogue."),
    ),
)]
async fn create_citation(once: Once, body: Json<CreateCitation>) -> Result<impl Responder, Problem> {
    let Json(wanted) = body;
    let created = once.run(move |tx| {
        let (organisation_id, product_id) = parties(tx, &wanted)?;
        rules::may_cite(tx.roles(), organisation_id)?;
        let state = CitationState::from(wanted.facts.clone());
        let id = Uuid::now_v7();
        let created = citations::create(tx, id, organisation_id, product_id, wanted.status.into(), &state)?;
        let (version, path) = (created.row.version, path_of(&created));
        Ok(Single::created(Citation::from(created), version, path))
    });
    created.await
}

/// Who cites what; a fault for each that is not in the catalogue.
fn parties(tx: &mut Tx<'_>, wanted: &CreateCitation) -> Result<(Uuid, Uuid), Problem> {
    let organisation = [("/organisation".to_owned(), Key::from(wanted.organisation.as_str()))];
    let organisation = organisations::resolve(tx, &organisation);
    let product = products::id_of(&mut tx.conn(), &Key::from(wanted.product.as_str()));
    let unknown = || {
        let detail = "names no product: give the id or the slug of one that is in the catalogue";
        db::Fault::new("/product", "unknown_product", detail)
    };
    match (organisation, product) {
        (Ok(ids), Ok(product_id)) => Ok((ids.into_iter().next().unwrap_or_default(), product_id)),
        (Err(db::Error::Conflict(mut faults)), Err(db::Error::NotFound)) => {
            faults.push(unknown());
            Err(Problem::conflict(&faults))
        }
        (Ok(_), Err(db::Error::NotFound)) => Err(Problem::conflict(&[unknown()])),
        (Err(error), _) | (_, Err(error)) => Err(error.into()),
    }
}

/// Read a citation
///
/// Not found for those who do not see it.
#[utoipa::path(
    get, path = "/citations/{id}", tag = "citations",
    params(CitationPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["citations:read"]), ("bearer" = [])),
    responses((status = 200, body = Citation, description = "The citation.")),
)]
async fn get_citation(app: Data<App>, caller: Caller, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    let read = caller.read(&app.db, move |conn, roles| Ok(citations::find(conn, &Sight::from(roles), id)?));
    Ok(answer(read.await?))
}

/// Change a citation
///
/// For contributors of the organisation. What is said anew counts as confirmed. Where it stands changes by `confirm`,
/// `activate`, `end` and `withdraw`.
#[utoipa::path(
    patch, path = "/citations/{id}", tag = "citations",
    params(CitationPath, IfMatchHeader),
    request_body(
        content = UpdateCitation, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["citations:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Citation, description = "The citation, as changed."),
        (status = 409, description = "It was withdrawn."),
    ),
)]
async fn update_citation(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    let changed = app.db.write(caller.actor()?, move |tx| {
        let current = lock(tx, id)?;
        if_match.check(current.row.version)?;
        let facts = CitationFacts::from(current.row.state.clone());
        let wanted: ChangeableCitation = patch.apply(&ChangeableCitation { facts })?;
        Ok::<_, Problem>(citations::update(tx, &current, &wanted.facts.into())?)
    });
    Ok(answer(changed.await?))
}

/// Confirm a citation
///
/// Says that it still holds: one that was stale is active again. For contributors of the organisation.
#[utoipa::path(
    post, path = "/citations/{id}/confirm", tag = "citations",
    params(CitationPath, OptionalIfMatchHeader, IdempotencyKeyHeader),
    security(("oauth2" = ["citations:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Citation, description = "The citation, as confirmed."),
        (status = 409, description = "It is neither active nor stale."),
    ),
)]
async fn confirm_citation(once: Once, id: Path<Uuid>, if_match: OptionalIfMatch) -> Result<impl Responder, Problem> {
    act(once, id, if_match, citations::confirm).await
}

/// Confirm several citations
///
/// All of them or, when one cannot be confirmed, none.
#[utoipa::path(
    post, path = "/citations/confirm", tag = "citations",
    params(IdempotencyKeyHeader),
    request_body(content = ConfirmCitations, description = "Which."),
    security(("oauth2" = ["citations:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = CitationList, description = "The citations, as confirmed."),
        (status = 409, description = "One of them is not there, or neither active nor stale."),
    ),
)]
async fn confirm_citations(once: Once, body: Json<ConfirmCitations>) -> Result<impl Responder, Problem> {
    let Json(ConfirmCitations { ids }) = body;
    let confirmed = once.run(move |tx| {
        // In one order, whoever asks: two that confirm the same ones do not wait for each other in a circle.
        let mut ordered: Vec<(usize, Uuid)> = ids.iter().copied().enumerate().collect();
        ordered.sort_by_key(|(_, id)| *id);
        ordered.dedup_by_key(|(_, id)| *id);
        let (mut items, mut faults) = (Vec::with_capacity(ids.len()), Vec::new());
        for (index, id) in ordered {
            let outcome = lock(tx, id).and_then(|current| Ok(citations::confirm(tx, &current)?));
            match outcome {
                Ok(citation) => items.push((index, Citation::from(citation))),
                Err(problem) => faults.push(fault_at(index, problem)?),
            }
        }
        if !faults.is_empty() {
            return Err(Problem::conflict(&faults));
        }
        items.sort_by_key(|(index, _)| *index);
        Ok(Single::ok(CitationList { items: items.into_iter().map(|(_, citation)| citation).collect() }, 1))
    });
    confirmed.await
}

/// Why one of several was not done, with its place; what is no fault of that one ends the whole.
fn fault_at(index: usize, problem: Problem) -> Result<db::Fault, Problem> {
    let code = match problem.kind.status {
        404 => "not_found",
        409 => "out_of_turn",
        _ => return Err(problem),
    };
    Ok(db::Fault::new(format!("/ids/{index}"), code, problem.detail.clone()))
}

/// Activate a citation
///
/// Says what was a draft. For contributors of the organisation.
#[utoipa::path(
    post, path = "/citations/{id}/activate", tag = "citations",
    params(CitationPath, OptionalIfMatchHeader, IdempotencyKeyHeader),
    security(("oauth2" = ["citations:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Citation, description = "The citation, as said."),
        (status = 409, description = "It is no draft, or the organisation cites the product already or has ended."),
    ),
)]
async fn activate_citation(once: Once, id: Path<Uuid>, if_match: OptionalIfMatch) -> Result<impl Responder, Problem> {
    act(once, id, if_match, citations::activate).await
}

/// End a citation
///
/// The organisation uses the product no longer. For contributors of the organisation.
#[utoipa::path(
    post, path = "/citations/{id}/end", tag = "citations",
    params(CitationPath, OptionalIfMatchHeader, IdempotencyKeyHeader),
    request_body(content = EndCitation, description = "Since when it is over."),
    security(("oauth2" = ["citations:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Citation, description = "The citation, as ended."),
        (status = 409, description = "It is over already, or would end before it began."),
    ),
)]
async fn end_citation(
    once: Once,
    id: Path<Uuid>,
    if_match: OptionalIfMatch,
    body: Json<EndCitation>,
) -> Result<impl Responder, Problem> {
    let Json(EndCitation { until }) = body;
    act(once, id, if_match, move |tx, current| citations::end(tx, current, until)).await
}

/// Withdraw a citation
///
/// Takes it back: only the organisation sees it from then on. For contributors of the organisation, and for moderators.
#[utoipa::path(
    post, path = "/citations/{id}/withdraw", tag = "citations",
    params(CitationPath, OptionalIfMatchHeader, IdempotencyKeyHeader),
    security(("oauth2" = ["citations:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Citation, description = "The citation, as withdrawn."),
        (status = 409, description = "It was withdrawn already."),
    ),
)]
async fn withdraw_citation(once: Once, id: Path<Uuid>, if_match: OptionalIfMatch) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    let withdrawn = once.run(move |tx| {
        let current = citations::lock(tx, id)?;
        rules::may_withdraw_citation(tx.roles(), current.row.organisation_id)?;
        if_match.check(current.row.version)?;
        Ok(answer(citations::withdraw(tx, &current)?))
    });
    withdrawn.await
}

async fn act(
    once: Once,
    id: Path<Uuid>,
    if_match: OptionalIfMatch,
    step: impl Fn(&mut Tx<'_>, &citations::Citation) -> db::Result<citations::Citation> + Send + 'static,
) -> Result<actix_web::HttpResponse, Problem> {
    let Path(id) = id;
    let done = once.run(move |tx| {
        let current = lock(tx, id)?;
        if_match.check(current.row.version)?;
        Ok(answer(step(tx, &current)?))
    });
    done.await
}

/// A citation that the caller may change, locked.
fn lock(tx: &mut Tx<'_>, id: Uuid) -> Result<citations::Citation, Problem> {
    let current = citations::lock(tx, id)?;
    rules::may_cite(tx.roles(), current.row.organisation_id)?;
    Ok(current)
}

fn answer(citation: citations::Citation) -> Single<Citation> {
    let (version, path) = (citation.row.version, path_of(&citation));
    Single::ok(Citation::from(citation), version).with_link(&path, "self")
}

fn path_of(citation: &citations::Citation) -> String {
    format!("/v1/citations/{}", citation.row.id)
}
