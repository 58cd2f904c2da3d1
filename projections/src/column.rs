//! How ids, revisions, instants and types stand in columns.
//!
//! Ids are canonical text, revisions and key numbers integers, instants microseconds, types `User` and `Group`.
//! A column that holds anything else makes the view broken; the error names what was expected, never the value.

use provisioning::{ResourceId, Revision, StreamId, Timestamp};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};
use scim::ResourceType;
use uuid::Uuid;

/// A value on its way into or out of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column<T>(pub(crate) T);

/// A number as SQLite's integer. Revisions, keys and sequences stay below 2^53 (event format, section 1).
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unexpected(expected: &'static str) -> FromSqlError {
    FromSqlError::Other(expected.into())
}

fn text(id: Uuid) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(Value::Text(id.as_hyphenated().to_string()))
}

impl ToSql for Column<ResourceId> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(text(self.0.0))
    }
}

impl FromSql for Column<ResourceId> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        ResourceId::parse(value.as_str()?).map(Self).ok_or_else(|| unexpected("not the id of a resource"))
    }
}

impl ToSql for Column<StreamId> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(text(self.0.0))
    }
}

impl FromSql for Column<StreamId> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        StreamId::parse(value.as_str()?).map(Self).ok_or_else(|| unexpected("not the id of a stream"))
    }
}

impl ToSql for Column<u64> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(integer(self.0).into())
    }
}

impl FromSql for Column<u64> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        u64::try_from(value.as_i64()?).map(Self).map_err(|_| unexpected("a negative number"))
    }
}

impl ToSql for Column<Revision> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(integer(self.0.0).into())
    }
}

impl FromSql for Column<Revision> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Column::<u64>::column_result(value).map(|number| Self(Revision(number.0)))
    }
}

impl ToSql for Column<Timestamp> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.0.into())
    }
}

impl FromSql for Column<Timestamp> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(|micros| Self(Timestamp(micros)))
    }
}

impl ToSql for Column<ResourceType> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.name().into())
    }
}

impl FromSql for Column<ResourceType> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let name = value.as_str()?;
        [ResourceType::User, ResourceType::Group]
            .into_iter()
            .find(|resource_type| resource_type.name() == name)
            .map(Self)
            .ok_or_else(|| unexpected("not a resource type"))
    }
}

/// Reads a column that holds one of the types above.
pub(crate) fn read<T>(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<T>
where
    Column<T>: FromSql,
{
    row.get::<_, Column<T>>(index).map(|column| column.0)
}

/// Reads such a column that may be null.
pub(crate) fn read_optional<T>(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Option<T>>
where
    Column<T>: FromSql,
{
    row.get::<_, Option<Column<T>>>(index).map(|column| column.map(|column| column.0))
}
