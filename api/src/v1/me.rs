//! `/me`: who the caller is, as the service knows them.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use db::organisations::Reference;
use db::people::{self, PlatformRole};
use db::{Conn, Principal, Role, clients, erasures, memberships, personal_data};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use crate::app::App;
use crate::auth::Caller;
use crate::erasure_ledger;
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader, camel_case};
use crate::http::text::Scope;
use crate::http::{IfMatch, Patch, Single};
use crate::merge_patch;
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::organisations::wire::OrganisationReference;

/// The operations on oneself.
#[must_use]
pub fn routes() -> Routes {
    routes![get_me, update_me, delete_me, export_me]
}

/// Who calls.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// Id of the person or client.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// Whether it is a person or a program.
    pub kind: CallerKind,
    /// Name that others see.
    #[schema(
        min_length = 1,
        max_length = 120,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Sam Steward"
    )]
    pub display_name: String,
    /// E-mail address of a person, once a provider that may speak for its domain asserted it; null for a program.
    #[schema(
        min_length = 3,
        max_length = 254,
        pattern = r"^[^@\s\u0000-\u001f]+@[^@\s\u0000-\u001f]+$",
        example = "sam@hackney.example"
    )]
    pub email: Option<String>,
    /// Roles over the whole platform.
    #[schema(max_items = 10)]
    pub platform_roles: Vec<PlatformRole>,
    /// Roles in organisations: those that the token is for.
    #[schema(max_items = 1000)]
    pub memberships: Vec<OwnMembership>,
    /// Scopes of the token.
    #[schema(max_items = 100, value_type = Vec<Scope>)]
    pub scopes: Vec<String>,
}

/// Sort of caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "person")]
pub enum CallerKind {
    /// A person.
    Person,
    /// A program of an organisation: an OAuth client.
    Client,
}

/// The caller's role in an organisation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnMembership {
    /// Id of the membership; null for a program.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Option<Uuid>,
    /// The organisation.
    pub organisation: OrganisationReference,
    /// The role there.
    pub role: Role,
}

/// What people may change of themselves, whole.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct ChangeableMe {
    /// Name that others see.
    #[schema(
        min_length = 1,
        max_length = 120,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Sam Steward"
    )]
    pub display_name: String,
}

/// Everything that is held of a person.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonalData {
    /// Whether `records` is all of it: of one kind it holds the newest 10 000.
    #[schema(example = true)]
    pub complete: bool,
    /// The records, by kind.
    #[schema(max_items = 200_000)]
    pub records: Vec<PersonalRecord>,
}

/// One thing that is held of a person.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonalRecord {
    /// What it is: `account`, `identity`, `membership` and so on.
    #[schema(min_length = 1, max_length = 60, pattern = "^[a-z][a-z0-9_]*$", example = "account")]
    pub kind: String,
    /// What is held in it.
    #[schema(max_items = 100)]
    pub fields: Vec<PersonalField>,
}

/// A value that is held of a person.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonalField {
    /// Name of the field.
    #[schema(min_length = 1, max_length = 60, pattern = "^[a-z][A-Za-z0-9]*$", example = "displayName")]
    pub name: String,
    /// Its value, of the field's own type; null when it has none.
    #[schema(example = "Sam Steward")]
    pub value: Value,
}

merge_patch! {
    /// Change to oneself, as a JSON merge patch (RFC 7396): only what is to change.
    UpdateMe of ChangeableMe
}

/// Read who you are
///
/// As the service knows you, with what your token says.
#[utoipa::path(
    get, path = "/me", tag = "me",
    params(IfNoneMatchHeader),
    security(("oauth2" = ["profile"]), ("bearer" = [])),
    responses((status = 200, body = Me, description = "Who calls.")),
)]
async fn get_me(app: Data<App>, caller: Caller) -> Result<impl Responder, Problem> {
    let actor = caller.actor()?;
    let (principal, scopes) = (actor.principal, caller.scopes());
    let only = actor.organisation_id;
    let read = app.db.read_as(actor, move |conn, _| describe(conn, principal, only, scopes.iter().cloned().collect()));
    let me = read.await?;
    let version = me.version;
    Ok(Single::ok(me, version).with_link("/v1/me", "self"))
}

/// Change who you are
///
/// For people: the name that others see.
#[utoipa::path(
    patch, path = "/me", tag = "me",
    params(IfMatchHeader),
    request_body(content = UpdateMe, content_type = "application/merge-patch+json", description = "The fields to change."),
    security(("oauth2" = ["profile"]), ("bearer" = [])),
    responses((status = 200, body = Me, description = "Who calls, as changed.")),
)]
async fn update_me(app: Data<App>, caller: Caller, if_match: IfMatch, patch: Patch) -> Result<impl Responder, Problem> {
    let actor = caller.actor()?;
    let (principal, scopes) = (actor.principal, caller.scopes());
    let only = actor.organisation_id;
    let changed = app.db.write(actor, move |tx| {
        let Principal::Person(id) = principal else {
            return Err(Problem::forbidden("A client is changed by its organisation, under /v1/clients."));
        };
        let current = people::lock(tx, id).map_err(unknown)?;
        if_match.check(current.version)?;
        let wanted: ChangeableMe = patch.apply(&ChangeableMe { display_name: current.display_name.clone() })?;
        people::rename(tx, &current, &wanted.display_name)?;
        describe(&mut tx.conn(), principal, only, scopes.iter().cloned().collect())
    });
    let me = changed.await?;
    let version = me.version;
    Ok(Single::ok(me, version).with_link("/v1/me", "self"))
}

/// Erase yourself
///
/// For people, and for good: your name, addresses, identities, memberships, roles and invitations go, and your tokens
/// end. What you wrote stays, as that of an erased person; the audit trail keeps your id, which then says nothing. An
/// organisation may be left without an administrator: the platform's administrators give it another. When you sign in
/// again later, you are somebody new.
#[utoipa::path(
    delete, path = "/me", tag = "me",
    params(IfMatchHeader),
    security(("oauth2" = ["profile"]), ("bearer" = [])),
    responses((status = 204, description = "Erased.")),
)]
async fn delete_me(app: Data<App>, caller: Caller, if_match: IfMatch) -> Result<impl Responder, Problem> {
    let actor = caller.actor()?;
    let id = actor.principal.user_id().ok_or_else(not_a_person)?;
    let seal = app.seal.clone().ok_or_else(|| Problem::unavailable("no encryption key is loaded"))?;
    let erased = app.db.write(actor, move |tx| {
        let current = people::lock(tx, id).map_err(unknown)?;
        if_match.check(current.version)?;
        Ok::<_, Problem>(erasures::erase(tx, &current, &|name| seal.pseudonym(name))?)
    });
    erased.await?;
    app.tokens.forget();
    erasure_ledger::catch_up(&app.db, app.config.erasure_ledger_file.as_deref()).await;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Read everything that is held of you
///
/// For people: every record that is theirs or names them, whichever organisation it is in. Of answers that are kept
/// under an `Idempotency-Key` it says that there are some, not what they are: they were given to you already.
#[utoipa::path(
    get, path = "/me/export", tag = "me",
    params(IfNoneMatchHeader),
    security(("oauth2" = ["profile"]), ("bearer" = [])),
    responses((status = 200, body = PersonalData, description = "What is held of the caller.")),
)]
async fn export_me(app: Data<App>, caller: Caller) -> Result<impl Responder, Problem> {
    let actor = caller.actor()?;
    let id = actor.principal.user_id().ok_or_else(not_a_person)?;
    let read = app.db.read_as(actor, move |conn, _| {
        let (person, _) = people::find(conn, id).map_err(unknown)?;
        Ok::<_, Problem>((person.version, personal_data::export(conn, id)?))
    });
    let (version, (records, complete)) = read.await?;
    let records = records.into_iter().map(Into::into).collect();
    Ok(Single::ok(PersonalData { complete, records }, version).with_link("/v1/me/export", "self"))
}

impl From<personal_data::Record> for PersonalRecord {
    fn from(record: personal_data::Record) -> Self {
        let personal_data::Record { kind, fields } = record;
        let field = |(name, value): (&str, Value)| PersonalField { name: camel_case(name), value };
        Self { kind: kind.to_owned(), fields: fields.into_iter().map(field).collect() }
    }
}

fn not_a_person() -> Problem {
    Problem::forbidden("A client is no person; its organisation manages it, under /v1/clients.")
}

/// A token of somebody who was never added, or is gone.
fn unknown(error: db::Error) -> Problem {
    match error {
        db::Error::NotFound => Problem::invalid_token("Whoever the token speaks of is not known here."),
        other => other.into(),
    }
}

fn describe(conn: &mut Conn<'_>, principal: Principal, only: Option<Uuid>, scopes: Vec<String>) -> Result<Me, Problem> {
    match principal {
        Principal::Person(id) => describe_person(conn, id, only, scopes),
        Principal::Client(id) => {
            let clients::Client { row, organisation, .. } = clients::find(conn, id).map_err(unknown)?;
            Ok(Me {
                id,
                version: row.version,
                kind: CallerKind::Client,
                display_name: row.state.name,
                email: None,
                platform_roles: Vec::new(),
                memberships: vec![own_membership(None, organisation, row.state.role)],
                scopes,
            })
        }
        Principal::Operator => Err(Problem::internal("an operator calls over HTTP")),
    }
}

fn describe_person(conn: &mut Conn<'_>, id: Uuid, only: Option<Uuid>, scopes: Vec<String>) -> Result<Me, Problem> {
    let (person, platform_roles) = people::find(conn, id).map_err(unknown)?;
    let filter = memberships::Filter {
        visible: Some(Vec::new()),
        own: Some(id),
        organisations: only.map(|only| vec![only]),
        ..memberships::Filter::default()
    };
    let held = memberships::list(conn, &filter, None, 1000)?.items.into_iter();
    let own = |held: memberships::Membership| own_membership(Some(held.id), held.organisation.0, held.role);
    Ok(Me {
        id,
        version: person.version,
        kind: CallerKind::Person,
        display_name: person.display_name,
        email: person.email,
        platform_roles,
        memberships: held.map(own).collect(),
        scopes,
    })
}

fn own_membership(id: Option<Uuid>, organisation: Reference, role: Role) -> OwnMembership {
    OwnMembership { id, organisation: organisation.into(), role }
}
