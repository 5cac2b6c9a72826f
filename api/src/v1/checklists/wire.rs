//! Checklists as they go over the wire; the controls that they select are in [`super::controls`].

use chrono::{DateTime, Utc};
use db::checklists::controls::Selected;
use db::checklists::{
    Checklist as Row, ChecklistReference as RowReference, ChecklistState as StoredState, ChecklistStatus, ScoringRule,
    Selector, Setting,
};
use db::organisations::OrganisationKind;
use db::types::{Json, Texts};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use crate::compliance::selection::Adjustment;
use crate::http::text::ControlKey;
use crate::merge_patch;
use crate::v1::frameworks::wire::FrameworkReference;
use crate::v1::organisations::wire::OrganisationReference;

/// One edition of a selection of controls of a framework, which organisations go through. Once it was published, what it
/// says stays.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checklist {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises with each change, of its controls as well; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 3)]
    pub version: i32,
    /// When it was added (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Readable identifier, which works in place of `id`. An earlier one redirects here for good.
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "cyber-baseline")]
    pub slug: String,
    #[serde(flatten)]
    pub(crate) facts: ChecklistFacts,
    /// Who keeps it here.
    pub organisation: OrganisationReference,
    /// Of which framework it selects controls.
    pub framework: FrameworkReference,
    /// The edition that it takes the place of; null when it is the first.
    pub supersedes: Option<ChecklistReference>,
    /// The edition that took its place; null as long as there is none.
    pub superseded_by: Option<ChecklistReference>,
    /// Where it stands.
    pub status: ChecklistStatus,
    /// Why it was withdrawn.
    #[schema(
        read_only,
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]+$",
        example = "Another takes its place."
    )]
    pub status_reason: Option<String>,
    /// When it was published (UTC); null before.
    #[schema(read_only, example = "2026-11-24T09:30:00Z")]
    pub published_at: Option<DateTime<Utc>>,
    /// How many controls it selects.
    #[schema(read_only, minimum = 0, maximum = 20_000, example = 40)]
    pub control_count: i32,
}

/// What a writer says of a checklist, the same to add and to change it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChecklistFacts {
    /// What it is called.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Cyber baseline for councils"
    )]
    pub title: String,
    /// Which edition it is.
    #[schema(min_length = 1, max_length = 60, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "1.0")]
    pub edition: String,
    /// What it is for, in a line.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 300,
        pattern = r"^[^\u0000-\u001f\u007f]+$",
        example = "What every council goes through once a year."
    )]
    pub summary: Option<String>,
    /// Which controls of the framework it includes: all that any of these means; all there are when it has none.
    #[serde(default)]
    #[schema(max_items = 100, example = json!([{ "groups": ["access"] }]))]
    pub include: Vec<ChecklistSelector>,
    /// Which of those it excludes.
    #[serde(default)]
    #[schema(max_items = 100, example = json!([{ "ids": ["access-3"] }]))]
    pub exclude: Vec<ChecklistSelector>,
    /// Values of parameters of the framework.
    #[serde(default)]
    #[schema(max_items = 5000, example = json!([{ "parameter": "days", "values": ["7"] }]))]
    pub parameters: Vec<ParameterSetting>,
    /// Kinds of organisation that it is for; all when it has none.
    #[serde(default)]
    #[schema(max_items = 10, example = json!(["local_authority"]))]
    pub applies_to: Vec<OrganisationKind>,
    /// After how many months it is to be gone through again; null where it is not.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 120, example = 12)]
    pub due_every_months: Option<i32>,
    /// How an assessment is scored.
    pub scoring: ScoringRule,
}

/// Which controls: all that any of its parts means (OSCAL, select-control-by-id).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChecklistSelector {
    /// Controls by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 20_000, value_type = Vec<ControlKey>, example = json!(["access-1"]))]
    pub ids: Vec<String>,
    /// All controls in these groups, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000, value_type = Vec<ControlKey>, example = json!(["access"]))]
    pub groups: Vec<String>,
    /// Controls whose ids match these patterns, in which `*` is any text and `?` any character.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100, value_type = Vec<ControlKey>, example = json!(["ac-*"]))]
    pub matching: Vec<String>,
    /// Whether the controls within those that are named are meant too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = true)]
    pub with_child_controls: Option<bool>,
}

/// What stands in place of a parameter.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParameterSetting {
    /// Id of the parameter.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000-\u0020\u007f]+$", example = "days")]
    pub parameter: String,
    /// Its values.
    #[serde(default)]
    #[schema(max_items = 100, value_type = Vec<ParameterValue>, example = json!(["7"]))]
    pub values: Vec<String>,
}

crate::http::text::text! {
    /// Value of a parameter.
    ParameterValue, 1 to 2000, r"^[^\u0000]+$", "7"
}

/// Checklist, as others refer to it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChecklistReference {
    /// Its id.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Its slug.
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "cyber-baseline")]
    pub slug: String,
    /// Its title.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]+$",
        example = "Cyber baseline for councils"
    )]
    pub title: String,
    /// Which edition it is.
    #[schema(min_length = 1, max_length = 60, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "1.0")]
    pub edition: String,
}

/// Checklist to add, as a draft; and what can be changed of one. Of what was published, only slug, summary and organisation
/// change.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct ChecklistState {
    /// Readable identifier; made from title and edition when absent.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "cyber-baseline")]
    pub slug: Option<String>,
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) facts: ChecklistFacts,
    /// Id or slug of who keeps it here.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-borough-of-hackney"
    )]
    pub organisation: String,
    /// Id or slug of the framework of which it selects controls, which was published.
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "cyber-baseline")]
    pub framework: String,
    /// Id or slug of the edition that it takes the place of.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "cyber-baseline")]
    pub supersedes: Option<String>,
    /// What is added to controls that it selects; of others nothing is.
    #[serde(default)]
    #[schema(max_items = 10_000, example = json!([{ "control": "access-1", "guidance": "Ask HR.", "weight": 2 }]))]
    pub controls: Vec<ChecklistAdjustment>,
}

/// What is added to a control.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChecklistAdjustment {
    /// Id of the control.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000-\u0020\u007f]+$", example = "access-1")]
    pub control: String,
    /// What to bear in mind.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 5000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Ask HR for the list of leavers."
    )]
    pub guidance: Option<String>,
    /// How much it counts for.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 100, default = 1, example = 2)]
    pub weight: i32,
}

fn one() -> i32 {
    1
}

merge_patch! {
    /// Change to a checklist, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateChecklist of ChecklistState
}

/// One page of checklists.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChecklistPage {
    /// The checklists on this page, by title.
    #[schema(max_items = 100)]
    pub items: Vec<Checklist>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Why a checklist is withdrawn.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct WithdrawChecklist {
    /// Why, for those who use it.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Another takes its place."
    )]
    pub reason: String,
}

/// What a checklist refers to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids {
    /// Who keeps it.
    pub organisation: Uuid,
    /// Of which framework it selects controls.
    pub framework: Uuid,
    /// The edition that it takes the place of.
    pub supersedes: Option<Uuid>,
}

/// What a checklist adds to a control, of what is kept.
pub(super) fn adjustment(selected: &Selected) -> Adjustment {
    let Selected { position: _, control_id, guidance, weight } = selected.clone();
    Adjustment { control: control_id, guidance, weight }
}

impl ChecklistState {
    /// What is kept, as a writer would send it.
    pub(super) fn new(state: StoredState, held: &[Selected]) -> Self {
        let (facts, StoredState { slug, organisation_id, framework_id, supersedes_id, .. }) = (facts(&state), state);
        let added = held.iter().filter(|selected| selected.guidance.is_some() || selected.weight != 1).map(adjustment);
        let controls =
            added.map(|Adjustment { control, guidance, weight }| ChecklistAdjustment { control, guidance, weight });
        Self {
            slug: Some(slug),
            facts,
            organisation: organisation_id.to_string(),
            framework: framework_id.to_string(),
            supersedes: supersedes_id.map(|id| id.to_string()),
            controls: controls.collect(),
        }
    }

    /// The state to store.
    pub(crate) fn stored(&self, slug: String, ids: Ids, profile: Map<String, Value>) -> StoredState {
        let ChecklistFacts {
            title,
            edition,
            summary,
            include,
            exclude,
            parameters,
            applies_to,
            due_every_months,
            scoring,
        } = self.facts.clone();
        let setting = |ParameterSetting { parameter, values }: ParameterSetting| Setting { parameter, values };
        StoredState {
            slug,
            title,
            edition,
            summary,
            organisation_id: ids.organisation,
            framework_id: ids.framework,
            supersedes_id: ids.supersedes,
            included: Json(include.into_iter().map(Selector::from).collect()),
            excluded: Json(exclude.into_iter().map(Selector::from).collect()),
            parameters: Json(parameters.into_iter().map(setting).collect()),
            applies_to: Texts(applies_to.iter().map(ToString::to_string).collect()),
            due_months: due_every_months,
            scoring,
            profile: Json(profile),
        }
    }

    /// What is added to controls.
    pub(crate) fn adjustments(&self) -> Vec<Adjustment> {
        let added = |added: &ChecklistAdjustment| {
            let ChecklistAdjustment { control, guidance, weight } = added.clone();
            Adjustment { control, guidance, weight }
        };
        self.controls.iter().map(added).collect()
    }
}

fn facts(state: &StoredState) -> ChecklistFacts {
    let StoredState {
        slug: _,
        title,
        edition,
        summary,
        organisation_id: _,
        framework_id: _,
        supersedes_id: _,
        included,
        excluded,
        parameters,
        applies_to,
        due_months,
        scoring,
        profile: _,
    } = state.clone();
    let setting = |Setting { parameter, values }: Setting| ParameterSetting { parameter, values };
    ChecklistFacts {
        title,
        edition,
        summary,
        include: included.0.into_iter().map(ChecklistSelector::from).collect(),
        exclude: excluded.0.into_iter().map(ChecklistSelector::from).collect(),
        parameters: parameters.0.into_iter().map(setting).collect(),
        applies_to: applies_to.0.iter().filter_map(|kind| kind.parse().ok()).collect(),
        due_every_months: due_months,
        scoring,
    }
}

impl From<ChecklistSelector> for Selector {
    fn from(ChecklistSelector { ids, groups, matching, with_child_controls }: ChecklistSelector) -> Self {
        Self { ids, groups, matching, with_child_controls }
    }
}

impl From<Selector> for ChecklistSelector {
    fn from(Selector { ids, groups, matching, with_child_controls }: Selector) -> Self {
        Self { ids, groups, matching, with_child_controls }
    }
}

impl From<RowReference> for ChecklistReference {
    fn from(RowReference { id, slug, title, edition }: RowReference) -> Self {
        Self { id, slug, title, edition }
    }
}

impl From<Row> for Checklist {
    fn from(checklist: Row) -> Self {
        let facts = facts(&checklist.state);
        let Row {
            id,
            version,
            created_at,
            updated_at,
            status,
            status_reason,
            published_at,
            control_count,
            state,
            organisation,
            framework,
            supersedes,
            superseded_by,
        } = checklist;
        Self {
            id,
            version,
            created_at,
            updated_at,
            slug: state.slug,
            facts,
            organisation: organisation.0.into(),
            framework: framework.0.into(),
            supersedes: supersedes.map(|reference| reference.0.into()),
            superseded_by: superseded_by.map(|reference| reference.0.into()),
            status,
            status_reason,
            published_at,
            control_count,
        }
    }
}
