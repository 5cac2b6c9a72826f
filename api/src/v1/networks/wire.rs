//! Networks as they go over the wire.

use chrono::{DateTime, Utc};
use db::networks::{self, NetworkState};
use db::organisations::Reference;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use crate::merge_patch;
use crate::v1::organisations::wire::OrganisationReference;

/// Peers who meet, such as the London peer group.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change, but not with who belongs to it; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 2)]
    pub version: i32,
    /// When it was made (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Readable identifier, which works in place of `id`. An earlier one redirects here for good.
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "london-peer-group")]
    pub slug: String,
    #[serde(flatten)]
    pub(crate) facts: NetworkFacts,
    /// Who looks after it, and invites to what it holds.
    pub organisation: OrganisationReference,
    /// How many people belong to it.
    #[schema(read_only, minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 64)]
    pub member_count: i64,
}

/// What a writer says of a network, the same to make and to change it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NetworkFacts {
    /// What it is called.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "London peer group"
    )]
    pub name: String,
    /// What it is about, in Markdown.
    #[schema(
        min_length = 1,
        max_length = 20_000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "People of London boroughs who run **digital services**."
    )]
    pub description: Option<String>,
}

/// Network to make. Who makes it convenes it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateNetwork {
    /// Readable identifier; made from the name when absent.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "london-peer-group")]
    pub slug: Option<String>,
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) facts: NetworkFacts,
    /// Id or slug of who looks after it.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-borough-of-hackney"
    )]
    pub organisation: String,
}

merge_patch! {
    /// Change to a network, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateNetwork of CreateNetwork
}

/// Network, as others refer to it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkReference {
    /// Its id.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Its slug.
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "london-peer-group")]
    pub slug: String,
    /// Its name.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "London peer group")]
    pub name: String,
}

/// One page of networks.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPage {
    /// The networks on this page, by name.
    #[schema(max_items = 100)]
    pub items: Vec<Network>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

impl CreateNetwork {
    /// The state to store.
    pub(crate) fn state(&self, slug: String, organisation_id: Uuid) -> NetworkState {
        let NetworkFacts { name, description } = self.facts.clone();
        NetworkState { slug, name, description, organisation_id }
    }
}

impl From<NetworkState> for CreateNetwork {
    fn from(NetworkState { slug, name, description, organisation_id }: NetworkState) -> Self {
        Self { slug: Some(slug), facts: NetworkFacts { name, description }, organisation: organisation_id.to_string() }
    }
}

impl From<networks::Network> for Network {
    fn from(network: networks::Network) -> Self {
        let networks::Network { id, version, created_at, updated_at, state, organisation, member_count, convened: _ } =
            network;
        let NetworkState { slug, name, description, organisation_id: _ } = state;
        Self {
            id,
            version,
            created_at,
            updated_at,
            slug,
            facts: NetworkFacts { name, description },
            organisation: organisation.0.into(),
            member_count,
        }
    }
}

impl From<Reference> for NetworkReference {
    fn from(Reference { id, slug, name }: Reference) -> Self {
        Self { id, slug, name }
    }
}
