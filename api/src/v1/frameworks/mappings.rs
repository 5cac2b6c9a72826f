//! How the controls of a framework relate to those of others: `/frameworks/{id}/mappings`.

use std::collections::HashSet;

use actix_web::Responder;
use actix_web::web::Data;
use db::Fault;
use db::frameworks::mappings::{self, Filter, MOST, Mapping, Position, Relation, Relationship};
use db::frameworks::{self, FrameworkStatus, Sight};
use db::organisations::Key;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::wire::{Framework, FrameworkReference};
use super::{FrameworkPath, kept, shown};
use crate::app::App;
use crate::auth::Caller;
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::text::ControlKey;
use crate::http::{Collection, Cursor, IfMatch, Json, Paging, Path, Query};
use crate::problem::Problem;
use crate::routes::Routes;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_framework_mappings, put_framework_mappings]
}

/// That a control relates to a control of another framework.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrameworkMapping {
    /// The framework whose keeper says so.
    pub source: FrameworkReference,
    /// Id of its control.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000-\u0020\u007f]+$", example = "access-1")]
    pub source_control: String,
    /// How what that asks for relates to what the other does.
    pub relationship: Relationship,
    /// The other framework.
    pub target: FrameworkReference,
    /// Id of its control.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000-\u0020\u007f]+$", example = "B2.a")]
    pub target_control: String,
    /// What to bear in mind.
    #[schema(min_length = 1, max_length = 1000, pattern = r"^[^\u0000]+$", example = "Only for remote access.")]
    pub remarks: Option<String>,
}

/// One page of mappings.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrameworkMappingPage {
    /// The mappings on this page, by the controls that they are from.
    #[schema(max_items = 100)]
    pub items: Vec<FrameworkMapping>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// The mappings from the controls of a framework, all of them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct PutFrameworkMappings {
    /// The mappings, each pair of controls once.
    #[schema(max_items = 5000, example = json!([
        { "control": "access-1", "relationship": "subset", "target": "caf-for-local-government", "targetControl": "caf-b2.a" },
    ]))]
    pub mappings: Vec<NewFrameworkMapping>,
}

/// Mapping to make.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewFrameworkMapping {
    /// Id of a control of the framework.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000-\u0020\u007f]+$", example = "access-1")]
    pub control: String,
    /// How what it asks for relates to what the other does.
    pub relationship: Relationship,
    /// Id or slug of the other framework, which was published.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "caf-for-local-government"
    )]
    pub target: String,
    /// Id of its control.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000-\u0020\u007f]+$", example = "caf-b2.a")]
    pub target_control: String,
    /// What to bear in mind.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 1000, pattern = r"^[^\u0000]+$", example = "Only for remote access.")]
    pub remarks: Option<String>,
}

/// Filters of the mappings of a framework.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListFrameworkMappings {
    /// Id of a control of the framework.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<ControlKey>)]
    control: Vec<String>,
    /// The other framework, by id or slug.
    #[param(
        required = false, value_type = String, min_length = 1, max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "caf-for-local-government"
    )]
    with: Option<String>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// List how controls of a framework relate to others
///
/// Those from its controls, and those of other frameworks to them.
#[utoipa::path(
    get, path = "/frameworks/{id}/mappings", tag = "frameworks",
    params(FrameworkPath, ListFrameworkMappings, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["frameworks:read"]), ("bearer" = [])),
    responses((status = 200, body = FrameworkMappingPage, description = "A page of mappings.")),
)]
async fn list_framework_mappings(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    query: Query<ListFrameworkMappings>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Query(ListFrameworkMappings { control, with, paging })) = (key, query);
    let (limit, after): (_, Option<Position>) = (paging.limit(), paging.after()?);
    let page = caller.read(&app.db, move |conn, roles| {
        let framework = frameworks::find(conn, &Sight::new(roles), &key)?;
        let with = match &with {
            None => None,
            // What is not there relates to nothing.
            Some(named) => match frameworks::id_of(conn, &Key::from(named.as_str())) {
                Err(db::Error::NotFound) => Some(Uuid::nil()),
                found => Some(found?),
            },
        };
        let filter = Filter { controls: control.clone(), with };
        Ok(mappings::list(conn, framework.id, &filter, after.as_ref(), limit)?)
    });
    let page = page.await?.map(FrameworkMapping::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: FrameworkMappingPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Replace how controls of a framework relate to others
///
/// All mappings from its controls, for contributors of the organisation that keeps it; to controls of other frameworks that
/// were published, as it was.
#[utoipa::path(
    put, path = "/frameworks/{id}/mappings", tag = "frameworks",
    params(FrameworkPath, IfMatchHeader),
    request_body(content = PutFrameworkMappings, description = "The mappings."),
    security(("oauth2" = ["frameworks:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Framework, description = "The framework."),
        (status = 409, description = "It is a draft, or a framework or a control is not there or is not published."),
    ),
)]
async fn put_framework_mappings(
    app: Data<App>,
    caller: Caller,
    ids: Path<Key>,
    if_match: IfMatch,
    body: Json<PutFrameworkMappings>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Json(PutFrameworkMappings { mappings: wanted })) = (ids, body);
    let changed = app.db.write(caller.actor()?, move |tx| {
        let current = kept(tx, &key)?;
        if_match.check(current.version)?;
        if current.status == FrameworkStatus::Draft {
            let detail = "Controls relate once their framework was published. This one is a draft.";
            return Err(Problem::conflict(&[Fault::new("/status", "out_of_turn", detail)]));
        }
        let relations = relations(tx, &current, &wanted)?;
        Ok::<_, Problem>(shown(mappings::put(tx, &current, &relations)?))
    });
    changed.await
}

/// What is wanted, by ids; else all that names nothing, or what it should not.
fn relations(
    tx: &mut db::Tx<'_>,
    current: &frameworks::Framework,
    wanted: &[NewFrameworkMapping],
) -> Result<Vec<Relation>, Problem> {
    let sight = Sight::new(tx.roles());
    let mut targets: Vec<(&str, Option<Uuid>)> = Vec::new();
    let mut relations = Vec::with_capacity(wanted.len().min(MOST));
    let mut faults = Vec::new();
    for (index, mapping) in wanted.iter().enumerate() {
        let known = targets.iter().find(|(key, _)| *key == mapping.target).map(|(_, id)| *id);
        let target = if let Some(target) = known {
            target
        } else {
            let target = match frameworks::find(&mut tx.conn(), &sight, &Key::from(mapping.target.as_str())) {
                Ok(found) => Some(found.id).filter(|id| *id != current.id && found.status != FrameworkStatus::Draft),
                Err(db::Error::NotFound) => None,
                Err(other) => return Err(other.into()),
            };
            targets.push((&mapping.target, target));
            target
        };
        match target {
            Some(target_framework_id) => relations.push(Relation {
                framework_id: current.id,
                item_id: mapping.control.clone(),
                target_framework_id,
                target_item_id: mapping.target_control.clone(),
                relationship: mapping.relationship,
                remarks: mapping.remarks.clone(),
            }),
            None => faults.push(Fault::new(
                format!("/mappings/{index}/target"),
                "unknown_framework",
                "names no other framework that was published",
            )),
        }
    }
    if !faults.is_empty() {
        faults.truncate(100);
        return Err(Problem::conflict(&faults));
    }
    let asked: HashSet<(Uuid, String)> = relations
        .iter()
        .flat_map(|relation| {
            [(current.id, relation.item_id.clone()), (relation.target_framework_id, relation.target_item_id.clone())]
        })
        .collect();
    let asked: Vec<(Uuid, String)> = asked.into_iter().collect();
    let known: HashSet<(Uuid, String)> = mappings::known_controls(&mut tx.conn(), &asked)?.into_iter().collect();
    let mut met = HashSet::new();
    for (index, relation) in relations.iter().enumerate() {
        let mut fault = |field: &str, code: &'static str, detail: &'static str| {
            faults.push(Fault::new(format!("/mappings/{index}/{field}"), code, detail));
        };
        if !known.contains(&(current.id, relation.item_id.clone())) {
            fault("control", "unknown_control", "names no control of the framework");
        }
        if !known.contains(&(relation.target_framework_id, relation.target_item_id.clone())) {
            fault("targetControl", "unknown_control", "names no control of the other framework");
        }
        if !met.insert((&relation.item_id, relation.target_framework_id, &relation.target_item_id)) {
            fault("targetControl", "repeated", "stands before with the same control");
        }
    }
    faults.truncate(100);
    if faults.is_empty() { Ok(relations) } else { Err(Problem::conflict(&faults)) }
}

impl From<Mapping> for FrameworkMapping {
    fn from(Mapping { relation, source, target }: Mapping) -> Self {
        let Relation { framework_id: _, item_id, target_framework_id: _, target_item_id, relationship, remarks } =
            relation;
        Self {
            source: source.0.into(),
            source_control: item_id,
            relationship,
            target: target.0.into(),
            target_control: target_item_id,
            remarks,
        }
    }
}
