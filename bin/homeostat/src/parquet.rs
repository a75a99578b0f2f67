//! Writes numbers of the past as a Parquet file, for anyone else's tools.
//!
//! Eight required columns: `at_ns` (a UTC timestamp in nanoseconds), `entity` and `series` (texts, as a dictionary and
//! runs of its numbers: rows come series by series), `value`, `least`, `greatest`, `last` (doubles, NaN where unknown)
//! and `samples`. A group of rows holds at most [`ROWS_MAX`], its pages are packed with LZ4. What is written follows the
//! format's `parquet.thrift`; the crate for it would be larger than Homeostat.
use std::collections::HashMap;
use std::io::{self, Write};

/// Rows of one group: what memory holds of a file. Some 4 MB.
const ROWS_MAX: usize = 65_536;
const MAGIC: &[u8] = b"PAR1";

// Numbers of the format.
const INT64: i32 = 2;
const DOUBLE: i32 = 5;
const BYTE_ARRAY: i32 = 6;
const PLAIN: i32 = 0;
const RLE: i32 = 3;
const RLE_DICTIONARY: i32 = 8;
const LZ4_RAW: i32 = 7;
const DATA_PAGE: i32 = 0;
const DICTIONARY_PAGE: i32 = 2;

/// Name and type of every column, in the order of [`Columns`].
const SCHEMA: [(&str, i32); 8] = [
    ("at_ns", INT64),
    ("entity", BYTE_ARRAY),
    ("series", BYTE_ARRAY),
    ("value", DOUBLE),
    ("least", DOUBLE),
    ("greatest", DOUBLE),
    ("last", DOUBLE),
    ("samples", INT64),
];

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
    at_ns: Vec<u8>,
    names: [Names; 2],
    values: [Vec<u8>; 4],
    samples: Vec<u8>,
    rows: usize,
}

/// Texts of a column: each once, and runs of their numbers.
#[derive(Default)]
struct Names {
    numbers: HashMap<String, u32>,
    dictionary: Vec<u8>,
    runs: Vec<(u32, u64)>,
}

/// A Parquet file being written.
pub struct Parquet<W> {
    to: W,
    at: u64,
    columns: Columns,
    groups: Vec<Group>,
    rows: u64,
}

/// A group that was written.
struct Group {
    chunks: Vec<Chunk>,
    rows: usize,
}

/// One column of a group that was written.
struct Chunk {
    dictionary_at: Option<u64>,
    data_at: u64,
    plain_bytes: u64,
    packed_bytes: u64,
}

impl<W: Write> Parquet<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(mut to: W) -> io::Result<Self> {
        to.write_all(MAGIC)?;
        let (at, columns) = (MAGIC.len() as u64, Columns::default());
        Ok(Self { to, at, columns, groups: Vec::new(), rows: 0 })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn push(&mut self, entity: &str, series: &str, point: Point) -> io::Result<()> {
        let columns = &mut self.columns;
        columns.at_ns.extend_from_slice(&point.at_ns.to_le_bytes());
        columns.samples.extend_from_slice(&point.samples.to_le_bytes());
        columns.names[0].push(entity);
        columns.names[1].push(series);
        for (column, value) in columns.values.iter_mut().zip(point.values) {
            column.extend_from_slice(&value.to_le_bytes());
        }
        columns.rows += 1;
        if columns.rows == ROWS_MAX { self.end_group() } else { Ok(()) }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.end_group()?;
        let foot = foot(&self.groups, self.rows);
        self.to.write_all(&foot)?;
        self.to.write_all(&(foot.len() as u32).to_le_bytes())?;
        self.to.write_all(MAGIC)?;
        self.to.flush()
    }

    fn end_group(&mut self) -> io::Result<()> {
        let columns = std::mem::take(&mut self.columns);
        if columns.rows == 0 {
            return Ok(());
        }
        let rows = columns.rows;
        let [entity, series] = columns.names;
        let mut chunks = vec![self.plain(&columns.at_ns, rows)?];
        chunks.push(self.names(&entity, rows)?);
        chunks.push(self.names(&series, rows)?);
        for values in &columns.values {
            chunks.push(self.plain(values, rows)?);
        }
        chunks.push(self.plain(&columns.samples, rows)?);
        self.groups.push(Group { chunks, rows });
        self.rows += rows as u64;
        Ok(())
    }

    fn plain(&mut self, bytes: &[u8], rows: usize) -> io::Result<Chunk> {
        let data_at = self.at;
        let (plain_bytes, packed_bytes) = self.page(DATA_PAGE, bytes, rows, PLAIN)?;
        Ok(Chunk { dictionary_at: None, data_at, plain_bytes, packed_bytes })
    }

    fn names(&mut self, names: &Names, rows: usize) -> io::Result<Chunk> {
        let dictionary_at = Some(self.at);
        let dictionary = self.page(DICTIONARY_PAGE, &names.dictionary, names.numbers.len(), PLAIN)?;
        let data_at = self.at;
        let data = self.page(DATA_PAGE, &names.encoded(), rows, RLE_DICTIONARY)?;
        let (plain_bytes, packed_bytes) = (dictionary.0 + data.0, dictionary.1 + data.1);
        Ok(Chunk { dictionary_at, data_at, plain_bytes, packed_bytes })
    }

    /// Writes a page with its header; their length as it would be and as it is.
    fn page(&mut self, kind: i32, bytes: &[u8], values: usize, encoding: i32) -> io::Result<(u64, u64)> {
        let packed = lz4_flex::block::compress(bytes);
        let mut head = Thrift::default();
        head.int(1, kind);
        head.int(2, bytes.len() as i32);
        head.int(3, packed.len() as i32);
        head.open(if kind == DATA_PAGE { 5 } else { 7 });
        head.int(1, values as i32);
        head.int(2, encoding);
        if kind == DATA_PAGE {
            // How levels would be written: there are none of required columns.
            head.int(3, RLE);
            head.int(4, RLE);
        }
        head.close();
        let head = head.end();
        self.to.write_all(&head)?;
        self.to.write_all(&packed)?;
        self.at += (head.len() + packed.len()) as u64;
        Ok(((head.len() + bytes.len()) as u64, (head.len() + packed.len()) as u64))
    }
}

impl Names {
    fn push(&mut self, name: &str) {
        let number = match self.numbers.get(name) {
            Some(number) => *number,
            None => {
                let number = self.numbers.len() as u32;
                self.numbers.insert(name.to_owned(), number);
                self.dictionary.extend_from_slice(&(name.len() as u32).to_le_bytes());
                self.dictionary.extend_from_slice(name.as_bytes());
                number
            }
        };
        match self.runs.last_mut() {
            Some((last, times)) if *last == number => *times += 1,
            _ => self.runs.push((number, 1)),
        }
    }

    /// Width of a number in bits, then runs: times * 2, the number in whole bytes.
    fn encoded(&self) -> Vec<u8> {
        let bits = 32 - (self.numbers.len() as u32).saturating_sub(1).leading_zeros();
        let mut out = vec![bits as u8];
        for (number, times) in &self.runs {
            varint(&mut out, times << 1);
            out.extend_from_slice(&number.to_le_bytes()[..bits.div_ceil(8) as usize]);
        }
        out
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// `FileMetaData`.
fn foot(groups: &[Group], rows: u64) -> Vec<u8> {
    let mut foot = Thrift::default();
    foot.int(1, 2);
    foot.list(2, STRUCT, SCHEMA.len() + 1);
    foot.item();
    foot.text(4, "metrics");
    foot.int(5, SCHEMA.len() as i32);
    foot.close();
    SCHEMA.iter().for_each(|(name, kind)| schema(&mut foot, name, *kind));
    foot.long(3, rows);
    foot.list(4, STRUCT, groups.len());
    for group in groups {
        foot.item();
        foot.list(1, STRUCT, group.chunks.len());
        for ((name, kind), chunk) in SCHEMA.iter().zip(&group.chunks) {
            column(&mut foot, name, *kind, chunk, group.rows);
        }
        foot.long(2, group.chunks.iter().map(|chunk| chunk.plain_bytes).sum());
        foot.long(3, group.rows as u64);
        foot.close();
    }
    foot.text(6, concat!("homeostat version ", env!("CARGO_PKG_VERSION")));
    foot.end()
}

/// A required column: its type, and whether it is a text or a time.
fn schema(foot: &mut Thrift, name: &str, kind: i32) {
    foot.item();
    foot.int(1, kind);
    foot.int(3, 0);
    foot.text(4, name);
    if kind == BYTE_ARRAY {
        foot.int(6, 0);
    }
    if name == "at_ns" {
        // LogicalType TIMESTAMP { in UTC, unit NANOS }.
        foot.open(10);
        foot.open(8);
        foot.yes(1);
        foot.open(2);
        foot.open(3);
        (0..4).for_each(|_| foot.close());
    }
    foot.close();
}

fn column(foot: &mut Thrift, name: &str, kind: i32, chunk: &Chunk, rows: usize) {
    foot.item();
    foot.long(2, chunk.dictionary_at.unwrap_or(chunk.data_at));
    foot.open(3);
    foot.int(1, kind);
    let encodings: &[i32] = if kind == BYTE_ARRAY { &[PLAIN, RLE_DICTIONARY] } else { &[PLAIN] };
    foot.list(2, INT, encodings.len());
    encodings.iter().for_each(|encoding| foot.zigzag(i64::from(*encoding)));
    foot.list(3, BINARY, 1);
    foot.bytes(name);
    foot.int(4, LZ4_RAW);
    foot.long(5, rows as u64);
    foot.long(6, chunk.plain_bytes);
    foot.long(7, chunk.packed_bytes);
    foot.long(9, chunk.data_at);
    if let Some(at) = chunk.dictionary_at {
        foot.long(11, at);
    }
    foot.close();
    foot.close();
}

// Types of Thrift's compact protocol.
const TRUE: u8 = 1;
const INT: u8 = 5;
const LONG: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// Structs in Thrift's compact protocol: fields by the distance of their numbers, integers as zigzag varints.
#[derive(Default)]
struct Thrift {
    out: Vec<u8>,
    last: u8,
    outer: Vec<u8>,
}

impl Thrift {
    fn field(&mut self, number: u8, kind: u8) {
        self.out.push((number - self.last) << 4 | kind);
        self.last = number;
    }

    fn zigzag(&mut self, value: i64) {
        varint(&mut self.out, ((value << 1) ^ (value >> 63)) as u64);
    }

    fn int(&mut self, number: u8, value: i32) {
        self.field(number, INT);
        self.zigzag(i64::from(value));
    }

    fn long(&mut self, number: u8, value: u64) {
        self.field(number, LONG);
        self.zigzag(value as i64);
    }

    fn yes(&mut self, number: u8) {
        self.field(number, TRUE);
    }

    fn text(&mut self, number: u8, text: &str) {
        self.field(number, BINARY);
        self.bytes(text);
    }

    fn bytes(&mut self, text: &str) {
        varint(&mut self.out, text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
    }

    fn list(&mut self, number: u8, kind: u8, length: usize) {
        self.field(number, LIST);
        match length {
            0..15 => self.out.push((length as u8) << 4 | kind),
            _ => {
                self.out.push(0xf0 | kind);
                varint(&mut self.out, length as u64);
            }
        }
    }

    /// A struct in a field.
    fn open(&mut self, number: u8) {
        self.field(number, STRUCT);
        self.item();
    }

    /// A struct in a list.
    fn item(&mut self) {
        self.outer.push(std::mem::take(&mut self.last));
    }

    fn close(&mut self) {
        self.out.push(0);
        self.last = self.outer.pop().unwrap_or(0);
    }

    fn end(mut self) -> Vec<u8> {
        self.out.push(0);
        self.out
    }
}
