//! Numbers of the past as a Parquet file, for anyone else's tools.
//!
//! Eight required columns: `at_ns` (a UTC timestamp in nanoseconds), `entity` and `series`, `value`, `least`, `greatest`,
//! `last` (NaN where unknown) and `samples`.
use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

const SCHEMA: &str = "message metrics {
    required int64 at_ns (TIMESTAMP(NANOS, true));
    required binary entity (UTF8);
    required binary series (UTF8);
    required double value;
    required double least;
    required double greatest;
    required double last;
    required int64 samples;
}";
/// Rows of one group: what memory holds of a file. Some 6 MB.
const ROWS_MAX: usize = 65_536;

/// One row but for its names.
#[derive(Clone, Copy)]
pub struct Point {
    /// When, or the begin of the step. Unit: ns.
    pub at_ns: i64,
    /// The number, and the least, greatest and last of its step.
    pub values: [f64; 4],
    /// How many samples it sums up.
    pub samples: i64,
}

/// Columns of a group under way.
#[derive(Default)]
struct Columns {
    at_ns: Vec<i64>,
    names: [Vec<ByteArray>; 2],
    values: [Vec<f64>; 4],
    samples: Vec<i64>,
}

/// A file being written.
pub struct Parquet<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: Columns,
}

/// What went wrong: where the file cannot be written, the [`std::io::Error`] itself.
type Failure = Box<dyn Error>;

impl<W: Write + Send> Parquet<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(to: W) -> Result<Self, Failure> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let properties = Arc::new(WriterProperties::builder().set_compression(Compression::LZ4_RAW).build());
        let file = SerializedFileWriter::new(to, schema, properties).map_err(failure)?;
        Ok(Self { file, columns: Columns::default() })
    }

    /// Adds the points of a series.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn push(
        &mut self,
        entity: &str,
        series: &str,
        points: impl Iterator<Item = Point>,
    ) -> Result<(), Failure> {
        let names = [entity, series].map(|name| ByteArray::from(name.as_bytes().to_vec()));
        for point in points {
            let columns = &mut self.columns;
            columns.at_ns.push(point.at_ns);
            columns.samples.push(point.samples);
            columns.names.iter_mut().zip(&names).for_each(|(column, name)| column.push(name.clone()));
            columns.values.iter_mut().zip(point.values).for_each(|(column, value)| column.push(value));
            if columns.at_ns.len() == ROWS_MAX {
                self.end_group()?;
            }
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.end_group()?;
        self.file.close().map(drop).map_err(failure)
    }

    fn end_group(&mut self) -> Result<(), Failure> {
        let Columns { at_ns, names, values, samples } = std::mem::take(&mut self.columns);
        if at_ns.is_empty() {
            return Ok(());
        }
        let mut write = || {
            let mut group = self.file.next_row_group()?;
            put::<Int64Type, W>(&mut group, &at_ns)?;
            names.iter().try_for_each(|column| put::<ByteArrayType, W>(&mut group, column))?;
            values.iter().try_for_each(|column| put::<DoubleType, W>(&mut group, column))?;
            put::<Int64Type, W>(&mut group, &samples)?;
            group.close().map(drop)
        };
        write().map_err(failure)
    }
}

/// Writes the next column of a group.
fn put<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("the schema has too few columns".to_owned());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()
}

fn failure(error: ParquetError) -> Failure {
    match error {
        ParquetError::External(inner) => inner,
        other => other.into(),
    }
}
