//! SQL functions that people need: `bytes(x)`, `utc(x)`, `percentile(x, p)`, `hist_percentile(histogram, p)`.
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::{Connection, Error, Result};
use vocab::Timestamp;
use vocab::kernel::Hist;

/// Values that one `percentile` keeps.
const PERCENTILE_VALUES_MAX: usize = 200_000;

/// Registers them.
pub fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("bytes", 1, flags, |context| {
        Ok(context.get::<Option<f64>>(0)?.map(human_bytes))
    })?;
    connection.create_scalar_function("utc", 1, flags, |context| {
        Ok(context.get::<Option<i64>>(0)?.map(|ns| Timestamp(ns).to_string()))
    })?;
    connection.create_aggregate_function("hist_percentile", 2, flags, HistPercentile)?;
    connection.create_aggregate_function("percentile", 2, flags, Percentile)
}

/// A size for a person: `1.5 GiB`.
pub fn human_bytes(bytes: f64) -> String {
    let mut value = bytes;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if value.abs() < 1024.0 {
            return if unit == "B" { format!("{value:.0} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} PiB")
}

/// Values seen so far and the percentile asked for.
#[derive(Default)]
struct Values {
    values: Vec<f64>,
    percent: f64,
}

/// The p-th percentile, 0 to 100, between neighbours interpolated linearly. NULLs are left out.
struct Percentile;

impl Aggregate<Values, Option<f64>> for Percentile {
    fn init(&self, _: &mut Context<'_>) -> Result<Values> {
        Ok(Values::default())
    }

    fn step(&self, context: &mut Context<'_>, state: &mut Values) -> Result<()> {
        let wrong = |text: &str| Error::UserFunctionError(text.into());
        state.percent = context.get(1).map_err(|_| wrong("percentile(x, p) wants a number p"))?;
        if !(0.0..=100.0).contains(&state.percent) {
            return Err(wrong("percentile(x, p) wants a p from 0 to 100"));
        }
        let Some(value) = context.get::<Option<f64>>(0)? else { return Ok(()) };
        if state.values.len() >= PERCENTILE_VALUES_MAX {
            return Err(wrong("percentile(x, p) takes at most 200,000 values"));
        }
        state.values.push(value);
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, state: Option<Values>) -> Result<Option<f64>> {
        let Some(Values { mut values, percent }) = state else { return Ok(None) };
        values.sort_by(f64::total_cmp);
        let Some(last) = values.len().checked_sub(1) else { return Ok(None) };
        let place = percent / 100.0 * last as f64;
        let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
        Ok(Some(low + (high - low) * place.fract()))
    }
}

/// The p-th percentile, 0 to 100, of the values counted by all histograms of a group. NULLs are left out.
struct HistPercentile;

impl Aggregate<(Hist, f64), Option<f64>> for HistPercentile {
    fn init(&self, _: &mut Context<'_>) -> Result<(Hist, f64)> {
        Ok((Hist::default(), 0.0))
    }

    fn step(&self, context: &mut Context<'_>, (hist, percent): &mut (Hist, f64)) -> Result<()> {
        let wrong = |text: &str| Error::UserFunctionError(text.into());
        *percent = context.get(1).map_err(|_| wrong("hist_percentile(histogram, p) wants a number p"))?;
        if !(0.0..=100.0).contains(percent) {
            return Err(wrong("hist_percentile(histogram, p) wants a p from 0 to 100"));
        }
        let Some(text) = context.get::<Option<String>>(0)? else { return Ok(()) };
        hist.merge_text(&text).ok_or_else(|| wrong("hist_percentile(histogram, p) wants a histogram column"))
    }

    fn finalize(&self, _: &mut Context<'_>, state: Option<(Hist, f64)>) -> Result<Option<f64>> {
        Ok(state.and_then(|(hist, percent)| hist.percentile(percent)))
    }
}
