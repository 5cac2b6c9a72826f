//! What is bounded over all replicas together: expensive and sensitive actions, counted in windows of time.
//!
//! Everything else is bounded in the memory of each replica, where it costs nothing.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Text};

use crate::Result;
use crate::tx::Tx;

/// Something that is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// Its name in the table.
    pub name: &'static str,
    /// How often in one window.
    pub limit: i32,
    /// Seconds of a window.
    pub window: i32,
}

/// Tokens for one client.
pub const TOKENS_OF_CLIENT: Action = Action { name: "tokens_of_client", limit: 600, window: 60 };
/// Wrong secrets from one address.
pub const REFUSALS_OF_ADDRESS: Action = Action { name: "refusals_of_address", limit: 60, window: 300 };
/// Attempts to enrol from one address.
pub const ENROLMENTS_OF_ADDRESS: Action = Action { name: "enrolments_of_address", limit: 20, window: 300 };
/// Invitations by one person or client.
pub const INVITATIONS_OF_PRINCIPAL: Action = Action { name: "invitations_of_principal", limit: 500, window: 86_400 };
/// Attempts of one person to accept an invitation.
pub const ACCEPTANCES_OF_PRINCIPAL: Action = Action { name: "acceptances_of_principal", limit: 60, window: 3600 };
/// Comments that one person makes.
pub const COMMENTS_OF_PRINCIPAL: Action = Action { name: "comments_of_principal", limit: 30, window: 3600 };
/// Flags that one person raises.
pub const FLAGS_OF_PRINCIPAL: Action = Action { name: "flags_of_principal", limit: 20, window: 3600 };

/// Claims of one person to organisations: each takes a moderator's time.
pub const CLAIMS_OF_PERSON: Action = Action { name: "claims_of_person", limit: 10, window: 86_400 };

/// Every action that is bounded.
pub const ACTIONS: &[Action] = &[
    TOKENS_OF_CLIENT,
    REFUSALS_OF_ADDRESS,
    ENROLMENTS_OF_ADDRESS,
    INVITATIONS_OF_PRINCIPAL,
    ACCEPTANCES_OF_PRINCIPAL,
    COMMENTS_OF_PRINCIPAL,
    FLAGS_OF_PRINCIPAL,
    CLAIMS_OF_PERSON,
];

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = Integer)]
    taken: i32,
    #[diesel(sql_type = BigInt)]
    left: i64,
}

/// Counts one more, and tells the seconds to wait when that is one too many.
///
/// In a transaction of its own, so that it counts also when what it bounds fails.
pub fn take(tx: &mut Tx<'_>, action: Action, subject: &str) -> Result<Option<i64>> {
    let counted: Counted = diesel::sql_query(
        "insert into quotas (action, subject, window_start, taken)
         values ($1, $2, to_timestamp(floor(extract(epoch from now()) / $3) * $3), 1)
         on conflict (action, subject, window_start) do update set taken = least(quotas.taken, 1000000) + 1
         returning taken, greatest(1, ceil(extract(epoch from window_start - now()) + $3))::bigint as left",
    )
    .bind::<Text, _>(action.name)
    .bind::<Text, _>(subject)
    .bind::<Integer, _>(action.window)
    .get_result(tx.pg)?;
    Ok((counted.taken > action.limit).then_some(counted.left))
}

/// Removes what counts no more: at most some thousand rows, and tells how many.
pub fn forget(tx: &mut Tx<'_>) -> Result<usize> {
    let longest = ACTIONS.iter().map(|action| action.window).max().unwrap_or_default();
    Ok(diesel::sql_query(
        "delete from quotas where ctid in
           (select ctid from quotas where window_start < now() - make_interval(secs => $1) limit 5000)",
    )
    .bind::<Integer, _>(longest)
    .execute(tx.pg)?)
}
