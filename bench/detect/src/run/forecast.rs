//! PlanetLab: forecasts one and six steps ahead from the twelfth row on, errors relative to the last value's.
use std::path::Path;

use learning::forecast::{Forecast, Forecaster};

use crate::baseline::naive;
use crate::data::DataError;
use crate::data::planetlab::{Day, load};
use crate::report::{OURS, Report, add_published};
use crate::run::processor_s;

/// Rows before the first forecast counts.
const FIRST: usize = 12;
/// Rows an hour.
const PERIOD: usize = 12;

/// MASE at both horizons, coverage of the 95 % interval and of the 95th percentile, cost.
pub fn run(dir: &Path, report: &mut Report) -> Result<(), DataError> {
    let days = load(dir)?;
    let mut covered = Vec::new();
    for (figure, steps) in [("mase_h1", 1), ("mase_h6", 6)] {
        let start = processor_s();
        let made: Vec<Vec<Option<Forecast>>> = days.iter().map(|d| forecast(&d.values, steps)).collect();
        let points: usize = days.iter().map(|d| d.values.len()).sum();
        let micros = (processor_s() - start) * 1e6 / points.max(1) as f64;
        let values: Vec<Vec<f64>> =
            made.iter().map(|m| m.iter().map(|f| f.map_or(0.0, |f| f.value)).collect()).collect();
        let last = absolute_error(&days, &simple("last value", &days), steps);
        report.add(
            figure,
            "fixed configuration",
            OURS,
            absolute_error(&days, &values, steps) / last,
            "ratio",
        );
        for method in ["last value", "EWMA 0.1", "median of 12"] {
            let error = absolute_error(&days, &simple(method, &days), steps);
            report.add(figure, "same data", method, error / last, "ratio");
        }
        add_published(report, figure, "ratio");
        covered.push((steps, coverage(&days, &made, steps), micros));
    }
    for (steps, (interval, percentile), _) in &covered {
        report.add("coverage_95", &format!("95 % interval, h = {steps}"), OURS, *interval, "share");
        report.add("coverage_95", &format!("95th percentile, h = {steps}"), OURS, *percentile, "share");
    }
    for (steps, _, micros) in covered {
        report.add("forecast_us_per_point", &format!("h = {steps}"), OURS, micros, "us");
    }
    Ok(())
}

fn forecast(values: &[f64], steps: usize) -> Vec<Option<Forecast>> {
    let mut forecaster = Forecaster::new(steps, PERIOD);
    values.iter().map(|v| forecaster.push(*v)).collect()
}

fn simple(method: &str, days: &[Day]) -> Vec<Vec<f64>> {
    days.iter().map(|d| naive::forecasts(method, &d.values)).collect()
}

/// Sum of absolute errors over all days.
fn absolute_error(days: &[Day], made: &[Vec<f64>], steps: usize) -> f64 {
    let day = |(d, m): (&Day, &Vec<f64>)| -> f64 {
        (FIRST..d.values.len().saturating_sub(steps)).map(|t| (d.values[t + steps] - m[t]).abs()).sum()
    };
    days.iter().zip(made).map(day).sum()
}

/// Shares of the outcomes inside the interval and at or below the 95th percentile, where both were given.
fn coverage(days: &[Day], made: &[Vec<Option<Forecast>>], steps: usize) -> (f64, f64) {
    let (mut given, mut inside, mut below) = (0usize, 0usize, 0usize);
    for (day, forecasts) in days.iter().zip(made) {
        let outcomes = day.values.iter().skip(steps);
        for (forecast, &value) in forecasts.iter().zip(outcomes).skip(FIRST) {
            let Some(forecast) = forecast.filter(|f| f.quantiles[1].is_finite()) else { continue };
            let [low, p95, high] = forecast.quantiles;
            given += 1;
            inside += usize::from(low <= value && value <= high);
            below += usize::from(value <= p95);
        }
    }
    (inside as f64 / given.max(1) as f64, below as f64 / given.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_coverage_by_hand() {
        let day = Day { day: String::new(), values: (0..14).map(f64::from).collect() };
        let made = vec![vec![10.0; 14]];
        // Only row 12 has an outcome one step later: 13, against 10.
        assert_eq!(absolute_error(&[day], &made, 1), 3.0);
        let day = Day { day: String::new(), values: (0..15).map(f64::from).collect() };
        let given = |low, p95, high| Some(Forecast { value: 0.0, quantiles: [low, p95, high] });
        let mut forecasts = vec![None; 15];
        (forecasts[12], forecasts[13]) = (given(12.0, 12.5, 13.0), given(15.0, 14.0, 16.0));
        // Row 12 -> 13: inside [12, 13], above 12.5. Row 13 -> 14: outside [15, 16], not above 14.
        assert_eq!(coverage(&[day], &[forecasts], 1), (0.5, 0.5));
    }
}
