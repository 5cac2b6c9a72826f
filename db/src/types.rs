//! Column types that Diesel has no Rust type for.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{Array, Date, Jsonb, Nullable, Text};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A column that is an array. PostgreSQL would allow null elements and Diesel says so; ours have none.
macro_rules! array {
    ($(#[$doc:meta])* $name:ident of $element:ty as $sql:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, AsExpression, FromSqlRow, Serialize, Deserialize)]
        #[diesel(sql_type = Array<Nullable<$sql>>)]
        #[serde(transparent)]
        pub struct $name(pub Vec<$element>);

        impl FromSql<Array<Nullable<$sql>>, Pg> for $name {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                let elements = <Vec<Option<$element>> as FromSql<Array<Nullable<$sql>>, Pg>>::from_sql(value)?;
                Ok(Self(elements.into_iter().flatten().collect()))
            }
        }

        impl ToSql<Array<Nullable<$sql>>, Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                let elements: Vec<Option<&$element>> = self.0.iter().map(Some).collect();
                <Vec<Option<&$element>> as ToSql<Array<Nullable<$sql>>, Pg>>::to_sql(&elements, &mut out.reborrow())
            }
        }
    };
}

array! {
    /// A `text[]` column.
    Texts of String as Text
}

array! {
    /// A `date[]` column.
    Dates of chrono::NaiveDate as Date
}

array! {
    /// A `uuid[]` column.
    Uuids of uuid::Uuid as diesel::sql_types::Uuid
}

impl From<Vec<String>> for Texts {
    fn from(texts: Vec<String>) -> Self {
        Self(texts)
    }
}

/// A `jsonb` column of one known shape.
#[derive(Debug, Clone, Default, PartialEq, Eq, AsExpression, FromSqlRow, Serialize, Deserialize)]
#[diesel(sql_type = Jsonb)]
#[serde(transparent)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromSql<Jsonb, Pg> for Json<T> {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let json = <serde_json::Value as FromSql<Jsonb, Pg>>::from_sql(value)?;
        Ok(Self(serde_json::from_value(json)?))
    }
}

impl<T: Serialize + std::fmt::Debug> ToSql<Jsonb, Pg> for Json<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let json = serde_json::to_value(&self.0)?;
        <serde_json::Value as ToSql<Jsonb, Pg>>::to_sql(&json, &mut out.reborrow())
    }
}
