//! What a version of a template says: its clauses and variables.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Template;
use super::versions::{self, Version};
use crate::schema::{lease_clauses, lease_variables};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::vocabulary::vocabulary;
use crate::{Error, Result};

vocabulary! {
    /// How far a lease may depart from a clause. `fixed`: not at all. `negotiable`: by other words, for a reason.
    /// `optional`: by leaving it out.
    ClauseKind, "negotiable" {
        /// As it stands.
        Fixed = "fixed",
        /// A lease may say otherwise.
        Negotiable = "negotiable",
        /// A lease may leave it out.
        Optional = "optional",
    }
}

vocabulary! {
    /// What sort of value a variable takes, and how it is written. `text`. `integer`: a whole number. `money`: whole pence.
    /// `date`: `YYYY-MM-DD`. `duration`: ISO 8601, in years, months, weeks or days, such as `P10Y`. `boolean`: `true` or
    /// `false`. `enum`: one of its options. `organisation`: an id or slug. `uprn_list`: Unique Property Reference Numbers,
    /// separated by spaces.
    VariableKind, "duration" {
        /// Text.
        Text = "text",
        /// A whole number.
        Integer = "integer",
        /// Whole pence.
        Money = "money",
        /// A day.
        Date = "date",
        /// A time span in years, months, weeks or days.
        Duration = "duration",
        /// Yes or no.
        Boolean = "boolean",
        /// One of several.
        Enum = "enum",
        /// An organisation.
        Organisation = "organisation",
        /// Unique Property Reference Numbers.
        UprnList = "uprn_list",
    }
}

vocabulary! {
    /// How the value of a variable is compared. Where there is no value, only `not_equals` holds.
    Operator, "greater_than" {
        /// It is this.
        Equals = "equals",
        /// It is something else.
        NotEquals = "not_equals",
        /// It is less, or earlier.
        LessThan = "less_than",
        /// It is this or less.
        AtMost = "at_most",
        /// It is more, or later.
        GreaterThan = "greater_than",
        /// It is this or more.
        AtLeast = "at_least",
    }
}

/// What has to be so of a variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Which variable.
    pub variable: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub value: String,
}

/// What can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// How it is written as a value.
    pub value: String,
    /// How it is shown.
    pub label: String,
}

/// A clause.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = lease_clauses)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Clause {
    pub clause_id: String,
    pub parent_id: Option<String>,
    pub heading: String,
    pub body: String,
    pub kind: ClauseKind,
    pub note: Option<String>,
    pub conditions: Json<Vec<Condition>>,
}

/// A variable.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = lease_variables)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Variable {
    pub name: String,
    pub label: String,
    pub kind: VariableKind,
    pub help: Option<String>,
    pub required: bool,
    pub required_if: Json<Vec<Condition>>,
    pub minimum: Option<String>,
    pub maximum: Option<String>,
    pub pattern: Option<String>,
    pub options: Json<Vec<Choice>>,
}

/// What a version says, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Content {
    /// Its clauses; what a clause is part of comes before it.
    pub clauses: Vec<Clause>,
    /// Its variables.
    pub variables: Vec<Variable>,
}

/// The clauses of a version, in their order.
pub fn clauses(conn: &mut Conn<'_>, version_id: Uuid) -> Result<Vec<Clause>> {
    let query = lease_clauses::table.filter(lease_clauses::version_id.eq(version_id)).order(lease_clauses::position);
    Ok(query.select(Clause::as_select()).load(conn.pg)?)
}

/// The variables of a version, in their order.
pub fn variables(conn: &mut Conn<'_>, version_id: Uuid) -> Result<Vec<Variable>> {
    let query =
        lease_variables::table.filter(lease_variables::version_id.eq(version_id)).order(lease_variables::position);
    Ok(query.select(Variable::as_select()).load(conn.pg)?)
}

/// All that a version says.
pub fn content(conn: &mut Conn<'_>, version_id: Uuid) -> Result<Content> {
    Ok(Content { clauses: clauses(conn, version_id)?, variables: variables(conn, version_id)? })
}

/// Puts other clauses in place of those of a locked draft. When they are the same nothing is written.
pub fn put_clauses(tx: &mut Tx<'_>, template: &Template, current: &Version, wanted: &[Clause]) -> Result<Version> {
    versions::check_draft(current, "Clauses change while their version is a draft; begin another version.")?;
    let before = clauses(&mut tx.conn(), current.id)?;
    if before == wanted {
        return Ok(current.clone());
    }
    diesel::delete(lease_clauses::table.filter(lease_clauses::version_id.eq(current.id))).execute(tx.pg)?;
    insert_clauses(tx, current.id, wanted)?;
    let changed = versions::touch(tx, current)?;
    let after = clauses(&mut tx.conn(), current.id)?;
    versions::audit_content(tx, template, current, "lease_clauses", &before, &after, |clause| {
        clause.clause_id.clone()
    })?;
    Ok(changed)
}

/// Puts other variables in place of those of a locked draft. When they are the same nothing is written.
pub fn put_variables(tx: &mut Tx<'_>, template: &Template, current: &Version, wanted: &[Variable]) -> Result<Version> {
    versions::check_draft(current, "Variables change while their version is a draft; begin another version.")?;
    let before = variables(&mut tx.conn(), current.id)?;
    if before == wanted {
        return Ok(current.clone());
    }
    diesel::delete(lease_variables::table.filter(lease_variables::version_id.eq(current.id))).execute(tx.pg)?;
    insert_variables(tx, current.id, wanted)?;
    let changed = versions::touch(tx, current)?;
    let after = variables(&mut tx.conn(), current.id)?;
    versions::audit_content(tx, template, current, "lease_variables", &before, &after, |variable| {
        variable.name.clone()
    })?;
    Ok(changed)
}

/// Gives a new draft what another version says.
pub(super) fn copy(tx: &mut Tx<'_>, version_id: Uuid, from: Uuid) -> Result<()> {
    let Content { clauses, variables } = content(&mut tx.conn(), from)?;
    insert_clauses(tx, version_id, &clauses)?;
    insert_variables(tx, version_id, &variables)
}

fn insert_clauses(tx: &mut Tx<'_>, version_id: Uuid, clauses: &[Clause]) -> Result<()> {
    let mut rows = Vec::with_capacity(clauses.len());
    for (position, clause) in (1..).zip(clauses) {
        rows.push((lease_clauses::version_id.eq(version_id), lease_clauses::position.eq(position), clause.clone()));
    }
    diesel::insert_into(lease_clauses::table).values(rows).execute(tx.pg)?;
    Ok(())
}

fn insert_variables(tx: &mut Tx<'_>, version_id: Uuid, variables: &[Variable]) -> Result<()> {
    let mut rows = Vec::with_capacity(variables.len());
    for (position, variable) in (1..).zip(variables) {
        let place = (lease_variables::version_id.eq(version_id), lease_variables::position.eq(position));
        rows.push((place.0, place.1, variable.clone()));
    }
    diesel::insert_into(lease_variables::table).values(rows).execute(tx.pg)?;
    Ok(())
}

impl Content {
    /// What it is as JSON in which equal contents are equal bytes: of these a digest is made.
    pub fn canonical(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::Internal(error.to_string()))
    }
}
