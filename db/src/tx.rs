//! Connections that read and transactions that write.

use std::sync::atomic::{AtomicBool, Ordering};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::functions::set_config;
use crate::people::{self, Roles};
use crate::pool::Failure;
use crate::schema::audit_events;
use crate::{Error, Result};

/// A connection that reads.
pub struct Conn<'c> {
    pub(crate) pg: &'c mut PgConnection,
}

impl<'c> Conn<'c> {
    pub(crate) fn new(pg: &'c mut PgConnection) -> Self {
        Self { pg }
    }

    pub(crate) fn batch(&mut self, sql: &str) -> Result<()> {
        Ok(self.pg.batch_execute(sql)?)
    }
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Principal {
    /// The service itself or the operator's command line, which may do anything.
    Operator,
    /// A person.
    Person(Uuid),
    /// A program of an organisation: an OAuth client.
    Client(Uuid),
}

impl Principal {
    /// The person, if it is one.
    #[must_use]
    pub fn user_id(self) -> Option<Uuid> {
        match self {
            Self::Person(id) => Some(id),
            Self::Operator | Self::Client(_) => None,
        }
    }
}

/// As `loti.viewer`, by which the policies of private tables know who looks.
impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::Person(id) => write!(f, "person:{id}"),
            Self::Client(id) => write!(f, "client:{id}"),
        }
    }
}

/// On whose behalf a transaction reads or writes.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Who.
    pub principal: Principal,
    /// The OAuth client that carries the request.
    pub client_id: Option<String>,
    /// The organisation the token was issued for; `None` when the person acts with all memberships.
    pub organisation_id: Option<Uuid>,
    /// `jti` of the token, which may have been revoked meanwhile.
    pub token_id: Option<Uuid>,
    /// The identity provider by which a person came in, which may have been removed meanwhile.
    pub provider_id: Option<Uuid>,
    /// `X-Request-Id`, or the name of the command.
    pub request_id: String,
    /// operationId.
    pub operation: String,
}

impl Actor {
    /// The operator's command line.
    #[must_use]
    pub fn operator(command: &str) -> Self {
        Self {
            principal: Principal::Operator,
            client_id: None,
            organisation_id: None,
            token_id: None,
            provider_id: None,
            request_id: command.to_owned(),
            operation: command.replace([' ', '-'], "_"),
        }
    }
}

/// An open transaction that knows who acts; made by [`crate::Db::write`] only.
pub struct Tx<'c> {
    pub(crate) pg: &'c mut PgConnection,
    actor: &'c Actor,
    roles: Roles,
}

impl Tx<'_> {
    /// Runs `work` in a transaction, and takes it back when meanwhile nobody waits for its outcome any more.
    pub(crate) fn run<T, E>(
        pg: &mut PgConnection,
        actor: &Actor,
        abandoned: &AtomicBool,
        work: &dyn Fn(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<Error> + Failure,
    {
        pg.transaction(|pg| {
            let roles = enter(pg, actor).map_err(|error| Outcome::Refused(error.into()))?;
            let outcome = work(&mut Tx { pg, actor, roles }).map_err(Outcome::Refused)?;
            if abandoned.load(Ordering::Acquire) {
                return Err(Outcome::Refused(Error::Unavailable("nobody waits for it any more".into()).into()));
            }
            Ok(outcome)
        })
        .map_err(Outcome::into_error)
    }

    /// Runs `work` so that all of it is kept or nothing, whatever becomes of the rest of the transaction.
    ///
    /// For imports: a row that is refused takes none of its neighbours with it.
    pub fn savepoint<T, E: From<Error>>(&mut self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        let (actor, roles) = (self.actor, &self.roles);
        self.pg
            .transaction(|pg| work(&mut Tx { pg, actor, roles: roles.clone() }).map_err(Outcome::Refused))
            .map_err(Outcome::into_error)
    }

    /// Who acts.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        self.actor
    }

    /// What they may do, as of this transaction.
    #[must_use]
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// The same transaction for reading.
    pub fn conn(&mut self) -> Conn<'_> {
        Conn { pg: self.pg }
    }

    /// The organisation on whose behalf this is written: the one the token is for, or the only one the person belongs
    /// to. A role over the platform is no membership.
    #[must_use]
    pub fn organisation_id(&self) -> Option<Uuid> {
        self.roles.only_organisation()
    }

    /// Leaves the audit row of a change. Only fields that differ are kept.
    pub(crate) fn audit<T: Serialize>(
        &mut self,
        object_type: &str,
        object_id: Uuid,
        before: Option<&T>,
        after: Option<&T>,
    ) -> Result<()> {
        self.record(self.organisation_id(), object_type, object_id, before, after)
    }

    /// [`Self::audit`] of a change that concerns an organisation, whoever made it: its administrators see it.
    pub(crate) fn audit_in<T: Serialize>(
        &mut self,
        organisation_id: Uuid,
        object_type: &str,
        object_id: Uuid,
        before: Option<&T>,
        after: Option<&T>,
    ) -> Result<()> {
        self.record(Some(organisation_id), object_type, object_id, before, after)
    }

    /// [`Self::audit`] of a change that concerns this organisation, or none: then the platform's administrators see it.
    pub(crate) fn audit_for<T: Serialize>(
        &mut self,
        organisation_id: Option<Uuid>,
        object_type: &str,
        object_id: Uuid,
        before: Option<&T>,
        after: Option<&T>,
    ) -> Result<()> {
        self.record(organisation_id, object_type, object_id, before, after)
    }

    fn record<T: Serialize>(
        &mut self,
        organisation_id: Option<Uuid>,
        object_type: &str,
        object_id: Uuid,
        before: Option<&T>,
        after: Option<&T>,
    ) -> Result<()> {
        let json = |state: Option<&T>| {
            state.map(serde_json::to_value).transpose().map_err(|error| Error::Internal(error.to_string()))
        };
        let (before, after) = difference(json(before)?, json(after)?);
        diesel::insert_into(audit_events::table)
            .values((
                audit_events::actor_id.eq(self.actor.principal.user_id()),
                audit_events::client_id.eq(self.actor.client_id.as_deref()),
                audit_events::organisation_id.eq(organisation_id),
                audit_events::request_id.eq(&self.actor.request_id),
                audit_events::operation.eq(&self.actor.operation),
                audit_events::object_type.eq(object_type),
                audit_events::object_id.eq(object_id),
                audit_events::before.eq(before),
                audit_events::after.eq(after),
            ))
            .execute(self.pg)?;
        Ok(())
    }
}

/// Tells the policies of private tables who acts, and reads what they may do.
///
/// Anew in each transaction: a role or a token that is taken away is gone with the next write.
fn enter(pg: &mut PgConnection, actor: &Actor) -> Result<Roles> {
    diesel::select(set_config("loti.viewer", actor.principal.to_string(), true)).execute(pg)?;
    people::roles(pg, actor)
}

/// Runs `work` in a transaction that cannot write, on behalf of somebody.
pub(crate) fn read<T, E: From<Error>>(
    pg: &mut PgConnection,
    actor: &Actor,
    work: &dyn Fn(&mut Conn<'_>, &Roles) -> Result<T, E>,
) -> Result<T, E> {
    pg.build_transaction()
        .read_only()
        .run(|pg| {
            let roles = enter(pg, actor).map_err(|error| Outcome::Refused(error.into()))?;
            work(&mut Conn::new(pg), &roles).map_err(Outcome::Refused)
        })
        .map_err(Outcome::into_error)
}

/// Why a transaction was taken back: its work said so, or the database did.
enum Outcome<E> {
    Refused(E),
    Failed(diesel::result::Error),
}

impl<E: From<Error>> Outcome<E> {
    fn into_error(self) -> E {
        match self {
            Self::Refused(error) => error,
            Self::Failed(error) => Error::from(error).into(),
        }
    }
}

impl<E> From<diesel::result::Error> for Outcome<E> {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error)
    }
}

fn difference(before: Option<Value>, after: Option<Value>) -> (Option<Value>, Option<Value>) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let changed = |from: &Map<String, Value>, other: &Map<String, Value>| {
                let fields = from.iter().filter(|(name, value)| other.get(*name) != Some(value));
                Some(Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect()))
            };
            (changed(&before, &after), changed(&after, &before))
        }
        other => other,
    }
}
