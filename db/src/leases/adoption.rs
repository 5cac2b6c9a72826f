//! Who uses which version of which template, who is behind, and from which clauses leases depart.
//!
//! Over what `lease_facts()` tells to who looks: the leases of their organisations, and those made from the templates that
//! these keep.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Jsonb, Nullable, Text, Uuid as SqlUuid};
use uuid::Uuid;

use crate::Result;
use crate::lease_templates::{self, VersionReference};
use crate::organisations::{Key, Reference, known, known_by};
use crate::tx::Conn;
use crate::types::Json;

/// How many rows a part of the report has at most.
pub const MOST: i64 = 1000;

/// Which leases it is about; all of them where nothing is named.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Made from which templates.
    pub templates: Vec<Key>,
    /// Drawn up by whom.
    pub organisations: Vec<Key>,
}

/// How many leases an organisation has of a version.
#[derive(Debug, Clone, QueryableByName)]
pub struct Use {
    /// Which organisation.
    #[diesel(sql_type = Jsonb)]
    pub organisation: Json<Reference>,
    /// Which version of which template.
    #[diesel(sql_type = Jsonb)]
    pub template: Json<VersionReference>,
    /// The number of the version to use today in its place; none when it is that itself.
    #[diesel(sql_type = Nullable<Text>)]
    pub later_version: Option<String>,
    /// How many were issued, void ones aside.
    #[diesel(sql_type = BigInt)]
    pub leases: i64,
    /// How many of these have not ended.
    #[diesel(sql_type = BigInt)]
    pub live: i64,
    /// How many are in force.
    #[diesel(sql_type = BigInt)]
    pub in_force: i64,
}

/// How often leases depart from a clause.
#[derive(Debug, Clone, QueryableByName)]
pub struct Departure {
    /// Which version of which template.
    #[diesel(sql_type = Jsonb)]
    pub template: Json<VersionReference>,
    /// Id of the clause.
    #[diesel(sql_type = Text)]
    pub clause: String,
    /// Its heading.
    #[diesel(sql_type = Text)]
    pub heading: String,
    /// How many leases depart from it.
    #[diesel(sql_type = BigInt)]
    pub departing: i64,
    /// How many leases there are of that version.
    #[diesel(sql_type = BigInt)]
    pub leases: i64,
}

/// How long it takes from issue until all parties agreed.
#[derive(Debug, Clone, QueryableByName)]
pub struct TimeToAgree {
    /// Which version of which template.
    #[diesel(sql_type = Jsonb)]
    pub template: Json<VersionReference>,
    /// How many leases were agreed.
    #[diesel(sql_type = BigInt)]
    pub leases: i64,
    /// Seconds, on average.
    #[diesel(sql_type = BigInt)]
    pub seconds: i64,
}

/// The report.
#[derive(Debug, Clone)]
pub struct Adoption {
    /// Who uses what, the most used version first.
    pub uses: Vec<Use>,
    /// From what leases depart most.
    pub departures: Vec<Departure>,
    /// How long agreement takes.
    pub times: Vec<TimeToAgree>,
}

const FACTS: &str = "with facts as materialized (
    select lease, organisation, version_used, standing, issued, agreed from lease_facts()
      join lease_template_versions v on v.id = version_used
    where ($1 or v.template_id = any ($2)) and ($3 or organisation = any ($4)))";

const USES: &str = "select organisation_ref(organisation) as organisation, lease_version_ref(version_used) as template,
    later_lease_version(version_used) as later_version, leases, live, in_force
  from (select organisation, version_used, count(*) as leases,
      count(*) filter (where standing = 'issued' or standing = 'agreed' or standing = 'in_force') as live,
      count(*) filter (where standing = 'in_force') as in_force
    from facts group by organisation, version_used) counted
  order by leases desc, organisation, version_used limit $5";

const DEPARTURES: &str =
    "select lease_version_ref(departed.version_used) as template, departed.clause, c.heading, departing, leases
  from (select version_used, clause, count(*) as departing from lease_departures()
      where lease in (select lease from facts) group by version_used, clause) departed
    join (select version_used, count(*) as leases from facts group by version_used) counted using (version_used)
    join lease_clauses c on c.version_id = departed.version_used and c.clause_id = departed.clause
  order by departing desc, departed.version_used, departed.clause limit $5";

const TIMES: &str = "select lease_version_ref(version_used) as template, leases, seconds
  from (select version_used, count(*) as leases, avg(extract(epoch from agreed - issued))::bigint as seconds
    from facts where agreed is not null group by version_used) counted
  order by leases desc, version_used limit $5";

/// The report over what is seen.
pub fn report(conn: &mut Conn<'_>, filter: &Filter) -> Result<Adoption> {
    let templates = known_by(conn, &filter.templates, lease_templates::id_of)?;
    let organisations = known(conn, &filter.organisations)?;
    let of = Scope {
        any_template: filter.templates.is_empty(),
        templates,
        anybody: filter.organisations.is_empty(),
        organisations,
    };
    Ok(Adoption { uses: of.load(conn, USES)?, departures: of.load(conn, DEPARTURES)?, times: of.load(conn, TIMES)? })
}

struct Scope {
    any_template: bool,
    templates: Vec<Uuid>,
    anybody: bool,
    organisations: Vec<Uuid>,
}

impl Scope {
    fn load<T>(&self, conn: &mut Conn<'_>, part: &str) -> Result<Vec<T>>
    where
        T: QueryableByName<diesel::pg::Pg> + 'static,
    {
        let query = diesel::sql_query(format!("{FACTS} {part}"))
            .bind::<Bool, _>(self.any_template)
            .bind::<Array<SqlUuid>, _>(&self.templates)
            .bind::<Bool, _>(self.anybody)
            .bind::<Array<SqlUuid>, _>(&self.organisations)
            .bind::<BigInt, _>(MOST);
        Ok(query.load(conn.pg)?)
    }
}
