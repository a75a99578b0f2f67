//! `check` reads every byte, `stats` says what is there; both speak to a person.

use std::fmt;

use super::History;
use super::cold::{Reader, Tier};
use crate::codec::{self, Summary};
use crate::error::Result;
use crate::log;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Check {
    /// Files read.
    pub files: usize,
    /// Blocks read.
    pub blocks: usize,
    /// Chunks decoded and compared with their bounds.
    pub chunks: u64,
    /// Samples and rows in them.
    pub values: u64,
    /// Ticks in hot memory.
    pub hot_ticks: usize,
    /// Records in the tail's log.
    pub log_records: u64,
    /// One line for everything that is not as it was written.
    pub damage: Vec<String>,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, blocks, chunks, values, hot_ticks, log_records, damage } = self;
        writeln!(f, "read {files} files, {blocks} blocks, {chunks} chunks, {values} values")?;
        writeln!(f, "read {hot_ticks} ticks in memory, {log_records} records of the tail")?;
        match damage.len() {
            0 => writeln!(f, "everything is as it was written"),
            1 => writeln!(f, "1 place is damaged, everything else can be read:"),
            n => writeln!(f, "{n} places are damaged, everything else can be read:"),
        }?;
        damage.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// What one tier holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierStats {
    /// The tier.
    pub tier: Tier,
    /// Its files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Samples or rows in them.
    pub values: u64,
    /// Least and greatest time, in ms.
    pub span_ms: Option<(i64, i64)>,
}

/// What the history holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Every tier, finest first.
    pub tiers: Vec<TierStats>,
    /// Samples in hot memory.
    pub hot_samples: u64,
    /// Bytes of hot memory, used or not.
    pub hot_bytes: u64,
    /// Bytes of the tail's log.
    pub log_bytes: u64,
    /// Bytes the files may take together.
    pub disk_bytes: u64,
    /// Samples and series shed for want of room since the start; `None` where it is only read.
    pub shed: Option<(u64, u64)>,
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:8} {:>6} {:>10} {:>14} {:>10} {:>10}",
            "tier", "files", "size", "values", "B/value", "hours"
        )?;
        for tier in &self.tiers {
            let each = tier.bytes as f64 / tier.values.max(1) as f64;
            let hours = tier.span_ms.map_or(0.0, |(from, to)| (to - from) as f64 / 3.6e6);
            let size = mib(tier.bytes);
            let (name, files, values) = (tier.tier.word(), tier.files, tier.values);
            writeln!(f, "{name:8} {files:>6} {size:>10} {values:>14} {each:>10.3} {hours:>10.1}")?;
        }
        let total: u64 = self.tiers.iter().map(|t| t.bytes).sum();
        writeln!(f, "disk     {} of {}, tail {}", mib(total), mib(self.disk_bytes), mib(self.log_bytes))?;
        writeln!(f, "memory   {}, {} samples not yet in files", mib(self.hot_bytes), self.hot_samples)?;
        match self.shed {
            None => Ok(()),
            Some((0, 0)) => writeln!(f, "shed     nothing"),
            Some((samples, series)) => {
                writeln!(f, "shed     {samples} samples, {series} series for want of room")
            }
        }
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

impl History {
    /// Reads every chunk of every file, the hot memory and the tail, and names all damage. Changes nothing.
    pub fn check(&self) -> Result<Check> {
        let mut check = Check::default();
        for name in self.medium.list()? {
            let Some(tier) = super::cold::tier_of(&name) else { continue };
            check.files += 1;
            if let Err(error) = self.check_file(&name, tier, &mut check) {
                check.damage.push(error.to_string());
            }
        }
        for (hot, which) in self.hot.iter().flat_map(|hot| [(hot, 0), (hot, 1)]) {
            let generation = hot.generation(which);
            for tick in generation.ticks().filter(|_| generation.number() != 0) {
                check.hot_ticks += 1;
                if !tick.is_intact() {
                    check.damage.push(format!("hot memory is damaged in the tick of {} ms", tick.at_ms));
                }
            }
        }
        let recovery = log::read(&*self.medium, |_, _| {})?;
        check.log_records = recovery.records;
        check.damage.extend(recovery.lost.iter().map(ToString::to_string).chain(recovery.skipped));
        Ok(check)
    }

    fn check_file(&self, name: &str, tier: Tier, check: &mut Check) -> Result<()> {
        let cold = super::cold::open(&*self.medium, name, tier, &mut check.damage)?;
        let file = self.medium.open_to_read(name)?;
        for place in &cold.blocks {
            check.blocks += 1;
            match Reader::open(&*file, name, place.at, place.header) {
                Ok(mut reader) => check_block(&mut reader, name, check),
                Err(error) => check.damage.push(error.to_string()),
            }
        }
        Ok(())
    }

    /// What the history holds; cheap, from the headers.
    pub fn stats(&self) -> Result<Stats> {
        let files = self.files();
        let of = |tier| {
            let own = || files.iter().filter(move |f| f.tier == tier);
            let spans: Vec<(i64, i64)> = own().filter_map(|f| f.span()).collect();
            let from = spans.iter().map(|s| s.0).min();
            let to = spans.iter().map(|s| s.1).max();
            TierStats {
                tier,
                files: own().count(),
                bytes: own().map(|f| f.bytes).sum(),
                values: own().map(|f| f.samples()).sum(),
                span_ms: from.zip(to),
            }
        };
        let mut log_bytes = 0;
        for name in self.medium.list()?.iter().filter(|name| name.ends_with(".log")) {
            log_bytes += self.medium.open_to_read(name)?.len()?;
        }
        let hot = self.hot.iter().flat_map(|hot| [hot.generation(0), hot.generation(1)]);
        let hot = hot.filter(|g| g.number() != 0);
        Ok(Stats {
            tiers: Tier::ALL.map(of).to_vec(),
            hot_samples: hot.map(|g| g.samples()).sum(),
            hot_bytes: self.hot.as_ref().map_or(0, |hot| hot.size().total_bytes() as u64),
            log_bytes,
            disk_bytes: self.options.disk_bytes,
            shed: self.is_kept().then(|| (self.shed.samples(), self.shed.series())),
        })
    }
}

fn check_block(reader: &mut Reader<'_>, name: &str, check: &mut Check) {
    let mut cursor = reader.meta.cursor();
    let mut values = Vec::new();
    let mut series = 0;
    while cursor.advance(&reader.meta).is_some() {
        series += 1;
        for n in 0..cursor.columns.len() {
            if let Err(error) = reader.column(&cursor, n, &mut values) {
                let error = error.to_string();
                if check.damage.last() != Some(&error) {
                    check.damage.push(error);
                }
                continue;
            }
            check.chunks += 1;
            check.values += values.len() as u64;
            let column = cursor.columns[n];
            let known = Summary::of(column.kind, &values).map(|s| (s.min, s.max, s.sum));
            if column.bounds.is_some() && known.is_some() && column.bounds != known {
                let codec = codec::name(column.codec);
                check.damage.push(format!("`{name}`: a {codec} chunk is not what its bounds say"));
            }
        }
    }
    if series != reader.meta.header.series {
        check.damage.push(format!("`{name}`: a directory ends early"));
    }
}
