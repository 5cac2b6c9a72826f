//! How two versions of a template differ: `/lease-templates/{id}/compare`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use db::lease_templates::content::{self, ClauseKind, Content};
use db::lease_templates::versions::{self, Number};
use db::lease_templates::{self as templates, Sight};
use db::organisations::Key;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::LeaseTemplatePath;
use crate::app::App;
use crate::auth::Caller;
use crate::http::etag::{IfNoneMatchHeader, digest, tagged};
use crate::http::text::text;
use crate::http::{Path, Query, Single};
use crate::lease::compare::{self, ClauseDifference, Edit, Fate, Run, VariableDifference};
use crate::lease::page;
use crate::problem::{Fault, Problem};
use crate::routes::Routes;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![compare_lease_template_versions, render_lease_template_comparison]
}

/// Which versions to compare.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct CompareLeaseTemplateVersions {
    /// Number of the first.
    #[param(
        min_length = 5,
        max_length = 20,
        pattern = r"^(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})$",
        example = "1.0.0"
    )]
    from: String,
    /// Number of the second.
    #[param(
        min_length = 5,
        max_length = 20,
        pattern = r"^(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})$",
        example = "1.2.0"
    )]
    to: String,
}

/// How two versions of a template differ.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseComparison {
    /// Number of the first.
    #[schema(min_length = 5, max_length = 20, pattern = r"^[0-9]+\.[0-9]+\.[0-9]+$", example = "1.0.0")]
    pub from: String,
    /// Number of the second.
    #[schema(min_length = 5, max_length = 20, pattern = r"^[0-9]+\.[0-9]+\.[0-9]+$", example = "1.2.0")]
    pub to: String,
    /// Every clause of both, in the order of the second; one that is gone stands behind what stood before it.
    #[schema(max_items = 1000)]
    pub clauses: Vec<LeaseClauseComparison>,
    /// Every variable of both, in the order of the second; behind them those that are gone.
    #[schema(max_items = 400)]
    pub variables: Vec<LeaseVariableComparison>,
}

/// How a clause differs.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseClauseComparison {
    /// Its id.
    #[schema(min_length = 1, max_length = 60, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "term")]
    pub id: String,
    /// What became of it. One that only has another number is `changed`.
    pub change: LeaseChange,
    /// Its number in the first; null where it is not in that.
    #[schema(min_length = 1, max_length = 40, pattern = r"^[0-9]+(\.[0-9]+)*$", example = "2.1")]
    pub from_number: Option<String>,
    /// Its number in the second; null where it is not in that.
    #[schema(min_length = 1, max_length = 40, pattern = r"^[0-9]+(\.[0-9]+)*$", example = "3")]
    pub to_number: Option<String>,
    /// Its kind in the first; null where it is not in that.
    pub from_kind: Option<ClauseKind>,
    /// Its kind in the second; null where it is not in that.
    pub to_kind: Option<ClauseKind>,
    /// Whether a lease has it under other conditions.
    #[schema(example = false)]
    pub conditions_changed: bool,
    /// What became of its heading.
    #[schema(max_items = 20_000)]
    pub heading: Vec<TextChange>,
    /// What became of what it says.
    #[schema(max_items = 20_000)]
    pub body: Vec<TextChange>,
    /// What became of its note in plain language.
    #[schema(max_items = 20_000)]
    pub note: Vec<TextChange>,
}

/// Some words, and what became of them. All of a text but what was deleted is the second, all but what was inserted the
/// first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TextChange {
    /// What became of them.
    pub edit: TextEdit,
    /// The words, with the space around them.
    #[schema(min_length = 1, max_length = 20_000, pattern = r"^[^\u0000]+$", example = "ten years")]
    pub text: String,
}

/// How a variable differs.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseVariableComparison {
    /// Its name.
    #[schema(min_length = 1, max_length = 60, pattern = "^[a-z][a-z0-9_]*$", example = "term")]
    pub name: String,
    /// What became of it.
    pub change: LeaseChange,
    /// Names of its fields that differ.
    #[schema(max_items = 20, value_type = Vec<LeaseVariableField>)]
    pub changed_fields: Vec<String>,
}

text! {
    /// Page in HTML, whole and without scripts or styles.
    LeaseComparisonPage, 1 to 20_000_000, r"^<!DOCTYPE html>[\s\S]*$", "<!DOCTYPE html>\n<html lang=\"en-GB\"><head><title>Rooftop wayleave: 1.0.0 compared with 1.2.0</title></head></html>"
}

text! {
    /// Name of a field of a variable.
    LeaseVariableField, 1 to 40, "^[a-z][A-Za-z]*$", "maximum"
}

/// What became of a part: `added`, `removed`, `changed` or `unchanged`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "changed")]
pub enum LeaseChange {
    /// It is in the second only.
    Added,
    /// It is in the first only.
    Removed,
    /// It is in both, and differs.
    Changed,
    /// It is in both, and is the same.
    Unchanged,
}

/// What became of words: `equal`, in both; `insert`, in the second only; `delete`, in the first only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "insert")]
pub enum TextEdit {
    /// In both.
    Equal,
    /// In the second only.
    Insert,
    /// In the first only.
    Delete,
}

/// Compare two versions of a template
///
/// Clause by clause, known by their ids, and word by word.
#[utoipa::path(
    get, path = "/lease-templates/{id}/compare", tag = "lease templates",
    params(LeaseTemplatePath, CompareLeaseTemplateVersions, IfNoneMatchHeader),
    security((), ("oauth2" = ["lease-templates:read"]), ("bearer" = [])),
    responses((status = 200, body = LeaseComparison, description = "How they differ.")),
)]
async fn compare_lease_template_versions(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    query: Query<CompareLeaseTemplateVersions>,
) -> Result<impl Responder, Problem> {
    let Query(CompareLeaseTemplateVersions { from, to }) = query;
    let compared = both(&app, &caller, key, from, to, |sides: &Sides| {
        let (clauses, variables) = sides.differences();
        LeaseComparison {
            from: sides.from.clone(),
            to: sides.to.clone(),
            clauses: clauses.into_iter().map(Into::into).collect(),
            variables: variables.into_iter().map(Into::into).collect(),
        }
    });
    let (comparison, version) = compared.await?;
    Ok(Single::ok(comparison, version))
}

/// Compare two versions of a template, as a page
///
/// The same to read: HTML in which what was taken out is `del` and what was put in is `ins`.
#[utoipa::path(
    get, path = "/lease-templates/{id}/compare.html", tag = "lease templates",
    params(LeaseTemplatePath, CompareLeaseTemplateVersions, IfNoneMatchHeader),
    security((), ("oauth2" = ["lease-templates:read"]), ("bearer" = [])),
    responses((status = 200, body = LeaseComparisonPage, content_type = "text/html", description = "How they differ.")),
)]
async fn render_lease_template_comparison(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    query: Query<CompareLeaseTemplateVersions>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Query(CompareLeaseTemplateVersions { from, to }) = query;
    let compared = both(&app, &caller, key, from, to, |sides: &Sides| {
        let (clauses, variables) = sides.differences();
        page::comparison(&sides.title, &sides.from, &sides.to, &clauses, &variables).into_bytes()
    });
    let (page, version) = compared.await?;
    let tag = format!("\"{version}-{}\"", digest(&page));
    Ok(tagged(&request, StatusCode::OK, "text/html; charset=utf-8", page, &tag))
}

/// What is compared.
struct Sides {
    title: String,
    from: String,
    to: String,
    before: Content,
    after: Content,
}

impl Sides {
    fn differences(&self) -> (Vec<ClauseDifference<'_>>, Vec<VariableDifference<'_>>) {
        let clauses = compare::clauses(&self.before.clauses, &self.after.clauses);
        (clauses, compare::variables(&self.before, &self.after))
    }
}

/// Reads two versions and tells how they differ, on the thread that read them; with the version of the second.
async fn both<T: Send + 'static>(
    app: &App,
    caller: &Caller,
    key: Path<Key>,
    from: String,
    to: String,
    told: fn(&Sides) -> T,
) -> Result<(T, i32), Problem> {
    let Path(key) = key;
    let (first, second) = (number_in("from", &from)?, number_in("to", &to)?);
    let read = caller.read(&app.db, move |conn, roles| {
        let sight = Sight::new(roles);
        let template = templates::find(conn, &sight, &key)?;
        let first = versions::find(conn, &sight, &template, first)?;
        let second = versions::find(conn, &sight, &template, second)?;
        let (before, after) = (content::content(conn, first.id)?, content::content(conn, second.id)?);
        let sides = Sides { title: template.state.title, from: from.clone(), to: to.clone(), before, after };
        Ok((told(&sides), second.version))
    });
    read.await
}

/// A number of a version in a parameter.
pub(crate) fn number_in(parameter: &'static str, number: &str) -> Result<Number, Problem> {
    number
        .parse()
        .map_err(|()| Problem::invalid([Fault::parameter(parameter, "wrong_form", "must be a number such as 1.2.0")]))
}

impl From<Fate> for LeaseChange {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::Added => Self::Added,
            Fate::Removed => Self::Removed,
            Fate::Changed => Self::Changed,
            Fate::Unchanged => Self::Unchanged,
        }
    }
}

impl From<Run> for TextChange {
    fn from(Run { edit, text }: Run) -> Self {
        let edit = match edit {
            Edit::Equal => TextEdit::Equal,
            Edit::Insert => TextEdit::Insert,
            Edit::Delete => TextEdit::Delete,
        };
        Self { edit, text }
    }
}

impl From<ClauseDifference<'_>> for LeaseClauseComparison {
    fn from(difference: ClauseDifference<'_>) -> Self {
        let ClauseDifference { fate, before, after, heading, body, note } = difference;
        let of = |side: &Option<(&content::Clause, String)>| side.as_ref().map(|(clause, _)| clause.conditions.clone());
        let conditions_changed = before.is_some() && after.is_some() && of(&before) != of(&after);
        let clause = after.as_ref().or(before.as_ref()).map(|(clause, _)| *clause);
        let runs = |runs: Vec<Run>| runs.into_iter().map(TextChange::from).collect();
        Self {
            id: clause.map(|clause| clause.clause_id.clone()).unwrap_or_default(),
            change: fate.into(),
            from_kind: before.as_ref().map(|(clause, _)| clause.kind),
            to_kind: after.as_ref().map(|(clause, _)| clause.kind),
            from_number: before.map(|(_, number)| number),
            to_number: after.map(|(_, number)| number),
            conditions_changed,
            heading: runs(heading),
            body: runs(body),
            note: runs(note),
        }
    }
}

impl From<VariableDifference<'_>> for LeaseVariableComparison {
    fn from(VariableDifference { fate, name, fields }: VariableDifference<'_>) -> Self {
        let changed_fields = fields.into_iter().map(ToOwned::to_owned).collect();
        Self { name: name.to_owned(), change: fate.into(), changed_fields }
    }
}
