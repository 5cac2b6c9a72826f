//! Controls that a checklist selects, `/checklists/{id}/controls`, and the OSCAL profile that it is, `/checklists/{id}/oscal`.

use std::io::BufReader;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use chrono::SecondsFormat;
use db::checklists::controls::{self, ChecklistControl as Row, Selected};
use db::checklists::{self, Checklist as Stored, ChecklistState as StoredState, Sight};
use db::frameworks::items;
use db::organisations::Key;
use db::types::{Json, Texts};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::wire::Checklist;
use super::{ChecklistPath, kept, selected, shown};
use crate::app::App;
use crate::auth::Caller;
use crate::compliance::selection;
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader, digest, tagged};
use crate::http::upload::rewound;
use crate::http::{Collection, Cursor, IfMatch, Paging, Path, Query, Upload};
use crate::oscal::document;
use crate::oscal::profile::{self, About, Profile};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::frameworks::controls::FrameworkControl;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_checklist_controls, get_checklist_oscal, put_checklist_oscal]
}

/// Control that a checklist selects.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChecklistControl {
    /// What the framework says.
    pub control: FrameworkControl,
    /// What who keeps the checklist adds to it.
    #[schema(
        min_length = 1,
        max_length = 5000,
        pattern = r"^[^\u0000]+$",
        example = "Ask HR for the list of leavers."
    )]
    pub guidance: Option<String>,
    /// How much it counts for.
    #[schema(minimum = 1, maximum = 100, example = 2)]
    pub weight: i32,
}

/// One page of controls that a checklist selects.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChecklistControlPage {
    /// The controls on this page, in the order of the framework.
    #[schema(max_items = 100)]
    pub items: Vec<ChecklistControl>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// An OSCAL profile. Of it the document says no more than that: what it consists of, NIST says.
pub struct OscalProfile;

impl PartialSchema for OscalProfile {
    fn schema() -> RefOr<Schema> {
        let what = "The profile (OSCAL 1.1 or later): `uuid`, `metadata`, one of `imports`, `merge`, `modify`, `back-matter`. All of it \
                 is kept. The properties `scoring`, `due-months` and `applies-to` of its metadata, and guidance and `weight` that it \
                 adds to controls, are fields of the checklist when they are in the namespace `https://api.loti.example/ns/oscal`.";
        let example = json!({
            "uuid": "3f2504e0-4f89-41d3-9a0c-0305e82c3302",
            "metadata": {
                "title": "Cyber baseline for councils", "version": "1.0", "oscal-version": "1.1.2",
                "last-modified": "2026-11-23T09:30:00Z",
            },
            "imports": [{ "href": "#catalog", "include-all": {} }],
        });
        document(
            "An OSCAL profile, as NIST describes it: \
                 <https://pages.nist.gov/OSCAL/reference/latest/profile/json-reference/>.",
            [("profile", what, example)],
        )
    }
}

impl ToSchema for OscalProfile {
    fn name() -> std::borrow::Cow<'static, str> {
        std::borrow::Cow::Borrowed("OscalProfile")
    }
}

/// Which page of the controls of a checklist.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListChecklistControls {
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// List the controls that a checklist selects
///
/// With what its keeper adds, in the order of the framework.
#[utoipa::path(
    get, path = "/checklists/{id}/controls", tag = "checklists",
    params(ChecklistPath, ListChecklistControls, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["checklists:read"]), ("bearer" = [])),
    responses((status = 200, body = ChecklistControlPage, description = "A page of controls.")),
)]
async fn list_checklist_controls(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    query: Query<ListChecklistControls>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Query(ListChecklistControls { paging })) = (key, query);
    let (limit, after): (_, Option<i32>) = (paging.limit(), paging.after()?);
    let page = caller.read(&app.db, move |conn, roles| {
        let checklist = checklists::find(conn, &Sight::new(roles), &key)?;
        Ok(controls::list(conn, checklist.id, after, limit)?)
    });
    let page = page.await?.map(ChecklistControl::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: ChecklistControlPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Read a checklist as OSCAL
///
/// A profile, with everything that came in. Groups that it selects stand as the ids of their controls, for which OSCAL has
/// a selector.
#[utoipa::path(
    get, path = "/checklists/{id}/oscal", tag = "checklists",
    params(ChecklistPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["checklists:read"]), ("bearer" = [])),
    responses((status = 200, body = OscalProfile, description = "The profile.")),
)]
async fn get_checklist_oscal(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (Path(key), base) = (key, app.config.public_url.clone());
    let read = caller.read(&app.db, move |conn, roles| {
        let checklist = checklists::find(conn, &Sight::new(roles), &key)?;
        let held = controls::selected(conn, checklist.id)?;
        let outline = items::outline(conn, checklist.state.framework_id)?;
        let about = About {
            id: checklist.id,
            title: checklist.state.title.clone(),
            edition: checklist.state.edition.clone(),
            last_modified: checklist.updated_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            catalog: format!("{base}/v1/frameworks/{}/oscal", checklist.state.framework_id),
        };
        let in_groups = |groups: &[String]| selection::in_groups(&outline, groups);
        Ok((checklist.version, profile::write(&as_profile(&checklist, &held), &about, in_groups)))
    });
    let (version, document) = read.await?;
    let body = serde_json::to_vec(&document).map_err(|error| Problem::internal(error.to_string()))?;
    let tag = format!("\"{version}-{}\"", digest(&body));
    Ok(tagged(&request, StatusCode::OK, "application/json", body, &tag))
}

fn as_profile(checklist: &Stored, held: &[Selected]) -> Profile {
    let StoredState { included, excluded, parameters, applies_to, due_months, scoring, profile, .. } =
        checklist.state.clone();
    Profile {
        included: included.0,
        excluded: excluded.0,
        parameters: parameters.0,
        adjustments: held.iter().map(super::wire::adjustment).collect(),
        applies_to: Some(applies_to.0),
        due_months,
        scoring: Some(scoring),
        rest: profile.0,
    }
}

/// Replace what a draft of a checklist selects
///
/// With an OSCAL profile in JSON, for contributors of the organisation that keeps it: which controls it includes and
/// excludes, values of parameters, and what is added to controls. Whatever its import refers to, the controls are those of
/// the framework of the checklist. `If-Match` takes the tag of the checklist or of its profile.
#[utoipa::path(
    put, path = "/checklists/{id}/oscal", tag = "checklists",
    params(ChecklistPath, IfMatchHeader),
    request_body(content = OscalProfile, description = "The profile."),
    security(("oauth2" = ["checklists:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Checklist, description = "The checklist, with the number of its controls."),
        (status = 409, description = "It was published, or the framework has no such control."),
    ),
)]
async fn put_checklist_oscal(
    app: Data<App>,
    caller: Caller,
    ids: Path<Key>,
    if_match: IfMatch,
    upload: Upload,
) -> Result<impl Responder, Problem> {
    let (Path(key), Upload { media_type: _, file }) = (ids, upload);
    let changed = app.db.write(caller.actor()?, move |tx| {
        let current = kept(tx, &key)?;
        let read = profile::read(BufReader::new(rewound(&file)?)).map_err(Problem::invalid)?;
        // What is wrong with the file is told whatever became of the checklist.
        if_match.check(current.version)?;
        checklists::check_draft(&current)?;
        let state = StoredState {
            included: Json(read.included),
            excluded: Json(read.excluded),
            parameters: Json(read.parameters),
            applies_to: read.applies_to.map_or_else(|| current.state.applies_to.clone(), Texts),
            due_months: read.due_months.or(current.state.due_months),
            scoring: read.scoring.unwrap_or(current.state.scoring),
            profile: Json(read.rest),
            ..current.state.clone()
        };
        let controls = selected(tx, &state, &read.adjustments)?;
        Ok::<_, Problem>(shown(checklists::update(tx, &current, &state, &controls)?))
    });
    changed.await
}

impl From<Row> for ChecklistControl {
    fn from(Row { selected, control }: Row) -> Self {
        let Selected { position: _, control_id: _, guidance, weight } = selected;
        Self { control: control.into(), guidance, weight }
    }
}
