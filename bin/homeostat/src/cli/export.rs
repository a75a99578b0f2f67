//! `homeostat export`: the numbers of the past as CSV or Parquet, for anyone else's tools.
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
#[cfg(feature = "parquet")]
use tables::history::Points;
use tables::history::{Reader, Wish, each_series};

use super::context::Context;
use super::incidents::seconds;
use super::store::reader;
use crate::error::{Exit, UserError};
#[cfg(feature = "parquet")]
use crate::parquet::{Parquet, Point};

/// Write the numbers of the past into a file.
#[derive(Args)]
pub struct Export {
    #[command(flatten)]
    to: To,
    /// Only the last 30m, 12h, 7d; absent: everything
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    last: Option<f64>,
    /// Means over so many seconds instead of the samples
    #[arg(long, value_name = "SECONDS")]
    step: Option<u32>,
    /// Only of this entity: machine, service:NAME, process:PID@START_TICKS
    #[arg(long)]
    entity: Option<String>,
    /// Only this series: cpu_pct, memory_some_pct
    #[arg(long)]
    series: Option<String>,
}

/// The kind of file.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct To {
    /// CSV file to write; `-` is standard output
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Parquet file to write, in a build with the feature `parquet`; `-` is standard output
    #[arg(long, value_name = "FILE")]
    parquet: Option<PathBuf>,
}

/// What writes a kind of file.
type Kind = fn(&Reader, &Wish<'_>, Out) -> Written;
/// Where it goes.
type Out = BufWriter<Box<dyn Write + Send>>;

impl To {
    /// The command line wants one of them.
    fn chosen(&self) -> Result<(PathBuf, Kind), UserError> {
        match &self.parquet {
            Some(file) => to_parquet(file.clone()),
            None => Ok((self.csv.clone().unwrap_or_else(|| PathBuf::from("-")), csv)),
        }
    }
}

#[cfg(feature = "parquet")]
fn to_parquet(file: PathBuf) -> Result<(PathBuf, Kind), UserError> {
    Ok((file, parquet))
}

#[cfg(not(feature = "parquet"))]
fn to_parquet(_: PathBuf) -> Result<(PathBuf, Kind), UserError> {
    let hint = "`cargo build --release --features parquet` makes one that does; `--csv FILE` needs nothing";
    Err(UserError::new("this build of Homeostat writes no Parquet", hint))
}

/// Writes them, oldest first, slice by slice: memory holds a few megabytes however much it is.
///
/// # Errors
/// There is no history, or the file cannot be written.
pub fn run(args: &Export, context: &mut Context) -> Result<Exit, UserError> {
    let reader = reader(context)?;
    let (file, write) = args.to.chosen()?;
    let cannot = |error: io::Error| {
        UserError::new(format!("cannot write `{}`: {error}", file.display()), "name a file you may write")
    };
    let to: Box<dyn Write + Send> = if file.as_os_str() == "-" {
        Box::new(io::stdout())
    } else {
        Box::new(File::create(&file).map_err(cannot)?)
    };
    let wish = Wish {
        from_ms: args.last.map_or(i64::MIN, |last_s| now_ms() - (last_s * 1e3) as i64),
        step_ms: args.step.unwrap_or(0).saturating_mul(1000),
        entity: args.entity.as_deref(),
        series: args.series.as_deref(),
    };
    match write(&reader, &wish, BufWriter::new(to)) {
        Ok(rows) => {
            context.remark(&format!("{rows} rows"));
            Ok(Exit::Ok)
        }
        Err(error) => match error.downcast::<io::Error>() {
            Ok(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Ok),
            Ok(error) => Err(cannot(*error)),
            Err(error) => Err(UserError::new(error.to_string(), "`homeostat store check` names damage")),
        },
    }
}

/// Rows written, or why no more.
type Written = Result<u64, Box<dyn std::error::Error>>;

fn csv(reader: &Reader, wish: &Wish<'_>, mut to: Out) -> Written {
    let mut rows = 0_u64;
    writeln!(to, "at_ns,entity,series,value,least,greatest,last,samples")?;
    each_series(reader, wish, |entity, series, points| {
        let (entity, series) = (field(entity), field(series));
        for n in 0..points.len() {
            let at_ns = points.at_ms(n).saturating_mul(1_000_000);
            let [least, greatest, last, samples] = points.bounds(n);
            let value = points.value(n);
            writeln!(to, "{at_ns},{entity},{series},{value},{least},{greatest},{last},{samples}")?;
        }
        rows += points.len() as u64;
        Ok(())
    })?;
    to.flush()?;
    Ok(rows)
}

#[cfg(feature = "parquet")]
fn parquet(reader: &Reader, wish: &Wish<'_>, to: Out) -> Written {
    let mut rows = 0_u64;
    let mut file = Parquet::new(to)?;
    each_series(reader, wish, |entity, series, points| {
        file.push(entity, series, (0..points.len()).map(|n| point(points, n)))?;
        rows += points.len() as u64;
        Ok(())
    })?;
    file.finish()?;
    Ok(rows)
}

#[cfg(feature = "parquet")]
fn point(points: &Points, n: usize) -> Point {
    let number = |value: &vocab::Value| value.as_f64().unwrap_or(f64::NAN);
    let [least, greatest, last, samples] = points.bounds(n);
    Point {
        at_ns: points.at_ms(n).saturating_mul(1_000_000),
        values: [points.value(n), least, greatest, last].map(|value| number(&value)),
        samples: samples.as_f64().map_or(0, |samples| samples as i64),
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A text as CSV has it (RFC 4180): in quotes where it must be.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn a_field_is_quoted_where_it_must_be() {
        assert_eq!(field("machine"), "machine");
        assert_eq!(field("cgroup:/a,\"b\""), "\"cgroup:/a,\"\"b\"\"\"");
    }
}
