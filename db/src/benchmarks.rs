//! Benchmarks: what organisations of a kind come to in a checklist, of those that share their results.
//!
//! Nobody is to learn from them what one organisation came to. So there is one cohort for each kind of organisation, none
//! for all: no two differ by few. Organisations join a cohort five or more at a time. Figures are quartiles, rounded to
//! fives, computed once a day.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Nullable, Text, Uuid as SqlUuid};
use uuid::Uuid;

use crate::Result;
use crate::assessments::responses::ResponseStatus;
use crate::functions::try_lock;
use crate::organisations::today;
use crate::schema::{benchmarks, checklists, framework_items as items};
use crate::tx::{Conn, Tx};

/// How many organisations there are at least behind a figure.
pub const FEWEST: usize = 5;

/// What a cohort comes to in a group of controls, or in all.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = benchmarks)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Benchmark {
    pub checklist_id: Uuid,
    pub cohort: String,
    pub position: i32,
    pub computed_on: NaiveDate,
    pub organisation_count: i32,
    pub lower_quartile: i32,
    pub median: i32,
    pub upper_quartile: i32,
}

/// The benchmarks of a checklist, a cohort after the other, all of it before its groups.
pub fn list(conn: &mut Conn<'_>, checklist_id: Uuid) -> Result<Vec<Benchmark>> {
    let query = benchmarks::table
        .filter(benchmarks::checklist_id.eq(checklist_id))
        .order((benchmarks::cohort, benchmarks::position));
    Ok(query.select(Benchmark::as_select()).load(conn.pg)?)
}

/// A group of controls by its place, as figures refer to it.
pub type GroupName = (i32, Option<String>, Option<String>, String);

/// The groups of the framework of a checklist that figures are of.
pub fn groups(conn: &mut Conn<'_>, checklist_id: Uuid, positions: &[i32]) -> Result<Vec<GroupName>> {
    let query = items::table
        .inner_join(checklists::table.on(checklists::framework_id.eq(items::framework_id)))
        .filter(checklists::id.eq(checklist_id))
        .filter(items::position.eq_any(positions))
        .order(items::position);
    Ok(query.select((items::position, items::item_id, items::label, items::title)).load(conn.pg)?)
}

/// Checklists of which somebody shares results, or did, and whose benchmarks are not of today. Where there are none to show
/// yet, they are looked for again on the same day: nothing that was shown can be told apart from what is shown next.
pub fn due(tx: &mut Tx<'_>) -> Result<Vec<Uuid>> {
    #[derive(QueryableByName)]
    struct Due {
        #[diesel(sql_type = SqlUuid)]
        checklist_id: Uuid,
    }
    let statement = "
        select distinct checklist_id from (
          select checklist_id from assessments where shares_results and status = 'assured'
          union all select checklist_id from benchmark_members) any_of
        where not exists (select from benchmark_runs r where r.checklist_id = any_of.checklist_id and r.computed_on = current_date)
          or not exists (select from benchmarks b where b.checklist_id = any_of.checklist_id)
        order by 1";
    let due: Vec<Due> = diesel::sql_query(statement).load(tx.pg)?;
    Ok(due.into_iter().map(|row| row.checklist_id).collect())
}

/// Whether this transaction is the only one that computes benchmarks.
pub fn alone(tx: &mut Tx<'_>) -> Result<bool> {
    Ok(diesel::select(try_lock("benchmarks")).get_result(tx.pg)?)
}

/// What a member of a cohort says to a control.
#[derive(Debug, Clone, QueryableByName)]
pub struct Shared {
    /// Among which kind of organisation.
    #[diesel(sql_type = Text)]
    pub cohort: String,
    /// Which assessment.
    #[diesel(sql_type = SqlUuid)]
    pub assessment_id: Uuid,
    /// Place of the control in its framework.
    #[diesel(sql_type = Integer)]
    pub position: i32,
    /// What it says.
    #[diesel(sql_type = Nullable<Text>)]
    pub status: Option<ResponseStatus>,
    /// How much it counts for.
    #[diesel(sql_type = Integer)]
    pub weight: i32,
}

/// Lets those leave who do not share any more, and those join who do, if they are enough; then all that members say to the
/// controls of a checklist in their latest assessment that was assured.
pub fn shared(tx: &mut Tx<'_>, checklist_id: Uuid) -> Result<Vec<Shared>> {
    let leave = "delete from benchmark_members m where checklist_id = $1 and not exists (
        select from assessments a where a.checklist_id = $1 and a.organisation_id = m.organisation_id
          and a.shares_results and a.status = 'assured')";
    diesel::sql_query(leave).bind::<SqlUuid, _>(checklist_id).execute(tx.pg)?;
    let join = "insert into benchmark_members (checklist_id, organisation_id, cohort)
        select $1, id, kind from (
          select distinct o.id, o.kind, count(*) over (partition by o.kind) as joining
          from organisations o
          where exists (select from assessments a where a.checklist_id = $1 and a.organisation_id = o.id
              and a.shares_results and a.status = 'assured')
            and not exists (select from benchmark_members m where m.checklist_id = $1 and m.organisation_id = o.id)) new
        where joining >= 5";
    diesel::sql_query(join).bind::<SqlUuid, _>(checklist_id).execute(tx.pg)?;
    let said = "
        select l.cohort, l.id as assessment_id, r.position, r.status, c.weight
        from (
            select distinct on (m.organisation_id) m.cohort, a.id from benchmark_members m
              join assessments a on a.organisation_id = m.organisation_id and a.checklist_id = m.checklist_id
                and a.shares_results and a.status = 'assured'
            where m.checklist_id = $1 order by m.organisation_id, a.assured_at desc, a.id desc) l
          join assessment_responses r on r.assessment_id = l.id
          join checklist_controls c on c.checklist_id = $1 and c.position = r.position
        order by l.cohort, l.id, r.position";
    Ok(diesel::sql_query(said).bind::<SqlUuid, _>(checklist_id).load(tx.pg)?)
}

/// The day on which figures that are computed now are of.
pub fn day(tx: &mut Tx<'_>) -> Result<NaiveDate> {
    Ok(diesel::select(today()).get_result(tx.pg)?)
}

/// Puts the figures of a checklist in place of those of before.
pub fn put(tx: &mut Tx<'_>, checklist_id: Uuid, computed_on: NaiveDate, figures: &[Benchmark]) -> Result<()> {
    use crate::schema::benchmark_runs as runs;
    diesel::delete(benchmarks::table.filter(benchmarks::checklist_id.eq(checklist_id))).execute(tx.pg)?;
    diesel::insert_into(benchmarks::table).values(figures).execute(tx.pg)?;
    diesel::insert_into(runs::table)
        .values((runs::checklist_id.eq(checklist_id), runs::computed_on.eq(computed_on)))
        .on_conflict(runs::checklist_id)
        .do_update()
        .set(runs::computed_on.eq(computed_on))
        .execute(tx.pg)?;
    Ok(())
}
