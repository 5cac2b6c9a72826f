//! publiccode.yml of a product: `/products/{id}/publiccode`.

use crate::routes::Routes;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    Routes::default()
}
