//! Organisations as they go over the wire.

use chrono::{DateTime, NaiveDate, Utc};
use db::Tx;
use db::organisations::{self, Key, Organisation as Row, OrganisationKind, OrganisationRow, OrganisationState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::{Validate, ValidationError};

use crate::http::text::{Domain, OrganisationKey, Spelling};
use crate::merge_patch;
use crate::problem::Problem;

/// Body that uses, builds, supplies, signs or complies: a council, a trust, a utility, a supplier.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Organisation {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 3)]
    pub version: i32,
    /// When it was added (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Readable identifier, which works in place of `id`. An earlier one redirects here for good.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-borough-of-hackney"
    )]
    pub slug: String,
    #[serde(flatten)]
    pub(crate) facts: OrganisationFacts,
    /// The body it is part of or answers to.
    pub parent: Option<OrganisationReference>,
    /// The bodies that took over from it when it ended: one after a merger, several after a split.
    #[schema(max_items = 20)]
    pub replaced_by: Vec<OrganisationReference>,
    /// The bodies that stand for it today: where the chain of `replacedBy` ends.
    #[schema(read_only, max_items = 100)]
    pub successors: Vec<OrganisationReference>,
    /// Domains of its people's e-mail addresses. Only its members see them; null for everybody else.
    #[schema(max_items = 20, value_type = Option<Vec<Domain>>)]
    pub email_domains: Option<Vec<String>>,
}

/// What a writer says of an organisation, the same to add and to change it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[validate(schema(function = "ends_after_start"))]
pub(crate) struct OrganisationFacts {
    /// What sort of body it is.
    pub kind: OrganisationKind,
    /// Official name.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "London Borough of Hackney"
    )]
    pub name: String,
    /// Other spellings that people use; look-ups find it by each.
    #[serde(default)]
    #[schema(max_items = 50, value_type = Vec<Spelling>)]
    pub aliases: Vec<String>,
    /// Codes under which others know it.
    #[serde(default)]
    #[schema(max_items = 20)]
    #[validate(nested)]
    pub identifiers: Vec<Identifier>,
    /// Its website: http or https.
    #[schema(
        format = "uri",
        max_length = 2000,
        pattern = r"^https?://[^\s\u0000-\u001f\u007f]+$",
        example = "https://www.hackney.gov.uk"
    )]
    pub website: Option<String>,
    /// Region of the United Kingdom.
    #[schema(min_length = 1, max_length = 80, pattern = r"^[^\u0000-\u001f\u007f]*$", example = "London")]
    pub region: Option<String>,
    /// First day of its existence.
    #[schema(example = "1965-04-01")]
    pub starts_on: Option<NaiveDate>,
    /// Last day of its existence; null while it exists.
    #[schema(example = "2043-03-31")]
    pub ends_on: Option<NaiveDate>,
    /// Since when it takes part here.
    #[schema(example = "2019-07-15")]
    pub member_since: Option<NaiveDate>,
    /// Days after which one of its citations that nobody confirmed counts as stale.
    #[serde(default = "a_year")]
    #[schema(minimum = 1, maximum = 3650, default = 365, example = 365)]
    pub stale_after_days: i32,
}

fn a_year() -> i32 {
    365
}

/// Code under which others know an organisation, in the manner of OCDS organisation identifiers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[validate(schema(function = "fits_its_scheme"))]
pub struct Identifier {
    /// List that the code is from: `GB-LAC` (GSS code of a local authority), `GB-NHS` (ODS code), `GB-COH` (Companies
    /// House number), `SWA` (street works), or another of org-id.guide.
    #[schema(min_length = 2, max_length = 16, pattern = "^[A-Z]{2,3}(-[A-Z0-9]{1,12})?$", example = "GB-LAC")]
    pub scheme: String,
    /// The code.
    #[schema(min_length = 1, max_length = 64, pattern = r"^[^\u0000-\u0020\u007f]+$", example = "E09000012")]
    pub id: String,
}

/// How another resource names an organisation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrganisationReference {
    /// Its id.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Its slug.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "greater-london-authority"
    )]
    pub slug: String,
    /// Its name.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*$",
        example = "Greater London Authority"
    )]
    pub name: String,
}

/// Organisation to add.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateOrganisation {
    /// Readable identifier; made from the name when absent.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-borough-of-hackney"
    )]
    pub slug: Option<String>,
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) facts: OrganisationFacts,
    /// Id or slug of the body it is part of or answers to.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "greater-london-authority"
    )]
    pub parent: Option<String>,
    /// Ids or slugs of the bodies that took over from it when it ended.
    #[serde(default)]
    #[schema(max_items = 20, value_type = Vec<OrganisationKey>)]
    pub replaced_by: Vec<String>,
    /// Domains of its people's e-mail addresses.
    #[serde(default)]
    #[schema(max_items = 20, value_type = Vec<Domain>)]
    pub email_domains: Vec<String>,
}

merge_patch! {
    /// Change to an organisation, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateOrganisation of CreateOrganisation
}

/// One page of organisations.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrganisationPage {
    /// The organisations on this page.
    #[schema(max_items = 100)]
    pub items: Vec<Organisation>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
    /// How many there are on all pages; null unless asked for by `count`.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 33)]
    pub total: Option<i64>,
}

impl CreateOrganisation {
    /// The state to store; faults for references that lead nowhere.
    pub(crate) fn state(&self, tx: &mut Tx<'_>, slug: String) -> Result<OrganisationState, Problem> {
        let parent = self.parent.iter().map(|key| ("/parent".to_owned(), Key::from(key.as_str())));
        let replaced_by = self.replaced_by.iter().enumerate();
        let replaced_by = replaced_by.map(|(index, key)| (format!("/replacedBy/{index}"), Key::from(key.as_str())));
        let mut ids = organisations::resolve(tx, &parent.chain(replaced_by).collect::<Vec<_>>())?.into_iter();
        let facts = self.facts.clone();
        let mut state = OrganisationState {
            slug,
            kind: facts.kind,
            name: facts.name,
            aliases: facts.aliases,
            identifiers: facts.identifiers.into_iter().map(Into::into).collect(),
            website: facts.website,
            region: facts.region,
            parent_id: self.parent.as_ref().and_then(|_| ids.next()),
            starts_on: facts.starts_on,
            ends_on: facts.ends_on,
            replaced_by: ids.collect(),
            member_since: facts.member_since,
            stale_after_days: facts.stale_after_days,
            email_domains: self.email_domains.clone(),
        };
        state.tidy();
        Ok(state)
    }
}

impl From<&OrganisationState> for CreateOrganisation {
    fn from(state: &OrganisationState) -> Self {
        let OrganisationState {
            slug,
            kind,
            name,
            aliases,
            identifiers,
            website,
            region,
            parent_id,
            starts_on,
            ends_on,
            replaced_by,
            member_since,
            email_domains,
            stale_after_days,
        } = state.clone();
        Self {
            slug: Some(slug),
            facts: OrganisationFacts {
                kind,
                name,
                aliases,
                identifiers: identifiers.into_iter().map(Into::into).collect(),
                website,
                region,
                starts_on,
                ends_on,
                member_since,
                stale_after_days,
            },
            parent: parent_id.map(|id| id.to_string()),
            replaced_by: replaced_by.iter().map(ToString::to_string).collect(),
            email_domains,
        }
    }
}

impl From<Row> for Organisation {
    fn from(organisation: Row) -> Self {
        let Row { row, parent, identifiers, replaced_by, successors, seen_by_member } = organisation;
        let OrganisationRow {
            id,
            version,
            created_at,
            updated_at,
            slug,
            kind,
            name,
            aliases,
            website,
            region,
            starts_on,
            ends_on,
            member_since,
            email_domains,
            stale_after_days,
        } = row;
        Self {
            id,
            version,
            created_at,
            updated_at,
            slug,
            facts: OrganisationFacts {
                kind,
                name,
                aliases: aliases.0,
                identifiers: identifiers.0.into_iter().map(Into::into).collect(),
                website,
                region,
                starts_on,
                ends_on,
                member_since,
                stale_after_days,
            },
            parent: parent.map(|parent| parent.0.into()),
            replaced_by: replaced_by.0.into_iter().map(Into::into).collect(),
            successors: successors.0.into_iter().map(Into::into).collect(),
            email_domains: seen_by_member.then_some(email_domains.0),
        }
    }
}

impl From<organisations::Reference> for OrganisationReference {
    fn from(organisations::Reference { id, slug, name }: organisations::Reference) -> Self {
        Self { id, slug, name }
    }
}

impl From<organisations::Identifier> for Identifier {
    fn from(organisations::Identifier { scheme, id }: organisations::Identifier) -> Self {
        Self { scheme, id }
    }
}

impl From<Identifier> for organisations::Identifier {
    fn from(Identifier { scheme, id }: Identifier) -> Self {
        Self { scheme, id }
    }
}

fn ends_after_start(facts: &OrganisationFacts) -> Result<(), ValidationError> {
    match (facts.starts_on, facts.ends_on) {
        (Some(starts), Some(ends)) if ends < starts => {
            Err(fault("/endsOn", "before_start", "must not be before startsOn"))
        }
        _ => Ok(()),
    }
}

/// The schemes that we know have codes of one form.
fn fits_its_scheme(identifier: &Identifier) -> Result<(), ValidationError> {
    let id = identifier.id.as_bytes();
    let digits = |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    let fits = match identifier.scheme.as_str() {
        "GB-LAC" => matches!(id, [first, rest @ ..] if first.is_ascii_uppercase() && rest.len() == 8 && digits(rest)),
        "GB-COH" => {
            matches!(id, [a, b, rest @ ..] if rest.len() == 6 && digits(rest)
                && (a.is_ascii_digit() && b.is_ascii_digit() || a.is_ascii_alphabetic() && b.is_ascii_alphabetic()))
        }
        "GB-NHS" => (3..=10).contains(&id.len()) && id.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()),
        "SWA" => id.len() <= 6 && digits(id),
        _ => true,
    };
    let detail = match identifier.scheme.as_str() {
        "GB-LAC" => "must be a GSS code: a capital letter and eight digits",
        "GB-COH" => "must be a Companies House number: two digits or letters and six digits",
        "GB-NHS" => "must be an ODS code: three to ten capital letters and digits",
        _ => "must be a street works number: one to six digits",
    };
    if fits { Ok(()) } else { Err(fault("/id", "wrong_form", detail)) }
}

/// A fault at a place within what is checked.
pub(crate) fn fault(at: &'static str, code: &'static str, detail: &'static str) -> ValidationError {
    let mut error = ValidationError::new(code).with_message(detail.into());
    error.add_param("at".into(), &at);
    error
}
