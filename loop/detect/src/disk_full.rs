//! Detector `disk_full`: a file system will be full soon if its use goes on rising as it does. Advice only.
//!
//! Symptom: the forecast of its bytes or inodes says, both ends of its 95 % interval known, that it is full within half
//! an hour where less than a fifth is left, within six hours after half an hour of rise, or within a day after an hour;
//! and says so for half a minute. Quiet twins: a full file system that stays as it is, a build on an empty one, logs
//! that are rotated, a download that ends.
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::finding::{Evidence, Finding, FindingKind, Severity};
use vocab::rows::{ForecastRow, Process};
use vocab::{Entity, Value};

use crate::{Context, Detected, Detector, say};

/// Share left below which half an hour is soon.
const SCARCE: f64 = 0.2;
/// Limits of the middle estimate, after so much time looked back on. Unit: s.
const SOON_S: f64 = 1_800.0;
const HOURS_S: f64 = 6.0 * 3_600.0;
const DAY_S: f64 = 86_400.0;
const SEEN_MIN_S: f64 = 120.0;
const SEEN_SOME_S: f64 = 1_800.0;
const SEEN_MUCH_S: f64 = 3_600.0;
/// Below this it is critical. Unit: s.
const CRITICAL_S: f64 = 600.0;
/// Turns for which it must be so, and for which it must not be before it is over.
const CONFIRM: u32 = 30;
/// Bytes a second from which a writer is named.
const WRITES_MUCH: f64 = 1e5;

/// How long it has been so; a standing finding counts down.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Standing {
    turns: u32,
    is_told: bool,
}

/// See the head of this file.
#[derive(Default, Serialize, Deserialize)]
pub struct DiskFull {
    standing: BTreeMap<Entity, Standing>,
}

impl Detector for DiskFull {
    fn kind(&self) -> FindingKind {
        FindingKind::DiskFull
    }

    fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        let mut soonest: BTreeMap<&Entity, &ForecastRow> = BTreeMap::new();
        let of_disks = context
            .learnt
            .forecasts
            .iter()
            .filter(|row| matches!(row.resource.as_str(), "disk_bytes" | "inodes"));
        for row in of_disks {
            let least = soonest.entry(&row.entity).or_insert(row);
            if row.exhaustion_s < least.exhaustion_s {
                *least = row;
            }
        }
        for (entity, row) in &soonest {
            let standing = self.standing.entry((*entity).clone()).or_default();
            standing.note(is_soon(row, if standing.is_told { 2.0 } else { 1.0 }));
        }
        for (entity, standing) in &mut self.standing {
            match soonest.get(entity) {
                None => standing.note(false),
                Some(row) if standing.is_told => detected.findings.push(finding(context, row)),
                Some(_) => {}
            }
        }
        self.standing.retain(|_, one| one.turns > 0);
    }
}

impl Standing {
    fn note(&mut self, is_so: bool) {
        self.turns = if is_so { (self.turns + 1).min(CONFIRM) } else { self.turns.saturating_sub(1) };
        self.is_told = self.turns == CONFIRM || (self.is_told && self.turns > 0);
    }
}

/// Whether the forecast is near and sure enough; `ease` widens the limits of what is told already.
fn is_soon(row: &ForecastRow, ease: f64) -> bool {
    let Some(latest_s) = row.latest_s else { return false };
    let within = |limit_s: f64| row.exhaustion_s <= limit_s * ease && latest_s <= 2.0 * limit_s * ease;
    if row.seen_s < SEEN_MIN_S {
        return false;
    }
    let is_scarce = row.bound - row.used < SCARCE * ease * row.bound;
    is_scarce && within(SOON_S)
        || row.seen_s >= SEEN_SOME_S && within(HOURS_S)
        || row.seen_s >= SEEN_MUCH_S && within(DAY_S)
}

fn finding(context: &Context<'_>, row: &ForecastRow) -> Finding {
    let snapshot = context.snapshot;
    let mut evidence = Vec::from([say::cell(
        "forecasts",
        row.entity.clone(),
        "exhaustion_s",
        (Value::from(row.exhaustion_s), None),
        row.sentence.clone(),
    )]);
    evidence.extend(room(context, row));
    let writers = snapshot.processes.iter().filter(|one| !one.is_kernel && writes(one) >= WRITES_MUCH);
    let writer = writers.max_by(|a, b| writes(a).total_cmp(&writes(b)));
    evidence.extend(writer.map(|one| {
        let sentence = format!("{} writes {}/s, most of all", say::who(one), say::bytes(writes(one)));
        say::of_process(one, "write_bytes_per_s", writes(one), None, sentence)
    }));
    Finding {
        at: snapshot.at,
        kind: FindingKind::DiskFull,
        culprit: row.entity.clone(),
        process: None,
        victims: Vec::from([row.entity.clone()]),
        severity: if row.exhaustion_s < CRITICAL_S { Severity::Critical } else { Severity::Warning },
        confidence: 0.9,
        exhaustion_s: Some(row.exhaustion_s),
        sentence: row.sentence.clone(),
        evidence,
    }
}

/// The room that is left, as its table says it.
fn room(context: &Context<'_>, row: &ForecastRow) -> Option<Evidence> {
    let Entity::Filesystem(mount) = &row.entity else { return None };
    let filesystem = context.snapshot.filesystems.iter().find(|one| &*one.mount_point == mount)?;
    let left = row.bound - row.used;
    let (column, value, words) = match row.resource.as_str() {
        "inodes" => ("free_inodes", Value::from(filesystem.free_inodes), format!("{left:.0} inodes")),
        _ => ("available_bytes", Value::from(filesystem.available_bytes), say::bytes(left)),
    };
    let sentence = format!("{words} of {mount} are left, {:.0} %", 100.0 * left / row.bound.max(1.0));
    Some(say::cell("filesystems", row.entity.clone(), column, (value, None), sentence))
}

fn writes(process: &Process) -> f64 {
    process.write_bytes_per_s.unwrap_or(0.0)
}
