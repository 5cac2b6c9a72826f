//! Assessments as they go over the wire, beside their parts.

use chrono::{DateTime, NaiveDate, Utc};
use db::assessments::{
    Assessment as Row, AssessmentState as StoredState, AssessmentStatus, Assurer, Progress as RowProgress,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use crate::merge_patch;
use crate::v1::checklists::wire::ChecklistReference;
use crate::v1::organisations::wire::OrganisationReference;
use crate::v1::people::PersonReference;

/// One organisation's run of one edition of a checklist. Private to it and, once submitted, to those whom it names to
/// assure it; for others there is none.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Assessment {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises with each change, but not with those of its responses, evidence, actions and comments; the entity tag begins
    /// with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 3)]
    pub version: i32,
    /// When it was planned (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Whose it is.
    pub organisation: OrganisationReference,
    /// The edition of a checklist that it goes through, for good.
    pub checklist: ChecklistReference,
    /// The assessment from which its answers were carried forward, which it supersedes once it is assured.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c10")]
    pub supersedes: Option<Uuid>,
    /// The assessment into which its answers were carried forward.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c12")]
    pub superseded_by: Option<Uuid>,
    /// What it is called.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Cyber baseline 2026"
    )]
    pub title: String,
    /// By when it is to be submitted.
    #[schema(example = "2027-03-31")]
    pub due_on: Option<NaiveDate>,
    /// Whether its result counts in benchmarks, which tell nobody whose it is.
    #[schema(example = false)]
    pub shares_results: bool,
    /// Who may assure it.
    #[schema(max_items = 20)]
    pub assurers: Vec<AssessmentAssurer>,
    /// Where it stands.
    pub status: AssessmentStatus,
    /// Which changes are requested, in general; of single responses those say so.
    #[schema(
        read_only,
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\u0000]+$",
        example = "Some evidence is too old."
    )]
    pub status_reason: Option<String>,
    /// When it was last submitted (UTC); null before.
    #[schema(read_only, example = "2027-03-20T15:00:00Z")]
    pub submitted_at: Option<DateTime<Utc>>,
    /// Who submitted it; null before, for a program, and once they were erased.
    pub submitted_by: Option<PersonReference>,
    /// When it was assured (UTC); null before.
    #[schema(read_only, example = "2027-03-30T15:00:00Z")]
    pub assured_at: Option<DateTime<Utc>>,
    /// Who assured it; null before, and once they were erased.
    pub assured_by: Option<PersonReference>,
    /// For which organisation they did; null where they were named themselves.
    pub assured_for: Option<OrganisationReference>,
    /// What they say of it.
    #[schema(
        read_only,
        min_length = 1,
        max_length = 5000,
        pattern = r"^[^\u0000]+$",
        example = "The evidence bears out the answers."
    )]
    pub assurance: Option<String>,
    /// What it came to when it was submitted, of 100; null before, and where nothing applies.
    #[schema(read_only, minimum = 0, maximum = 100, example = 82)]
    pub score: Option<i32>,
    /// How far it has come.
    pub progress: AssessmentProgress,
}

/// How far an assessment has come.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentProgress {
    /// How many controls there are.
    #[schema(minimum = 0, maximum = 20_000, example = 40)]
    pub control_count: i32,
    /// How many of them are answered.
    #[schema(minimum = 0, maximum = 20_000, example = 31)]
    pub answered_count: i32,
    /// How many answers those who assure it want changed, and that were not yet.
    #[schema(minimum = 0, maximum = 20_000, example = 2)]
    pub change_requested_count: i32,
    /// How many answers that were carried forward need another look.
    #[schema(minimum = 0, maximum = 20_000, example = 3)]
    pub look_again_count: i32,
}

/// Who may assure an assessment: an organisation or a person.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentAssurer {
    /// Contributors of this organisation; null for a person.
    pub organisation: Option<OrganisationReference>,
    /// This person; null for an organisation.
    pub person: Option<PersonReference>,
}

/// Assessment to plan.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateAssessment {
    /// Id or slug of the organisation that is assessed.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-borough-of-hackney"
    )]
    pub organisation: String,
    /// Id or slug of the checklist to go through, which was published.
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "cyber-baseline")]
    pub checklist: String,
    /// An assessment of the same organisation that was submitted, whose answers are carried forward: to the same controls, and
    /// to those to which they are mapped. What is not the same needs another look.
    #[serde(default)]
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c10")]
    pub supersedes: Option<Uuid>,
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) state: AssessmentState,
}

/// What can be changed of an assessment: before it is submitted, and when changes are requested; `sharesResults` always.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentState {
    /// What it is called.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Cyber baseline 2026"
    )]
    pub title: String,
    /// By when it is to be submitted. Of one that carries answers forward, when the checklist is due again if absent.
    #[serde(default)]
    #[schema(example = "2027-03-31")]
    pub due_on: Option<NaiveDate>,
    /// Whether its result counts in benchmarks.
    #[serde(default)]
    #[schema(default = false, example = false)]
    pub shares_results: bool,
    /// Who may assure it, each once; it is not submitted without any.
    #[serde(default)]
    #[schema(max_items = 20, example = json!([{ "organisation": "greater-london-authority" }]))]
    pub assurers: Vec<NewAssessmentAssurer>,
}

/// One who may assure an assessment: an organisation or a person.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewAssessmentAssurer {
    /// Id or slug of another organisation, whose contributors do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "greater-london-authority"
    )]
    pub organisation: Option<String>,
    /// Id of a person, of whichever organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub person: Option<Uuid>,
}

merge_patch! {
    /// Change to an assessment, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateAssessment of AssessmentState
}

/// One page of assessments.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentPage {
    /// The assessments on this page, the newest first.
    #[schema(max_items = 100)]
    pub items: Vec<Assessment>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Changes that who assures an assessment wants.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct RequestAssessmentChanges {
    /// Which, in general.
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Some evidence is too old."
    )]
    pub reason: String,
    /// Which, of single responses.
    #[serde(default)]
    #[schema(max_items = 1000, example = json!([]))]
    pub controls: Vec<ControlChangeRequest>,
}

/// Change that is wanted of a response.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlChangeRequest {
    /// Id of the control.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000-\u0020\u007f]+$", example = "access-1")]
    pub control: String,
    /// What is to be changed.
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Show the list of leavers of this quarter."
    )]
    pub reason: String,
}

/// What who assures an assessment says of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct AssureAssessment {
    /// What they looked at, and what they found.
    #[schema(
        min_length = 1,
        max_length = 5000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "The evidence bears out the answers."
    )]
    pub statement: String,
}

impl AssessmentState {
    /// The state to store, beside who assures it.
    pub(super) fn stored(&self) -> StoredState {
        let Self { title, due_on, shares_results, assurers: _ } = self.clone();
        StoredState { title, due_on, shares_results }
    }
}

impl From<&Row> for AssessmentState {
    fn from(assessment: &Row) -> Self {
        let StoredState { title, due_on, shares_results } = assessment.state.clone();
        let named = |Assurer { organisation, person }: &Assurer| NewAssessmentAssurer {
            organisation: organisation.as_ref().map(|organisation| organisation.id.to_string()),
            person: person.as_ref().map(|person| person.id),
        };
        Self { title, due_on, shares_results, assurers: assessment.assurers.0.iter().map(named).collect() }
    }
}

impl From<Assurer> for AssessmentAssurer {
    fn from(Assurer { organisation, person }: Assurer) -> Self {
        Self { organisation: organisation.map(Into::into), person: person.map(Into::into) }
    }
}

impl From<RowProgress> for AssessmentProgress {
    fn from(RowProgress { controls, answered, changes_requested, look_again }: RowProgress) -> Self {
        Self {
            control_count: controls,
            answered_count: answered,
            change_requested_count: changes_requested,
            look_again_count: look_again,
        }
    }
}

impl From<Row> for Assessment {
    fn from(assessment: Row) -> Self {
        let Row {
            id,
            version,
            created_at,
            updated_at,
            organisation_id: _,
            organisation,
            checklist_id: _,
            checklist,
            supersedes_id,
            superseded_by_id,
            state: StoredState { title, due_on, shares_results },
            status,
            status_reason,
            submitted_at,
            submitted_by,
            assured_at,
            assured_by,
            assured_for,
            assurance,
            score,
            assurers,
            progress,
        } = assessment;
        Self {
            id,
            version,
            created_at,
            updated_at,
            organisation: organisation.0.into(),
            checklist: checklist.0.into(),
            supersedes: supersedes_id,
            superseded_by: superseded_by_id,
            title,
            due_on,
            shares_results,
            assurers: assurers.0.into_iter().map(Into::into).collect(),
            status,
            status_reason,
            submitted_at,
            submitted_by: submitted_by.map(|person| person.0.into()),
            assured_at,
            assured_by: assured_by.map(|person| person.0.into()),
            assured_for: assured_for.map(|organisation| organisation.0.into()),
            assurance,
            score,
            progress: progress.0.into(),
        }
    }
}
