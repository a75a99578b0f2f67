//! Amounts and spans in words, the same in every sentence.
use alloc::format;
use alloc::string::String;

/// An amount of memory, two or three digits of it; negative for what is lost. Unit: bytes.
pub fn bytes(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "GB"),
        size if size >= 1e6 => (value / 1e6, "MB"),
        size if size >= 1e3 => (value / 1e3, "kB"),
        _ => return format!("{value:.0} B"),
    };
    if scaled.abs() < 10.0 { format!("{scaled:.1} {unit}") } else { format!("{scaled:.0} {unit}") }
}

/// A time span as a person says it: `45 s`, `12 min`, `3.5 h`, `9 days`. Unit: s.
pub fn seconds(value: f64) -> String {
    match value {
        value if value < 120.0 => format!("{value:.0} s"),
        value if value < 7_200.0 => format!("{:.0} min", value / 60.0),
        value if value < 172_800.0 => format!("{:.1} h", value / 3_600.0),
        value => format!("{:.0} days", value / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_as_people_do() {
        let said = [45.0, 720.0, 12_600.0, 777_600.0].map(seconds);
        assert_eq!(said, ["45 s", "12 min", "3.5 h", "9 days"]);
    }

    #[test]
    fn amounts_have_the_unit_that_fits() {
        let said = [999.0, 1_000.0, 6_000_000.0, 12_340_000.0, -2.5e9].map(bytes);
        assert_eq!(said, ["999 B", "1.0 kB", "6.0 MB", "12 MB", "-2.5 GB"]);
    }
}
