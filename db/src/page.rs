//! Keyset pages: where one ends is where the next begins, whatever is added meanwhile.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where a page ended of a list that is in the order of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ById {
    /// Id of the last one.
    pub id: Uuid,
}

/// Part of a list, in its order.
#[derive(Debug, Clone)]
pub struct Page<T, P> {
    /// The rows, at most as many as asked for.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end.
    pub next: Option<P>,
}

impl<T, P> Page<T, P> {
    /// A page of at most `limit` rows out of one row more than that, which only tells that there are more.
    pub fn cut(mut items: Vec<T>, limit: usize, position: impl FnOnce(&T) -> P) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(position) } else { None };
        Self { items, next }
    }

    /// The same page of other items.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U, P> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}
