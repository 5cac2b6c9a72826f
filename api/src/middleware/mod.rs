//! What happens to every request, from the outside in: [`log`], [`headers`], [`limits`].

pub mod headers;
pub mod limits;
pub mod log;
