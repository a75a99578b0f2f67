//! Running a load for a while and saying how it went.

use std::time::{Duration, Instant};

use crate::loads::Load;

/// One run of a load.
#[derive(Default)]
pub(crate) struct Slice {
    /// Operations a second.
    pub(crate) rate: f64,
    /// CPU time of this process and its children, an operation.
    pub(crate) cpu_ns: f64,
    /// Latency of each operation.
    pub(crate) latencies_ns: Vec<u64>,
}

/// Runs `load` for `time`.
pub(crate) fn slice(load: &mut Load, time: Duration) -> std::io::Result<Slice> {
    let (begin, cpu) = (Instant::now(), cpu_time_ns());
    let mut latencies_ns = Vec::with_capacity(1 << 14);
    let mut last = begin;
    while last - begin < time {
        load.op()?;
        let now = Instant::now();
        latencies_ns.push((now - last).as_nanos() as u64);
        last = now;
    }
    let ops = latencies_ns.len() as f64;
    Ok(Slice {
        rate: ops / (last - begin).as_secs_f64(),
        cpu_ns: (cpu_time_ns() - cpu) as f64 / ops,
        latencies_ns,
    })
}

/// Value below which a share `ratio` of `values` lies; 0 for none.
pub(crate) fn quantile(values: &mut [u64], ratio: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let index = ((values.len() - 1) as f64 * ratio) as usize;
    *values.select_nth_unstable(index).1 as f64
}

/// Median; 0 for none.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// Standard error of a median, from the spread between the quartiles of sorted values.
pub(crate) fn error_of(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    if n < 4 {
        return f64::NAN;
    }
    // The spread is 1.349 deviations of a normal distribution; a median's error is 1.253 of a mean's.
    (sorted[n * 3 / 4] - sorted[n / 4]) / 1.349 * 1.253 / (n as f64).sqrt()
}

/// User and system time of this process and of the children it has reaped.
fn cpu_time_ns() -> u64 {
    [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN].into_iter().map(usage_ns).sum()
}

fn usage_ns(who: i32) -> u64 {
    // SAFETY: the kernel fills the struct that we own.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(who, &raw mut usage);
        usage
    };
    let ns = |t: libc::timeval| t.tv_sec as u64 * 1_000_000_000 + t.tv_usec as u64 * 1000;
    ns(usage.ru_utime) + ns(usage.ru_stime)
}

#[cfg(test)]
mod tests {
    use super::{median, quantile};

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&mut [9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(&mut []), 0.0);
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let mut values: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(quantile(&mut values, 0.99), 99.0);
        assert_eq!(quantile(&mut values, 0.0), 1.0);
    }
}
