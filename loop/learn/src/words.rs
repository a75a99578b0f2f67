//! Sentences of what was learnt.
use alloc::format;
use alloc::string::{String, ToString};

use vocab::Entity;

/// Who it is, for a sentence.
pub fn who(entity: &Entity) -> String {
    match entity {
        Entity::Machine => "the machine".to_string(),
        Entity::Service(name) => format!("service {name}"),
        Entity::Program(name) => name.clone(),
        Entity::Process(id) => format!("process {}", id.pid),
        Entity::Disk(name) => format!("disk {name}"),
        Entity::Filesystem(mount) => format!("file system {mount}"),
        other => other.to_string(),
    }
}

/// A value in the unit that the name of its column ends with.
pub fn in_unit(column: &str, value: f64) -> String {
    if column.ends_with("_bytes") {
        return bytes(value);
    }
    if column.ends_with("bytes_per_s") {
        return format!("{}/s", bytes(value));
    }
    let number = if value.abs() >= 10.0 { format!("{value:.0}") } else { format!("{value:.1}") };
    if column.ends_with("_pct") { format!("{number} %") } else { number }
}

/// Bytes as a person says them.
pub fn bytes(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "GB"),
        size if size >= 1e6 => (value / 1e6, "MB"),
        size if size >= 1e3 => (value / 1e3, "kB"),
        _ => return format!("{value:.0} B"),
    };
    if scaled.abs() < 10.0 { format!("{scaled:.1} {unit}") } else { format!("{scaled:.0} {unit}") }
}

/// A time span as a person says it.
pub fn span(seconds: f64) -> String {
    match seconds {
        value if value < 120.0 => format!("{value:.0} s"),
        value if value < 7_200.0 => format!("{:.0} min", value / 60.0),
        value if value < 172_800.0 => format!("{:.1} h", value / 3_600.0),
        value => format!("{:.0} days", value / 86_400.0),
    }
}

/// Who differs, in what, and what is normal there.
pub fn differs(who: &str, column: &str, value: f64, (low, high): (f64, f64)) -> String {
    let (value, low, high) = (in_unit(column, value), in_unit(column, low), in_unit(column, high));
    format!("{who} differs most from normal in {column}: {value} where {low} to {high} is normal")
}

/// What crept, from where to where.
pub fn crept(who: &str, column: &str, good: (f64, f64), now: (f64, f64)) -> String {
    let range = |(low, high): (f64, f64)| format!("{} to {}", in_unit(column, low), in_unit(column, high));
    format!(
        "what is normal for {who} in {column} crept from {} to {} without an anomaly: what was learnt since is taken back",
        range(good),
        range(now)
    )
}
