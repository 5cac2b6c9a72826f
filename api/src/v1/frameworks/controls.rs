//! Controls of a framework, `/frameworks/{id}/controls`, and the OSCAL catalog of which they are made,
//! `/frameworks/{id}/oscal`.

use std::io::{BufReader, BufWriter};

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use db::frameworks::items::{self, Control, Filter, Grade, Group, Indicator, Item};
use db::frameworks::{self, Sight};
use db::organisations::Key;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::wire::Framework;
use super::{FrameworkPath, kept, shown};
use crate::app::App;
use crate::auth::Caller;
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::file::{digest, file};
use crate::http::upload::rewound;
use crate::http::{Collection, Cursor, IfMatch, Paging, Path, Query, Upload};
use crate::oscal::catalog;
use crate::oscal::document;
use crate::oscal::write::Writer;
use crate::problem::Problem;
use crate::routes::Routes;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_framework_controls, get_framework_oscal, put_framework_oscal]
}

/// Something to be met.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrameworkControl {
    /// Its id in the catalog. One that the source uses twice is qualified by what it is part of.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000-\u0020\u007f]+$", example = "ac-2")]
    pub id: String,
    /// What people call it; null where that is its id.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000]+$", example = "AC-2")]
    pub label: Option<String>,
    /// Its title; empty where it has none.
    #[schema(max_length = 1000, pattern = r"^[^\u0000]*$", example = "Account management")]
    pub title: String,
    /// The id of the control of which it is an enhancement; null when of none.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000-\u0020\u007f]+$", example = "ac-2")]
    pub parent: Option<String>,
    /// The innermost group that it is in; null when in none.
    pub group: Option<FrameworkGroup>,
    /// What it asks for, in Markdown, with parameters as `{{ insert: param, id }}`; null where it has no statement.
    #[schema(
        min_length = 1,
        max_length = 100_000,
        pattern = r"^[^\u0000]+$",
        example = "Accounts of leavers are closed on the day."
    )]
    pub statement: Option<String>,
    /// Statements that hold or not, by which it is graded: its parts named `assessment-objective` with a class of
    /// `achieved`, `partially-achieved` or `not-achieved`.
    #[schema(max_items = 1000)]
    pub indicators: Vec<ControlIndicator>,
}

/// Indicator of good practice.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlIndicator {
    /// Its id, which no other of the control has.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000]+$", example = "A1.a.5")]
    pub id: String,
    /// What people call it; null where that is its id.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000]+$", example = "A1.a.5")]
    pub label: Option<String>,
    /// Which grade it speaks for.
    pub grade: Grade,
    /// What holds or not.
    #[schema(max_length = 100_000, pattern = r"^[^\u0000]*$", example = "Somebody on the board answers for security.")]
    pub statement: String,
}

/// Group of controls.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrameworkGroup {
    /// Its id; null where it has none.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000-\u0020\u007f]+$", example = "ac")]
    pub id: Option<String>,
    /// What people call it; null where it says nothing.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000]+$", example = "AC")]
    pub label: Option<String>,
    /// Its title.
    #[schema(max_length = 1000, pattern = r"^[^\u0000]*$", example = "Access control")]
    pub title: String,
}

/// One page of controls.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrameworkControlPage {
    /// The controls on this page, in the order of the catalog.
    #[schema(max_items = 100)]
    pub items: Vec<FrameworkControl>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// An OSCAL catalog. Of it the document says no more than that: what it consists of, NIST says.
pub struct OscalCatalog;

impl PartialSchema for OscalCatalog {
    fn schema() -> RefOr<Schema> {
        let what = "The catalog (OSCAL 1.1 or later): `uuid`, `metadata`, `params`, `controls`, `groups`, `back-matter`. All of it \
                 is kept, but for the ids of items that have one id twice.";
        let example = json!({
            "uuid": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            "metadata": {
                "title": "Cyber baseline", "version": "1.0", "oscal-version": "1.1.2",
                "last-modified": "2026-11-23T09:30:00Z",
            },
            "groups": [{
                "id": "access", "title": "Access",
                "controls": [{
                    "id": "access-1", "title": "Leavers", "props": [{ "name": "label", "value": "A1" }],
                    "parts": [{ "id": "access-1_smt", "name": "statement", "prose": "Accounts of leavers are closed." }],
                }],
            }],
        });
        document(
            "An OSCAL catalog, as NIST describes it: \
                 <https://pages.nist.gov/OSCAL/reference/latest/catalog/json-reference/>.",
            [("catalog", what, example)],
        )
    }
}

impl ToSchema for OscalCatalog {
    fn name() -> std::borrow::Cow<'static, str> {
        std::borrow::Cow::Borrowed("OscalCatalog")
    }
}

/// Filters of the controls of a framework.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListFrameworkControls {
    /// Part of the id, the label, the title or the statement.
    #[param(
        required = false, value_type = String, min_length = 1, max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]+$", example = "leavers"
    )]
    q: Option<String>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// List the controls of a framework
///
/// In the order of its catalog, enhancements behind what they enhance.
#[utoipa::path(
    get, path = "/frameworks/{id}/controls", tag = "frameworks",
    params(FrameworkPath, ListFrameworkControls, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["frameworks:read"]), ("bearer" = [])),
    responses((status = 200, body = FrameworkControlPage, description = "A page of controls.")),
)]
async fn list_framework_controls(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    query: Query<ListFrameworkControls>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Query(ListFrameworkControls { q, paging })) = (key, query);
    let (limit, after): (_, Option<i32>) = (paging.limit(), paging.after()?);
    let filter = Filter { words: q };
    let page = caller.read(&app.db, move |conn, roles| {
        let framework = frameworks::find(conn, &Sight::new(roles), &key)?;
        Ok(items::controls(conn, framework.id, &filter, after, limit)?)
    });
    let page = page.await?.map(FrameworkControl::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: FrameworkControlPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Read a framework as OSCAL
///
/// The catalog with everything that came in. Read and sent again, it is the same.
#[utoipa::path(
    get, path = "/frameworks/{id}/oscal", tag = "frameworks",
    params(FrameworkPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["frameworks:read"]), ("bearer" = [])),
    responses(
        (status = 200, body = OscalCatalog, description = "The catalog."),
        (status = 409, description = "It has no catalog yet."),
    ),
)]
async fn get_framework_oscal(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Path(key) = key;
    let read = caller.read(&app.db, move |conn, roles| {
        let framework = frameworks::find(conn, &Sight::new(roles), &key)?;
        let envelope = frameworks::envelope(conn, framework.id)?;
        if envelope.is_empty() {
            let detail = "It has no catalog yet; its keeper sends one.";
            return Err(Problem::conflict(&[db::Fault::new("", "empty", detail)]));
        }
        let out = BufWriter::new(tempfile::tempfile().map_err(|error| unwritten(&error))?);
        let mut writer = Writer::new(out, &envelope).map_err(|error| unwritten(&error))?;
        items::each(conn, framework.id, |piece| {
            piece.iter().try_for_each(|item| writer.item(item)).map_err(|error| unwritten(&error))
        })?;
        let out = writer.finish().map_err(|error| unwritten(&error))?;
        let mut written = out.into_inner().map_err(|error| unwritten(error.error()))?;
        let (sha256, size) = digest(&mut written).map_err(|error| unwritten(&error))?;
        Ok((written, format!("\"{}-{sha256}\"", framework.version), size))
    });
    let (content, tag, size) = read.await?;
    Ok(file(&request, content, size, "application/json", &tag))
}

fn unwritten(error: &std::io::Error) -> Problem {
    Problem::unavailable(format!("a catalog cannot be written: {error}"))
}

/// Replace the catalog of a draft
///
/// With an OSCAL catalog in JSON, at most 32 MiB and 20,000 groups and controls, for contributors of the organisation that
/// keeps the framework. `If-Match` takes the tag of the framework or of its catalog.
#[utoipa::path(
    put, path = "/frameworks/{id}/oscal", tag = "frameworks",
    params(FrameworkPath, IfMatchHeader),
    request_body(content = OscalCatalog, description = "The catalog."),
    security(("oauth2" = ["frameworks:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Framework, description = "The framework, with the number of its controls."),
        (status = 409, description = "It was published."),
    ),
)]
async fn put_framework_oscal(
    app: Data<App>,
    caller: Caller,
    ids: Path<Key>,
    if_match: IfMatch,
    upload: Upload,
) -> Result<impl Responder, Problem> {
    let (Path(key), Upload { media_type: _, file }) = (ids, upload);
    let changed = app.db.write(caller.actor()?, move |tx| {
        let current = kept(tx, &key)?;
        let read = catalog::read(BufReader::new(rewound(&file)?)).map_err(Problem::invalid)?;
        // What is wrong with the file is told whatever became of the framework.
        if_match.check(current.version)?;
        Ok::<_, Problem>(shown(items::put(tx, &current, &read.envelope, &read.items)?))
    });
    changed.await
}

impl From<Control> for FrameworkControl {
    fn from(Control { item, group, parent_id }: Control) -> Self {
        let Item { position: _, parent_position: _, kind: _, item_id, label, title, prose, content: _, indicators } =
            item;
        Self {
            id: item_id.unwrap_or_default(),
            label,
            title,
            parent: parent_id,
            group: group.map(|group| group.0.into()),
            statement: prose,
            indicators: indicators.0.into_iter().map(ControlIndicator::from).collect(),
        }
    }
}

impl From<Indicator> for ControlIndicator {
    fn from(Indicator { id, label, grade, statement }: Indicator) -> Self {
        Self { id, label, grade, statement }
    }
}

impl From<Group> for FrameworkGroup {
    fn from(Group { id, label, title }: Group) -> Self {
        Self { id, label, title }
    }
}
