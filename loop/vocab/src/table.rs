//! Tables declared as data: from one declaration come the row struct, the SQL columns, the documentation
//! and the sanity tests.
use alloc::sync::Arc;

use crate::value::Value;

/// The unit of a column, in SQL's documentation and in tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A name, an identifier or a sentence.
    None,
    /// How many.
    Count,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Events a second.
    PerSecond,
    /// Per cent of one CPU, or of the whole: 0 to 100, for CPU time 100 a core.
    Percent,
    /// Share between 0 and 1.
    Ratio,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds since the epoch, UTC.
    UtcNanoseconds,
    /// 0 or 1.
    Boolean,
}

/// SQL type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// 64-bit signed integer.
    Integer,
    /// 64-bit float.
    Real,
    /// UTF-8 text.
    Text,
}

/// One column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name in SQL: snake case, unit last.
    pub name: &'static str,
    /// SQL type.
    pub column_type: ColumnType,
    /// Unit of its numbers.
    pub unit: Unit,
    /// One sentence for a person.
    pub doc: &'static str,
}

/// One table: its name, what a row is, and its columns.
#[derive(Clone, Copy, Debug)]
pub struct TableSpec {
    /// Name in SQL: a plural noun.
    pub name: &'static str,
    /// One sentence for a person: what one row is.
    pub doc: &'static str,
    /// Columns in the order of the row struct.
    pub columns: &'static [Column],
}

/// A row of a declared table.
pub trait Row {
    /// The declaration this row belongs to.
    const SPEC: TableSpec;
    /// The cell in the column of that index; [`Value::Null`] beyond the last one.
    fn cell(&self, column: usize) -> Value;
}

impl<R: Row> Row for Arc<R> {
    const SPEC: TableSpec = R::SPEC;

    fn cell(&self, column: usize) -> Value {
        (**self).cell(column)
    }
}

/// The SQL type a Rust type is stored as.
pub trait SqlType {
    /// The column type.
    const TYPE: ColumnType;
}

macro_rules! sql_type {
    ($column:ident: $($kind:ty),*) => {$(
        impl SqlType for $kind { const TYPE: ColumnType = ColumnType::$column; }
    )*};
}
sql_type!(Integer: u8, u16, u32, u64, usize, i8, i16, i32, i64, bool, crate::Timestamp);
sql_type!(Real: f64);
sql_type!(Text: alloc::string::String, alloc::sync::Arc<str>, &'static str, crate::Entity);

impl<T: SqlType> SqlType for Option<T> {
    const TYPE: ColumnType = T::TYPE;
}

/// Declares one table: the row struct and its [`Row`] implementation.
///
/// The doc comment of the struct is the table's sentence, that of a field the column's; the word after the
/// arrow is its [`Unit`]. The name of a field is the name of its column.
#[macro_export]
macro_rules! table {
    (
        $(#[doc = $doc:literal])+
        $table:ident => $row:ident {
            $( $(#[doc = $column_doc:literal])+ $field:ident: $kind:ty => $unit:ident, )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $row {
            $( $(#[doc = $column_doc])+ pub $field: $kind, )+
        }

        impl $crate::table::Row for $row {
            const SPEC: $crate::table::TableSpec = $crate::table::TableSpec {
                name: stringify!($table),
                doc: concat!($($doc),+),
                columns: &[$( $crate::table::Column {
                    name: stringify!($field),
                    column_type: <$kind as $crate::table::SqlType>::TYPE,
                    unit: $crate::table::Unit::$unit,
                    doc: concat!($($column_doc),+),
                }, )+],
            };

            fn cell(&self, column: usize) -> $crate::Value {
                let mut index = 0;
                $(
                    if column == index {
                        return $crate::Value::from(self.$field.clone());
                    }
                    index += 1;
                )+
                let _ = index;
                $crate::Value::Null
            }
        }
    };
}
