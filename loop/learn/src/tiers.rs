//! Who gets a heavy model: the machine's CPU and memory always, then the suspicious tenth; none while memory is short.
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use vocab::Entity;
use vocab::rows::ModelRow;
use vocab::snapshot::Snapshot;

use crate::model::{CLAIMS_FROM, Heavy};
use crate::quantity::{self, Key, Kind};
use crate::watch::Known;

/// Heavy models at most: half a MiB.
pub const HEAVY_MAX: usize = 16;
/// Turns between two choices.
const CHOOSE_EVERY: u64 = 60;
/// Turns for which a heavy model is kept once it was given: it needs 512 to be worth anything.
const KEEP: u64 = 3_600;
/// Mean surprise below which nobody is suspicious.
const SUSPICIOUS: f64 = 0.1;
/// Time stalled on memory from which heavy models are dropped. Unit: per cent.
const SHORT_PCT: f64 = 10.0;
/// Quantities of the machine that always have one.
const ALWAYS: usize = 2;

/// Chooses anew once a minute; under memory pressure all but the machine's are dropped at once.
pub fn assign(known: &mut BTreeMap<Key, Known>, snapshot: &Snapshot) {
    let turn = snapshot.turn;
    if is_short(snapshot) {
        drop_where(known, |heavy| !heavy.always);
        return;
    }
    choose(known, turn);
}

/// The same where memory is not short.
pub fn choose(known: &mut BTreeMap<Key, Known>, turn: u64) {
    // In the first turn no rate is known and nothing is scored.
    if turn != 2 && !turn.is_multiple_of(CHOOSE_EVERY) {
        return;
    }
    drop_where(known, |heavy| !heavy.always && turn.saturating_sub(heavy.since_turn) > KEEP);
    let mut wanted = Vec::new();
    let (mut all, mut held) = (0, 0);
    for (key, one) in known.iter().filter(|(_, one)| one.last_turn == turn) {
        for (index, series) in one.model.series.iter().enumerate() {
            all += 1;
            held += usize::from(series.heavy.is_some());
            let always = key.0 == Kind::Machine && index < ALWAYS;
            let is_suspicious = one.model.samples >= CLAIMS_FROM && series.suspicion >= SUSPICIOUS;
            if series.heavy.is_none() && (always || is_suspicious) {
                wanted.push((always, series.suspicion, key.clone(), index));
            }
        }
    }
    wanted.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)).then_with(|| a.2.cmp(&b.2)));
    let room = (all / 10).clamp(ALWAYS, HEAVY_MAX).saturating_sub(held);
    for (always, _, key, index) in wanted.into_iter().take(room) {
        if let Some(series) = known.get_mut(&key).and_then(|one| one.model.series.get_mut(index)) {
            series.heavy = Some(Heavy::new(turn, always));
        }
    }
}

fn is_short(snapshot: &Snapshot) -> bool {
    let mut own = snapshot.pressures.iter().filter(|one| one.entity == Entity::Machine);
    own.any(|one| one.resource == "memory" && one.some_pct.is_some_and(|share| share >= SHORT_PCT))
}

fn drop_where(known: &mut BTreeMap<Key, Known>, goes: impl Fn(&Heavy) -> bool) {
    for series in known.values_mut().flat_map(|one| &mut one.model.series) {
        if series.heavy.as_ref().is_some_and(|heavy| goes(heavy)) {
            series.heavy = None;
        }
    }
}

/// The rows of `models`: the heavy ones and the machine's, each with its reason.
pub fn rows(known: &BTreeMap<Key, Known>) -> Vec<ModelRow> {
    let mut rows = Vec::new();
    for (key, one) in known {
        for (series, quantity) in one.model.series.iter().zip(key.0.quantities()) {
            let Some(heavy) = &series.heavy else { continue };
            let reason = match heavy.always {
                true => "always: it says how the machine is".to_string(),
                false => format!("suspicious: mean surprise {:.2} of late", series.suspicion),
            };
            rows.push(ModelRow {
                name: format!("{} {}", key.1, quantity.name),
                entity: quantity::entity(key),
                metric: Some(String::from(quantity.name)),
                tier: 1,
                version: one.model.version,
                samples: heavy.samples,
                size_bytes: Heavy::BYTES as u64,
                checksum: None,
                low: Some(series.band.low()),
                high: Some(series.band.high()),
                reason,
            });
        }
    }
    rows
}
