//! Lists that others keep and we refer to.

use diesel::prelude::*;
use diesel::sql_types::{Array, Text};

use crate::schema::{lgsl_services, publiccode_categories};
use crate::tx::{Conn, Tx};
use crate::{Fault, Result};

/// One service of the Local Government Services List.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct LgslService {
    pub code: String,
    pub label: String,
    pub status: String,
}

/// Adds the services that are missing and corrects those that differ.
pub fn put_lgsl_services(tx: &mut Tx<'_>, services: &[LgslService]) -> Result<usize> {
    let column = |text: fn(&LgslService) -> &str| services.iter().map(text).collect::<Vec<_>>();
    Ok(diesel::sql_query(
        "insert into lgsl_services (code, label, status) select * from unnest($1, $2, $3)
         on conflict (code) do update set label = excluded.label, status = excluded.status
         where (lgsl_services.label, lgsl_services.status) is distinct from (excluded.label, excluded.status)",
    )
    .bind::<Array<Text>, _>(column(|service| &service.code))
    .bind::<Array<Text>, _>(column(|service| &service.label))
    .bind::<Array<Text>, _>(column(|service| &service.status))
    .execute(tx.pg)?)
}

/// Adds the categories that are missing.
pub fn put_publiccode_categories(tx: &mut Tx<'_>, codes: &[String]) -> Result<usize> {
    let rows: Vec<_> = codes.iter().map(|code| publiccode_categories::code.eq(code)).collect();
    Ok(diesel::insert_into(publiccode_categories::table).values(rows).on_conflict_do_nothing().execute(tx.pg)?)
}

/// A fault for each service code that the list does not have.
pub fn check_service_codes(conn: &mut Conn<'_>, codes: &[String]) -> Result<Vec<Fault>> {
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let known: Vec<String> =
        lgsl_services::table.filter(lgsl_services::code.eq_any(codes)).select(lgsl_services::code).load(conn.pg)?;
    let faults = codes.iter().enumerate().filter(|(_, code)| !known.contains(code)).map(|(index, _)| {
        Fault::new(
            format!("/serviceCodes/{index}"),
            "unknown_service_code",
            "is not on the Local Government Services List",
        )
    });
    Ok(faults.collect())
}

/// Those of the given categories that publiccode.yml knows.
pub fn publiccode_categories_among(conn: &mut Conn<'_>, codes: &[String]) -> Result<Vec<String>> {
    Ok(publiccode_categories::table
        .filter(publiccode_categories::code.eq_any(codes))
        .select(publiccode_categories::code)
        .order(publiccode_categories::code)
        .load(conn.pg)?)
}
