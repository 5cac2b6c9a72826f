//! Products that are much alike, so that duplicates are joined rather than added.

use diesel::prelude::*;
use diesel::sql_types::{Array, Float8, Nullable, Text, Uuid as SqlUuid};
use uuid::Uuid;

use super::ProductState;
use crate::Result;
use crate::tx::Conn;
use crate::types::Texts;

/// A product much like another.
#[derive(Debug, Clone, QueryableByName)]
pub struct SimilarProduct {
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Its slug.
    #[diesel(sql_type = Text)]
    pub slug: String,
    /// Its name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Its line.
    #[diesel(sql_type = Nullable<Text>)]
    pub summary: Option<String>,
    /// How alike, from 0 to 1: seven parts the name, three parts the codes.
    #[diesel(sql_type = Float8)]
    pub score: f64,
    /// Service, CPV and category codes that both have.
    #[diesel(sql_type = Array<Nullable<Text>>)]
    pub shared_codes: Texts,
}

/// Three bounded sets, one by each index: names that look alike, and the latest with a service or a CPV code in common.
const SIMILAR: &str = "
with candidates as (
  (select id from products where fold(name) % fold($1) and id is distinct from $3
   order by similarity(fold(name), fold($1)) desc, id limit 50)
  union
  (select id from products where service_codes && $4 and id is distinct from $3 order by id desc limit 50)
  union
  (select id from products where cpv_codes && $5 and id is distinct from $3 order by id desc limit 50)
), scored as (
  select p.id, p.slug, p.name, p.summary,
    similarity(fold(p.name), fold($1))::float8 as alike,
    array(select unnest(p.service_codes || p.cpv_codes || p.categories)
          intersect select unnest($2::text[]) order by 1) as shared_codes,
    cardinality(p.service_codes || p.cpv_codes || p.categories) as codes
  from products p join candidates using (id)
)
select id, slug, name, summary, shared_codes,
  round((0.7 * alike + 0.3 * cardinality(shared_codes)
    / greatest(1, codes + cardinality($2::text[]) - cardinality(shared_codes)))::numeric, 4)::float8 as score
from scored order by score desc, id limit $6";

/// Those most like a product or a draft of one; `except` is the product itself.
pub fn list(
    conn: &mut Conn<'_>,
    state: &ProductState,
    except: Option<Uuid>,
    least: f64,
    limit: i64,
) -> Result<Vec<SimilarProduct>> {
    let codes: Vec<String> =
        [&state.service_codes, &state.cpv_codes, &state.categories].iter().flat_map(|codes| codes.0.clone()).collect();
    let mut found: Vec<SimilarProduct> = diesel::sql_query(SIMILAR)
        .bind::<Text, _>(&state.name)
        .bind::<Array<Nullable<Text>>, _>(Texts(codes))
        .bind::<Nullable<SqlUuid>, _>(except)
        .bind::<Array<Nullable<Text>>, _>(&state.service_codes)
        .bind::<Array<Nullable<Text>>, _>(&state.cpv_codes)
        .bind::<diesel::sql_types::BigInt, _>(limit)
        .load(conn.pg)?;
    found.retain(|product| product.score >= least);
    Ok(found)
}
