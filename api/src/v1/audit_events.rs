//! `/audit-events`: who did what, for those who answer for it.

use actix_web::Responder;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use db::audit::{self, Filter, Position, Sort};
use db::organisations::{self, Key};
use db::{Role, Roles};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfNoneMatchHeader, camel_case};
use crate::http::text::{ClientIdentifier, ObjectType, OperationId, OrganisationKey, RequestIdentifier};
use crate::http::{Collection, Cursor, Paging, Path, Query, Single};
use crate::problem::{Fault, Problem};
use crate::routes::Routes;
use crate::v1::organisations::wire::OrganisationReference;

/// The operations on the audit trail.
#[must_use]
pub fn routes() -> Routes {
    routes![list_audit_events, get_audit_event]
}

/// Something that somebody did: an entry of the audit trail, which nobody changes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// Identifier, a number that rises.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 4711)]
    pub id: i64,
    /// When it was done (UTC): the start of the transaction.
    #[schema(example = "2026-11-23T09:30:00Z")]
    pub occurred_at: DateTime<Utc>,
    /// The person who did it; null for a program of an organisation and for operators.
    pub actor: Option<AuditActor>,
    /// The OAuth client that carried the request; null for operators.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "loti-token")]
    pub client_id: Option<String>,
    /// The organisation that it concerns, or on whose behalf it was done.
    pub organisation: Option<OrganisationReference>,
    /// `X-Request-Id` of the request, or the command that an operator ran.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\u0000-\u001f\u007f]+$",
        example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11"
    )]
    pub request_id: String,
    /// `operationId` of what was called, or the command.
    #[schema(min_length = 1, max_length = 60, pattern = "^[a-z][a-z0-9_]*$", example = "update_product")]
    pub operation: String,
    /// What was done to the object.
    pub action: AuditAction,
    /// What sort of object it was done to.
    #[schema(min_length = 1, max_length = 60, pattern = "^[a-z][a-z0-9_]*$", example = "products")]
    pub object_type: String,
    /// The object.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub object_id: Uuid,
    /// What differs: the fields that were set, changed or, with the object, removed.
    #[schema(max_items = 100)]
    pub changes: Vec<FieldChange>,
    /// Where it stands in the order that readers follow: give the last one that you have as `after` to go on from there.
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9_-]+$", example = "eyJwIjoxfQ")]
    pub position: String,
}

/// Person who did something.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditActor {
    /// Their id.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Their name; null once they were erased.
    #[schema(min_length = 1, max_length = 120, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "Sam Steward")]
    pub name: Option<String>,
}

/// What was done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "changed")]
pub enum AuditAction {
    /// It was added.
    Created,
    /// It was changed.
    Changed,
    /// It was removed.
    Removed,
}

/// One field, before and after.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// Name of the field.
    #[schema(min_length = 1, max_length = 60, pattern = "^[a-z][A-Za-z0-9]*$", example = "summary")]
    pub field: String,
    /// Its value before, of the field's own type; null when it had none.
    #[schema(example = "Bin days.")]
    pub before: Value,
    /// Its value after.
    #[schema(example = "Tells residents their bin day.")]
    pub after: Value,
}

/// One page of audit events.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEventPage {
    /// The events on this page.
    #[schema(max_items = 100)]
    pub items: Vec<AuditEvent>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Order of a list of audit events: the newest first, or as readers follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = "position")]
pub enum AuditSort {
    /// The newest first.
    #[serde(rename = "-id")]
    Newest,
    /// As readers follow it: the oldest first, and only events that nothing can appear before any more.
    #[serde(rename = "position")]
    Position,
}

/// Filters of the list of audit events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListAuditEvents {
    /// Organisation that it concerns, or on whose behalf it was done, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organisation: Vec<String>,
    /// Sort of object, such as `products`.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<ObjectType>)]
    object_type: Vec<String>,
    /// Object.
    #[serde(default)]
    #[param(max_items = 50, required = false, example = json!(["0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11"]))]
    object_id: Vec<Uuid>,
    /// Person who did it.
    #[serde(default)]
    #[param(max_items = 50, required = false, example = json!(["0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11"]))]
    actor_id: Vec<Uuid>,
    /// OAuth client that carried the request.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<ClientIdentifier>)]
    client_id: Vec<String>,
    /// `operationId` of what was called.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OperationId>)]
    operation: Vec<String>,
    /// `X-Request-Id` of the request.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<RequestIdentifier>)]
    request_id: Vec<String>,
    /// Done at this moment or later.
    #[param(required = false, value_type = DateTime<Utc>, example = "2026-11-23T09:30:00Z")]
    occurred_from: Option<DateTime<Utc>>,
    /// Done before this moment.
    #[param(required = false, value_type = DateTime<Utc>, example = "2026-11-24T09:30:00Z")]
    occurred_before: Option<DateTime<Utc>>,
    /// `position` of an event: only those after it, in the order that readers follow, of which none is missed.
    #[param(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9_-]+$", required = false, value_type = String, example = "eyJwIjoxfQ")]
    after: Option<String>,
    /// Order; `-id` when absent.
    #[param(inline, required = false, value_type = AuditSort)]
    sort: Option<AuditSort>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which audit event.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct AuditEventPath {
    /// Id of the audit event.
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 4711)]
    id: i64,
}

/// List audit events
///
/// Administrators of an organisation see what concerns it or was done on its behalf; administrators of the platform see
/// all. To follow the trail, ask with `sort=position`, page to the end, and later go on with the `position` of the last
/// event as `after`.
#[utoipa::path(
    get, path = "/audit-events", tag = "audit",
    params(ListAuditEvents, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["audit:read"]), ("bearer" = [])),
    responses((status = 200, body = AuditEventPage, description = "A page of audit events.")),
)]
async fn list_audit_events(
    app: Data<App>,
    caller: Caller,
    query: Query<ListAuditEvents>,
) -> Result<impl Responder, Problem> {
    let Query(query) = query;
    let (sort, limit) = (query.order(), query.paging.limit());
    let cursor: Option<Position> = query.paging.after()?;
    let (filter, keys) = (query.filter()?, query.organisations());
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        rules::may_read_audit(roles)?;
        let asked = if keys.is_empty() { None } else { Some(organisations::known(conn, &keys)?) };
        let filter = Filter { organisations: among(roles, asked), ..filter.clone() };
        Ok::<_, Problem>(audit::list(conn, &filter, sort, cursor, limit)?)
    });
    let page = read.await?;
    let next = page.next.as_ref().map(Cursor::write);
    let items = page.items.into_iter().map(Into::into).collect();
    Ok(Collection { page: AuditEventPage { items, next_cursor: next.clone() }, next })
}

/// The organisations whose events are shown, out of those asked for; `None` for all there are, and for those of none.
fn among(roles: &Roles, asked: Option<Vec<Uuid>>) -> Option<Vec<Uuid>> {
    if roles.administers() {
        return asked;
    }
    let own = roles.with(Role::Admin).map(|membership| membership.organisation_id);
    Some(own.filter(|id| asked.as_ref().is_none_or(|asked| asked.contains(id))).collect())
}

/// Read an audit event
///
/// For those who see it in the list.
#[utoipa::path(
    get, path = "/audit-events/{id}", tag = "audit",
    params(AuditEventPath, IfNoneMatchHeader),
    security(("oauth2" = ["audit:read"]), ("bearer" = [])),
    responses((status = 200, body = AuditEvent, description = "The audit event.")),
)]
async fn get_audit_event(app: Data<App>, caller: Caller, id: Path<i64>) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let found = audit::find(conn, id)?;
        rules::may_see_audit_event(roles, found.organisation_id)?;
        Ok::<_, Problem>(found)
    });
    let found = read.await?;
    let path = format!("/v1/audit-events/{}", found.id);
    // It never changes: the first version is the only one.
    Ok(Single::ok(AuditEvent::from(found), 1).with_link(&path, "self"))
}

impl ListAuditEvents {
    fn filter(&self) -> Result<Filter, Problem> {
        let after = Cursor::read(self.after.as_deref()).map_err(|_| {
            Problem::invalid([Fault::parameter("after", "wrong_position", "must be the `position` of an audit event")])
        })?;
        Ok(Filter {
            organisations: None,
            object_types: self.object_type.clone(),
            object_ids: self.object_id.clone(),
            actor_ids: self.actor_id.clone(),
            client_ids: self.client_id.clone(),
            operations: self.operation.clone(),
            request_ids: self.request_id.clone(),
            occurred_from: self.occurred_from,
            occurred_before: self.occurred_before,
            after,
        })
    }

    fn organisations(&self) -> Vec<Key> {
        self.organisation.iter().map(|key| Key::from(key.as_str())).collect()
    }

    fn order(&self) -> Sort {
        match self.sort {
            None | Some(AuditSort::Newest) => Sort::Newest,
            Some(AuditSort::Position) => Sort::Position,
        }
    }
}

impl From<audit::AuditEvent> for AuditEvent {
    fn from(event: audit::AuditEvent) -> Self {
        let audit::AuditEvent {
            id,
            occurred_at,
            actor_id,
            actor_name,
            client_id,
            organisation_id: _,
            organisation,
            request_id,
            operation,
            object_type,
            object_id,
            before,
            after,
            position,
        } = event;
        let action = match (&before, &after) {
            (None, _) => AuditAction::Created,
            (_, None) => AuditAction::Removed,
            _ => AuditAction::Changed,
        };
        Self {
            id,
            occurred_at,
            actor: actor_id.map(|id| AuditActor { id, name: actor_name }),
            client_id,
            organisation: organisation.map(|organisation| organisation.0.into()),
            request_id,
            operation,
            action,
            object_type,
            object_id,
            changes: changes(before, after),
            position: Cursor::write(&Position { position, id }),
        }
    }
}

fn changes(before: Option<Value>, after: Option<Value>) -> Vec<FieldChange> {
    let fields = |state: Option<Value>| match state {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let (mut before, mut after) = (fields(before), fields(after));
    let names: std::collections::BTreeSet<String> = before.keys().chain(after.keys()).cloned().collect();
    let change = |name: String| FieldChange {
        before: before.remove(&name).unwrap_or_default(),
        after: after.remove(&name).unwrap_or_default(),
        field: camel_case(&name),
    };
    names.into_iter().map(change).collect()
}
