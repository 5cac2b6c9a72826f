//! Lists of the comments on a product: by time, or as threads. Those that are not shown are among them, in their place.

use diesel::pg::Pg;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AuthorKind, Comment, columns};
use crate::organisations::to_limit;
use crate::schema::comments;
use crate::tx::Conn;
use crate::{Page, Result};

/// Which comments on a product; those that match everything that is given.
#[derive(Debug, Clone)]
pub struct Filter {
    /// The product.
    pub product_id: Uuid,
    /// Those that begin a thread.
    pub top_level: bool,
    /// Replies to this one.
    pub parent: Option<Uuid>,
    /// This one and all below it.
    pub thread: Option<Uuid>,
    /// By these sorts of author.
    pub author_kinds: Vec<AuthorKind>,
}

/// Order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Each comment before its replies, threads and replies by the time they began.
    Thread,
    /// The oldest first.
    Oldest,
    /// The newest first.
    Newest,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// In the order of threads: the path.
    Path(Vec<Uuid>),
    /// In the order of time: the id, which rises with it.
    Id(Uuid),
}

/// One page of those that match; `None` when `after` is of a list in another order.
pub fn list(
    conn: &mut Conn<'_>,
    filter: &Filter,
    sort: Sort,
    after: Option<&Position>,
    limit: usize,
) -> Result<Option<Page<Comment, Position>>> {
    let Some(query) = matching(conn, filter)? else { return Ok(Some(Page { items: Vec::new(), next: None })) };
    let query = match (sort, after) {
        (_, None) => query,
        (Sort::Thread, Some(Position::Path(path))) => query.filter(comments::path.gt(nullable(path))),
        (Sort::Oldest, Some(Position::Id(id))) => query.filter(comments::id.gt(id)),
        (Sort::Newest, Some(Position::Id(id))) => query.filter(comments::id.lt(id)),
        _ => return Ok(None),
    };
    let query = match sort {
        Sort::Thread => query.order(comments::path),
        Sort::Oldest => query.order(comments::id),
        Sort::Newest => query.order(comments::id.desc()),
    };
    let found: Vec<Comment> = query.limit(to_limit(limit)).select(columns()).load(conn.pg)?;
    Ok(Some(Page::cut(found, limit, |last| match sort {
        Sort::Thread => Position::Path(last.path.iter().copied().flatten().collect()),
        Sort::Oldest | Sort::Newest => Position::Id(last.id),
    })))
}

/// The condition; `None` when nothing can match.
fn matching<'f>(conn: &mut Conn<'_>, filter: &'f Filter) -> Result<Option<comments::BoxedQuery<'f, Pg>>> {
    let mut query = comments::table.into_boxed().filter(comments::product_id.eq(filter.product_id));
    if filter.top_level {
        query = query.filter(comments::parent_id.is_null());
    }
    if let Some(parent) = filter.parent {
        query = query.filter(comments::parent_id.eq(parent));
    }
    if !filter.author_kinds.is_empty() {
        query = query.filter(comments::author_kind.eq_any(&filter.author_kinds));
    }
    if let Some(thread) = filter.thread {
        let top = comments::table.filter(comments::product_id.eq(filter.product_id)).filter(comments::id.eq(thread));
        let path: Option<Vec<Option<Uuid>>> = top.select(comments::path).first(conn.pg).optional()?;
        let Some(path) = path else { return Ok(None) };
        // Whatever begins with the path is behind it, and before the path with the last id that there can be.
        let last = [path.clone(), vec![Some(Uuid::max())]].concat();
        query = query.filter(comments::path.between(path, last));
    }
    Ok(Some(query))
}

/// As the column has it: PostgreSQL would allow null elements.
fn nullable(path: &[Uuid]) -> Vec<Option<Uuid>> {
    path.iter().copied().map(Some).collect()
}
