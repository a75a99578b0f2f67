//! Rows as JSON objects: one rule for page, command line and exports.
use serde_json::{Map, Number, Value as Json, json};
use vocab::Value;
use vocab::table::{Row, TableSpec, Unit};

/// Version of every JSON object that we print or serve; raised when a field changes its meaning.
pub const SCHEMA: u32 = 1;

/// A row as an object, one field a column; booleans as such, unknown as null.
pub fn object<R: Row>(row: &R) -> Json {
    let fields = R::SPEC.columns.iter().enumerate().map(|(index, column)| {
        let value = match (column.unit, row.cell(index)) {
            (Unit::Boolean, Value::Int(bit)) => Json::Bool(bit != 0),
            (_, value) => cell(&value),
        };
        (column.name.to_owned(), value)
    });
    Json::Object(fields.collect::<Map<_, _>>())
}

/// Rows as an array of objects.
pub fn array<'a, R: Row + 'a>(rows: impl IntoIterator<Item = &'a R>) -> Json {
    rows.into_iter().map(object).collect()
}

/// One cell.
pub fn cell(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Int(value) => Json::from(*value),
        Value::Real(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
        Value::Text(text) => Json::from(&**text),
    }
}

/// A table's declaration.
pub fn table(spec: &TableSpec) -> Json {
    let columns = spec.columns.iter().map(|column| {
        let kind = format!("{:?}", column.column_type).to_lowercase();
        json!({"name": column.name, "type": kind, "unit": unit(column.unit), "doc": column.doc.trim()})
    });
    json!({"name": spec.name, "doc": spec.doc.trim(), "columns": columns.collect::<Json>()})
}

/// The unit in words; empty for names and identifiers.
pub const fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::None => "",
        Unit::Count => "count",
        Unit::Bytes => "bytes",
        Unit::BytesPerSecond => "bytes/s",
        Unit::PerSecond => "1/s",
        Unit::Percent => "%",
        Unit::Ratio => "ratio",
        Unit::Seconds => "s",
        Unit::Milliseconds => "ms",
        Unit::Microseconds => "us",
        Unit::UtcNanoseconds => "ns since 1970, UTC",
        Unit::Boolean => "0 or 1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vocab::rows::{Machine, TABLES};

    #[test]
    fn a_row_has_every_column_once_and_unknown_is_null() {
        let object = object(&Machine::default());
        let fields = object.as_object().expect("an object");
        assert_eq!(fields.len(), Machine::SPEC.columns.len());
        assert_eq!(fields["cpu_user_pct"], Json::Null);
        assert_eq!(fields["cpus"], 0);
    }

    #[test]
    fn every_table_describes_itself() {
        for spec in TABLES {
            let table = table(spec);
            assert!(table["doc"].as_str().is_some_and(|doc| doc.ends_with('.')), "{}", spec.name);
        }
    }
}
