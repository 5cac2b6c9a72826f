//! People, as other resources refer to them.

use db::people::PersonReference as Row;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Person, as others refer to them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonReference {
    /// Their id.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// The name that they chose to show.
    #[schema(min_length = 1, max_length = 120, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "Sam Steward")]
    pub name: String,
}

impl From<Row> for PersonReference {
    fn from(Row { id, name }: Row) -> Self {
        Self { id, name }
    }
}
