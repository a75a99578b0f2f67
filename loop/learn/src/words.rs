//! Sentences of what was learnt.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

use vocab::event::{Event, EventKind};
pub use vocab::say::{bytes, seconds};
use vocab::{Entity, Timestamp};

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

/// Of a program whose calls are not known enough.
pub fn calls_learning(program: &str, looks: u64, needed: u64) -> String {
    format!("how {program} calls the kernel is being learnt: {looks} of {needed} looks")
}

/// Of a program that does as it used to.
pub fn calls_as_usual(program: &str) -> String {
    format!("{program} calls the kernel as it used to")
}

/// Of a program whose last look was strange.
pub fn calls_odd(program: &str, strangest: &[Arc<str>], chance: f64) -> String {
    format!(
        "{program} was seen to call the kernel otherwise than usual: {}; it is looked at again",
        after(strangest, chance)
    )
}

/// Of a program that does otherwise than it used to.
pub fn calls_strange(program: &str, strangest: &[Arc<str>], chance: f64) -> String {
    format!("{program} calls the kernel otherwise than it used to: {}", after(strangest, chance))
}

/// The call that surprised most, and what came before it.
fn after(strangest: &[Arc<str>], chance: f64) -> String {
    let Some((call, before)) = strangest.split_last() else { return "nothing was seen".to_string() };
    let seldom = match 1.0 / chance {
        times if times >= 2.0 => format!(", expected once in {times:.0} times"),
        _ => String::new(),
    };
    match before.is_empty() {
        true => format!("`{call}`{seldom}"),
        false => format!("`{call}` after `{}`{seldom}", before.join("`, `")),
    }
}

/// What is news of `entity`.
pub fn notice(at: Timestamp, entity: Entity, message: String) -> Event {
    Event { at, kind: EventKind::Anomaly, entity, level: Some(5), message }
}
