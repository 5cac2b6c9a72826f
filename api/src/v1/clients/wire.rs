//! OAuth clients as they go over the wire.

use chrono::{DateTime, Utc};
use db::Role;
use db::clients::{self, ClientKind, ClientRow, ClientState, SecretRow};
use db::types::Texts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use crate::http::text::Scope;
use crate::merge_patch;
use crate::v1::organisations::wire::OrganisationReference;

/// Program of an organisation: an OAuth 2.0 client (RFC 6749) that fetches access tokens with its id and a secret.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// Identifier, UUIDv7; `client_id` at the token endpoint.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// When it was registered (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Whose it is.
    pub organisation: OrganisationReference,
    /// What it is for.
    pub kind: ClientKind,
    /// Its secrets; what they are is told only once, when they are made.
    #[schema(read_only, max_items = 2)]
    pub secrets: Vec<ClientSecret>,
    /// When a token was last fetched with one of its secrets, to within a minute (UTC); null for never.
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub last_used_at: Option<DateTime<Utc>>,
    #[serde(flatten)]
    pub(crate) facts: ClientFacts,
}

/// What may change of a client.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClientFacts {
    /// What its organisation calls it.
    #[schema(
        min_length = 1,
        max_length = 120,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Application register, nightly"
    )]
    pub name: String,
    /// Its role in the organisation, at most a steward's and at most that of who says so; a catalogue key is a viewer.
    #[serde(default = "viewer")]
    #[schema(default = "viewer")]
    pub role: Role,
    /// The widest scopes that its tokens may have, no wider than those of who says so; a catalogue key only reads.
    #[schema(min_items = 1, max_items = 50, value_type = Vec<Scope>)]
    pub scopes: Vec<String>,
    /// Until when it may fetch tokens (UTC); absent for as long as it is there.
    #[schema(example = "2027-11-23T09:30:00Z")]
    pub expires_at: Option<DateTime<Utc>>,
}

fn viewer() -> Role {
    Role::Viewer
}

/// Secret of a client, without the secret.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecret {
    /// 1 or 2: a client has two at most, so that one can be replaced while the other works.
    #[schema(minimum = 1, maximum = 2, format = Int32, value_type = i32, example = 1)]
    pub number: i16,
    /// When it was made (UTC).
    #[schema(example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// Until when it works (UTC); null for as long as the client.
    #[schema(example = "2027-11-23T09:30:00Z")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When a token was last fetched with it, to within a minute (UTC); null for never.
    #[schema(example = "2026-11-23T09:30:00Z")]
    pub last_used_at: Option<DateTime<Utc>>,
}

/// Client to register.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateClient {
    /// Id or slug of the organisation whose it is.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-borough-of-hackney"
    )]
    pub organisation: String,
    /// What it is for; it stays that.
    pub kind: ClientKind,
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) facts: ClientFacts,
}

/// What may change of a client, whole.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct ChangeableClient {
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) facts: ClientFacts,
}

merge_patch! {
    /// Change to a client, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateClient of ChangeableClient
}

/// Client that was registered just now, with its first secret.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewClient {
    #[serde(flatten)]
    pub(crate) client: Client,
    /// The secret, told this once: `client_secret` at the token endpoint. Only its SHA-256 is kept.
    #[schema(
        min_length = 102,
        max_length = 102,
        pattern = "^loti_[0-9a-f]{32}_[0-9a-f]{64}$",
        example = "loti_0192f0c17c1e7b438f6d2b1f0d6a9c11_5f0c8d7be1a94f3d8a21c6b0e47f9d325f0c8d7be1a94f3d8a21c6b0e47f9d32"
    )]
    pub secret: String,
}

/// Secret of a client that was made just now.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewClientSecret {
    #[serde(flatten)]
    pub(crate) facts: ClientSecret,
    /// The secret, told this once: `client_secret` at the token endpoint. Only its SHA-256 is kept.
    #[schema(
        min_length = 102,
        max_length = 102,
        pattern = "^loti_[0-9a-f]{32}_[0-9a-f]{64}$",
        example = "loti_0192f0c17c1e7b438f6d2b1f0d6a9c11_5f0c8d7be1a94f3d8a21c6b0e47f9d325f0c8d7be1a94f3d8a21c6b0e47f9d32"
    )]
    pub secret: String,
}

/// Secret to make.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateClientSecret {
    /// Until when it works (UTC); absent for as long as the client.
    #[schema(example = "2027-11-23T09:30:00Z")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// One page of clients.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientPage {
    /// The clients on this page, the oldest first.
    #[schema(max_items = 100)]
    pub items: Vec<Client>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

impl ClientFacts {
    pub(crate) fn state(&self, kind: ClientKind) -> ClientState {
        let Self { name, role, scopes, expires_at } = self.clone();
        ClientState { name, kind, role, scopes: Texts(scopes), expires_at }
    }
}

impl From<&ClientState> for ChangeableClient {
    fn from(state: &ClientState) -> Self {
        let ClientState { name, kind: _, role, scopes, expires_at } = state.clone();
        Self { facts: ClientFacts { name, role, scopes: scopes.0, expires_at } }
    }
}

impl From<clients::Client> for Client {
    fn from(clients::Client { row, organisation, secrets }: clients::Client) -> Self {
        let ClientRow { id, version, created_at, updated_at, organisation_id: _, created_by: _, state } = row;
        Self {
            id,
            version,
            created_at,
            updated_at,
            organisation: organisation.into(),
            kind: state.kind,
            last_used_at: secrets.iter().filter_map(|secret| secret.last_used_at).max(),
            secrets: secrets.into_iter().map(Into::into).collect(),
            facts: ChangeableClient::from(&state).facts,
        }
    }
}

impl From<SecretRow> for ClientSecret {
    fn from(row: SecretRow) -> Self {
        let SecretRow { client_id: _, slot, hash: _, created_at, expires_at, last_used_at } = row;
        Self { number: slot, created_at, expires_at, last_used_at }
    }
}
