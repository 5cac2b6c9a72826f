//! Extractors and responders: how requests become values and values become answers, the same way in every resource.

pub mod address;
pub mod etag;
pub mod file;
pub mod idempotency;
pub mod json;
pub mod page;
pub mod patch;
pub mod path;
pub mod query;
pub mod spreadsheet;
pub mod text;
pub mod upload;

pub use etag::{IfMatch, Single};
pub use idempotency::Once;
pub use json::Json;
pub use page::{Collection, Cursor, Paging};
pub use patch::Patch;
pub use path::Path;
pub use query::Query;
pub use upload::Upload;
