//! What a version of a template says: `/lease-templates/{id}/versions/{number}/clauses` and `/variables`.

use actix_web::Responder;
use actix_web::web::Data;
use db::lease_templates::content::{self, Choice, Clause, ClauseKind, Condition, Operator, Variable, VariableKind};
use db::lease_templates::versions::{self, Number};
use db::organisations::Key;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::LeaseTemplatePath;
use super::versions::{LeaseTemplateVersionPath, kept};
use crate::app::App;
use crate::auth::Caller;
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::{IfMatch, Json, Path, Single};
use crate::lease::{check, numbering};
use crate::problem::Problem;
use crate::routes::Routes;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![get_lease_clauses, put_lease_clauses, get_lease_variables, put_lease_variables]
}

/// The clauses of a version, in their order.
#[derive(Debug, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct LeaseClauses {
    /// The clauses; what a clause is part of comes before it.
    #[schema(max_items = 500, example = json!([
        {
            "id": "term", "number": "1", "heading": "Term", "kind": "fixed", "note": "How long the operator may stay.",
            "body": "The rights last for {{ term }}, unless clause {{ clause(\"ending\") }} ends them.", "conditions": [],
        },
        {
            "id": "ending", "number": "2", "heading": "Ending", "kind": "negotiable", "conditions": [],
            "body": "Either party ends the agreement by notice.",
        },
        {
            "id": "review", "number": "2.1", "parent": "ending", "heading": "Review", "kind": "optional",
            "body": "The parties meet every five years.",
            "conditions": [{ "variable": "term", "operator": "greater_than", "value": "P10Y" }],
        },
    ]))]
    pub clauses: Vec<LeaseClause>,
}

/// Clause of an agreement.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseClause {
    /// What it is known by in all versions of a template, whatever its number: texts and leases refer to it by this.
    #[schema(min_length = 1, max_length = 60, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "term")]
    pub id: String,
    /// Its number, which follows from the order; what a writer sends is passed over.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 40, pattern = r"^[0-9]+(\.[0-9]+)*$", example = "2.1")]
    pub number: Option<String>,
    /// The id of the clause that it is part of; null at the top.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 60, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "grant")]
    pub parent: Option<String>,
    /// What it is about.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Term"
    )]
    pub heading: String,
    /// What it says, in Markdown. `{{ variable }}` stands for the value of a variable, `{{ clause("id") }}` for the number
    /// of another clause. Nothing else of Jinja is understood. Empty where it only holds others.
    #[schema(
        max_length = 20_000,
        pattern = r"^[^\u0000]*$",
        example = "The rights last for {{ term }} from {{ starts_on }}, unless clause {{ clause(\"termination\") }} ends them."
    )]
    pub body: String,
    /// How far a lease may depart from it.
    pub kind: ClauseKind,
    /// The same in plain language, for those who fill it in.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 5000,
        pattern = r"^[^\u0000]+$",
        example = "How long the operator may stay."
    )]
    pub note: Option<String>,
    /// Conditions under all of which a lease has it; none for always.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub conditions: Vec<LeaseCondition>,
}

/// What has to be so of a variable.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseCondition {
    /// Name of the variable.
    #[schema(min_length = 1, max_length = 60, pattern = "^[a-z][a-z0-9_]*$", example = "term")]
    pub variable: String,
    /// How it is compared. Only whole numbers, money, dates and time spans follow each other.
    pub operator: Operator,
    /// With what, as values of that variable are written.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "P10Y")]
    pub value: String,
}

/// The variables of a version, in their order.
#[derive(Debug, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct LeaseVariables {
    /// The variables.
    #[schema(max_items = 200, example = json!([
        {
            "name": "term", "label": "How long the agreement lasts", "kind": "duration", "help": "Ten years is usual.",
            "required": true, "requiredIf": [], "minimum": "P1Y", "maximum": "P20Y", "options": [],
        },
        {
            "name": "place", "label": "Where equipment stands", "kind": "enum", "required": false, "requiredIf": [],
            "options": [{ "value": "rooftop", "label": "On the roof" }, { "value": "mast", "label": "On a mast" }],
        },
    ]))]
    pub variables: Vec<LeaseVariable>,
}

/// What is filled into an agreement.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseVariable {
    /// Name by which clauses refer to it.
    #[schema(min_length = 1, max_length = 60, pattern = "^[a-z][a-z0-9_]*$", example = "term")]
    pub name: String,
    /// What people are asked for.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "How long the agreement lasts"
    )]
    pub label: String,
    /// What sort of value it takes.
    pub kind: VariableKind,
    /// How to answer.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 1000, pattern = r"^[^\u0000]+$", example = "Ten years is usual.")]
    pub help: Option<String>,
    /// Whether a lease cannot do without it.
    #[serde(default)]
    #[schema(default = false, example = true)]
    pub required: bool,
    /// Conditions under all of which a lease cannot do without it; none for never.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub required_if: Vec<LeaseCondition>,
    /// The least it may be, as its values are written; for a text the fewest characters, for a list the fewest premises.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 40, pattern = "^[0-9A-Z-]+$", example = "P1Y")]
    pub minimum: Option<String>,
    /// The most it may be, in the same way.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 40, pattern = "^[0-9A-Z-]+$", example = "P20Y")]
    pub maximum: Option<String>,
    /// Regular expression that a text has to match as a whole.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "[A-Z]{2}[0-9]{4}")]
    pub pattern: Option<String>,
    /// What can be chosen; for the kind `enum` only.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub options: Vec<LeaseOption>,
}

/// What can be chosen for a variable.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseOption {
    /// How it is written as a value.
    #[schema(min_length = 1, max_length = 60, pattern = "^[a-z0-9]+(_[a-z0-9]+)*$", example = "rooftop")]
    pub value: String,
    /// How it is shown.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "On the roof")]
    pub label: String,
}

/// Read the clauses of a version
///
/// With their numbers, which follow from the order.
#[utoipa::path(
    get, path = "/lease-templates/{id}/versions/{number}/clauses", tag = "lease templates",
    params(LeaseTemplatePath, LeaseTemplateVersionPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["lease-templates:read"]), ("bearer" = [])),
    responses((status = 200, body = LeaseClauses, description = "The clauses.")),
)]
async fn get_lease_clauses(
    app: Data<App>,
    caller: Caller,
    path: Path<(Key, Number)>,
) -> Result<impl Responder, Problem> {
    let Path((key, number)) = path;
    let read = caller.read(&app.db, move |conn, roles| {
        let version = versions::read(conn, roles, &key, number)?;
        Ok(Single::ok(numbered(&content::clauses(conn, version.id)?), version.version))
    });
    read.await
}

/// Replace the clauses of a draft
///
/// All of them, in their new order, for contributors of the organisation that keeps the template. `If-Match` takes the
/// tag of the version, of its clauses or of its variables.
#[utoipa::path(
    put, path = "/lease-templates/{id}/versions/{number}/clauses", tag = "lease templates",
    params(LeaseTemplatePath, LeaseTemplateVersionPath, IfMatchHeader),
    request_body(content = LeaseClauses, description = "The clauses."),
    security(("oauth2" = ["lease-templates:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = LeaseClauses, description = "The clauses, with their numbers."),
        (status = 409, description = "The version is no draft."),
    ),
)]
async fn put_lease_clauses(
    app: Data<App>,
    caller: Caller,
    ids: Path<(Key, Number)>,
    if_match: IfMatch,
    body: Json<LeaseClauses>,
) -> Result<impl Responder, Problem> {
    let (Path((key, number)), Json(LeaseClauses { clauses })) = (ids, body);
    let wanted: Vec<Clause> = clauses.into_iter().map(Clause::from).collect();
    let faults = check::clauses(&wanted);
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let changed = app.db.write(caller.actor()?, move |tx| {
        let (template, current) = kept(tx, &key, number)?;
        if_match.check(current.version)?;
        let changed = content::put_clauses(tx, &template, &current, &wanted)?;
        Ok::<_, Problem>(Single::ok(numbered(&content::clauses(&mut tx.conn(), current.id)?), changed.version))
    });
    changed.await
}

/// Read the variables of a version
///
/// What people are asked for, in which form.
#[utoipa::path(
    get, path = "/lease-templates/{id}/versions/{number}/variables", tag = "lease templates",
    params(LeaseTemplatePath, LeaseTemplateVersionPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["lease-templates:read"]), ("bearer" = [])),
    responses((status = 200, body = LeaseVariables, description = "The variables.")),
)]
async fn get_lease_variables(
    app: Data<App>,
    caller: Caller,
    path: Path<(Key, Number)>,
) -> Result<impl Responder, Problem> {
    let Path((key, number)) = path;
    let read = caller.read(&app.db, move |conn, roles| {
        let version = versions::read(conn, roles, &key, number)?;
        Ok(Single::ok(listed(content::variables(conn, version.id)?), version.version))
    });
    read.await
}

/// Replace the variables of a draft
///
/// All of them, in their new order, for contributors of the organisation that keeps the template. `If-Match` takes the
/// tag of the version, of its clauses or of its variables.
#[utoipa::path(
    put, path = "/lease-templates/{id}/versions/{number}/variables", tag = "lease templates",
    params(LeaseTemplatePath, LeaseTemplateVersionPath, IfMatchHeader),
    request_body(content = LeaseVariables, description = "The variables."),
    security(("oauth2" = ["lease-templates:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = LeaseVariables, description = "The variables."),
        (status = 409, description = "The version is no draft."),
    ),
)]
async fn put_lease_variables(
    app: Data<App>,
    caller: Caller,
    ids: Path<(Key, Number)>,
    if_match: IfMatch,
    body: Json<LeaseVariables>,
) -> Result<impl Responder, Problem> {
    let (Path((key, number)), Json(LeaseVariables { variables })) = (ids, body);
    let wanted: Vec<Variable> = variables.into_iter().map(Variable::from).collect();
    let faults = check::variables(&wanted);
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let changed = app.db.write(caller.actor()?, move |tx| {
        let (template, current) = kept(tx, &key, number)?;
        if_match.check(current.version)?;
        let changed = content::put_variables(tx, &template, &current, &wanted)?;
        Ok::<_, Problem>(Single::ok(listed(content::variables(&mut tx.conn(), current.id)?), changed.version))
    });
    changed.await
}

fn numbered(clauses: &[Clause]) -> LeaseClauses {
    let number = |clause: &Clause, numbers: &std::collections::HashMap<&str, String>| {
        numbers.get(clause.clause_id.as_str()).cloned()
    };
    let numbers =
        numbering::numbers(clauses.iter().map(|clause| (clause.clause_id.as_str(), clause.parent_id.as_deref())));
    let clauses = clauses.iter().map(|clause| LeaseClause::new(clause.clone(), number(clause, &numbers))).collect();
    LeaseClauses { clauses }
}

fn listed(variables: Vec<Variable>) -> LeaseVariables {
    LeaseVariables { variables: variables.into_iter().map(LeaseVariable::from).collect() }
}

impl LeaseClause {
    fn new(clause: Clause, number: Option<String>) -> Self {
        let Clause { clause_id, parent_id, heading, body, kind, note, conditions } = clause;
        let conditions = conditions.0.into_iter().map(LeaseCondition::from).collect();
        Self { id: clause_id, number, parent: parent_id, heading, body, kind, note, conditions }
    }
}

impl From<LeaseClause> for Clause {
    fn from(clause: LeaseClause) -> Self {
        let LeaseClause { id, number: _, parent, heading, body, kind, note, conditions } = clause;
        let conditions: Vec<Condition> = conditions.into_iter().map(Into::into).collect();
        Self { clause_id: id, parent_id: parent, heading, body, kind, note, conditions: db::types::Json(conditions) }
    }
}

impl From<Condition> for LeaseCondition {
    fn from(Condition { variable, operator, value }: Condition) -> Self {
        Self { variable, operator, value }
    }
}

impl From<LeaseCondition> for Condition {
    fn from(LeaseCondition { variable, operator, value }: LeaseCondition) -> Self {
        Self { variable, operator, value }
    }
}

impl From<Variable> for LeaseVariable {
    fn from(variable: Variable) -> Self {
        let Variable { name, label, kind, help, required, required_if, minimum, maximum, pattern, options } = variable;
        let option = |Choice { value, label }| LeaseOption { value, label };
        Self {
            name,
            label,
            kind,
            help,
            required,
            required_if: required_if.0.into_iter().map(Into::into).collect(),
            minimum,
            maximum,
            pattern,
            options: options.0.into_iter().map(option).collect(),
        }
    }
}

impl From<LeaseVariable> for Variable {
    fn from(variable: LeaseVariable) -> Self {
        let LeaseVariable { name, label, kind, help, required, required_if, minimum, maximum, pattern, options } =
            variable;
        let choice = |LeaseOption { value, label }| Choice { value, label };
        Self {
            name,
            label,
            kind,
            help,
            required,
            required_if: db::types::Json(required_if.into_iter().map(Into::into).collect()),
            minimum,
            maximum,
            pattern,
            options: db::types::Json(options.into_iter().map(choice).collect()),
        }
    }
}
