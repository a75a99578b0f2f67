//! What will be used up, and when: memory, file systems, inodes, descriptors, threads, ports.
//!
//! Each resource is followed at two paces, five minutes and an hour long. The slow one has the word; the quick one
//! while the slow one knows too little, and where less than a fifth is left and it says sooner beyond doubt.
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use learning::forecast::exhaustion::{Exhaustion, Filling};
use vocab::rows::ForecastRow;
use vocab::snapshot::Snapshot;
use vocab::{Entity, Timestamp};

use crate::words;

/// Time between two samples of a resource. Unit: s.
const EVERY_S: f64 = 5.0;
/// Samples of a block: 5 s and 60 s long, 60 blocks each.
const BLOCKS: [u32; 2] = [1, 12];
/// Slow blocks that the quick pace spans.
const QUICK_BLOCKS: usize = 5;
/// Share left below which the quick pace may have the word.
const SCARCE: f64 = 0.2;
/// Nothing is said of what lasts longer. Unit: s.
const HORIZON_S: f64 = 30.0 * 86_400.0;
/// Resources followed at most.
const RESOURCES_MAX: usize = 200;
/// Share in use from which descriptors of a process, memory and threads of a cgroup are followed.
const FOLLOWED_FROM: f64 = 0.1;

/// One resource of one entity.
type Key = (Entity, &'static str);

/// How one resource fills up.
#[derive(Clone, Debug)]
struct Resource {
    paces: [Filling; 2],
    used: f64,
    bound: f64,
    first: Timestamp,
    last: Timestamp,
}

/// All resources.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    resources: BTreeMap<Key, Resource>,
    read_at: Option<Timestamp>,
}

impl Outlook {
    /// Takes one turn in; the rows, if they were made anew.
    pub fn run(&mut self, snapshot: &Snapshot) -> Option<Vec<ForecastRow>> {
        let age_s = self.read_at.map_or(f64::INFINITY, |at| snapshot.at.seconds_since(at));
        if (0.0..EVERY_S - 0.5).contains(&age_s) {
            return None;
        }
        self.read_at = Some(snapshot.at);
        self.read(snapshot);
        self.resources.retain(|_, one| one.last == snapshot.at);
        let mut rows: Vec<ForecastRow> =
            self.resources.iter().filter_map(|(key, one)| row(key, one)).collect();
        rows.sort_by(|a, b| a.exhaustion_s.total_cmp(&b.exhaustion_s));
        Some(rows)
    }

    fn read(&mut self, snapshot: &Snapshot) {
        let at = snapshot.at;
        let machine = &snapshot.machine;
        let total = machine.memory_total_bytes as f64;
        let used = total - machine.memory_available_bytes as f64;
        self.note((Entity::Machine, "memory_bytes"), at, used, total);
        let counts = [
            ("threads", Some(machine.threads), machine.threads_max),
            ("ports", machine.ports, machine.ports_max),
        ];
        for (what, used, bound) in counts {
            if let (Some(used), Some(bound)) = (used, bound) {
                self.note((Entity::Machine, what), at, f64::from(used), f64::from(bound));
            }
        }
        for row in snapshot.filesystems.iter().filter(|one| !one.is_read_only) {
            let entity = Entity::Filesystem(row.mount_point.to_string());
            if let (Some(total), Some(available)) = (row.total_bytes, row.available_bytes) {
                self.note(
                    (entity.clone(), "disk_bytes"),
                    at,
                    total.saturating_sub(available) as f64,
                    total as f64,
                );
            }
            if let (Some(total), Some(free)) = (row.inodes.filter(|all| *all > 0), row.free_inodes) {
                self.note((entity, "inodes"), at, total.saturating_sub(free) as f64, total as f64);
            }
        }
        for row in &snapshot.cgroups {
            // What is cached fills every bound and gives way; what is anonymous does not.
            if let (Some(anon), Some(bound)) = (row.anon_bytes, row.memory_max)
                && anon as f64 >= FOLLOWED_FROM * bound as f64
            {
                self.note(
                    (Entity::Cgroup(row.path.to_string()), "memory_bytes"),
                    at,
                    anon as f64,
                    bound as f64,
                );
            }
            if let (Some(threads), Some(bound)) = (row.threads, row.threads_max)
                && f64::from(threads) >= FOLLOWED_FROM * f64::from(bound)
            {
                let key = (Entity::Cgroup(row.path.to_string()), "threads");
                self.note(key, at, f64::from(threads), f64::from(bound));
            }
        }
        for row in &snapshot.processes {
            if let (Some(open), Some(limit)) = (row.descriptors, row.descriptor_limit)
                && open as f64 >= FOLLOWED_FROM * limit as f64
            {
                self.note((Entity::Process(row.id()), "descriptors"), at, open as f64, limit as f64);
            }
        }
    }

    fn note(&mut self, key: Key, at: Timestamp, used: f64, bound: f64) {
        let is_new = !self.resources.contains_key(&key);
        // A bound of nothing was not told.
        if bound <= 0.0 || is_new && self.resources.len() >= RESOURCES_MAX {
            return;
        }
        let anew = || Resource { paces: BLOCKS.map(Filling::new), used, bound, first: at, last: at };
        let one = self.resources.entry(key).or_insert_with(anew);
        (one.used, one.bound, one.last) = (used, bound, at);
        one.paces.iter_mut().for_each(|pace| pace.push(used));
    }
}

impl Resource {
    /// When it is used up, and the seconds that were looked back on.
    fn until(&self) -> Option<(Exhaustion, f64)> {
        let [quick, slow] = &self.paces;
        let seen_s = self.last.seconds_since(self.first);
        // What stood higher within the hour goes up and down: its last minutes mean nothing.
        let is_record = slow.highest_before(QUICK_BLOCKS).is_none_or(|highest| self.used >= highest);
        let quick = quick.until(self.bound).filter(|_| is_record).map(|one| (one, seen_s.min(300.0)));
        let is_scarce = self.bound - self.used < SCARCE * self.bound;
        match (slow.until(self.bound).map(|one| (one, seen_s.min(3_600.0))), quick) {
            (Some(slow), Some(quick))
                if is_scarce && quick.0.latest.is_some_and(|late| late < slow.0.earliest) =>
            {
                Some(quick)
            }
            (Some(slow), _) => Some(slow),
            // The slow one knows enough and sees no rise: what rose in the last minutes is a wave.
            (None, quick) => quick.filter(|_| is_scarce || seen_s < 600.0),
        }
    }
}

fn row((entity, resource): &Key, one: &Resource) -> Option<ForecastRow> {
    let (when, seen_s) = one.until()?;
    let [expected, earliest] = [when.expected, when.earliest].map(|samples| samples * EVERY_S);
    let latest = when.latest.map(|samples| samples * EVERY_S);
    if expected > HORIZON_S {
        return None;
    }
    let rise = if expected > 0.0 { (one.bound - one.used) / expected } else { 0.0 };
    let what = match *resource {
        "memory_bytes" => format!("memory of {}", words::who(entity)),
        "disk_bytes" => words::who(entity),
        "inodes" => format!("inodes of {}", words::who(entity)),
        _ => format!("{resource} of {}", words::who(entity)),
    };
    let late = latest.map_or("never".to_string(), words::seconds);
    let sentence = format!(
        "{what} will be used up in {} (95 %: {} to {late}) if it goes on as in the last {}",
        words::seconds(expected),
        words::seconds(earliest),
        words::seconds(seen_s)
    );
    Some(ForecastRow {
        entity: entity.clone(),
        resource: String::from(*resource),
        used: one.used,
        bound: one.bound,
        rise_per_s: rise,
        exhaustion_s: expected,
        earliest_s: earliest,
        latest_s: latest,
        seen_s,
        sentence,
    })
}
